//! Shares, intervals and thresholds.

use detect::offline::metrics::{Share, allowance, lowest};

#[test]
fn wilson_intervals_are_those_of_the_tables() {
    for (hits, rows, low, high) in [
        (0, 10, 0.0, 0.2775),
        (5, 10, 0.2366, 0.7634),
        (10, 10, 0.7225, 1.0),
        (81, 263, 0.2553, 0.3662),
        (0, 0, 0.0, 1.0),
    ] {
        let share = Share::of(hits, rows);
        assert!((share.low - low).abs() < 1e-4 && (share.high - high).abs() < 1e-4, "{share:?}");
    }
}

#[test]
fn the_threshold_is_the_lowest_that_keeps_to_the_allowance() {
    let values = [5.0, 1.0, 3.0, 3.0, 2.0];
    for (allowed, above, reached) in
        [(0, 5.0, 0), (1, 3.0, 1), (2, 3.0, 1), (3, 2.0, 3), (4, 1.0, 4)]
    {
        let threshold = lowest(&values, allowed);
        assert!(threshold > above && threshold < above + 1e-9, "{allowed}: {threshold}");
        assert_eq!(Share::reaching(threshold, values).hits, reached);
    }
    assert_eq!(lowest(&values, 5), f64::NEG_INFINITY);
}

#[test]
fn fewer_rows_are_allowed_fewer_false_alarms() {
    for (rows, allowed) in [(21_100, 21), (30_000, 21), (10_550, 10), (900, 0), (0, 0)] {
        assert_eq!(allowance(21, 21_100, rows), allowed, "{rows} rows");
    }
}
