//! The names of the formats.

use std::fmt;
use std::str::FromStr;

use super::template::{Template, TemplateError};

/// A log format that is read. `docs/formats.md` says what is read of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// Common Log Format.
    Common,
    /// Common with referer and agent: Apache's and nginx's default.
    Combined,
    /// Combined with the virtual host first: Apache's `vhost_combined`.
    Vhost,
    /// Combined with `X-Forwarded-For` last: the `main` format of nginx's packages.
    Nginx,
    /// The user's own, as in nginx's `log_format`.
    Template(Template),
    /// Envoy's default text, or JSON with `downstream_remote_address`.
    Envoy,
    /// Traefik's access log, text or JSON.
    Traefik,
    /// Caddy's JSON.
    Caddy,
    /// HAProxy's HTTP log.
    HaProxy,
    /// The W3C extended log of IIS.
    Iis,
    /// Logins that sshd reports, in a syslog file or the journal's JSON.
    Sshd,
    /// The access log of an AWS application load balancer.
    AwsAlb,
    /// AWS WAF's log.
    AwsWaf,
    /// ModSecurity's audit log in JSON, or its lines in an error log.
    ModSecurity,
    /// Coraza's audit log in JSON.
    Coraza,
}

/// A text names no format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    #[error("'{0}' is no format; choose one of {names}, or write a template such as '$remote_addr [$time_local]'", names = names())]
    Unknown(String),
    #[error(transparent)]
    Template(#[from] TemplateError),
}

/// The formats that have a name of their own.
const NAMED: [(&str, Format); 14] = [
    ("common", Format::Common),
    ("combined", Format::Combined),
    ("vhost", Format::Vhost),
    ("nginx", Format::Nginx),
    ("envoy", Format::Envoy),
    ("traefik", Format::Traefik),
    ("caddy", Format::Caddy),
    ("haproxy", Format::HaProxy),
    ("iis", Format::Iis),
    ("sshd", Format::Sshd),
    ("aws-alb", Format::AwsAlb),
    ("aws-waf", Format::AwsWaf),
    ("modsecurity", Format::ModSecurity),
    ("coraza", Format::Coraza),
];

impl Format {
    /// Its name, of a closed set: fit for a metric label. A template's is `template`.
    pub fn name(&self) -> &'static str {
        NAMED.iter().find(|(_, format)| format == self).map_or("template", |(name, _)| name)
    }

    /// Whether its entries are documents of JSON, which may stand on several lines.
    pub(super) fn may_be_json(&self) -> bool {
        matches!(
            self,
            Format::Envoy
                | Format::Traefik
                | Format::Caddy
                | Format::Sshd
                | Format::AwsWaf
                | Format::ModSecurity
                | Format::Coraza
        )
    }

    /// The names of all formats but templates.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMED.iter().map(|(name, _)| *name)
    }
}

impl FromStr for Format {
    type Err = FormatError;

    /// A name, or a template: whatever has a `$`.
    fn from_str(text: &str) -> Result<Self, FormatError> {
        if text.contains('$') {
            return Ok(Format::Template(Template::compile(text)?));
        }
        let named = NAMED.iter().find(|(name, _)| *name == text);
        named
            .map(|(_, format)| format.clone())
            .ok_or_else(|| FormatError::Unknown(super::text::excerpt(text).to_owned()))
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Format::Template(template) => f.write_str(template.source()),
            named => f.write_str(named.name()),
        }
    }
}

fn names() -> String {
    Format::names().collect::<Vec<_>>().join(", ")
}
