//! The policy file's form, and what to say when a text does not have it. Nothing is judged here.

use schemas::Mode;
use serde::Deserialize;

use super::{PolicyError, error};

/// One line to write for each field, for errors that the parser finds before our own checks do.
const EXAMPLES: [(&str, &str); 20] = [
    ("mode", r#"mode = "simulated""#),
    ("low", r#"low = "observe""#),
    ("medium", r#"medium = "observe""#),
    ("high", r#"high = "block""#),
    ("critical", r#"critical = "block""#),
    ("steps_seconds", "steps_seconds = [300, 3600, 86400]"),
    ("trusted", r#"trusted = ["127.0.0.1/32"]"#),
    ("prior", "prior = 0.001"),
    ("routes", r#"routes = ["/login"]"#),
    ("failures", "failures = 5"),
    ("window_seconds", "window_seconds = 60"),
    ("networks", r#"networks = [{ network = "81.2.69.0/24", name = "office" }]"#),
    ("network", r#"{ network = "81.2.69.0/24", name = "office" }"#),
    ("automatic_prefix_min_v4", "automatic_prefix_min_v4 = 32"),
    ("automatic_prefix_min_v6", "automatic_prefix_min_v6 = 64"),
    ("operator_prefix_min_v4", "operator_prefix_min_v4 = 24"),
    ("operator_prefix_min_v6", "operator_prefix_min_v6 = 56"),
    ("automatic_max_seconds", "automatic_max_seconds = 86400"),
    ("operator_max_seconds", "operator_max_seconds = 604800"),
    ("strike_memory_seconds", "strike_memory_seconds = 604800"),
];

/// Reads the text into its form: known fields, right types.
pub(super) fn read(text: &str) -> Result<File, PolicyError> {
    toml::from_str(text).map_err(|fault| unreadable(text, &fault))
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct File {
    pub(super) mode: Mode,
    pub(super) actions: FileActions,
    pub(super) ladder: FileLadder,
    pub(super) proxies: FileProxies,
    pub(super) detection: FileDetection,
    pub(super) logins: FileLogins,
    pub(super) protected: FileProtected,
    pub(super) limits: FileLimits,
}

impl Default for File {
    fn default() -> Self {
        File {
            mode: Mode::Simulated,
            actions: FileActions::default(),
            ladder: FileLadder::default(),
            proxies: FileProxies::default(),
            detection: FileDetection::default(),
            logins: FileLogins::default(),
            protected: FileProtected::default(),
            limits: FileLimits::default(),
        }
    }
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FileActions {
    pub(super) low: FileAction,
    pub(super) medium: FileAction,
    pub(super) high: FileAction,
    pub(super) critical: FileAction,
}

impl Default for FileActions {
    fn default() -> Self {
        use FileAction::{Block, Observe};
        FileActions { low: Observe, medium: Observe, high: Block, critical: Block }
    }
}

/// What automation may do by itself. An allow is an operator's word, never the policy's.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
pub(super) enum FileAction {
    Observe,
    Block,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FileLadder {
    pub(super) steps_seconds: Vec<i64>,
}

impl Default for FileLadder {
    fn default() -> Self {
        FileLadder { steps_seconds: vec![300, 3_600, 86_400] }
    }
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FileProxies {
    pub(super) trusted: Vec<String>,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FileDetection {
    pub(super) prior: f64,
}

impl Default for FileDetection {
    fn default() -> Self {
        FileDetection { prior: 0.001 }
    }
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FileLogins {
    pub(super) routes: Vec<String>,
    pub(super) failures: i64,
    pub(super) window_seconds: i64,
}

impl Default for FileLogins {
    fn default() -> Self {
        FileLogins { routes: Vec::new(), failures: 5, window_seconds: 60 }
    }
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FileProtected {
    pub(super) networks: Vec<FileNetwork>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileNetwork {
    pub(super) network: String,
    pub(super) name: String,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FileLimits {
    pub(super) automatic_prefix_min_v4: Option<i64>,
    pub(super) automatic_prefix_min_v6: Option<i64>,
    pub(super) operator_prefix_min_v4: Option<i64>,
    pub(super) operator_prefix_min_v6: Option<i64>,
    pub(super) automatic_max_seconds: Option<i64>,
    pub(super) operator_max_seconds: Option<i64>,
    pub(super) strike_memory_seconds: Option<i64>,
}

/// Turns a parser's error into one sentence: the line, its field, and an example of it.
fn unreadable(text: &str, fault: &toml::de::Error) -> PolicyError {
    let start = fault.span().map_or(0, |span| span.start).min(text.len());
    let before = &text.as_bytes()[..start];
    let number = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let line = text.lines().nth(number - 1).unwrap_or_default().trim();
    let field = line.split('=').next().unwrap_or_default().trim();
    let example = EXAMPLES.iter().find(|(name, _)| *name == field).map(|(_, example)| *example);
    let remedy = match example {
        Some(example) => format!("write for example {example}"),
        None => "correct or remove it; compose/policy.demo.toml shows every field".to_owned(),
    };
    let shown: String = line.chars().take(80).collect();
    let problem = fault.message().lines().collect::<Vec<_>>().join(", ");
    error(format!("line {number} ({shown})"), problem, remedy)
}
