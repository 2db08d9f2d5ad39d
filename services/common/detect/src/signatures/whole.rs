//! Signatures of a request as a whole: what its method, its target and its headers say together, and no value alone.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ops::Range;

use memchr::memchr2;
use regex_automata::meta::Regex;
use regex_automata::util::syntax;
use regex_syntax::ParserBuilder;
use serde::{Deserialize, Serialize};

use super::lookalike;
use super::matching::COMPILED_BYTES_MAX;
use super::pack::PATTERN_BYTES_MAX;
use super::required;
use super::symbols::set;
use crate::percent;
use crate::request::{Header, Request};

/// Most methods, and most headers of each kind, that one signature names.
const NAMES_MAX: usize = 16;
/// Methods that nearly every request has.
const ORDINARY: [&[u8]; 3] = [b"GET", b"POST", b"HEAD"];
/// Most bytes of a target that are read otherwise than sent.
const PLAIN_MAX: usize = 2048;
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
    /// Sets of symbols, all of one of which stand in every target that matches.
    symbols: Vec<u64>,
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
            symbols: whole.target.as_deref().map_or_else(Vec::new, symbols_of),
            values: values
                .map(|(name, pattern)| Ok((name.clone(), compile(pattern)?)))
                .collect::<Result<_, String>>()?,
        })
    }

    /// Whether it hits `request`, whose target has the symbols of one way to match it.
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

/// A target as it was sent, and as servers read what is sent otherwise.
struct Target<'a> {
    sent: &'a [u8],
    /// Its path and query.
    origin: &'a [u8],
    /// The symbols of it and of what is escaped in it.
    symbols: u64,
    plain: OnceCell<Plain>,
}

/// Path and query, their escapes undone once, as far as there is room; from their last leading slash.
struct Plain {
    room: [u8; PLAIN_MAX],
    stands: Range<usize>,
}

impl<'a> Target<'a> {
    fn of(request: &Request<'a>) -> Self {
        let (sent, origin) = (request.uri, request.target().origin);
        Target { sent, origin, symbols: symbols(sent), plain: OnceCell::new() }
    }

    fn matches(&self, pattern: &Regex) -> bool {
        pattern.is_match(self.sent)
            || self.sent.len() != self.origin.len() && pattern.is_match(self.origin)
            || otherwise(self.sent) && pattern.is_match(self.plain())
    }

    fn plain(&self) -> &[u8] {
        let plain = self.plain.get_or_init(|| {
            let mut room = [0; PLAIN_MAX];
            let undone = undone(self.origin, &mut room);
            let slashes = undone.iter().take_while(|byte| **byte == b'/').count();
            let stands = slashes.saturating_sub(1)..undone.len();
            Plain { room, stands }
        });
        &plain.room[plain.stands.clone()]
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

/// Whether servers may read a target in another way than it is sent.
fn otherwise(uri: &[u8]) -> bool {
    !uri.starts_with(b"/") || uri.starts_with(b"//") || uri.contains(&b'%')
}

/// `text` with its escapes undone once, as far as `room` goes.
pub(super) fn undone<'a>(text: &[u8], room: &'a mut [u8]) -> &'a mut [u8] {
    let mut length = 0;
    for (place, byte) in room.iter_mut().zip(percent::decoded(text)) {
        *place = byte;
        length += 1;
    }
    &mut room[..length]
}

/// The symbols of a target and of what is escaped in it.
fn symbols(uri: &[u8]) -> u64 {
    let escapes = memchr::memchr_iter(b'%', uri);
    let undone = escapes.filter_map(|at| percent::escape(&uri[at..]));
    undone.fold(set(uri), |all, byte| all | set(&[byte]))
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

/// One set of symbols, all of which stand in every target that `of` matches in one way.
#[derive(Debug)]
struct Way {
    symbols: u64,
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
        let free = if one.target.is_none() { Some(0) } else { None };
        let ways = one.symbols.iter().copied().chain(free);
        self.ways.extend(ways.map(|symbols| Way { symbols, methods, of }));
        self.all.push(one);
    }

    fn run(&self, request: &Request<'_>, target: &Target<'_>, each: &mut impl FnMut(usize)) {
        let (method, mut tried) = (method(request.method), None);
        for Way { symbols, methods, of } in &self.ways {
            // One question for both, as neither answer is foreseen.
            if (symbols & !target.symbols != 0) | (methods & method == 0) | (tried == Some(*of)) {
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

/// Sets of symbols, all of one of which stand in whatever matches `pattern`.
fn symbols_of(pattern: &str) -> Vec<u64> {
    let mut parser = ParserBuilder::new().unicode(false).utf8(false).case_insensitive(true).build();
    parser.parse(pattern).map_or_else(|_| vec![0], |hir| required::ways(&hir))
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
