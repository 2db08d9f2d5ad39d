//! Signatures of a request as a whole: what its method, its target and its headers say together, and no value alone.

use std::collections::BTreeMap;

use memchr::memchr2;
use regex_automata::meta::Regex;
use regex_automata::util::syntax;
use serde::{Deserialize, Serialize};

use super::lookalike;
use super::matching::{COMPILED_BYTES_MAX, parse};
use super::musts::{self, Musts};
use super::pack::PATTERN_BYTES_MAX;
use super::target::Target;
use crate::percent;
use crate::request::{Header, Request};

/// Most methods, and most headers of each kind, that one signature names.
const NAMES_MAX: usize = 16;
/// Methods that nearly every request has.
const ORDINARY: [&[u8]; 3] = [b"GET", b"POST", b"HEAD"];
/// Most bytes of a body that are read for a signature.
const BODY_MAX: usize = 1 << 15;
/// Most headers of an example.
const HEADERS_MAX: usize = 32;

/// What must hold of a request; all that is given must.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Whole {
    /// Its method is one of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// The target matches this pattern, case aside: as sent, or its path and query as servers read them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Its body matches this pattern, case aside: as sent, or with the escapes of forms and JSON undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// A parameter of its query whose name matches this pattern, case aside, is an address of another host that is called
    /// like its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lookalike: Option<String>,
    /// Each of these headers stands in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
    /// Each of these headers stands in it more than once, with values that differ. The host of an absolute target counts
    /// as one more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differing: Vec<String>,
    /// By name of a header, a pattern that its value matches, case aside.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, String>,
}

impl Whole {
    /// What is wrong with it, and what to do.
    pub(super) fn check(&self) -> Result<(), String> {
        let Self { methods, target, body, lookalike, headers, differing, values } = self;
        let patterns = target.iter().chain(body).chain(lookalike).chain(values.values());
        let names = headers.iter().chain(differing).chain(values.keys());
        let limits = [
            (
                *self != Self::default(),
                "`request` asks for nothing: name methods, a target or headers",
            ),
            (
                body.is_none() || target.is_some(),
                "`body` would be read in every request: give it the `target` that it is sent to",
            ),
            (
                methods.iter().all(|method| {
                    !method.is_empty() && !method.bytes().any(|byte| byte.is_ascii_lowercase())
                }),
                "`methods` are written as they are sent, like PUT",
            ),
            (
                names.clone().all(|name| {
                    !name.is_empty() && !name.bytes().any(|byte| byte.is_ascii_uppercase())
                }),
                "names of headers must be in lower case",
            ),
            (
                [methods.len(), headers.len(), differing.len(), values.len()]
                    .iter()
                    .all(|count| *count <= NAMES_MAX),
                "more than 16 methods or headers: split the signature",
            ),
            (
                patterns.clone().all(|pattern| (1..=PATTERN_BYTES_MAX).contains(&pattern.len())),
                "a pattern must have 1 to 4096 bytes: split the signature",
            ),
        ];
        limits.iter().find(|(kept, _)| !kept).map_or(Ok(()), |(_, why)| Err((*why).to_owned()))
    }

    /// What is told of a request that hits: its method and path, and the headers asked for.
    pub(crate) fn seen(&self, request: &Request<'_>) -> Vec<u8> {
        let path = request.uri.split(|byte| *byte == b'?').next().unwrap_or_default();
        let mut seen = [request.method, b" ", path].concat();
        for header in request.headers {
            let named = self.headers.iter().chain(&self.differing).chain(self.values.keys());
            if named.into_iter().any(|name| is(header, name)) {
                seen.extend([b", ", header.name, b": ", header.value].concat());
            }
        }
        seen
    }
}

/// One of them, compiled.
#[derive(Debug)]
pub(super) struct Compiled {
    /// Position of the signature.
    at: u16,
    whole: Whole,
    target: Option<Regex>,
    body: Option<Regex>,
    lookalike: Option<Regex>,
    /// What stands in every target that matches in one of some ways.
    ways: Vec<Musts>,
    values: Vec<(String, Regex)>,
}

impl Compiled {
    pub(super) fn new(at: u16, whole: &Whole) -> Result<Self, String> {
        let values = whole.values.iter();
        Ok(Self {
            at,
            whole: whole.clone(),
            target: whole.target.as_deref().map(compile).transpose()?,
            body: whole.body.as_deref().map(compile).transpose()?,
            lookalike: whole.lookalike.as_deref().map(compile).transpose()?,
            ways: whole.target.as_deref().map_or_else(Vec::new, ways_of),
            values: values
                .map(|(name, pattern)| Ok((name.clone(), compile(pattern)?)))
                .collect::<Result<_, String>>()?,
        })
    }

    /// Whether it hits `request`, whose target has what one way to match it needs.
    fn hits(&self, request: &Request<'_>, target: &Target<'_>) -> bool {
        let Whole { methods, headers, differing, .. } = &self.whole;
        let any = |name: &str| request.headers.iter().any(|header| is(header, name));
        (methods.is_empty() || methods.iter().any(|method| method.as_bytes() == request.method))
            && headers.iter().all(|name| any(name))
            && differing.iter().all(|name| differs(request, name))
            && self.values.iter().all(|(name, pattern)| {
                let mut named = request.headers.iter().filter(|header| is(header, name));
                named.any(|header| pattern.is_match(header.value))
            })
            && self.target.as_ref().is_none_or(|pattern| target.matches(pattern))
            && self.body.as_ref().is_none_or(|pattern| says(request.body, pattern))
            && self.lookalike.as_ref().is_none_or(|names| lookalike::stands_in(request, names))
    }
}

/// Whether the head of a body matches `pattern`: as sent, or with the escapes of forms and JSON undone.
fn says(body: Option<&[u8]>, pattern: &Regex) -> bool {
    let Some(body) = body else { return false };
    let head = &body[..body.len().min(BODY_MAX)];
    pattern.is_match(head)
        || memchr2(b'%', b'\\', head).is_some() && pattern.is_match(&spelled_out(head))
}

/// `text` with `%41` and `\u0041` as the byte that they stand for.
fn spelled_out(mut text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    while let Some((first, behind)) = text.split_first() {
        let (byte, length) = match *text {
            [b'\\', b'u', b'0', b'0', high, low, ..] => (percent::byte(high, low), 6),
            _ => (percent::escape(text), 3),
        };
        out.push(byte.unwrap_or(*first));
        text = if byte.is_some() { &text[length..] } else { behind };
    }
    out
}

/// All of them, those apart that may hit a request of an ordinary method without further headers.
#[derive(Debug, Default)]
pub(super) struct Wholes {
    ordinary: List,
    others: List,
}

/// Some of them. Nearly none hits any one request, so what rules most of them out lies together.
#[derive(Debug, Default)]
struct List {
    ways: Vec<Way>,
    all: Vec<Compiled>,
}

/// What stands in every target that `of` matches in one way.
#[derive(Debug)]
struct Way {
    musts: Musts,
    /// The [bits](method) of the methods that it may hit.
    methods: u8,
    of: u16,
}

impl List {
    fn push(&mut self, one: Compiled) {
        let Whole { methods, .. } = &one.whole;
        let bits = methods.iter().fold(0, |bits, name| bits | method(name.as_bytes()));
        let methods = if methods.is_empty() { u8::MAX } else { bits };
        let of = self.all.len() as u16;
        let free = if one.target.is_none() { Some(Musts::default()) } else { None };
        let ways = one.ways.iter().copied().chain(free);
        self.ways.extend(ways.map(|musts| Way { musts, methods, of }));
        self.all.push(one);
    }

    fn run(&self, request: &Request<'_>, target: &Target<'_>, each: &mut impl FnMut(usize)) {
        let (method, mut tried) = (method(request.method), None);
        for Way { musts, methods, of } in &self.ways {
            // One question for all, as none of the answers is foreseen.
            let other = (methods & method == 0) | (tried == Some(*of));
            if (musts.symbols & !target.symbols != 0) | other || !target.has(&musts.pairs) {
                continue;
            }
            tried = Some(*of);
            let one = &self.all[usize::from(*of)];
            if one.hits(request, target) {
                each(usize::from(one.at));
            }
        }
    }
}

/// A bit for each method that is [`ORDINARY`], and one for all others.
fn method(name: &[u8]) -> u8 {
    let known = ORDINARY.iter().position(|ordinary| *ordinary == name);
    1 << known.unwrap_or(ORDINARY.len())
}

impl Wholes {
    pub(super) fn push(&mut self, one: Compiled) {
        let Whole { methods, lookalike, headers, differing, values, .. } = &one.whole;
        let method = |method: &String| ORDINARY.contains(&method.as_bytes());
        let ordinary = (methods.is_empty() || methods.iter().any(method))
            && lookalike.is_none()
            && headers.is_empty()
            && differing.is_empty()
            && values.is_empty();
        if ordinary { self.ordinary.push(one) } else { self.others.push(one) }
    }

    /// Calls `each` with the position of every signature that hits `request`.
    pub(super) fn run(&self, request: &Request<'_>, mut each: impl FnMut(usize)) {
        let target = Target::of(request);
        self.ordinary.run(request, &target, &mut each);
        if !request.headers.is_empty() || !ORDINARY.contains(&request.method) {
            self.others.run(request, &target, &mut each);
        }
    }
}

fn is(header: &Header<'_>, name: &str) -> bool {
    header.name.eq_ignore_ascii_case(name.as_bytes())
}

/// Whether a header called `name` stands twice with different values, or a host beside another one in the target.
fn differs(request: &Request<'_>, name: &str) -> bool {
    let named = request.headers.iter().filter(|header| is(header, name));
    let mut values = named.map(|header| header.value.trim_ascii());
    let Some(first) = values.next() else { return false };
    let elsewhere = || {
        let host = request.target().host.filter(|host| !host.is_empty());
        host.is_some_and(|host| !portless(host).eq_ignore_ascii_case(portless(first)))
    };
    values.any(|value| value != first) || name == "host" && elsewhere()
}

/// A host without the port of HTTP and of HTTPS, which both go without saying.
fn portless(host: &[u8]) -> &[u8] {
    host.strip_suffix(b":80").or_else(|| host.strip_suffix(b":443")).unwrap_or(host)
}

fn compile(pattern: &str) -> Result<Regex, String> {
    let syntax = syntax::Config::new().unicode(false).utf8(false).case_insensitive(true);
    let limits = Regex::config().utf8_empty(false).nfa_size_limit(Some(COMPILED_BYTES_MAX));
    Regex::builder().syntax(syntax).configure(limits).build(pattern).map_err(|why| {
        format!("the pattern {pattern:?} does not compile: {why}: correct or shorten it")
    })
}

/// What stands in whatever matches `pattern` in one of some ways. Symbols have no case, so the pattern is taken as it is
/// written.
fn ways_of(pattern: &str) -> Vec<Musts> {
    parse(pattern).map_or_else(|_| vec![Musts::default()], |hir| musts::ways(&hir))
}

/// Reads an example: a request line, a header on each line after it, and behind an empty line the body.
pub(super) fn example<T>(text: &str, look: impl FnOnce(&Request<'_>) -> T) -> Result<T, String> {
    let (head, body) =
        text.split_once("\n\n").map_or((text, None), |(head, body)| (head, Some(body)));
    let mut lines = head.lines();
    let mut parts = lines.next().unwrap_or_default().splitn(2, ' ');
    let (method, uri) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let headers: Option<Vec<Header<'_>>> = lines
        .map(|line| {
            let (name, value) = line.split_once(':')?;
            Some(Header { name: name.as_bytes(), value: value.trim_start().as_bytes() })
        })
        .collect();
    match headers {
        Some(headers) if !uri.is_empty() && headers.len() <= HEADERS_MAX => Ok(look(&Request {
            method: method.as_bytes(),
            uri: uri.as_bytes(),
            headers: &headers,
            body: body.map(str::as_bytes),
            ..Request::default()
        })),
        _ => Err("is no request: write `METHOD TARGET`, and `name: value` on each line after it"
            .to_owned()),
    }
}
