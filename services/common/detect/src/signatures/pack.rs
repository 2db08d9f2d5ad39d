//! The TOML form of a pack, and what it must keep to.

use serde::Deserialize;

use super::{Flags, Places, Severity, Signature, View, Whole};

/// Largest pack read.
pub const PACK_BYTES_MAX: usize = 1 << 20;
/// Most signatures of all packs together: as many as the model has slots for.
pub const SIGNATURES_MAX: usize = crate::features::SIGNATURE_SLOTS as usize;
const ID_BYTES_MAX: usize = 64;
pub(super) const PATTERN_BYTES_MAX: usize = 4096;
const NEEDS_MAX: usize = 256;
const NEED_BYTES_MAX: usize = 64;
const EXPLANATION_BYTES_MAX: usize = 200;
const EXAMPLES_MAX: usize = 64;
const PRIOR_MAX: f32 = 12.0;

/// Why a pack was refused: where, what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    #[error("{pack}: {bytes} bytes are more than a pack may have ({PACK_BYTES_MAX}): split it")]
    Size { pack: String, bytes: usize },
    #[error("{pack}: not a pack: {why}: compare it with packs/README.md")]
    Form { pack: String, why: String },
    #[error("{pack}: {id}: {why}")]
    Signature { pack: String, id: String, why: String },
    #[error("more than {SIGNATURES_MAX} signatures in all packs: leave a pack out")]
    Count,
    #[error("{pack}: {why}")]
    Signed { pack: String, why: String },
    #[error("the patterns do not compile together: {why}: shorten the longest")]
    Compile { why: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pack {
    #[serde(default)]
    signature: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    category: String,
    #[serde(default)]
    places: Option<Vec<String>>,
    #[serde(default)]
    view: View,
    severity: Severity,
    cwe: u32,
    attack: String,
    prior: f32,
    #[serde(default)]
    decisive: bool,
    #[serde(default)]
    asks: bool,
    explanation: String,
    #[serde(default)]
    needs: Vec<String>,
    #[serde(default)]
    pattern: Option<String>,
    #[serde(default)]
    flags: Vec<String>,
    #[serde(default)]
    request: Option<Whole>,
    #[serde(default)]
    hits: Vec<String>,
    #[serde(default)]
    misses: Vec<String>,
}

/// Reads the pack `text`, called `pack` in errors.
pub fn parse(pack: &str, text: &str) -> Result<Vec<Signature>, PackError> {
    if text.len() > PACK_BYTES_MAX {
        return Err(PackError::Size { pack: pack.to_owned(), bytes: text.len() });
    }
    let form =
        |why: toml::de::Error| PackError::Form { pack: pack.to_owned(), why: why.to_string() };
    let read: Pack = toml::from_str(text).map_err(form)?;
    if read.signature.len() > SIGNATURES_MAX {
        return Err(PackError::Count);
    }
    read.signature
        .into_iter()
        .map(|entry| {
            let id = entry.id.clone();
            validate(pack, entry).map_err(|why| PackError::Signature {
                pack: pack.to_owned(),
                id,
                why,
            })
        })
        .collect()
}

fn validate(pack: &str, entry: Entry) -> Result<Signature, String> {
    check_limits(&entry)?;
    if let Some(whole) = &entry.request {
        whole.check()?;
    }
    let words = entry.places.unwrap_or_else(|| vec!["value".to_owned()]);
    let places = Places::parse(&words)
        .map_err(|word| format!("no place is called {word:?}: take one of packs/README.md"))?;
    let flags = Flags::parse(&entry.flags).map_err(|word| {
        format!("no flag or mark is called {word:?}: `perimeter rules list --flags` has them")
    })?;
    Ok(Signature {
        id: entry.id,
        pack: pack.to_owned(),
        category: entry.category,
        places,
        view: entry.view,
        severity: entry.severity,
        cwe: entry.cwe,
        attack: entry.attack,
        prior: entry.prior,
        decisive: entry.decisive,
        asks: entry.asks,
        explanation: entry.explanation,
        needs: entry.needs,
        pattern: entry.pattern,
        flags,
        request: entry.request,
        hits: entry.hits,
        misses: entry.misses,
    })
}

fn check_limits(entry: &Entry) -> Result<(), String> {
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    let family = entry
        .id
        .split_once('.')
        .is_some_and(|(family, rest)| !family.is_empty() && !rest.is_empty());
    let looks = entry.pattern.is_some() || !entry.needs.is_empty() || !entry.flags.is_empty();
    let limits = [
        (
            family && entry.id.len() <= ID_BYTES_MAX && entry.id.bytes().all(plain),
            "an id is `family.what-it-finds` in a-z, 0-9, `-` and `_`, at most 64 bytes: rename it",
        ),
        (!entry.category.is_empty(), "the category is empty: say what kind of attack it is"),
        (
            !entry.explanation.trim().is_empty()
                && entry.explanation.len() <= EXPLANATION_BYTES_MAX,
            "the explanation must have 1 to 200 bytes: say it to a person on call",
        ),
        (
            entry.prior.is_finite() && entry.prior >= 0.0 && entry.prior <= PRIOR_MAX,
            "the prior must be between 0 and 12 (log-odds)",
        ),
        (
            entry.attack.starts_with('T') && entry.attack.len() <= 16,
            "`attack` is a technique of MITRE ATT&CK, like T1190",
        ),
        (
            entry
                .pattern
                .as_ref()
                .is_none_or(|pattern| !pattern.is_empty() && pattern.len() <= PATTERN_BYTES_MAX),
            "the pattern must have 1 to 4096 bytes: split the signature",
        ),
        (
            looks || entry.request.is_some(),
            "it looks for nothing: give it `pattern`, `needs`, `flags` or `request`",
        ),
        (
            entry.request.is_none() || !looks && !entry.asks && entry.places.is_none(),
            "it is about the whole request: leave out `places`, `pattern`, `needs`, `flags` and `asks`",
        ),
        (entry.needs.len() <= NEEDS_MAX, "more than 256 `needs`: split the signature"),
        (
            entry.needs.iter().all(|need| (1..=NEED_BYTES_MAX).contains(&need.len())),
            "each of `needs` must have 1 to 64 bytes: shorten or leave out",
        ),
        (
            !entry.needs.iter().any(|need| need.bytes().any(|byte| byte.is_ascii_uppercase())),
            "`needs` must be in lower case, as the text is",
        ),
        (
            entry.places.as_ref().is_none_or(|places| !places.is_empty()),
            "`places` is empty: leave it out for any value",
        ),
        (!entry.hits.is_empty(), "it has no `hits`: give it a value that must hit"),
        (
            entry.hits.len() <= EXAMPLES_MAX && entry.misses.len() <= EXAMPLES_MAX,
            "more than 64 `hits` or `misses`: keep those that differ",
        ),
    ];
    limits.iter().find(|(kept, _)| !kept).map_or(Ok(()), |(_, why)| Err((*why).to_owned()))
}
