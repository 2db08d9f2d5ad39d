//! The pages' examples that need no world: what a page says that a command prints is what it prints.
//!
//! `<!-- run by: replay::pages -->` before a block has it run here. In a `console` block stands one command and all
//! that it prints; every line of an `sh` block must only succeed. A block `text FILE` is a file beside them.
//! With `PERIMETER_PAGES=write` in the environment the pages are corrected instead: a new model changes many figures.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::command::perimeter_in;

const MARK: &str = "<!-- run by: replay::pages -->";
/// Whose files the commands of other pages find too.
const FILES: &str = "docs/guides/try-it-offline.md";

/// One fenced block: the line before it, what stands after the fence, and its lines.
struct Block {
    before: String,
    label: String,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(page: &Path) -> String {
    std::fs::read_to_string(page).unwrap_or_else(|error| panic!("{}: {error}", page.display()))
}

/// Every page that a user reads.
fn pages() -> Vec<PathBuf> {
    let mut pages = vec![root().join("README.md")];
    for folder in ["docs", "docs/guides", "docs/runbooks"] {
        let entries = std::fs::read_dir(root().join(folder)).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        pages.extend(paths.filter(|path| path.extension().is_some_and(|end| end == "md")));
    }
    pages
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let (mut open, mut before) = (None, String::new());
    for line in page.lines() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(_), Some(block)) => blocks.push(block),
            (Some(label), None) => {
                let (before, label) = (std::mem::take(&mut before), label.to_owned());
                open = Some(Block { before, label, text: String::new() });
            }
            (None, Some(block)) => open = Some(Block { text: block.text + line + "\n", ..block }),
            (None, None) => before = line.to_owned(),
        }
    }
    blocks
}

fn write_files(folder: &Path, blocks: &[Block]) {
    for block in blocks {
        if let Some(file) = block.label.strip_prefix("text ") {
            std::fs::write(folder.join(file), &block.text).unwrap();
        }
    }
}

/// Runs a page's marked blocks in a folder with its files; answers how many commands there were.
fn check(page: &Path) -> usize {
    let blocks = blocks(&read(page));
    let name = page.file_name().unwrap().to_string_lossy().into_owned();
    let folder =
        std::env::temp_dir().join(format!("perimeter-pages-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    write_files(&folder, &self::blocks(&read(&root().join(FILES))));
    write_files(&folder, &blocks);
    let mut run = 0;
    for block in blocks.iter().filter(|block| block.before == MARK) {
        run += match block.label.as_str() {
            "console" => compare(&folder, page, &block.text),
            "sh" => block.text.lines().map(|line| succeed(&folder, &name, line)).count(),
            other => panic!("{name}: a block '{other}' cannot be run; write sh or console"),
        };
    }
    std::fs::remove_dir_all(&folder).unwrap();
    run
}

/// Runs the one command of a `console` block and compares what it prints, or corrects the page.
fn compare(folder: &Path, page: &Path, block: &str) -> usize {
    let (command, expected) = block.split_once('\n').unwrap();
    let arguments: Vec<&str> = command.strip_prefix("$ perimeter ").unwrap().split(' ').collect();
    let output = perimeter_in(folder, &arguments, "");
    let printed = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    if std::env::var_os("PERIMETER_PAGES").is_some_and(|wanted| wanted == "write") {
        let corrected = read(page).replace(block, &format!("{command}\n{printed}"));
        std::fs::write(page, corrected).unwrap();
        return 1;
    }
    assert_eq!(printed, expected, "{}: {arguments:?}", page.display());
    1
}

/// Runs one line of an `sh` block. Rows that could not be read are the input's matter (4), not the page's.
fn succeed(folder: &Path, page: &str, line: &str) {
    let programs = Path::new(env!("CARGO_BIN_EXE_perimeter")).parent().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("sh")
        .args(["-c", line])
        .current_dir(folder)
        .env("PATH", format!("{}:{path}", programs.display()))
        .env_remove("PERIMETER_POLICY")
        .output()
        .unwrap();
    let noted = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 4)), "{page}: {line}: {noted}");
}

#[test]
fn every_example_prints_what_its_page_says() {
    let run: Vec<(PathBuf, usize)> =
        pages().into_iter().map(|page| (page.clone(), check(&page))).collect();
    let of = |name: &str| run.iter().find(|(page, _)| page.ends_with(name)).unwrap().1;
    assert_eq!(of("README.md"), 6);
    assert_eq!(of("docs/formats.md"), 2);
    assert_eq!(of("try-it-offline.md"), 7);
    assert_eq!(of("understand-one-decision.md"), 2);
    assert_eq!(of("write-a-policy.md"), 2);
    assert_eq!(of("how-a-score-is-made.md"), 3);
    assert_eq!(of("write-a-rule.md"), 12);
}
