//! Delivering every record twice, and a crash after every step, give the same world.

use super::{Repeat, calm, deep, rng, seeds, told};
use crate::faults::Plan;
use crate::portrait::Portrait;

#[test]
fn handling_every_record_twice_gives_the_same_world() {
    Portrait::of(&told(0, Plan::HandledTwice)).check(&calm(), "handled twice");
}

#[test]
fn appending_every_record_twice_gives_the_same_world() {
    Portrait::of(&told(0, Plan::AppendedTwice)).check(&calm(), "appended twice");
}

#[test]
fn a_crash_after_every_step_gives_the_same_world() {
    let expected = calm();
    let passed = told(0, Plan::Nothing).faults.passed;
    let times = if deep() { 20 } else { 3 };
    for ((group, site), count) in passed {
        // The first time, the last, and evenly in between.
        let mut tried = Vec::new();
        for index in 0..times {
            let nth = 1 + index * (count - 1) / (times - 1);
            if tried.contains(&nth) {
                continue;
            }
            tried.push(nth);
            let run = format!("{group} dies at {site:?}, time {nth} of {count}");
            let _repeat = Repeat(run.clone());
            let world = told(0, Plan::Once { group, site, nth });
            assert_eq!(world.faults.deaths, 1, "{run}");
            Portrait::of(&world).check(&expected, &run);
        }
    }
}

#[test]
fn crashes_at_random_give_the_same_world() {
    let expected = calm();
    for seed in seeds(60, 1_000) {
        let command = "cargo test -p e2e --test whole crashes_at_random";
        let _repeat = Repeat(format!("WHOLE_SEED={seed} {command}"));
        let world = told(seed, Plan::Any { chance: 0.003, rng: rng(seed) });
        Portrait::of(&world).check(&expected, &format!("seed {seed}"));
    }
}
