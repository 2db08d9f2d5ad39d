//! The guides' examples: what a page says that a command prints is what it prints.

use std::path::{Path, PathBuf};

/// One fenced block: what stands after the fence, and its lines.
struct Block<'a> {
    label: &'a str,
    text: String,
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut open: Option<Block<'_>> = None;
    for line in page.lines() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(_), Some(block)) => blocks.push(block),
            (Some(label), None) => open = Some(Block { label, text: String::new() }),
            (None, Some(block)) => open = Some(Block { text: block.text + line + "\n", ..block }),
            (None, None) => {}
        }
    }
    blocks
}

/// Runs every command of the page in a folder with the page's own files; answers how many there were.
fn check(name: &str) -> usize {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guides").join(name);
    let page = std::fs::read_to_string(page).unwrap();
    let folder: PathBuf =
        std::env::temp_dir().join(format!("perimeter-pages-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut run = 0;
    for block in blocks(&page) {
        match block.label.split_once(' ') {
            Some(("text", file)) => std::fs::write(folder.join(file), &block.text).unwrap(),
            Some(("console", "not-run")) => {}
            _ => {
                assert_eq!(block.label, "console", "{name}: a block is run, a file, or not-run");
                let command = block.text.lines().next().unwrap().strip_prefix("$ perimeter ");
                let arguments: Vec<&str> = command.unwrap().split(' ').collect();
                let output = super::command::perimeter_in(&folder, &arguments, "");
                let printed = [output.stdout, output.stderr].concat();
                let expected = block.text.split_once('\n').unwrap().1;
                assert_eq!(String::from_utf8_lossy(&printed), expected, "{name}: {arguments:?}");
                run += 1;
            }
        }
    }
    std::fs::remove_dir_all(&folder).unwrap();
    run
}

#[test]
fn every_example_prints_what_its_page_says() {
    assert_eq!(check("try-it-offline.md"), 4);
    assert_eq!(check("understand-one-decision.md"), 2);
}
