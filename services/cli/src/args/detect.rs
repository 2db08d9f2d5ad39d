//! The commands over single requests: what the detector says of them, its rules and its model.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::EXIT_CODES;
use crate::input::STANDARD_INPUT;

/// What requests are judged with.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Inputs {
    /// Probability of an attack before anything is read; 0.001 when absent.
    #[arg(long, value_name = "PROBABILITY", value_parser = probability)]
    pub(crate) pi: Option<f64>,
    /// The model file; the one that is shipped when absent.
    #[arg(long, value_name = "FILE")]
    pub(crate) model: Option<PathBuf>,
    /// A pack of your own beside the built-in ones; may be given more than once.
    #[arg(long = "pack", value_name = "FILE")]
    pub(crate) packs: Vec<PathBuf>,
    /// A public ed25519 key, as a PEM file or in base64: each pack must then be signed by one of these in FILE.sig.
    #[arg(long = "key", value_name = "KEY")]
    pub(crate) keys: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Score {
    /// How the requests are written. `requests`: JSON lines with id, method, uri, headers and body; all else in a
    /// row is ignored.
    #[arg(long, value_enum, default_value_t = RequestFormat::Requests)]
    pub(crate) format: RequestFormat,
    /// The file, plain or gzip; standard input for - or nothing.
    #[arg(default_value = STANDARD_INPUT)]
    pub(crate) file: String,
    #[command(flatten)]
    pub(crate) inputs: Inputs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RequestFormat {
    Requests,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainRequest {
    /// The request, as a JSON line with method, uri, headers and body, or as it is sent over HTTP/1.1; standard input
    /// for - or nothing.
    #[arg(default_value = STANDARD_INPUT)]
    pub(crate) file: String,
    /// Which row, where the file has more than one.
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// The exceptions in force, as `perimeter rules except` writes them.
    #[arg(long, value_name = "FILE")]
    pub(crate) exceptions: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) inputs: Inputs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Rules {
    /// List the signatures, or what their `flags` may ask for.
    #[command(after_long_help = EXIT_CODES)]
    List(RulesList),
    /// Say all about one signature: where it looks, for what, how heavily it weighs.
    #[command(after_long_help = EXIT_CODES)]
    Explain(RulesExplain),
    /// Try the signatures of packs on their own examples.
    #[command(after_long_help = EXIT_CODES)]
    Test(RulesTest),
    /// Hide one signature on one route for a time: written to a file of exceptions.
    #[command(after_long_help = EXIT_CODES)]
    Except(RulesExcept),
    /// Prove what exceptions hide in one request.
    #[command(after_long_help = EXIT_CODES)]
    WhyNot(RulesWhyNot),
}

#[derive(Debug, Args)]
pub(crate) struct RulesList {
    /// List structure flags and marks instead, each with its meaning.
    #[arg(long)]
    pub(crate) flags: bool,
    #[command(flatten)]
    pub(crate) inputs: Inputs,
}

#[derive(Debug, Args)]
pub(crate) struct RulesExplain {
    /// The identifier of a signature, a structure flag or a mark.
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) inputs: Inputs,
}

#[derive(Debug, Args)]
pub(crate) struct RulesTest {
    /// Packs of your own; the built-in ones when absent.
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// A public ed25519 key, as a PEM file or in base64: each pack must then be signed by one of these in FILE.sig.
    #[arg(long = "key", value_name = "KEY")]
    pub(crate) keys: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RulesExcept {
    /// The identifier of the signature.
    #[arg(long, value_name = "ID")]
    pub(crate) signature: String,
    /// A path, or the beginning of one followed by *.
    #[arg(long)]
    pub(crate) route: String,
    /// The parameter, field, cookie or header; any when absent.
    #[arg(long, value_name = "NAME")]
    pub(crate) param: Option<String>,
    /// When it ends: 2026-12-31, 2026-12-31T18:00Z, or 14d from now; at most 90 days ahead.
    #[arg(long, value_name = "TIME")]
    pub(crate) until: String,
    /// Why; your colleagues read it.
    #[arg(long)]
    pub(crate) reason: String,
    /// The file of exceptions; made where there is none.
    #[arg(long, value_name = "FILE", default_value = "exceptions.toml")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) inputs: Inputs,
}

#[derive(Debug, Args)]
pub(crate) struct RulesWhyNot {
    /// The request, as for `explain-request`; standard input for -.
    pub(crate) request: String,
    /// Which row, where the file has more than one.
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// The exceptions, as `perimeter rules except` writes them.
    #[arg(long, value_name = "FILE", default_value = "exceptions.toml")]
    pub(crate) exceptions: PathBuf,
    #[command(flatten)]
    pub(crate) inputs: Inputs,
}

#[derive(Debug, Args)]
pub(crate) struct Train {
    /// Labelled requests, one JSON object a line, plain or gzip.
    pub(crate) rows: String,
    /// Where the model goes.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Evaluate {
    /// Labelled requests, one JSON object a line, plain or gzip.
    pub(crate) rows: String,
    /// Print totals only: nothing by class, source or row.
    #[arg(long, conflicts_with_all = ["page", "kinds"])]
    pub(crate) blind: bool,
    /// Also print identifiers of missed attacks and false alarms.
    #[arg(long)]
    pub(crate) kinds: bool,
    /// Leave out the second training, with the signatures off that a source alone vouches for.
    #[arg(long, conflicts_with = "page")]
    pub(crate) quick: bool,
    /// Control: benign values at other places.
    #[arg(long)]
    pub(crate) moved: bool,
    /// Control, one more training: every payload replaced by x.
    #[arg(long)]
    pub(crate) emptied: bool,
    /// Write what is printed under a head.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Write everything as a page in Markdown, with both controls.
    #[arg(long, value_name = "FILE")]
    pub(crate) page: Option<PathBuf>,
    /// Draw the ROC and how reliable probabilities are into this folder, as SVG.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) pictures: Option<PathBuf>,
    /// Figures of an earlier run, as JSON, to stand beside these on the page.
    #[arg(long, value_name = "FILE", requires = "page")]
    pub(crate) beside: Option<PathBuf>,
    /// Markdown of yours for the end of the page, such as what is missed and why.
    #[arg(long, value_name = "FILE", requires = "page")]
    pub(crate) prose: Option<PathBuf>,
    /// The day that page and report carry; today where it is not said.
    #[arg(long)]
    pub(crate) date: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// Measure two models on the same rows, bar by bar.
    #[command(after_long_help = EXIT_CODES)]
    Compare(ModelCompare),
    /// Make a model the current one of a folder, if no golden row is absent and no bar gets worse on them: what is found
    /// of any class of attacks, and what is falsely found of any tier.
    #[command(after_long_help = EXIT_CODES)]
    Promote(ModelPromote),
    /// Make the previous model of a folder the current one again.
    #[command(after_long_help = EXIT_CODES)]
    Rollback(ModelRollback),
}

#[derive(Debug, Args)]
pub(crate) struct ModelCompare {
    /// A model file, or `shipped`.
    pub(crate) before: String,
    /// A model file, or `shipped`.
    pub(crate) after: String,
    /// Labelled requests that no model was learnt from.
    #[arg(long, value_name = "ROWS")]
    pub(crate) golden: String,
    /// Which of them count, an identifier a line, frozen before either model was made; all when absent.
    #[arg(long, value_name = "FILE")]
    pub(crate) ids: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ModelPromote {
    /// The model file.
    pub(crate) candidate: PathBuf,
    /// The folder with current.json and previous.json.
    #[arg(long)]
    pub(crate) folder: PathBuf,
    /// Labelled requests that no model was learnt from.
    #[arg(long, value_name = "ROWS")]
    pub(crate) golden: String,
    /// Which of them count, an identifier a line, frozen before either model was made; all when absent. Where one of
    /// them is not among the rows, nothing is promoted.
    #[arg(long, value_name = "FILE")]
    pub(crate) ids: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ModelRollback {
    /// The folder with current.json and previous.json.
    #[arg(long)]
    pub(crate) folder: PathBuf,
}

fn probability(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value < 1.0 => Ok(value),
        _ => Err("a probability lies between 0 and 1, for example 0.001".to_owned()),
    }
}
