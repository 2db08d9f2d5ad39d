//! Training and comparing as the command line calls them.

use std::fmt::Write;

use detect::Detector;
use detect::model::{Model, ModelFile};
use detect::offline::compare::{Comparison, Golden, History, Stays, compare};
use detect::offline::rows::{Row, parse};
use detect::offline::work::{Evaluation, Options, WorkError, evaluate, train};
use detect::signatures::Signatures;

/// Made-up rows of `sources` sources, an attack and a benign row in turn.
pub(crate) fn text(sources: usize) -> String {
    let attacks = ["7'+or+'a'='a", "..%2F..%2F..%2Fetc%2Fpasswd", "<script>alert(7)</script>"];
    let benign = ["blue+shoes", "42", "a%20(b)%20c", "it's+fine"];
    let mut text = String::new();
    for at in 0..120 {
        let attack = at % 2 == 0;
        let values: &[&str] = if attack { &attacks } else { &benign };
        let (label, tier) = if attack { ("attack", "core") } else { ("benign", "plain") };
        let value = values[at / 2 % values.len()];
        writeln!(
            text,
            r#"{{"id":"r{at}","source":"s{}","label":"{label}","category":"c{}","tier":"{tier}","method":"GET","uri":"/a?b={value}","where":["uri"]}}"#,
            at / 2 % sources,
            at % 2,
        )
        .expect("a string takes every write");
    }
    text
}

fn trained() -> Evaluation {
    train(&text(4), &Options::default()).expect("the rows suffice")
}

#[test]
fn two_trainings_give_the_same_bytes() {
    let (one, two) = (trained(), trained());
    assert!(one.model.is_some());
    assert_eq!(one.model, two.model);
    assert_eq!(one.text(), two.text());
    assert_eq!(one.pictures, two.pictures);
}

#[test]
fn what_is_trained_can_be_read_and_names_no_row() {
    let model = trained().model.expect("training keeps the model");
    let signatures = Signatures::built_in().expect("the packs are valid");
    assert!(Model::read(model.as_bytes(), &signatures).is_ok());
    assert!(!model.contains("\"r1"), "the model file names a row");
}

#[test]
fn pictures_are_drawings_that_are_closed() {
    let pictures = trained().pictures;
    assert_eq!(pictures.len(), 6, "one ROC, one reliability for all and for each source");
    for (name, picture) in pictures {
        assert!(name.ends_with(".svg") && picture.starts_with("<svg "), "{name}");
        assert!(picture.ends_with("</svg>\n") && !picture.contains("NaN"), "{name}");
    }
}

#[test]
fn rows_that_teach_nothing_are_refused() {
    let only = |word: &str| {
        text(4).lines().filter(|line| line.contains(word)).collect::<Vec<_>>().join("\n")
    };
    let refused = |text: &str| evaluate(text, &Options::default()).expect_err("too little");
    assert!(matches!(refused(&text(2)), WorkError::Sources(2)));
    assert!(matches!(refused(&only("attack")), WorkError::Label("benign row")));
    assert!(matches!(refused(&only("benign")), WorkError::Label("attack")));
    assert!(matches!(refused("{}"), WorkError::Row(_)));
}

/// The detector of the shipped model with its thresholds moved.
fn detector(by: f32) -> Detector {
    let signatures = Signatures::built_in().expect("the packs are valid");
    let mut file: ModelFile =
        serde_json::from_str(detect::model::SHIPPED).expect("the shipped model is valid");
    file.evidence += by;
    file.alone += by;
    let model = Model::from_file(&file, &signatures).expect("the thresholds are within bounds");
    Detector::new(signatures, model)
}

fn compared(by: f32, golden: &[&str]) -> Comparison {
    let rows: Vec<Row> = parse(&text(4)).expect("the rows are valid");
    let golden: Golden = golden.iter().map(|id| (*id).to_owned()).collect();
    compare(&detector(0.0), &detector(by), &rows, &golden)
}

#[test]
fn a_model_is_promoted_only_if_nothing_gets_worse() {
    let all = &["r0", "r1", "r2", "r3", "r4"][..];
    let history = History { in_force: "old".into(), before: Vec::new() };
    for (by, golden, expected) in [
        (0.0, all, None),
        (40.0, all, Some("worse at")),
        (-40.0, all, Some("worse at")),
        (0.0, &["r0", "gone"], Some("1 golden rows are absent")),
        (0.0, &[], Some("no golden row")),
    ] {
        let comparison = compared(by, golden);
        assert_eq!(comparison.promotes(), expected.is_none(), "{}", comparison.text());
        match (history.promote("new", &comparison), expected) {
            (Ok(history), None) => assert_eq!(history.in_force, "new"),
            (Err(reason), Some(expected)) => {
                assert!(reason.to_string().contains(expected), "{reason}")
            }
            (other, _) => panic!("{other:?} for {expected:?}"),
        }
    }
}

#[test]
fn rolling_back_takes_the_way_that_promoting_came() {
    let comparison = compared(0.0, &["r0", "r1"]);
    let first = History::default().promote("one", &comparison).expect("nothing is worse");
    let second = first.promote("two", &comparison).expect("nothing is worse");
    assert_eq!(second.promote("two", &comparison), Err(Stays::Same));
    assert_eq!(second.roll_back(), Ok(first.clone()));
    assert_eq!(first.roll_back(), Err(Stays::First));
}
