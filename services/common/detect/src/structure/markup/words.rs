//! The words that markup and its scripts are made of, sorted for a binary search.

use super::super::table::{Table, count, flat};

/// What an element is to somebody who injects it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Script,
    Active,
    Plain,
    Format,
    Unknown,
}

/// Loads, runs or redirects by an attribute.
#[rustfmt::skip]
const ACTIVE: &[&[u8]] = &[
    b"animate", b"applet", b"base", b"bgsound", b"embed", b"form", b"frame", b"frameset", b"iframe", b"import",
    b"isindex", b"layer", b"link", b"math", b"meta", b"object", b"portal", b"set", b"style", b"svg",
];

#[rustfmt::skip]
const PLAIN: &[&[u8]] = &[
    b"animatemotion", b"animatetransform", b"area", b"article", b"aside", b"audio", b"body", b"button",
    b"canvas", b"caption", b"center", b"col", b"datalist", b"details", b"dialog", b"fieldset", b"font",
    b"footer", b"foreignobject", b"head", b"header", b"html", b"ilayer", b"image", b"img", b"input", b"keygen",
    b"label", b"legend", b"listing", b"main", b"map", b"marquee", b"mglyph", b"mtext", b"nav", b"nobr",
    b"noembed", b"noframes", b"noscript", b"option", b"output", b"param", b"picture", b"plaintext", b"section",
    b"select", b"source", b"spacer", b"summary", b"template", b"textarea", b"title", b"track", b"use", b"video",
    b"xml", b"xmp", b"xss",
];

#[rustfmt::skip]
const FORMAT: &[&[u8]] = &[
    b"a", b"abbr", b"b", b"big", b"blockquote", b"br", b"cite", b"code", b"dd", b"del", b"div", b"dl", b"dt",
    b"em", b"h1", b"h2", b"h3", b"h4", b"h5", b"h6", b"hr", b"i", b"ins", b"kbd", b"li", b"mark", b"ol", b"p",
    b"pre", b"q", b"s", b"small", b"span", b"strike", b"strong", b"sub", b"sup", b"table", b"tbody", b"td",
    b"th", b"thead", b"tr", b"tt", b"u", b"ul", b"var",
];

/// Functions that show that a script runs.
#[rustfmt::skip]
pub(super) const PROBES: &[&[u8]] = &[
    b"alert", b"confirm", b"prompt",
];

/// What such a call is given, beside literals.
#[rustfmt::skip]
pub(super) const PROBE_ARGUMENTS: &[&[u8]] = &[
    b"atob", b"cookie", b"document", b"domain", b"escape", b"eval", b"globalthis", b"hello", b"history",
    b"location", b"name", b"navigator", b"origin", b"parent", b"self", b"string", b"test", b"this", b"top",
    b"true", b"unescape", b"url", b"window", b"xss",
];

/// Functions that take a function.
#[rustfmt::skip]
pub(super) const HIGHER: &[&[u8]] = &[
    b"call", b"every", b"filter", b"find", b"findindex", b"foreach", b"from", b"map", b"some", b"sort", b"then",
];

/// Functions that run or fetch code whatever they are given.
#[rustfmt::skip]
pub(super) const EXEC: &[&[u8]] = &[
    b"atob", b"decodeuricomponent", b"eval", b"execscript", b"fromcharcode", b"importscripts", b"sendbeacon",
    b"unescape",
];

/// Functions that run or fetch code when they are given a string.
#[rustfmt::skip]
pub(super) const EXEC_STRING: &[&[u8]] = &[
    b"activexobject", b"constructor", b"fetch", b"function", b"getscript", b"import", b"setimmediate",
    b"setinterval", b"settimeout",
];

#[rustfmt::skip]
pub(super) const OBJECTS: &[&[u8]] = &[
    b"document", b"frames", b"globalthis", b"location", b"opener", b"parent", b"self", b"top", b"window",
];

#[rustfmt::skip]
pub(super) const MEMBERS: &[&[u8]] = &[
    b"alert", b"assign", b"body", b"confirm", b"constructor", b"cookie", b"defaultview", b"documentelement",
    b"domain", b"eval", b"forms", b"hash", b"href", b"innerhtml", b"localstorage", b"location", b"name",
    b"onerror", b"onload", b"open", b"prompt", b"referrer", b"replace", b"search", b"vulnerable", b"write",
    b"writeln",
];

/// Words that a script begins with.
#[rustfmt::skip]
pub(super) const STATEMENTS: &[&[u8]] = &[
    b"const", b"document", b"for", b"function", b"if", b"import", b"let", b"location", b"new", b"return",
    b"self", b"this", b"throw", b"top", b"try", b"var", b"void", b"while", b"window", b"with",
];

/// Attributes that hold an address.
#[rustfmt::skip]
pub(super) const ADDRESSES: &[&[u8]] = &[
    b"action", b"archive", b"background", b"code", b"codebase", b"data", b"dynsrc", b"formaction", b"href",
    b"lowsrc", b"poster", b"src", b"srcset", b"xlink:href", b"xml:base",
];

/// How the names of events go on behind `on`.
#[rustfmt::skip]
const EVENTS: &[&[u8]] = &[
    b"abort", b"activate", b"after", b"animation", b"auxclick", b"before", b"begin", b"blur", b"bounce",
    b"canplay", b"cell", b"change", b"click", b"close", b"content", b"context", b"control", b"copy",
    b"cuechange", b"cut", b"data", b"dbl", b"deactivate", b"drag", b"drop", b"duration", b"emptied", b"end",
    b"ended", b"error", b"filter", b"finish", b"focus", b"formdata", b"fullscreen", b"got", b"hash", b"help",
    b"input", b"invalid", b"key", b"layout", b"load", b"lose", b"lost", b"message", b"mouse", b"move", b"moz",
    b"page", b"paste", b"pause", b"play", b"pointer", b"pop", b"progress", b"property", b"ratechange",
    b"readystate", b"repeat", b"reset", b"resize", b"row", b"scroll", b"search", b"securitypolicy", b"seek",
    b"select", b"show", b"slotchange", b"stalled", b"start", b"stop", b"storage", b"submit", b"suspend",
    b"timeupdate", b"toggle", b"touch", b"transition", b"unhandled", b"unload", b"volume", b"waiting",
    b"webkit", b"wheel",
];

static TABLE: Table<Kind> = Table::new(&ELEMENTS);
static ELEMENTS: [(&[u8], Kind); count(LISTS)] = flat(LISTS);
const LISTS: &[(Kind, &[&[u8]])] =
    &[(Kind::Active, ACTIVE), (Kind::Plain, PLAIN), (Kind::Format, FORMAT)];

pub(super) fn kind(name: &[u8]) -> Kind {
    let local = name.iter().rposition(|b| *b == b':').map_or(name, |colon| &name[colon + 1..]);
    if local == b"script" { Kind::Script } else { TABLE.get(name).unwrap_or(Kind::Unknown) }
}

/// Whether an element of this name loads, sends, redirects or draws.
pub(super) fn is_active(name: &[u8]) -> bool {
    matches!(kind(name), Kind::Script | Kind::Active)
}

/// Whether `name` is shaped as an event's attribute.
pub(super) fn is_handler(name: &[u8]) -> bool {
    name.len() >= 5 && name.starts_with(b"on") && name[2..].iter().all(u8::is_ascii_lowercase)
}

/// Whether `name` is the attribute of an event that browsers have, so that it tells something outside a tag too.
pub(super) fn is_event(name: &[u8]) -> bool {
    name.strip_prefix(b"on").is_some_and(|rest| EVENTS.iter().any(|event| rest.starts_with(event)))
}

pub(super) fn has(list: &[&[u8]], word: &[u8]) -> bool {
    // The lists are short: bytes are cheaper to compare than words.
    word.first().is_some_and(|first| list.iter().any(|one| one[0] == *first && *one == word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted() {
        for list in [
            ACTIVE,
            PLAIN,
            FORMAT,
            PROBES,
            PROBE_ARGUMENTS,
            HIGHER,
            EXEC,
            EXEC_STRING,
            OBJECTS,
            MEMBERS,
            STATEMENTS,
            ADDRESSES,
            EVENTS,
        ] {
            assert!(
                list.is_sorted(),
                "{:?}",
                list.iter().map(|w| String::from_utf8_lossy(w)).collect::<Vec<_>>()
            );
        }
    }
}
