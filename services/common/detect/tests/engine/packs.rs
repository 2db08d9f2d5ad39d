//! Packs: what is refused, and that every example and every branch of the built-in ones holds.

use detect::signatures::{Signatures, packs};
use memchr::memmem;
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};

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
fn every_branch_of_a_pattern_holds_one_of_its_needs() {
    let signatures = Signatures::built_in().expect("the packs are read");
    let mut dead = Vec::new();
    for signature in signatures.iter().filter(|signature| !signature.needs.is_empty()) {
        let Some(pattern) = &signature.pattern else { continue };
        let mut parser = ParserBuilder::new().unicode(false).utf8(false).build();
        let hir = parser.parse(pattern).expect("the pattern is compiled already");
        for text in [ways(&hir, 0), ways(&hir, 1)].concat() {
            let held = |need: &String| memmem::find(&text, need.as_bytes()).is_some();
            if !signature.needs.iter().any(held) {
                dead.push(format!("{}: {}", signature.id, text.escape_ascii()));
            }
        }
    }
    assert!(dead.is_empty(), "{} branches without a need:\n{}", dead.len(), dead.join("\n"));
}

/// Texts that match `hir`, each of its branches in one of them. What is optional stands there `optional` times; a byte
/// that may be many is a NUL, which is in no need, and one that may be a blank is one, as in the text that is read.
fn ways(hir: &Hir, optional: u32) -> Vec<Vec<u8>> {
    const FEW: usize = 8;
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => vec![Vec::new()],
        HirKind::Literal(literal) => vec![literal.0.to_vec()],
        HirKind::Class(class) => {
            let signs: Vec<Vec<u8>> = match class {
                Class::Bytes(class) => {
                    let bytes = class.iter().flat_map(|range| range.start()..=range.end());
                    bytes.take(FEW + 1).map(|byte| vec![byte]).collect()
                }
                // Alternatives of one letter each are read as a class.
                Class::Unicode(class) => {
                    let letters = class.iter().flat_map(|range| range.start()..=range.end());
                    letters.take(FEW + 1).map(|letter| letter.to_string().into_bytes()).collect()
                }
            };
            match signs.len() {
                ..=FEW if signs.contains(&vec![b' ']) => vec![vec![b' ']],
                ..=FEW => signs,
                _ => vec![vec![0]],
            }
        }
        HirKind::Capture(capture) => ways(&capture.sub, optional),
        HirKind::Repetition(repetition) => {
            let times = repetition.min.max(optional) as usize;
            ways(&repetition.sub, optional).iter().map(|way| way.repeat(times)).collect()
        }
        HirKind::Alternation(parts) => parts.iter().flat_map(|part| ways(part, optional)).collect(),
        HirKind::Concat(parts) => {
            parts.iter().fold(vec![Vec::new()], |heads, part| joined(&heads, &ways(part, optional)))
        }
    }
}

/// Each of `heads` with each of `tails` behind it; where these are many, each of both at least once.
fn joined(heads: &[Vec<u8>], tails: &[Vec<u8>]) -> Vec<Vec<u8>> {
    const MANY: usize = 256;
    let join = |head: &Vec<u8>, tail: &Vec<u8>| [&head[..], tail].concat();
    if heads.len() * tails.len() <= MANY {
        let all = heads.iter().flat_map(|head| tails.iter().map(move |tail| join(head, tail)));
        return all.collect();
    }
    let pairs = heads.iter().cycle().zip(tails.iter().cycle());
    pairs.take(heads.len().max(tails.len())).map(|(head, tail)| join(head, tail)).collect()
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
