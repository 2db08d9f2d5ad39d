//! Rule packs, models and exceptions of an installation: what is good comes into force while the scorer runs, what is
//! not leaves everything as it was (row C2).

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use detect::model::{FILE_BYTES_MAX, Model};
use detect::signatures::pack::PACK_BYTES_MAX;
use detect::signatures::signing::PackKey;
use detect::{Reader, Request};
use ed25519_dalek::{Signer as _, SigningKey};
use schemas::Millis;
use scorer::detectors::Detectors;
use scorer::logic::files::PACKS_MAX;
use scorer::reload::{Files, Watched};
use tempfile::TempDir;

/// A rule about a word of our own, so that nothing built in knows it.
pub(super) const PACK: &str = r#"
[[signature]]
id = "own.marker"
category = "known_exploit"
severity = "high"
cwe = 20
attack = "T1190"
prior = 8.0
decisive = true
explanation = "the word that only this test knows"
needs = ["zorkmidquux"]
hits = ["a zorkmidquux b"]
misses = ["a zork b"]
"#;

/// When everything here is looked at and scored.
const NOW: Millis = 1_000;

pub(super) struct Installation {
    folder: TempDir,
    key: SigningKey,
    detectors: Detectors,
    watched: Watched,
}

impl Installation {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("packs")).unwrap();
        let key = SigningKey::from_bytes(&[5; 32]);
        let public = STANDARD.encode(key.verifying_key().as_bytes());
        let at = |name: &str| Some(folder.path().join(name));
        let files = Files {
            packs: at("packs"),
            keys: vec![PackKey::parse(&public).unwrap()],
            model: at("model.json"),
            exceptions: at("exceptions.toml"),
        };
        fs::write(folder.path().join("model.json"), shipped_model()).unwrap();
        fs::write(folder.path().join("exceptions.toml"), "").unwrap();
        Installation { watched: Watched::new(files), folder, key, detectors: Detectors::shipped() }
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.folder.path().join(name), bytes).unwrap();
    }

    pub(super) fn pack(&self, name: &str, text: impl AsRef<[u8]>) {
        let signature = self.key.sign(text.as_ref()).to_bytes();
        self.write(&format!("packs/{name}"), text.as_ref());
        self.write(&format!("packs/{name}.sig"), STANDARD.encode(signature));
    }

    pub(super) fn remove(&self, name: &str) {
        fs::remove_file(self.folder.path().join("packs").join(name)).unwrap();
    }

    /// What was refused at the next look, with why; the look itself takes place.
    #[track_caller]
    pub(super) fn refused(&mut self) -> Vec<String> {
        let refused = self.watched.taken(&self.detectors, NOW).expect("a file has changed");
        refused.into_iter().map(|one| format!("{}: {}", one.file, one.why)).collect()
    }

    pub(super) fn llr(&self, uri: &str) -> f32 {
        let request = Request { method: b"GET", uri: uri.as_bytes(), ..Request::default() };
        self.detectors.now().score_at(&mut Reader::default(), &request, NOW as u64).llr
    }
}

fn shipped_model() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../common/detect/model/perimeter.json");
    fs::read_to_string(path).unwrap()
}

const OWN: &str = "/x?q=a+zorkmidquux+b";
const ATTACK: &str = "/x?q=1'+or+'1'='1";

#[test]
fn a_signed_pack_comes_into_force_and_goes_with_its_file() {
    let mut at = Installation::new();
    assert_eq!(at.refused(), Vec::<String>::new());
    let before = at.llr(OWN);
    at.pack("own.toml", PACK);
    assert_eq!(at.refused(), Vec::<String>::new());
    assert!(at.llr(OWN) > before + 5.0, "{} after {before}", at.llr(OWN));
    assert_eq!(at.watched.taken(&at.detectors, NOW), None, "nothing has changed");
    at.remove("own.toml");
    assert_eq!(at.refused(), Vec::<String>::new());
    assert_eq!(at.llr(OWN), before);
}

fn except(until: u64) -> String {
    format!(
        "[[except]]\nsignature = \"own.marker\"\nroute = \"/x\"\nuntil = {until}\nreason = \"a test\"\n"
    )
}

#[test]
fn an_exception_hides_what_it_names_until_it_ends() {
    let mut at = Installation::new();
    at.pack("own.toml", PACK);
    at.refused();
    let before = at.llr(OWN);
    at.write("exceptions.toml", except(2_000));
    assert_eq!(at.refused(), Vec::<String>::new());
    assert!(at.llr(OWN) < before);
    at.write("exceptions.toml", except(900));
    assert_eq!(at.refused(), Vec::<String>::new());
    assert_eq!(at.llr(OWN), before);
}

#[test]
fn whatever_is_wrong_with_a_file_the_last_good_one_stays() {
    let mut at = Installation::new();
    at.pack("own.toml", PACK);
    at.refused();
    let good = (at.llr(OWN), at.llr(ATTACK));
    let model = shipped_model();
    let doubled = model.replacen("\"features\": {", "\"features\": {\"lexical.at\": 1.0,", 1);
    let nan = model.replacen("\"quiet\":", "\"quiet\": NaN, \"ignored\":", 1);
    assert!(doubled != model && nan != model);
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("packs/own.toml", PACK.replace("8.0", "9.0").into_bytes(), "by no configured key"),
        ("packs/own.toml.sig", Vec::new(), "signature is not 64 bytes"),
        ("packs/own.toml", vec![b'#'; 10 * PACK_BYTES_MAX], "more than a pack may have"),
        ("model.json", vec![b' '; 10 * FILE_BYTES_MAX], "more than"),
        ("model.json", doubled.into_bytes(), "stands twice"),
        ("model.json", nan.into_bytes(), "cannot be read"),
        ("model.json", Vec::new(), "cannot be read"),
        (
            "exceptions.toml",
            b"[[except]]\nsignature = \"own.marker\"".to_vec(),
            "no file of exceptions",
        ),
        ("exceptions.toml", vec![0xff; 100], "not UTF-8"),
        ("exceptions.toml", except(9_000_000_000_000_000_000).into_bytes(), "more than 90 days"),
    ];
    for (file, bytes, why) in cases {
        let path = at.folder.path().join(file);
        let before = fs::read(&path).unwrap();
        at.write(file, bytes);
        let refused = at.refused();
        assert!(refused.len() == 1 && refused[0].contains(why), "{file}: {refused:?}, not {why}");
        assert_eq!((at.llr(OWN), at.llr(ATTACK)), good, "{file}: {why}");
        at.write(file, before);
        assert_eq!(at.refused(), Vec::<String>::new(), "{file}: {why}");
    }
}

#[test]
fn a_pack_that_is_wrong_though_signed_leaves_the_last_good_one() {
    let mut at = Installation::new();
    at.pack("own.toml", PACK);
    at.refused();
    let good = (at.llr(OWN), at.llr(ATTACK));
    let cases = [
        ("own.toml", String::new(), "holds no signature"),
        ("own.toml", PACK.replace("8.0", "nan"), "the prior must be between"),
        ("own.toml", PACK.replace("known_exploit", "voodoo"), "no detection has the category"),
        ("own.toml", PACK.replace("a zork b", "a zorkmidquux c"), "must not hit and does"),
        ("own.toml", format!("{PACK}{PACK}"), "the id stands in"),
        ("own.toml", wide(), "it takes an ordinary request for an attack: "),
        ("second.toml", PACK.to_owned(), "the id stands in own.toml"),
    ];
    for (name, text, why) in cases {
        at.pack(name, &text);
        let refused = at.refused();
        assert!(refused.len() == 1 && refused[0].contains(why), "{refused:?}, not {why}");
        assert_eq!((at.llr(OWN), at.llr(ATTACK)), good, "{why}");
        at.remove(name);
        at.pack("own.toml", PACK);
        assert_eq!(at.refused(), Vec::<String>::new(), "{why}");
    }
}

/// A rule about a word that everybody writes.
fn wide() -> String {
    PACK.replace("\"zorkmidquux\"", "\"table\"").replace("zorkmidquux", "table")
}

#[test]
fn a_model_that_would_block_anybody_or_miss_nearly_all_stays_out() {
    let mut at = Installation::new();
    at.refused();
    let good = (at.llr(OWN), at.llr(ATTACK));
    let shipped: serde_json::Value = serde_json::from_str(&shipped_model()).unwrap();
    for (changes, why) in [
        (&[("quiet", 20.0)][..], "one ordinary request would suffice for a block: "),
        (&[("bias", 3.0)], "one ordinary request would suffice for a block: "),
        (&[("bias", 3.0), ("alone", 50.0)], "ordinary requests would count as evidence"),
        (&[("evidence", -5.0)], "ordinary requests would count as evidence"),
        (&[("evidence", 40.0), ("alone", 50.0)], "attacks that the built-in rules name"),
        (&[("bias", -20.0)], "attacks that the built-in rules name"),
    ] {
        let mut model = shipped.clone();
        for (name, value) in changes {
            model[*name] = (*value).into();
        }
        at.write("model.json", model.to_string());
        let refused = at.refused();
        assert!(refused.len() == 1 && refused[0].contains(why), "{refused:?}, not {why}");
        assert_eq!((at.llr(OWN), at.llr(ATTACK)), good, "{why}");
    }
    at.write("model.json", shipped_model());
    assert_eq!(at.refused(), Vec::<String>::new());
}

#[test]
fn a_folder_that_cannot_be_read_is_not_taken_for_an_empty_one() {
    let mut at = Installation::new();
    at.pack("own.toml", PACK);
    at.refused();
    let good = at.llr(OWN);
    let (folder, aside) = (at.folder.path().join("packs"), at.folder.path().join("aside"));
    fs::rename(&folder, &aside).unwrap();
    assert!(at.refused()[0].contains("could not read"));
    assert_eq!(at.llr(OWN), good);
    fs::rename(&aside, &folder).unwrap();
    assert_eq!(at.refused(), Vec::<String>::new());
    for number in 0..PACKS_MAX {
        at.write(&format!("packs/n{number}.toml"), "");
    }
    assert!(at.refused()[0].contains("more than 64 packs"));
    assert_eq!(at.llr(OWN), good);
}

#[test]
fn a_scorer_that_starts_among_bad_files_reads_with_what_is_built_in() {
    let mut at = Installation::new();
    let shipped = (at.llr(OWN), at.llr(ATTACK));
    at.write("packs/own.toml", PACK);
    at.write("model.json", "{}");
    at.write("exceptions.toml", "what");
    assert_eq!(at.refused().len(), 3);
    assert_eq!((at.llr(OWN), at.llr(ATTACK)), shipped);
    drop(Model::shipped(&at.detectors.now().signatures));
}
