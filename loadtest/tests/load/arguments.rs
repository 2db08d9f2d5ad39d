//! Arguments, and the exit code of those that cannot be meant.

use clap::{Args as _, FromArgMatches as _};
use loadtest::load::Command;
use loadtest::load::args::{EventsArgs, LoadArgs, Rate, Share, StepUp, Sweep};

const EXIT_USAGE: u8 = 64;

#[track_caller]
fn refused(arguments: &str) {
    let all = ["loadtest"].into_iter().chain(arguments.split_whitespace());
    let code = loadtest::main(all.map(Into::into));
    // An exit code can only be told from another by how it is shown.
    assert_eq!(
        format!("{code:?}"),
        format!("{:?}", std::process::ExitCode::from(EXIT_USAGE)),
        "{arguments}"
    );
}

#[test]
fn numbers_are_read_as_people_write_them() {
    for (text, rate) in [("120000", 120_000.0), ("120000/s", 120_000.0), ("1.5k/s", 1_500.0)] {
        assert_eq!(text.parse::<Rate>(), Ok(Rate(rate)), "{text}");
    }
    assert_eq!("2%".parse::<Share>(), Ok(Share(0.02)));
    assert_eq!("20k..200k".parse::<Sweep>(), Ok(Sweep { from: 20_000.0, to: 200_000.0 }));
    let step = StepUp { base: 2_000.0, over: 10_000.0, seconds: 60.0 };
    assert_eq!("2000,10000,60".parse::<StepUp>(), Ok(step));
    for text in ["", "0", "-3", "x", "1e99", "2%"] {
        assert!(text.parse::<Rate>().is_err(), "{text}");
    }
    assert!("101%".parse::<Share>().is_err() && "9..3".parse::<Sweep>().is_err());
    assert!("1,2".parse::<StepUp>().is_err() && "1,2,0".parse::<StepUp>().is_err());
}

#[test]
fn a_sweep_goes_up_by_its_factor_and_a_step_comes_back_to_its_base() {
    let args = |sweep, step_up| LoadArgs { rate: None, seconds: 20, sweep, step: 2.0, step_up };
    let sweep = args(Some(Sweep { from: 10.0, to: 80.0 }), None).plans().unwrap();
    let rates: Vec<f64> = sweep.iter().map(|plan| plan.rate).collect();
    assert_eq!(rates, [10.0, 20.0, 40.0, 80.0]);
    assert!(sweep.iter().all(|plan| plan.hold && plan.schedule.count() == 20 * plan.rate as u64));
    let step = StepUp { base: 100.0, over: 900.0, seconds: 5.0 };
    let plans = args(None, Some(step)).plans().unwrap();
    assert_eq!((plans.len(), plans[0].schedule.count()), (1, 20 * 100 + 5 * 1_000 + 60 * 100));
    assert!(!plans[0].hold);
    assert!(
        LoadArgs { step: 1.0, ..args(Some(Sweep { from: 1.0, to: 2.0 }), None) }.plans().is_err()
    );
}

#[test]
fn what_cannot_be_meant_ends_before_anything_is_sent() {
    refused("events");
    refused("events --rate fast");
    refused("events --rate 100 --sweep 1..2");
    refused("events --rate 100 --attacks 200%");
    refused("events --sweep 1k..100k --step 1.0001");
    refused("events --rate 100 --world no/such/world.json");
    refused("lines --rate 100");
    refused("lines --rate 100 --file x --format iis");
    refused("backlog --events 0");
}

#[test]
fn the_bound_of_a_step_needs_a_step() {
    let plans = |arguments: &str| {
        let command = EventsArgs::augment_args(clap::Command::new("events").no_binary_name(true));
        let matches = command.get_matches_from(arguments.split_whitespace());
        Command::Events(EventsArgs::from_arg_matches(&matches).unwrap()).plans()
    };
    let refused = plans("--rate 100 --max-gone-seconds 60").unwrap_err().to_string();
    assert!(refused.contains("give --step-up"), "{refused}");
    assert_eq!(plans("--step-up 100,900,5 --max-gone-seconds 60").unwrap().len(), 1);
}
