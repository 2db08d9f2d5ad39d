//! The commands over single requests: what they print, and how they end.

use std::path::Path;
use std::process::Output;

use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::Value;

use super::command::perimeter_in;

const PACK: &str = r#"
[[signature]]
id = "shop.calc-shell"
category = "code_injection"
severity = "high"
cwe = 94
attack = "T1059"
prior = 9.0
decisive = true
explanation = "has the spreadsheet engine run a program"
needs = ["calc:"]
pattern = '''calc:[^;]{0,80};shell\('''
hits = ["calc:sum(1);shell(x)"]
misses = ["calc:sum(1)"]
"#;
const INJECTION: &str =
    r#"{"id":"a","method":"GET","uri":"/s?q=1'+union+select+card,cvc+from+cards--+-"}"#;

/// A run: its exit code and all that it printed, in JSON where that was asked for.
struct Run {
    code: Option<i32>,
    text: String,
}

fn run(folder: &Path, line: &str, input: &str) -> Run {
    let arguments: Vec<&str> = line.split(' ').collect();
    let Output { status, stdout, stderr } = perimeter_in(folder, &arguments, input);
    Run { code: status.code(), text: String::from_utf8([stdout, stderr].concat()).unwrap() }
}

/// The command must end with `code` and print each of `told`.
#[track_caller]
fn check(folder: &Path, line: &str, input: &str, code: i32, told: &[&str]) -> String {
    let run = run(folder, line, input);
    assert_eq!(run.code, Some(code), "{line}: {}", run.text);
    for part in told {
        assert!(run.text.contains(part), "{line}: '{part}' is not in\n{}", run.text);
    }
    run.text
}

/// The document that a command prints; notes are not part of it.
#[track_caller]
fn json(folder: &Path, line: &str, input: &str) -> Value {
    let text = check(folder, &format!("{line} --output json"), input, 0, &[]);
    let end = text.rfind("\n}").unwrap_or_else(|| panic!("{line}: {text}"));
    serde_json::from_str(&text[..end + 2]).unwrap()
}

fn world() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    put("shop.toml", PACK);
    put("wrong.toml", &PACK.replace("\"calc:sum(1);shell(x)\"", "\"calc:sum(1)\""));
    put("broken.toml", &PACK.replace("prior = 9.0", "prior = 99.0"));
    put("twice.toml", &PACK.replace("shop.calc-shell", "sqli.union-select"));
    put("a.json", INJECTION);
    put(
        "two.jsonl",
        &format!("{INJECTION}\nnothing\n{{\"id\":7,\"method\":\"GET\",\"uri\":\"/\"}}\n"),
    );
    put("junk.json", "{\"format\":1}");
    folder
}

#[test]
fn an_explanation_adds_up_and_says_where_and_why() {
    let folder = world();
    let path = folder.path();
    let found = json(path, "explain-request a.json", "");
    assert_eq!((&found["label"], &found["category"]), (&"attack".into(), &"sql_injection".into()));
    let weight = |piece: &Value| piece["weight"].as_f64().unwrap();
    let pieces: f64 = found["evidence"].as_array().unwrap().iter().map(weight).sum();
    let single = |name: &str| found[name].as_f64().unwrap();
    let sum = single("base") + pieces + weight(&found["n_grams"]) + single("calibration");
    assert!((sum - found["llr"].as_f64().unwrap()).abs() < 1e-3, "{found}");
    assert_eq!(found["evidence"][0]["place"], "query");
    assert_eq!(found["pi"], 0.001);
    check(
        path,
        "explain-request a.json",
        "",
        0,
        &["attack", "sql injection", "query:q", "sum", "LLR", "seen: "],
    );
    // The same request as it is sent scores the same.
    let sent = "GET /s?q=1'+union+select+card,cvc+from+cards--+- HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(json(path, "explain-request", sent)["llr"], found["llr"]);
    let sure = json(path, "explain-request a.json --pi 0.5", "");
    assert_eq!(sure["llr"], found["llr"]);
    assert!(sure["probability"].as_f64() > found["probability"].as_f64(), "{sure}");
    let quiet = json(path, "explain-request", "GET / HTTP/1.1\n");
    assert_eq!((&quiet["label"], &quiet["sum"]), (&"benign".into(), &quiet["llr"]));
}

#[test]
fn what_cannot_be_used_is_named() {
    let folder = world();
    for (line, input, code, told) in [
        ("explain-request", "hello", 1, "the first line is no request"),
        ("explain-request", "", 1, "the first line is no request"),
        ("explain-request nothing.json", "", 1, "could not read nothing.json"),
        ("explain-request two.jsonl", "", 1, "more than one row; pick one with --id"),
        ("explain-request two.jsonl --id b", "", 1, "has the id b"),
        ("explain-request a.json --pi 1", "", 2, "between 0 and 1"),
        (
            "explain-request a.json --model junk.json",
            "",
            64,
            "junk.json: the model file cannot be read",
        ),
        ("explain-request a.json --pack broken.toml", "", 64, "the prior must be between"),
        ("explain-request a.json --exceptions shop.toml", "", 64, "is no file of exceptions"),
        ("score a.json --pack twice.toml", "", 64, "stands in sql"),
        ("rules explain sqli.nothing", "", 64, "no signature is called sqli.nothing, but sqli."),
        ("rules test wrong.toml", "", 4, "must hit and does not"),
        ("rules test shop.toml --key x", "", 64, "--key x: a pack key is"),
        ("train a.json --out m.json", "", 1, "a.json: line 1: missing field"),
        ("model rollback --folder .", "", 1, "has no previous.json"),
        ("model rollback --folder none", "", 64, "is no folder"),
    ] {
        check(folder.path(), line, input, code, &[told]);
    }
    check(folder.path(), "explain-request two.jsonl --id 7", "", 0, &["benign"]);
}

#[test]
fn a_pack_of_ones_own_counts_once_it_is_signed() {
    let folder = world();
    let path = folder.path();
    let request = "GET /report?f=calc:sum(1)%3Bshell(ls) HTTP/1.1\n";
    check(path, "rules test", "", 0, &["sql.toml", "as they should"]);
    check(path, "rules test shop.toml", "", 0, &["1 signature(s), 2 example(s)", "read unsigned"]);
    check(
        path,
        "rules explain shop.calc-shell --pack shop.toml",
        "",
        0,
        &["spreadsheet", "T1059", "+9.00"],
    );
    check(path, "rules list --pack shop.toml", "", 0, &["shop.calc-shell", "sql_injection"]);
    check(path, "rules list --flags", "", 0, &["sql.break_out", "closes and SQL goes on"]);
    check(path, "rules explain mark.nul", "", 0, &["zero byte"]);
    check(path, "rules explain sqli.statement", "", 0, &["a plain question to a database hits"]);
    let key = SigningKey::from_bytes(&[7; 32]);
    let public = key.verifying_key();
    let spki = [&[0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0][..], public.as_bytes()];
    let base64 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, spki.concat());
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{base64}\n-----END PUBLIC KEY-----\n");
    std::fs::write(path.join("pub.pem"), pem).unwrap();
    let line = "explain-request --pack shop.toml --key pub.pem";
    check(path, line, request, 1, &["could not read shop.toml.sig"]);
    std::fs::write(path.join("shop.toml.sig"), key.sign(PACK.as_bytes()).to_bytes()).unwrap();
    check(path, line, request, 0, &["code injection", "shop.calc-shell", "query:f"]);
    check(path, &line.replace("shop.toml", "wrong.toml"), request, 1, &["wrong.toml.sig"]);
    std::fs::copy(path.join("shop.toml.sig"), path.join("wrong.toml.sig")).unwrap();
    check(path, &line.replace("shop.toml", "wrong.toml"), request, 64, &["by no configured key"]);
}

#[test]
fn an_exception_hides_one_signature_for_a_time_and_why_not_proves_it() {
    let folder = world();
    let path = folder.path();
    let request = "GET /report?f=calc:sum(1)%3Bshell(ls) HTTP/1.1\n";
    let except = |signature: &str, route: &str, until: &str| {
        format!(
            "rules except --pack shop.toml --signature {signature} --route {route} --param f --until {until} --reason sheets"
        )
    };
    let own = "shop.calc-shell";
    for (signature, route, until, told) in [
        ("shop.nothing", "/report", "7d", "no signature is called shop.nothing"),
        (own, "/*", "7d", "narrower than `/*`"),
        (own, "report", "7d", "begins with `/`"),
        (own, "/report?f=", "7d", "a path alone, without `?`"),
        (own, "/report", "91d", "more than 90 days"),
        (own, "/report", "2020-01-01", "has passed"),
        (own, "/report", "soon", "write a date"),
    ] {
        check(path, &except(signature, route, until), "", 64, &[told]);
    }
    assert!(!path.join("exceptions.toml").exists());
    check(
        path,
        &except(own, "/report", "7d"),
        "",
        0,
        &["excepted on /report for f until", "1 exception(s)"],
    );
    check(path, &except(own, "/sheets/*", "7d"), "", 0, &["2 exception(s)"]);
    check(path, &except(own, "/report", "30d"), "", 0, &["2 exception(s)"]);
    let why_not = "rules why-not - --pack shop.toml";
    let found = json(path, why_not, request);
    assert_eq!(found["without_exceptions"]["label"], "attack", "{found}");
    assert_eq!(found["hidden"][0]["signature"], own, "{found}");
    assert_eq!(found["hidden"][0]["exception"]["reason"], "sheets", "{found}");
    let llr = |side: &str| found[side]["llr"].as_f64().unwrap();
    assert!(llr("with_exceptions") < llr("without_exceptions"), "{found}");
    check(path, why_not, request, 0, &["hidden: shop.calc-shell at query:f", "if there were none"]);
    let elsewhere = request.replace("/report", "/other");
    check(path, why_not, &elsewhere, 0, &["nothing in this request is hidden"]);
    let line = "explain-request --pack shop.toml --exceptions exceptions.toml";
    check(path, line, request, 0, &["not counted: shop.calc-shell"]);
    check(path, &line.replace(" --pack shop.toml", ""), request, 0, &["hides nothing"]);
    let late =
        "[[except]]\nsignature = 'a.b'\nroute = '/a'\nuntil = 9000000000000000000\nreason = 'x'\n";
    std::fs::write(path.join("late.toml"), late).unwrap();
    let told = ["ends more than 90 days from now", "a scorer refuses the whole file"];
    check(path, "rules why-not - --exceptions late.toml", request, 0, &told);
}

/// Rows of three sources: a handful of attacks among plain requests.
fn rows(attack: &str) -> String {
    let mut rows = String::new();
    for (source, number) in
        ["north", "south", "west"].iter().flat_map(|source| (0..12).map(move |at| (source, at)))
    {
        let (label, tier, uri) = match number % 2 {
            0 => ("attack", "core", format!("/s?q={number}{attack}")),
            _ => ("benign", "plain", format!("/s?q=it's+{number}+o'clock;+(time)+to-go")),
        };
        rows += &format!(
            "{{\"id\":\"{source}{number}\",\"source\":\"{source}\",\"label\":\"{label}\",\"category\":\"sqli\",\
             \"tier\":\"{tier}\",\"method\":\"GET\",\"uri\":\"{uri}\",\"where\":[\"uri\"]}}\n"
        );
    }
    rows
}

/// A page with pictures beside it, and a report; what is not asked for is not written.
fn a_page_is_written(path: &Path) {
    let line = "evaluate rows.jsonl --page out/page.md --report out/report.md --pictures out/drawn --date 2026-01-02";
    check(path, line, "", 64, &["out/drawn is no folder"]);
    std::fs::create_dir_all(path.join("out/drawn")).unwrap();
    std::fs::write(path.join("why.md"), "## Why\n\nA person says.\n").unwrap();
    check(path, &format!("{line} --prose why.md"), "", 0, &["log-visible core"]);
    let read = |name: &str| std::fs::read_to_string(path.join(name)).unwrap();
    let page = read("out/page.md");
    for words in [
        "Measured 2026-01-02",
        "## Bars",
        "| log-visible core | 18 | 18 | 100.00 |",
        "## Payloads replaced by x",
        "](drawn/roc.svg)",
        "## Why\n\nA person says.",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(read("out/drawn/roc.svg").starts_with("<svg "));
    assert!(read("out/report.md").contains("evidence (log-likelihood ratio"));
    check(path, "evaluate rows.jsonl --report out", "", 64, &["--report names a file"]);
}

/// A file of identifiers says which golden rows count, and then each must be there.
fn only_the_rows_that_were_frozen_count(path: &Path) {
    let promote = |file: &str, ids: &str, code: i32, told: &[&str]| {
        std::fs::write(path.join(file), ids).unwrap();
        let line = "model promote again.json --folder models --golden golden.jsonl --ids";
        check(path, &format!("{line} {file}"), "", code, told)
    };
    promote(
        "more.txt",
        "north0\nsouth1\n\ngone\n",
        3,
        &["1 golden row(s) are absent, such as gone"],
    );
    promote("none.txt", "\n", 64, &["none.txt: it names no row"]);
    let told = promote("frozen.txt", "north0\nsouth1\n", 0, &["/1 ", "is models/current.json now"]);
    assert!(!told.contains("--ids"), "{told}");
}

#[test]
fn a_model_is_learnt_compared_promoted_and_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let put = |name: &str, text: &str| std::fs::write(path.join(name), text).unwrap();
    put("rows.jsonl", &rows("'+union+select+card,cvc+from+cards--+-"));
    put("golden.jsonl", &rows("'+and+sleep(9)--+-"));
    put(
        "one.jsonl",
        &rows("'")
            .lines()
            .filter(|row| row.contains("north"))
            .map(|row| format!("{row}\n"))
            .collect::<String>(),
    );
    check(path, "train one.jsonl --out a.json", "", 1, &["rows of 1 source(s)"]);
    check(path, "train rows.jsonl --out .", "", 64, &["is a folder"]);
    check(path, "train rows.jsonl --out a.json", "", 0, &["evidence", "a model from 36 rows"]);
    check(path, "train rows.jsonl --out again.json", "", 0, &[]);
    let read = |name: &str| std::fs::read(path.join(name)).unwrap();
    assert_eq!(read("a.json"), read("again.json"), "training is not deterministic");
    check(path, "evaluate rows.jsonl", "", 0, &["log-visible core", "by class and source"]);
    let blind = json(path, "evaluate rows.jsonl --blind", "");
    assert!(blind.get("classes").is_none() && blind["tables"].is_array(), "{blind}");
    a_page_is_written(path);
    check(
        path,
        "model compare shipped a.json --golden golden.jsonl",
        "",
        0,
        &["evidence: found sqli", "alone: false plain"],
    );
    let same = json(path, "model compare a.json again.json --golden golden.jsonl", "");
    assert!(same["bars"].as_array().unwrap().iter().all(|bar| bar["worse"] == false), "{same}");

    // One that calls everything an attack, and one that sees none.
    let mut model: Value = serde_json::from_slice(&read("a.json")).unwrap();
    let mut write = |name: &str, evidence: f64| {
        (model["evidence"], model["alone"]) = (evidence.into(), 59.0.into());
        put(name, &model.to_string());
    };
    write("blind.json", 59.0);
    write("loud.json", -59.0);
    std::fs::create_dir(path.join("models")).unwrap();
    std::fs::copy(path.join("a.json"), path.join("models/current.json")).unwrap();
    let promote =
        |name: &str| format!("model promote {name} --folder models --golden golden.jsonl");
    check(path, &promote("blind.json"), "", 3, &["blind.json is not promoted: worse at "]);
    std::fs::create_dir(path.join("silent")).unwrap();
    std::fs::copy(path.join("blind.json"), path.join("silent/current.json")).unwrap();
    let loud = "model promote loud.json --folder silent --golden golden.jsonl";
    check(path, loud, "", 3, &["not promoted: worse at evidence: false plain"]);
    check(path, &promote("rows.jsonl"), "", 64, &["rows.jsonl: the model file"]);
    assert_eq!(read("models/current.json"), read("a.json"));
    put("again.json", &format!("{}\n", String::from_utf8(read("a.json")).unwrap()));
    check(path, &promote("again.json"), "", 0, &["is models/current.json now", "with --ids"]);
    assert_eq!(
        (read("models/current.json"), read("models/previous.json")),
        (read("again.json"), read("a.json"))
    );
    check(path, "model rollback --folder models", "", 0, &["again"]);
    assert_eq!(
        (read("models/current.json"), read("models/previous.json")),
        (read("a.json"), read("again.json"))
    );
    only_the_rows_that_were_frozen_count(path);
}
