//! Probabilities and how they are checked.

use detect::offline::calibrate::{Bent, Platt, bins, excess_bits, isotonic};

#[test]
fn pooling_adjacent_violators_gives_the_known_answers() {
    for (rows, expected) in [
        (vec![(1.0, false), (2.0, true)], vec![0.0, 1.0]),
        (vec![(1.0, true), (2.0, false)], vec![0.5, 0.5]),
        (vec![(3.0, true), (1.0, false), (2.0, true), (2.5, false)], vec![1.0, 0.0, 0.5, 0.5]),
        (
            vec![(1.0, false), (1.0, true), (1.0, true), (2.0, true)],
            vec![2.0 / 3.0, 2.0 / 3.0, 2.0 / 3.0, 1.0],
        ),
        (vec![(1.0, true), (2.0, true), (3.0, false), (4.0, false)], vec![0.5; 4]),
    ] {
        assert_eq!(isotonic(&rows), expected, "{rows:?}");
    }
}

#[test]
fn equal_values_share_one_block_whatever_their_order() {
    let shares = isotonic(&[(1.0, true), (1.0, false), (0.0, false), (1.0, true), (1.0, false)]);
    assert_eq!(shares, [0.5, 0.5, 0.0, 0.5, 0.5]);
}

/// Rows whose frequencies are exactly `σ(slope·x + offset)`, up to one in a thousand.
fn logistic(slope: f64, offset: f64) -> Vec<(f64, bool, f64)> {
    let values = (-40..=40).map(|step| f64::from(step) / 10.0);
    values
        .flat_map(|x| {
            let attacks = (1000.0 / (1.0 + (-(slope * x + offset)).exp())).round();
            [(x, true, attacks), (x, false, 1000.0 - attacks)]
        })
        .collect()
}

#[test]
fn platt_scaling_finds_the_slope_and_takes_the_class_masses_out() {
    for (slope, offset) in [(1.0, 0.0), (0.5, 1.0), (2.0, -1.0)] {
        let rows = logistic(slope, offset);
        let mass =
            |attack| -> f64 { rows.iter().filter(|row| row.1 == attack).map(|row| row.2).sum() };
        let expected: f64 = offset - (mass(true) / mass(false)).ln();
        let found = Platt::fit(&rows);
        assert!((found.slope - slope).abs() < 0.02 * slope, "{found:?} for {slope} {offset}");
        assert!((found.offset - expected).abs() < 0.06, "{found:?}, expected offset {expected}");
    }
}

#[test]
fn probabilities_that_are_right_cost_almost_nothing_over_their_refit() {
    let spread = |odds: f64, rows: usize| {
        let attacks = (rows as f64 / (1.0 + (-odds).exp())).round() as usize;
        (0..rows).map(move |row| (odds, row < attacks))
    };
    let right: Vec<(f64, bool)> = (-4..=4).flat_map(|odds| spread(f64::from(odds), 1000)).collect();
    assert!(excess_bits(&right) < 1e-4);
    let doubled: Vec<(f64, bool)> =
        right.iter().map(|(odds, attack)| (2.0 * odds + 1.0, *attack)).collect();
    assert!(excess_bits(&doubled) > 0.05);
    assert!(bins(&right).iter().all(|bin| (bin.probability - bin.frequency).abs() < 0.01));
}

/// Rows whose frequencies are `σ(bend(x))`, steeper in the middle than any line.
fn stepped() -> Vec<(f64, bool, f64)> {
    let values = (-80..=80).map(|step| f64::from(step) / 10.0);
    let frequency = |x: f64| 1.0 / (1.0 + (-(x + x.clamp(-1.0, 1.0))).exp());
    values
        .flat_map(|x| {
            let attacks = (1000.0 * frequency(x)).round();
            [(x, true, attacks), (x, false, 1000.0 - attacks)]
        })
        .collect()
}

#[test]
fn a_bend_follows_what_no_line_does() {
    let (bend, moved) = Bent::fit(&stepped());
    for x in [-3.0, -1.0, 0.0, 1.0, 3.0] {
        let (found, expected) = (moved + bend.apply(x), x + x.clamp(-1.0, 1.0));
        assert!((found - expected).abs() < 0.15, "{found} for {expected} at {x}");
    }
    let (straight, moved) = Bent::fit(&logistic(1.0, 0.0));
    assert!(moved.abs() < 0.05 && (straight.apply(2.0) - 2.0).abs() < 0.1, "{straight:?}");
}

#[test]
fn a_bend_never_falls_and_is_a_line_beyond_its_knots() {
    let against: Vec<(f64, bool, f64)> =
        stepped().into_iter().map(|(x, attack, weight)| (x, !attack, weight)).collect();
    for rows in [stepped(), against, vec![(0.0, true, 1.0), (1.0, false, 1.0)], Vec::new()] {
        let bend = Bent::fit(&rows).0.moved(0.5);
        let values: Vec<f64> = (-400..400).map(|step| bend.apply(f64::from(step) / 20.0)).collect();
        assert!(values.windows(2).all(|pair| pair[1] > pair[0]), "{bend:?} falls");
        assert_eq!(bend.apply(-9.0), -9.0);
        assert!((bend.apply(19.0) - bend.apply(18.0) - 1.0).abs() < 1e-9);
    }
}
