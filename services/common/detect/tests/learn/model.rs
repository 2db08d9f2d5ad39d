//! Model files: what is kept, and what is refused.

use detect::features::{self, BIAS, GRAM_BASE, LEXICAL_BASE};
use detect::model::bend::{Bend, POINTS_MAX};
use detect::model::{FILE_BYTES_MAX, FORMAT, Grams, Model, ModelFile};
use detect::signatures::Signatures;

fn signature(id: &str, prior: f32, decisive: bool) -> String {
    format!(
        r#"
[[signature]]
id = "{id}"
category = "sql_injection"
places = ["value"]
view = "text"
severity = "high"
cwe = 89
attack = "T1190"
prior = {prior:?}
decisive = {decisive}
explanation = "reads like a test"
needs = ["{id}"]
pattern = '''{id}'''
hits = ["{id}"]
misses = ["other"]
"#
    )
}

fn signatures() -> Signatures {
    let all =
        [("test.learnt", 5.0, false), ("test.new", 12.0, false), ("test.decisive", 12.0, true)];
    let pack: String =
        all.into_iter().map(|(id, prior, decisive)| signature(id, prior, decisive)).collect();
    Signatures::parse([("test", pack.as_str())]).expect("the pack is valid")
}

fn file() -> ModelFile {
    ModelFile {
        format: FORMAT,
        quiet: -6.0,
        bias: -4.0,
        evidence: 3.0,
        alone: 6.0,
        features: [(features::name(features::Feature(LEXICAL_BASE + 2), &signatures()), 0.75)]
            .into(),
        signatures: [("test.learnt".to_owned(), -1.5), ("test.gone".to_owned(), 2.0)].into(),
        grams: Grams::pack(&[(0, 0.5), (7, -1.27), (700, 0.001), (65_535, 1.0)]),
        bend: Vec::new(),
        report: serde_json::json!({ "rows": 3 }),
    }
}

fn read(file: &ModelFile) -> Result<Model, String> {
    let text = serde_json::to_string(file).expect("a model file serialises");
    Model::read(text.as_bytes(), &signatures()).map_err(|error| error.to_string())
}

#[test]
fn a_file_gives_back_what_was_learnt() {
    let model = read(&file()).expect("the file is valid");
    let gram = |slot: u32| features::Feature(GRAM_BASE + slot);
    for (feature, expected) in [
        (BIAS, -4.0),
        (features::Feature(LEXICAL_BASE + 2), 0.75),
        (features::signature(0), 3.5),
        (gram(0), 0.5),
        (gram(7), -1.27),
        (gram(700), 0.0),
        (gram(65_535), 1.0),
        (gram(8), 0.0),
    ] {
        let found = model.weight(feature);
        assert!((found - expected).abs() < 0.006, "{feature:?}: {found} for {expected}");
    }
    assert!(!model.without_model);
}

#[test]
fn a_signature_without_training_does_not_suffice_alone_unless_decisive() {
    let model = read(&file()).expect("the file is valid");
    assert!(model.bias + model.weight(features::signature(1)) < model.alone);
    assert!(model.bias + model.weight(features::signature(2)) >= model.alone);
}

#[test]
fn files_that_are_not_models_are_refused_with_the_reason() {
    type Change = fn(&mut ModelFile);
    let changes: [(Change, &str); 10] = [
        (|file| file.format = 2, "format 2"),
        (|file| file.bias = f32::NAN, "cannot be read"),
        (|file| file.alone = 1.0, "above that of alone"),
        (|file| file.evidence = 1e9, "out of bounds"),
        (|file| file.features.extend([("lexical.nonsense".to_owned(), 1.0)]), "no feature"),
        (|file| file.signatures.extend([("test.learnt".to_owned(), 1e9)]), "out of bounds"),
        (|file| file.grams.slots.push_str("????"), "damaged"),
        (|file| file.bend = vec![(0.0, 0.0), (1.0, -1.0)], "must rise"),
        (|file| file.bend = vec![(1.0, 0.0), (1.0, 1.0)], "must rise"),
        (|file| file.bend = vec![(1e9, 0.0)], "out of bounds"),
    ];
    for (change, reason) in changes {
        let mut file = file();
        change(&mut file);
        let error = read(&file).expect_err(reason);
        assert!(error.contains(reason), "{error} for {reason}");
    }
    assert!(Model::read(&vec![b' '; FILE_BYTES_MAX + 1], &signatures()).is_err());
}

const BEND: [(f32, f32); 3] = [(-2.0, 0.0), (0.0, 3.0), (4.0, 1.0)];

#[test]
fn a_bend_is_added_between_its_points_and_stays_beyond_them() {
    let bend = Bend::new(&BEND).expect("it rises");
    for (sum, expected) in [
        (-50.0, -50.0),
        (-2.0, -2.0),
        (-1.0, 0.5),
        (0.0, 3.0),
        (2.0, 4.0),
        (4.0, 5.0),
        (30.0, 31.0),
    ] {
        let llr = sum + bend.added(sum);
        assert!((llr - expected).abs() < 1e-5, "{llr} for {expected} at {sum}");
        assert!((bend.sum_of(llr) - sum).abs() < 1e-5, "{} for {sum}", bend.sum_of(llr));
    }
    let none = Bend::default();
    assert_eq!((none.added(3.0), none.sum_of(3.0)), (0.0, 3.0));
    let one = Bend::new(&[(1.0, 2.0)]).expect("one point is a line");
    assert_eq!((one.added(-7.0), one.added(7.0), one.sum_of(9.0)), (2.0, 2.0, 7.0));
    assert!(Bend::new(&[(0.0, 0.0); POINTS_MAX + 1]).is_none());
}

#[test]
fn a_file_without_a_bend_is_read_and_one_with_keeps_untaught_signatures_below_alone() {
    let text = serde_json::to_string(&file()).expect("a model file serialises");
    assert!(!text.contains("bend"), "files of before have none");
    let straight = read(&file()).expect("the file is valid");
    assert_eq!(straight.llr(1.5), 1.5);
    let bent = read(&ModelFile { bend: BEND.to_vec(), ..file() }).expect("the bend rises");
    assert_eq!(bent.llr(0.0), 3.0);
    let untaught = bent.llr(bent.bias + bent.weight(features::signature(1)));
    assert!(untaught < bent.alone, "{untaught}");
}

#[test]
fn the_largest_number_of_grams_fits_the_file() {
    let all: Vec<(u16, f32)> =
        (0..=u16::MAX).map(|slot| (slot, 1.0 - f32::from(slot) / 1e5)).collect();
    let file = ModelFile { grams: Grams::pack(&all), ..file() };
    assert!(read(&file).is_ok());
}
