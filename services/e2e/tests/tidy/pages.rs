//! What a page tells a reader to type is run by a test, or says why it is not.
//!
//! Before a block of commands stands `<!-- run by: FOLDER::FILE -->`, which names a test under some crate's `tests`, or
//! `<!-- not run: why -->`. That the named test does run it is that test's matter: it looks for its own mark.

use std::path::PathBuf;

use super::{check, root, sources};

/// What a block of commands is labelled with.
const SHELLS: [&str; 5] = ["sh", "bash", "shell", "console", "zsh"];
/// What a line begins with that is a command, wherever it stands.
const PROGRAMS: [&str; 14] = [
    "$",
    "aws",
    "cargo",
    "curl",
    "docker",
    "grep",
    "helm",
    "kafka-console-consumer.sh",
    "kafka-topics.sh",
    "kubectl",
    "perimeter",
    "pip",
    "redis-cli",
    "sudo",
];
/// Programs of others whose commands inside a sentence are marked too; our own are checked by the CLI's tests.
const OTHERS: [&str; 5] = ["aws ", "curl ", "kafka-", "kubectl ", "redis-cli "];
const REASON_WORDS_MIN: usize = 3;

/// One block of a page: fenced, or a paragraph that is indented as code.
#[derive(Debug, Default)]
struct Block {
    line: usize,
    before: String,
    label: String,
    lines: Vec<String>,
}

fn pages() -> Vec<(PathBuf, String)> {
    let mut paths = vec![root().join("README.md")];
    for folder in ["docs", "docs/detection", "docs/guides", "docs/runbooks", "docs/adr", "deploy"] {
        let entries = std::fs::read_dir(root().join(folder)).unwrap();
        let files = entries.map(|entry| entry.unwrap().path());
        paths.extend(files.filter(|path| path.extension().is_some_and(|end| end == "md")));
    }
    paths.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        (path.strip_prefix(root()).unwrap().to_owned(), text)
    };
    paths.into_iter().map(read).collect()
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let (mut fenced, mut indented) = (None::<Block>, None::<Block>);
    let mut before = String::new();
    for (number, line) in page.lines().enumerate() {
        if let Some(mut block) = fenced.take() {
            match line.trim_start().starts_with("```") {
                true => blocks.push(block),
                false => {
                    block.lines.push(line.to_owned());
                    fenced = Some(block);
                }
            }
            continue;
        }
        let begin = |label: &str| Block {
            line: number + 1,
            before: before.clone(),
            label: label.to_owned(),
            lines: Vec::new(),
        };
        if let Some(label) = line.trim_start().strip_prefix("```") {
            fenced = Some(begin(label));
        } else if let Some(code) = line.strip_prefix("    ") {
            indented.get_or_insert_with(|| begin("")).lines.push(code.to_owned());
        } else {
            blocks.extend(indented.take());
        }
        before = line.trim().to_owned();
    }
    blocks.extend(indented);
    blocks
}

/// What is wrong with a block, if anything is.
fn fault(block: &Block, tests: &[String]) -> Option<String> {
    let label = block.label.split(' ').next().unwrap_or_default();
    if !SHELLS.contains(&label) {
        // A drawing may name a program, too.
        let command = block.lines.iter().find(|line| {
            let first = line.split_whitespace().next().unwrap_or_default();
            PROGRAMS.contains(&first) && !line.contains('─')
        })?;
        return Some(format!("'{command}' is a command; put it in a block ```sh"));
    }
    let mark = block.before.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->"));
    let marked = mark.and_then(|mark| mark.split_once(": "));
    match marked {
        Some(("run by", test)) if tests.iter().any(|known| known == test) => None,
        Some(("run by", test)) => Some(format!("there is no test {test}")),
        Some(("not run", why)) if why.split(' ').count() >= REASON_WORDS_MIN => None,
        Some(("not run", why)) => Some(format!("'{why}' does not say why it is not run")),
        _ => Some("no mark before it: <!-- run by: … --> or <!-- not run: … -->".to_owned()),
    }
}

/// A command of somebody else's inside a sentence, on a line that does not say why it is not run.
fn unmarked(line: &str) -> Option<&str> {
    let spans = line.split('`').skip(1).step_by(2);
    let why = line.split_once("<!-- not run: ").and_then(|(_, rest)| rest.split_once(" -->"));
    let marked = why.is_some_and(|(why, _)| why.split(' ').count() >= REASON_WORDS_MIN);
    let command = |span: &&str| OTHERS.iter().any(|program| span.starts_with(program));
    spans.into_iter().find(command).filter(|_| !marked)
}

/// Files of tests as a mark names them, that look for their own mark.
fn tests() -> Vec<String> {
    let mut tests = Vec::new();
    for (path, text) in sources() {
        let Some((_, below)) = path.to_str().and_then(|path| path.split_once("/tests/")) else {
            continue;
        };
        let name = below.trim_end_matches(".rs").replace('/', "::");
        if text.contains(&format!("<!-- run by: {name} -->")) && text.contains("test]") {
            tests.push(name);
        }
    }
    tests
}

#[test]
fn every_command_of_a_page_is_run_by_a_test_or_says_why_not() {
    let tests = tests();
    assert!(tests.len() >= 2, "the tests that run pages were not found: {tests:?}");
    let mut offences = Vec::new();
    let mut seen = 0;
    for (path, text) in pages() {
        for block in blocks(&text) {
            seen += usize::from(SHELLS.contains(&block.label.as_str()));
            let fault = fault(&block, &tests);
            offences.extend(fault.map(|why| format!("{}:{}: {why}", path.display(), block.line)));
        }
        // What stands in a block was looked at above.
        let mut fenced = false;
        for (number, line) in text.lines().enumerate() {
            fenced ^= line.trim_start().starts_with("```");
            let command = unmarked(line).filter(|_| !fenced);
            offences.extend(command.map(|command| {
                format!("{}:{}: '{command}' is not marked", path.display(), number + 1)
            }));
        }
    }
    assert!(seen > 10, "the blocks were not found");
    check("what a page tells to type is run, or marked", offences);
}

#[test]
fn the_marks_are_told_apart() {
    let tests = vec!["replay::pages".to_owned()];
    for (page, right) in [
        ("<!-- run by: replay::pages -->\n```sh\nperimeter status\n```\n", true),
        ("<!-- not run: needs your AWS account -->\n```sh\nperimeter status\n```\n", true),
        ("```toml\nmode = \"simulated\"\n```\n", true),
        ("```sh\nperimeter status\n```\n", false),
        ("<!-- run by: replay::nothing -->\n```sh\nperimeter status\n```\n", false),
        ("<!-- not run: later -->\n```sh\nperimeter status\n```\n", false),
        ("<!-- run by: replay::pages -->\n\n```sh\nperimeter status\n```\n", false),
        ("```\nperimeter status\n```\n", false),
        ("so:\n\n    perimeter status\n\nand on\n", false),
    ] {
        let faults: Vec<String> =
            blocks(page).iter().filter_map(|block| fault(block, &tests)).collect();
        assert_eq!(faults.is_empty(), right, "{page}{faults:?}");
    }
}

#[test]
fn a_command_in_a_sentence_is_marked_too() {
    for (line, command) in [
        (
            "* Ask it: `curl -s http://ENVOY:9901/clusters`.",
            Some("curl -s http://ENVOY:9901/clusters"),
        ),
        (
            "* Ask it: `curl -s http://ENVOY:9901/clusters`. <!-- not run: needs your Envoy -->",
            None,
        ),
        (
            "* Ask it: `curl -s http://ENVOY:9901/clusters`. <!-- not run: later -->",
            Some("curl -s http://ENVOY:9901/clusters"),
        ),
        ("* `perimeter status`, whose words the CLI knows, and curl by name.", None),
    ] {
        assert_eq!(unmarked(line), command, "{line}");
    }
}

#[test]
fn the_guide_names_every_key_of_a_policy() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap();
    let form = read("services/common/observe/src/policy/form.rs");
    let guide = read("docs/guides/write-a-policy.md");
    let fields = form.lines().filter_map(|line| line.trim().strip_prefix("pub(super) "));
    let names = fields.filter_map(|field| field.split_once(": ")).map(|(name, _)| name);
    let keys: Vec<&str> = names.filter(|name| !name.contains(' ')).collect();
    assert!(keys.len() > 20, "the keys were not found");
    let named = |key: &&str| {
        ["`KEY`", "`[KEY]`", "KEY = "].iter().any(|form| guide.contains(&form.replace("KEY", key)))
    };
    let missing = keys.iter().filter(|key| !named(key)).map(|key| (*key).to_owned()).collect();
    check("docs/guides/write-a-policy.md names every key", missing);
}
