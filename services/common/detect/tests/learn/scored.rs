//! Rows counted as the scorer counts them.

use detect::Detector;
use detect::features::{GRAM_BASE, SIGNATURE_BASE};
use detect::model::Model;
use detect::offline::calibrate::{Bent, Platt};
use detect::offline::data::Data;
use detect::offline::export::extractor;
use detect::offline::folds::OutOfFold;
use detect::offline::learn::Scale;
use detect::offline::report::Results;
use detect::offline::rows::{Row, parse};
use detect::offline::scored::scored;
use detect::signatures::Signatures;

/// Hits of a signature are worth this, and nothing else is worth anything.
const WEIGHT: f64 = 12.0;
const BIAS: f64 = -4.0;
const EVIDENCE: f64 = 1.0;
const ALONE: f64 = 5.0;

fn signature(id: &str, severity: &str, asks: &str) -> String {
    let request = asks.starts_with("[signature.request]");
    let hits = if request { "hits = ['TRACE /']" } else { "hits = ['x']" };
    format!(
        "[[signature]]\nid = '{id}'\ncategory = 'sql_injection'\nseverity = '{severity}'\ncwe = 89\nattack = 'T1190'\n\
         prior = 12.0\nexplanation = 'a test'\n{hits}\n{asks}\n"
    )
}

fn row(source: &str, method: &str, word: &str) -> Row {
    let line = format!(
        r#"{{"id":"r","source":"{source}","label":"attack","category":"c","tier":"core","method":"{method}","uri":"/?q={word}","where":["uri"]}}"#
    );
    parse(&line).expect("a row").remove(0)
}

#[test]
fn what_the_scorer_holds_below_alone_is_not_counted_as_alone() {
    let pack = [
        signature("a.low", "low", "needs = ['lowword']"),
        signature("a.high", "high", "needs = ['upper']"),
        signature("a.rare", "high", "needs = ['rarely']"),
        signature("a.trace", "low", "[signature.request]\nmethods = ['TRACE']"),
    ]
    .concat();
    let signatures = Signatures::parse([("own.toml", pack.as_str())]).expect("a valid pack");
    let model = Model::priors(&signatures);
    let mut detector = Detector::new(signatures, model);
    let cases = [
        // A word that nobody knows, by itself and by a method that a signature asks for.
        (row("north", "GET", "shoes"), false, false),
        (row("north", "TRACE", "shoes"), true, false),
        (row("north", "GET", "lowword"), true, false),
        (row("north", "GET", "upper"), true, true),
        (row("north", "TRACE", "lowword"), true, true),
        // Of one source only, so the others never taught it.
        (row("north", "GET", "rarely"), true, false),
        (row("south", "GET", "lowword"), true, false),
        (row("south", "GET", "upper"), true, true),
        (row("west", "GET", "lowword+upper"), true, true),
    ];
    let rows: Vec<Row> = cases.iter().map(|(row, _, _)| row.clone()).collect();
    let mut data = Data::new();
    for row in &rows {
        data.add(row, &mut extractor(&detector));
    }
    let weight = |feature: &u32| match *feature {
        0 => BIAS,
        SIGNATURE_BASE..GRAM_BASE => WEIGHT,
        _ => 0.0,
    };
    let weights: Vec<f64> = data.columns.iter().map(weight).collect();
    let scale = Scale { platt: Platt::NONE, bend: Bent::NONE, quiet: -6.0 };
    let sources = data.sources.len();
    let learnt = vec![BIAS + WEIGHT; rows.len()];
    let out = OutOfFold {
        shown: learnt.clone(),
        all: learnt,
        scales: vec![Some(scale); sources],
        weights: vec![Some(weights); sources],
        ..OutOfFold::default()
    };
    let results = Results { data: &data, out: &out };
    let found = scored(&rows, results, (EVIDENCE, ALONE), &mut detector);
    for (at, (row, evidence, alone)) in cases.iter().enumerate() {
        let what = format!("{} {} of {}: {}", row.method, row.uri, row.source, found.all[at]);
        assert_eq!(found.all[at], found.shown[at], "a log shows all of it: {what}");
        assert_eq!(found.all[at] >= EVIDENCE, *evidence, "{what}");
        assert_eq!(found.all[at] >= ALONE, *alone, "{what}");
    }
}

#[test]
fn a_fold_without_a_model_that_a_scorer_reads_keeps_what_was_learnt() {
    let signatures = Signatures::parse([]).expect("no pack");
    let model = Model::priors(&signatures);
    let mut detector = Detector::new(signatures, model);
    let rows = [row("north", "GET", "a'b")];
    let mut data = Data::new();
    data.add(&rows[0], &mut extractor(&detector));
    for weights in [None, Some(vec![1e9; data.columns.len()])] {
        let scale = Scale { platt: Platt::NONE, bend: Bent::NONE, quiet: -6.0 };
        let out = OutOfFold {
            shown: vec![2.0],
            all: vec![3.0],
            scales: vec![Some(scale)],
            weights: vec![weights],
            ..OutOfFold::default()
        };
        let results = Results { data: &data, out: &out };
        let found = scored(&rows, results, (EVIDENCE, ALONE), &mut detector);
        assert_eq!((found.shown, found.all), (vec![2.0], vec![3.0]));
    }
}
