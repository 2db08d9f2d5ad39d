//! Packs: what is refused, and that every example of the built-in ones holds.

use detect::signatures::{Signatures, packs};

use super::signature;

fn check(name: &str, text: &str, parts: &[&str]) {
    let error = Signatures::parse([(name, text)])
        .expect_err(&format!("{text} must be refused"))
        .to_string();
    for part in parts {
        assert!(error.contains(part), "{error:?} does not say {part:?}");
    }
}

#[test]
fn a_refusal_names_file_signature_and_what_to_do() {
    let long = format!("pattern = '{}'", "a".repeat(5000));
    let large = "pattern = '(?:a{1,900}){1,900}'".to_owned();
    for (more, why) in [
        ("pattern = '('", "does not compile"),
        (large.as_str(), "correct or shorten it"),
        (long.as_str(), "split the signature"),
        ("", "give it `pattern`"),
        ("needs = [\"SELECT\"]", "lower case"),
        ("needs = [\"\"]", "1 to 64 bytes"),
        ("pattern = 'x'\nplaces = [\"url\"]", "no place is called \"url\""),
        ("pattern = 'x'\nplaces = []", "leave it out"),
        ("pattern = 'x'\nflags = [\"sql.nothing_of_this_name\"]", "no flag or mark is called"),
        ("pattern = 'x'\nhits = []", "a value that must hit"),
    ] {
        check("mine.toml", &signature("sqli.one", more), &["mine.toml", "sqli.one", why]);
    }
    check("mine.toml", &signature("nofamily", "pattern = 'x'"), &["nofamily", "rename it"]);
    check(
        "mine.toml",
        &signature("sqli.one", "pattern = 'x'\nprio = 5"),
        &["mine.toml", "packs/README.md"],
    );
}

#[test]
fn an_id_stands_once_in_all_packs_together() {
    let one = signature("sqli.one", "pattern = 'x'");
    let error = Signatures::parse([("a.toml", one.as_str()), ("b.toml", one.as_str())])
        .expect_err("twice")
        .to_string();
    assert!(error.contains("b.toml: sqli.one") && error.contains("a.toml already"), "{error}");
}

#[test]
fn packs_beyond_the_limits_are_refused() {
    let padding = format!("# {}\n", "x".repeat(1 << 20));
    check("big.toml", &padding, &["big.toml", "split it"]);
    let many: Vec<String> =
        (0..1400).map(|at| signature(&format!("a.b{at}"), "needs = ['xx']")).collect();
    let (first, rest) = (many.concat(), many.concat().replace("a.b", "a.c"));
    let last = many.concat().replace("a.b", "a.d");
    let error =
        Signatures::parse([("1", first.as_str()), ("2", rest.as_str()), ("3", last.as_str())]);
    assert!(error.expect_err("4,200 signatures").to_string().contains("leave a pack out"));
}

#[test]
fn every_signature_built_in_keeps_to_its_own_examples() {
    let signatures = Signatures::built_in().expect("the packs are read");
    let failures = signatures.check();
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_pack_of_the_folder_is_built_in() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/packs");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("readable").file_name().into_string().expect("plain"))
        .filter(|name| name.ends_with(".toml"))
        .collect();
    files.sort();
    let built_in: Vec<&str> = packs().iter().map(|(name, _)| *name).collect();
    assert_eq!(built_in, files);
}

#[test]
fn without_learning_only_a_decisive_signature_suffices_alone() {
    let text = [
        signature("a.weak", "prior_is_above = 1").replace("prior_is_above = 1", "needs = ['xx']"),
        signature("a.strong", "needs = ['xx']\ndecisive = true"),
    ];
    let text = text.concat().replace("prior = 5.0", "prior = 12.0");
    let signatures = Signatures::parse([("a", text.as_str())]).expect("both are valid");
    let model = detect::model::Model::priors(&signatures);
    for (at, suffices) in [(0, false), (1, true)] {
        let llr = model.bias + model.weight(detect::features::signature(at));
        assert_eq!(llr >= model.alone, suffices, "{at}: {llr}");
    }
}
