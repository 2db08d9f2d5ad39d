//! Exceptions: one signature hidden on one route, for a time, with a reason.

use serde::{Deserialize, Serialize};

use crate::request::{Request, Value};

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
        } else if self.reason.trim().is_empty() {
            "an exception has a reason: whoever reads it later needs it"
        } else {
            return Ok(());
        };
        Err(wrong.to_owned())
    }

    fn fits(&self, signature: &str, path: &[u8], value: &Value<'_>) -> bool {
        let route = match self.route.strip_suffix('*') {
            Some(start) => path.starts_with(start.as_bytes()),
            None => path == self.route.as_bytes(),
        };
        route
            && self.signature == signature
            && self.parameter.as_ref().is_none_or(|name| name.as_bytes() == value.name)
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
        let path = request.uri.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default();
        self.0.iter().find(|except| now < except.until && except.fits(signature, path, value))
    }
}
