//! A simple stand-in for the normaliser and the engine, and the packs as they are written.

use detect::structure::markup::{Markup, read};
use regex::bytes::{Regex, RegexBuilder};
use serde::Deserialize;

#[derive(Deserialize)]
struct Pack {
    signature: Vec<Signature>,
}

#[derive(Deserialize)]
pub(crate) struct Signature {
    pub(crate) id: String,
    pub(crate) places: Vec<String>,
    view: String,
    pub(crate) prior: f64,
    pub(crate) explanation: String,
    pub(crate) needs: Vec<String>,
    pattern: Option<String>,
    flags: Option<Vec<String>>,
    pub(crate) hits: Vec<String>,
    pub(crate) misses: Vec<String>,
    #[serde(skip)]
    regex: Option<Regex>,
}

/// The views of one value that these packs look at.
pub(crate) struct Views {
    text: Vec<u8>,
    path: Vec<u8>,
    found: Markup,
}

impl Views {
    pub(crate) fn of(raw: &[u8]) -> Views {
        let text = decode(&decode(&decode(raw)));
        let lower = String::from_utf8_lossy(&text).to_lowercase().into_bytes();
        let mut text: Vec<u8> = Vec::new();
        for byte in lower {
            let blank = matches!(byte, b'\t' | b'\n' | b'\r' | 0x0b | 0x0c | b' ');
            if !(blank && text.ends_with(b" ")) {
                text.push(if blank { b' ' } else { byte });
            }
        }
        let mut steps = 0;
        let found = read(&text, &mut steps);
        let mut path: Vec<u8> = Vec::new();
        for byte in &text {
            let byte = if *byte == b'\\' { b'/' } else { *byte };
            if byte == b'/' && path.ends_with(b"/") {
                continue;
            }
            if byte == b'/' && path.ends_with(b"/.") {
                path.pop();
                continue;
            }
            path.push(byte);
        }
        Views { text, path, found }
    }
}

impl Signature {
    pub(crate) fn hit(&self, views: &Views) -> bool {
        let view = if self.view == "path" { &views.path } else { &views.text };
        let has = |needle: &String| memchr::memmem::find(view, needle.as_bytes()).is_some();
        let flags = self.flags.iter().flatten().filter(|flag| !flag.starts_with("mark."));
        let set = |flag: &String| {
            let bit = Markup::NAMES.iter().position(|name| name == flag).expect("flag has a bit");
            views.found.0 & (1 << bit) != 0
        };
        (self.needs.is_empty() || self.needs.iter().any(has))
            && flags.into_iter().all(set)
            && self.regex.as_ref().is_none_or(|regex| regex.is_match(view))
    }
}

pub(crate) fn signatures() -> Vec<Signature> {
    let ours = |name: &&(&str, &str)| {
        // Its signatures look at no value.
        name.0 != "request-level.toml"
            && ["xss", "xml", "paths", "request"].iter().any(|family| name.0.starts_with(family))
    };
    let mut all = Vec::new();
    for (_, pack) in detect::signatures::packs().iter().filter(ours) {
        let pack: Pack = toml::from_str(pack).expect("pack is TOML of the known form");
        for mut signature in pack.signature {
            let build = |p: &String| {
                RegexBuilder::new(p).unicode(false).build().expect("pattern is a regex")
            };
            signature.regex = signature.pattern.as_ref().map(build);
            all.push(signature);
        }
    }
    all
}

/// One pass over percent escapes and the common entities; blanks become one space.
fn decode(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let mut at = 0;
    while at < raw.len() {
        let rest = &raw[at..];
        let hex = |from: usize, to: usize| {
            let digits = rest.get(from..to).and_then(|d| std::str::from_utf8(d).ok());
            digits.and_then(|d| u32::from_str_radix(d, 16).ok()).and_then(|n| u8::try_from(n).ok())
        };
        let (byte, len) = match rest[0] {
            b'%' if hex(1, 3).is_some() => (hex(1, 3).expect("just read"), 3),
            b'%' if rest.get(1) == Some(&b'u') && hex(2, 6).is_some() => {
                (hex(2, 6).expect("just read"), 6)
            }
            b'&' => entity(rest),
            byte => (byte, 1),
        };
        out.push(byte);
        at += len;
    }
    out
}

fn entity(rest: &[u8]) -> (u8, usize) {
    let named: [(&[u8], u8); 9] = [
        (b"lt;", b'<'),
        (b"gt;", b'>'),
        (b"quot;", b'"'),
        (b"amp;", b'&'),
        (b"apos;", b'\''),
        (b"colon;", b':'),
        (b"lpar;", b'('),
        (b"tab;", b'\t'),
        (b"newline;", b'\n'),
    ];
    let lower: Vec<u8> = rest.iter().skip(1).take(10).map(u8::to_ascii_lowercase).collect();
    for (name, byte) in named {
        if lower.starts_with(name) {
            return (byte, name.len() + 1);
        }
    }
    if lower.first() == Some(&b'#') {
        let (radix, from) = if lower.get(1) == Some(&b'x') { (16, 2) } else { (10, 1) };
        let digits: String = lower[from..]
            .iter()
            .map(|b| char::from(*b))
            .take_while(|c| c.is_digit(radix))
            .collect();
        let byte = u32::from_str_radix(&digits, radix).ok().and_then(|n| u8::try_from(n).ok());
        if let Some(byte) = byte {
            let end = 1 + from + digits.len();
            return (byte, end + usize::from(rest.get(end) == Some(&b';')));
        }
    }
    (b'&', 1)
}
