//! The pages' commands that need a world, taken out of the pages and run in their order.
//!
//! `<!-- run by: world::pages -->` before an `sh` block has it run here, with addresses of this test's own in place of
//! the page's. What the commands do is other tests' matter; here they are what a reader can type.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use super::addresses;
use super::kit::{World, program, said};

const MARK: &str = "<!-- run by: world::pages -->";
const PAGES: [&str; 5] = [
    "README.md",
    "docs/guides/operate-it.md",
    "docs/guides/understand-one-decision.md",
    "docs/guides/try-it-offline.md",
    "docs/runbooks/PerimeterDeadLetters.md",
];
const COMMANDS_MIN: usize = 15;
/// A watch goes on until somebody ends it.
const WATCHED: Duration = Duration::from_secs(2);
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);

#[tokio::test]
async fn every_command_of_a_page_that_needs_a_world_can_be_typed() {
    let world = World::alone().await;
    let mut failed = Vec::new();
    let mut run = 0;
    for page in PAGES {
        let text = std::fs::read_to_string(root().join(page)).unwrap();
        let named = named(&text);
        for line in commands(&text) {
            run += 1;
            failed
                .extend(typed(&world, &named.fill(line)).await.map(|why| format!("{page}: {why}")));
        }
    }
    // As it was before, whatever happened, or every later test would fail for it.
    world.json(&["thaw", "--reason", "the test is over"]).await;
    world.json(&["mode", "enforced", "--reason", "the test is over"]).await;
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(run >= COMMANDS_MIN, "only {run} commands were found");
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The lines of the marked blocks.
fn commands(page: &str) -> Vec<&str> {
    let marked = page.split(MARK).skip(1);
    let blocks = marked.filter_map(|rest| {
        rest.trim_start().strip_prefix("```sh\n").and_then(|block| block.split("```").next())
    });
    blocks.flat_map(str::lines).filter(|line| !line.is_empty()).collect()
}

/// What stands for the page's addresses and network.
struct Named {
    places: Vec<(&'static str, String)>,
}

fn named(page: &str) -> Named {
    let client = addresses::v4().to_string();
    // No other test's clients begin with this octet.
    let network = client.rsplit_once('.').unwrap().0.split_once('.').unwrap().1;
    let mut places = vec![("81.2.69.0/24", format!("5.{network}.0/24"))];
    for address in ["81.2.69.142", "47.74.36.90"] {
        places.push((address, addresses::v4().to_string()));
    }
    places.retain(|(written, _)| page.contains(written));
    Named { places }
}

impl Named {
    fn fill(&self, line: &str) -> String {
        let mut line = line.to_owned();
        for (written, own) in &self.places {
            line = line.replace(written, own);
        }
        line
    }
}

/// Types one line into a shell; answers what was wrong with it.
async fn typed(world: &World, line: &str) -> Option<String> {
    let endless = line.starts_with("perimeter watch");
    let within = if endless { WATCHED } else { ANSWERED_WITHIN };
    match tokio::time::timeout(within, shell(world, line).output()).await {
        Ok(output) => wrong(&output.unwrap()).map(|why| format!("{line}: {why}")),
        Err(_) if endless => None,
        Err(_) => Some(format!("{line}: no answer within {within:?}")),
    }
}

/// A shell below the checkout, so that `perimeter` finds the world by itself.
fn shell(world: &World, line: &str) -> tokio::process::Command {
    let mut command = world.command(&[]);
    let folder = command.as_std().get_current_dir().unwrap().to_owned();
    let programs = program("perimeter").parent().unwrap().to_owned();
    let path = std::env::var("PATH").unwrap_or_default();
    command = tokio::process::Command::new("sh");
    command.args(["-c", &format!("exec {line}")]).current_dir(folder).kill_on_drop(true);
    command.env("PATH", format!("{}:{path}", programs.display()));
    for name in ["ENDPOINT", "EXECUTORS", "CA", "CERT", "KEY"] {
        command.env_remove(format!("PERIMETER_{name}"));
    }
    command
}

/// Findings of the doctor (4) are the world's matter, not the page's: the pages freeze it and turn it to observing.
fn wrong(output: &Output) -> Option<String> {
    (!matches!(output.status.code(), Some(0 | 4))).then(|| said(output))
}
