//! Attacks written differently are still found, and benign values written differently are still benign.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]
#![allow(clippy::print_stdout, reason = "the table is the result")]

mod attacks;
mod chance;
mod meaning;
mod measure;
mod mutate_code;
mod mutate_markup;
mod mutate_net;
mod mutate_paths;
mod mutate_shell;
mod mutate_sql;
mod rows;
mod table;
mod total;
mod wire;

use detect::Detector;
use measure::Tally;
use table::{CLASSES, Class, SOURCES, of};

/// Most of the detected pairs that may be lost.
const PAIRS_MAX: f64 = 0.02;
/// Most of the detected attacks that may be lost to at least one mutation.
const ATTACKS_MAX: f64 = 0.08;
/// The same of our own attacks. They are few and chosen so that every mutation applies, which makes this no measure of
/// the bar but a mark that must not rise: 4 of 61 are lost to at least one.
const OWN_MAX: f64 = 4.0 / 61.0;
/// Most of the mutated benign pairs that may be found. The bar, twice the rate of the values as they are, is missed: the
/// page on evasion says by how much and why. This is a mark that must not rise.
const BENIGN_MAX: f64 = 0.02;
/// The same without mutations that write evasive syntax: 0.25 % over every row. A share and no multiple of the alarms
/// unmutated, which would rise whenever those become fewer.
const ORDINARY_MAX: f64 = 0.0026;

/// The detector as it is shipped.
pub(crate) fn detector() -> Detector {
    Detector::shipped(detect::detector::PI)
}

#[track_caller]
fn check(tally: &Tally, attacks_max: f64) {
    let all = tally.all();
    let (mut detected, mut lost) = (0, 0);
    for ((class, name), count) in &tally.by_mutation {
        println!(
            "{class:?} | {name} | {} | {} | {} | {}",
            count.pairs, count.lost, count.unparsed, count.unchecked
        );
    }
    for (class, (attacks, found, to_any)) in &tally.attacks {
        println!("{class:?}: {attacks} attacks, {found} detected, {to_any} lost to any");
        detected += found;
        lost += to_any;
    }
    println!("all: {all:?}; attacks {detected}, lost to any {lost}");
    for (class, names, wire) in tally.lost.iter().take(shown()) {
        println!("lost {class:?} {names}: {wire}");
    }
    assert!(all.pairs > 0 && detected > 0, "nothing was tried");
    assert!(all.lost as f64 <= PAIRS_MAX * all.pairs as f64, "{} of {} pairs", all.lost, all.pairs);
    assert!(lost as f64 <= attacks_max * detected as f64, "{lost} of {detected} attacks");
}

/// How many lost pairs are printed.
fn shown() -> usize {
    std::env::var("PERIMETER_SHOWN").ok().and_then(|count| count.parse().ok()).unwrap_or(40)
}

#[test]
fn every_class_has_six_mutations_and_every_idea_a_source() {
    for class in CLASSES {
        let names: std::collections::BTreeSet<_> = of(class).iter().map(|one| one.name).collect();
        assert_eq!(names.len(), of(class).len(), "{class:?} names one twice");
        assert!(names.len() >= 6, "{class:?}");
        assert!(of(class).iter().all(|one| one.source < SOURCES.len()), "{class:?}");
    }
}

#[test]
fn our_own_attacks_written_differently_are_still_found() {
    let own = attacks::OWN.iter();
    let all = own.flat_map(|(class, list)| list.iter().map(move |attack| (*class, *attack)));
    check(&measure::attacks(&detector(), all), OWN_MAX);
}

#[test]
fn the_attacks_of_the_rows_written_differently_are_still_found() {
    let Some(rows) = rows::read() else { return };
    let attacks = rows::attacks(&rows);
    let all = attacks.iter().map(|(class, text)| (*class, text.as_str()));
    check(&measure::attacks(&detector(), all), ATTACKS_MAX);
}

#[test]
fn the_benign_values_of_the_rows_written_differently_are_still_benign() {
    let Some(rows) = rows::read() else { return };
    let found = measure::benign(&detector(), &rows::benign(&rows));
    for ((class, name), (counted, every)) in &found.by_name {
        println!(
            "{class:?} | {name} | {} | {} | {} | {}",
            counted.tried, counted.hit, every.tried, every.hit
        );
    }
    println!("{:?}, mutated {:?}", found.plain, found.mutated);
    println!("ordinary {:?}, every pair {:?}", found.ordinary, found.every);
    // Of a few hundred values one alarm more or less says nothing: there is room for two.
    let room = ORDINARY_MAX + 2.0 / found.plain.tried as f64;
    assert!(found.ordinary.rate() <= room, "{:?} against {:?}", found.ordinary, found.plain);
    assert!(found.mutated.rate() <= BENIGN_MAX, "{:?}", found.mutated);
}

#[test]
fn the_same_seed_gives_the_same_mutations() {
    let written = |seed| {
        let all = measure::mutated(Class::Sql, "7' or 1=1 -- -", seed);
        all.into_iter().map(|one| one.wire).collect::<Vec<_>>()
    };
    assert_eq!(written(5), written(5));
    assert_ne!(written(5), written(6));
}
