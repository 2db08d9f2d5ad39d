//! The numbering of features, how names outlive it, and what a model makes of their weights.

use detect::features::{self, BIAS, Feature, bits, is_gram, name, position};
use detect::model::{FILE_BYTES_MAX, FORMAT, Grams, Model, ModelError, ModelFile};
use detect::signatures::Signatures;

use super::signature;

fn signatures() -> Signatures {
    let pack = signature("a.one", "needs = ['evil']");
    Signatures::parse([("test", pack.as_str())]).expect("a valid pack")
}

fn file() -> ModelFile {
    ModelFile {
        format: FORMAT,
        quiet: -6.0,
        bias: -4.0,
        evidence: 3.0,
        alone: 6.0,
        features: [("sql.break_out".to_owned(), 1.5)].into(),
        signatures: [("a.one".to_owned(), -1.0)].into(),
        grams: Grams::pack(&[]),
        bend: Vec::new(),
        report: serde_json::Value::Null,
    }
}

#[test]
fn every_kind_of_feature_begins_where_the_one_before_it_ends() {
    for (at, called) in [
        (0, "bias"),
        (1, "mark.percent"),
        (32, "mark.31"),
        (33, "sql.break_out"),
        (64, "sql.31"),
        (65, "shell.command_after_separator"),
        (96, "shell.31"),
        (97, "markup.tag"),
        (128, "markup.close_tag"),
        (129, "lexical.quote"),
        (192, "lexical.63"),
        (193, "a.one"),
        (194, "signature.1"),
        (4288, "signature.4095"),
        (4289, "gram.0"),
        (69_824, "gram.65535"),
    ] {
        assert_eq!(name(Feature(at), &signatures()), called, "{at}");
        let at_signature = (193..=4288).contains(&at).then(|| at as usize - 193);
        assert_eq!(position(Feature(at)), at_signature, "{at}");
        assert_eq!(is_gram(Feature(at)), at > 4288, "{at}");
    }
    assert_eq!((features::END, is_gram(Feature(features::END))), (69_825, false));
    assert_eq!(features::signature(7), Feature(200));
}

#[test]
fn each_bit_that_is_set_is_a_feature() {
    for (mask, slots) in
        [(0, vec![]), (1, vec![10]), (0b1010_0001, vec![10, 15, 17]), (1 << 31, vec![41])]
    {
        let mut found = Vec::new();
        bits(10, mask, |feature| found.push(feature.0));
        assert_eq!(found, slots, "{mask:b}");
    }
}

#[test]
fn a_probability_is_the_llr_over_the_odds_beforehand() {
    let model = Model::priors(&signatures());
    for (llr, pi, probability) in [
        (0.0, 0.5, 0.5),
        (3.0_f32.ln(), 0.5, 0.75),
        (-(3.0_f32.ln()), 0.5, 0.25),
        (0.0, 0.001, 0.001),
        (9.0_f32.ln(), 0.1, 0.5),
        (9.0_f32.ln(), 0.9, 81.0 / 82.0),
    ] {
        let found = model.probability(llr, pi);
        assert!((found - probability).abs() < 1e-6, "{llr} {pi}: {found}");
    }
}

#[test]
fn a_weight_is_what_the_file_says_or_what_was_believed_before() {
    let read = Model::from_file(&file(), &signatures()).expect("the file is valid");
    let priors = Model::priors(&signatures());
    for (at, learnt, believed) in
        [(BIAS.0, -4.0, -4.0), (33, 1.5, 0.0), (34, 0.0, 0.0), (193, 4.0, 5.0), (69_825, 0.0, 0.0)]
    {
        let weights = (read.weight(Feature(at)), priors.weight(Feature(at)));
        assert_eq!(weights, (learnt, believed), "{at}");
    }
    assert_eq!((read.quiet, read.bias, read.evidence, read.alone), (-6.0, -4.0, 3.0, 6.0));
    assert_eq!((priors.quiet, priors.bias, priors.evidence, priors.alone), (-4.0, -4.0, 0.0, 4.0));
    assert!(priors.without_model && !read.without_model);
    // What was learnt of a signature never speaks for a request.
    let file = ModelFile { signatures: [("a.one".to_owned(), -9.0)].into(), ..file() };
    let read = Model::from_file(&file, &signatures()).expect("the file is valid");
    assert_eq!(read.weight(Feature(193)), 0.0);
}

#[test]
fn grams_keep_their_slots_and_their_weights_to_a_127th_of_the_largest() {
    let slots = [0, 1, 127, 128, 255, 256, 16_383, 16_384, 32_768, 65_535];
    for first in 0..slots.len() {
        let weights: Vec<(u16, f32)> = slots[first..]
            .iter()
            .enumerate()
            .map(|(at, slot)| (*slot, 2.54 - at as f32 * 0.5))
            .collect();
        let file = ModelFile { grams: Grams::pack(&weights), ..file() };
        let model = Model::from_file(&file, &signatures()).expect("the file is valid");
        for slot in slots {
            let kept =
                weights.iter().find(|(one, _)| *one == slot).map_or(0.0, |(_, weight)| *weight);
            let found = model.weight(Feature(features::GRAM_BASE + u32::from(slot)));
            assert!((found - kept).abs() <= 0.01, "{first} {slot}: {found} for {kept}");
        }
    }
    // A step that rounds to nothing is left out: two bytes for the slot that is kept.
    assert_eq!(Grams::pack(&[(5, 1.27), (9, 0.004)]).slots.len(), 3);
    assert_eq!(Grams::pack(&[(5, 0.0)]), Grams { step: 1.0, slots: String::new() });
}

#[test]
fn numbers_of_a_file_keep_to_their_bounds() {
    type Change = fn(&mut ModelFile);
    let changes: [(Change, bool); 9] = [
        (|_| {}, true),
        (|file| file.quiet = -60.0, true),
        (|file| file.quiet = -60.1, false),
        (|file| file.bias = 60.1, false),
        (|file| file.alone = 60.1, false),
        (|file| file.grams.step = 61.0, false),
        (|file| file.evidence = file.alone, true),
        (|file| file.evidence = file.alone + 0.1, false),
        (|file| file.format = 0, false),
    ];
    for (at, (change, valid)) in changes.into_iter().enumerate() {
        let mut file = file();
        change(&mut file);
        assert_eq!(Model::from_file(&file, &signatures()).is_ok(), valid, "{at}");
    }
    // One gram whose distance goes on for ever, one without steps, one beyond the last slot.
    for (slots, valid) in [("gICAgAEB", false), ("BQ", false), ("//8DAQ", true), ("gIAEAQ", false)]
    {
        let grams = Grams { step: 1.0, slots: slots.to_owned() };
        let read = Model::from_file(&ModelFile { grams, ..file() }, &signatures());
        assert_eq!(read.is_ok(), valid, "{slots}");
    }
}

#[test]
fn a_file_is_read_up_to_its_largest_size_and_names_each_weight_once() {
    let text = serde_json::to_string(&file()).expect("a model file serialises");
    for (length, size) in [(FILE_BYTES_MAX, false), (FILE_BYTES_MAX + 1, true)] {
        let text = format!("{text}{}", " ".repeat(length - text.len()));
        let read = Model::read(text.as_bytes(), &signatures());
        assert_eq!(matches!(read, Err(ModelError::Size(_))), size, "{length}");
        assert_eq!(read.is_ok(), !size, "{length}");
    }
    assert_eq!(FILE_BYTES_MAX, 307_200);
    let twice = text.replace("\"a.one\":-1.0", "\"a.one\":-1.0,\"a.one\":-1.0");
    assert_ne!(twice, text);
    let error = Model::read(twice.as_bytes(), &signatures()).expect_err("twice").to_string();
    assert!(error.contains("stands twice"), "{error}");
    let none = text.replace("{\"a.one\":-1.0}", "5");
    let error = Model::read(none.as_bytes(), &signatures()).expect_err("no map").to_string();
    assert!(error.contains("weights by name"), "{error}");
}
