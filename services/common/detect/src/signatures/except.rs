//! Exceptions: one signature hidden on one route, for a time, with a reason.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::percent;
use crate::request::{Request, Value};

/// Most days that an exception lasts: one that nobody looks at again is a hole.
pub const DAYS_MAX: u64 = 90;
const DAY_MS: u64 = 86_400_000;
/// How far the clock of whoever wrote an exception may be ahead.
const CLOCKS_MS: u64 = 3_600_000;
/// How often servers and proxies in a row may decode a path.
const DECODED_MAX: usize = 3;

/// One exception. It hides a hit of `signature` where route and parameter fit, before `until`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Except {
    /// Identifier of the signature.
    pub signature: String,
    /// A path, or the beginning of one followed by `*`.
    pub route: String,
    /// Name of the parameter, field, cookie or header; any when absent. A path has no name.
    pub parameter: Option<String>,
    /// When it ends, in UTC milliseconds.
    pub until: u64,
    pub reason: String,
}

/// A file of exceptions.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    #[serde(default)]
    except: Vec<Except>,
}

impl Except {
    /// Reads the TOML of a file of exceptions, those that ended too. Answers what is wrong with it.
    pub fn parse(text: &str) -> Result<Vec<Self>, String> {
        let form: Form =
            toml::from_str(text).map_err(|why| format!("it is no file of exceptions: {why}"))?;
        form.except.iter().try_for_each(Except::check)?;
        Ok(form.except)
    }

    /// What is wrong with it, and what to do.
    pub fn check(&self) -> Result<(), String> {
        let wrong = if self.signature.is_empty() {
            "an exception names one signature"
        } else if !self.route.starts_with('/') || self.route == "/*" {
            "the route of an exception begins with `/` and is narrower than `/*`"
        } else if self.route.trim_end_matches('*').contains('*') || self.route.ends_with("**") {
            "`*` may stand only once, at the end of the route of an exception"
        } else if self.route.contains(['?', '#']) {
            "the route of an exception is a path alone, without `?` or `#` and what follows; name a parameter to hide it \
             there only"
        } else if self.reason.trim().is_empty() {
            "an exception has a reason: whoever reads it later needs it"
        } else {
            return Ok(());
        };
        Err(wrong.to_owned())
    }

    /// What is wrong with its end for whoever takes it over at `now` (UTC milliseconds), and what to do.
    pub fn check_until(&self, now: u64) -> Result<(), String> {
        if self.until <= now.saturating_add(DAYS_MAX * DAY_MS + CLOCKS_MS) {
            return Ok(());
        }
        Err(format!(
            "the exception of {} on {} ends more than {DAYS_MAX} days from now: set an earlier `until`, and renew it \
             then if it is still right",
            self.signature, self.route
        ))
    }

    /// Whether it hides a hit of `signature` on `value`, in a request for `target`, which has no query any more.
    fn fits(&self, signature: &str, target: &[u8], value: &Value<'_>) -> bool {
        let path = target.split(|byte| *byte == b'#').next().unwrap_or_default();
        let route = match self.route.strip_suffix('*') {
            Some(start) => path.starts_with(start.as_bytes()),
            None => path == self.route.as_bytes(),
        };
        route
            && self.signature == signature
            && self.parameter.as_ref().is_none_or(|name| name.as_bytes() == value.name)
            // What goes on after the route and leads up is served from elsewhere; not every server ends a path at `#`.
            && (target == self.route.as_bytes() || !leads_up(target))
    }
}

/// The exceptions in force in one installation.
#[derive(Debug, Clone, Default)]
pub struct Exceptions(Vec<Except>);

impl Exceptions {
    /// Takes valid ones only; answers what is wrong with the first that is not.
    pub fn new(list: Vec<Except>) -> Result<Self, String> {
        list.iter().try_for_each(Except::check)?;
        Ok(Self(list))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Except> {
        self.0.iter()
    }

    /// The exception that hides a hit of `signature` on `value` of `request` at the time `now` (UTC milliseconds).
    pub fn hiding(
        &self,
        signature: &str,
        request: &Request<'_>,
        value: &Value<'_>,
        now: u64,
    ) -> Option<&Except> {
        let target = request.target().origin;
        let target = target.split(|byte| *byte == b'?').next().unwrap_or_default();
        self.0.iter().find(|except| now < except.until && except.fits(signature, target, value))
    }
}

/// Whether some server may read a segment of `path` as `..`: however often it is encoded, with `\` for `/`, and with
/// parameters behind it.
fn leads_up(path: &[u8]) -> bool {
    let up = |segment: &[u8]| {
        let ends = |byte: &u8| matches!(byte, b';' | b'?' | b'#' | 0);
        segment.strip_prefix(b"..").is_some_and(|rest| rest.first().is_none_or(ends))
    };
    let mut path = Cow::Borrowed(path);
    for _ in 0..DECODED_MAX {
        if path.split(|byte| matches!(byte, b'/' | b'\\')).any(up) {
            return true;
        }
        if !path.contains(&b'%') {
            return false;
        }
        path = Cow::Owned(percent::decoded(&path).collect());
    }
    path.split(|byte| matches!(byte, b'/' | b'\\')).any(up)
}
