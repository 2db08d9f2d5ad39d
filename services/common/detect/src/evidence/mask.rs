//! Credentials, kept out of what is shown.
//!
//! Better too much is masked than too little: whoever reads an explanation needs the attack, never the secret.

use std::ops::Range;
use std::sync::LazyLock;

use regex::bytes::{Regex, RegexBuilder};

use crate::request::{Part, Place, Request, Value};
use crate::split::json;

mod opened;

/// What stands for a masked run.
pub const MASK: &str = "***";
/// In a longer run no further credential is looked for.
const RUN_BYTES: usize = 256;
/// Most bytes quoted of one value, masks aside.
pub const QUOTE_BYTES_MAX: usize = 120;

const WORDS: &str = "passw|passphrase|pwd|secret|token|auth|credential|cookie|jwt|session|sessid|api[_-]?key|\
                     (?:access|private|signing|client|account|licen[cs]e|storage|master|shared|encryption)[_-]?key|passcode|creds|\
                     signature|csrf|xsrf|saml|otp|cvv|cvc";
const SHORT_WORDS: &str = "pass|sid|pin|key|sig|ssid|psw|pw";

static NAME: LazyLock<Regex> = LazyLock::new(|| {
    compile(&format!(
        "(?:{WORDS})|(?:^|[^a-z])(?:{SHORT_WORDS})(?:$|[^a-z])|sess(?:$|[_-])|pass(?:$|[^a-z])"
    ))
});

/// A credential's name where it stands in a text.
fn named() -> String {
    format!(
        "(?:[a-z0-9_.-]*(?:{WORDS})[a-z0-9_.-]*|\\b(?:{SHORT_WORDS}|[a-z0-9_.-]{{1,32}}pass)\\b)"
    )
}

/// A credential's name, what may stand between it and the credential, and the credential: quoted, or up to a blank
/// or a separator.
static PAIR: LazyLock<Regex> = LazyLock::new(|| {
    let name = named();
    let between = "[\"'\\\\\\]]{0,4} ?(?:=|:|>|;|,|%3d|%3a){1,2} ?(?:s:\\d{1,5}:)?[\\\\\\[{ ]{0,2}";
    let scheme = "(?:(?:bearer|basic|digest|token|negotiate|apikey)[ +]+)?";
    compile(&format!("{name}{between}({scheme}(?:\"[^\"]*\"?|'[^']*'?|[^ &;,<>\"'}}\\])]+))"))
});

/// The text of an element of XML that is called like a credential, or of the first that it is made of.
static ELEMENT: LazyLock<Regex> = LazyLock::new(|| {
    compile(&format!(
        "<(?:[a-z0-9_.-]+:)?(?:[a-z0-9_.-]*(?:{WORDS})[a-z0-9_.-]*|{SHORT_WORDS})(?: [^<>]*)?>\
         ((?:\\s*<[a-z_][^<>]*>)*(?:\\s*<!\\[cdata\\[.*?(?:\\]\\]>|$)|[^<]*))"
    ))
});

/// Headers whose whole rest is a credential.
static REST: LazyLock<Regex> = LazyLock::new(|| {
    compile("(?:proxy-)?authorization ?[:=] ?([^\"'&<]*)|(?:set-)?cookie ?: ?([^\"'<]*)")
});

/// Credentials by their own form.
static FORM: LazyLock<Regex> = LazyLock::new(|| {
    compile(concat!(
        r"(?:bearer|basic|digest|negotiate)[ +:]+[a-z0-9._~+/=-]{6,}",
        r"|ey[a-z0-9_-]{6,}\.[a-z0-9_-]{6,}(?:\.[a-z0-9_-]*)?",
        r"|(?:akia|asia|aroa|ghp_|gho_|ghs_|github_pat_|glpat-|sk_live_|rk_live_|pk_live_|sk-|xox[abps]-|aiza|ya29\.)",
        r"[a-z0-9_-]{8,}",
        r"|[0-9a-f]{24,}",
        r"|://[^/ :@]*:[^/ @]+@",
        r"|-----begin [^-]*private key.*",
    ))
});

static RUN: LazyLock<Regex> = LazyLock::new(|| compile(r"[a-z0-9+/_-]{20,}={0,2}"));

fn compile(pattern: &str) -> Regex {
    RegexBuilder::new(pattern)
        .unicode(false)
        .case_insensitive(true)
        .dot_matches_new_line(true)
        .build()
        .expect("the patterns are constants and a test compiles them")
}

/// Whether the whole value is to be masked: for its name, or for a key of the document that it stands under.
pub(crate) fn whole(request: &Request<'_>, value: &Value<'_>) -> bool {
    by_name(value) || value.place == Place::Json && under_a_credential(request, value)
}

fn by_name(value: &Value<'_>) -> bool {
    value.part == Part::Value
        && !value.name.is_empty()
        && value.place != Place::Agent
        && credential(value.name)
}

/// Whether the value, which is a piece of a body of JSON, stands under a key that is called like a credential.
fn under_a_credential(request: &Request<'_>, value: &Value<'_>) -> bool {
    let Some(body) = request.body else { return false };
    let at = (value.raw.as_ptr() as usize).checked_sub(body.as_ptr() as usize);
    at.is_some_and(|at| at < body.len() && json::under(body, at, credential))
}

fn credential(name: &[u8]) -> bool {
    NAME.is_match(name) || decoded(name).is_some_and(|name| NAME.is_match(&name))
}

/// A name without its percent signs and JSON escapes, where it has any.
fn decoded(name: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((first, after)) = rest.split_first() {
        let (skipped, digits) = match first {
            b'%' => (0, after.get(..2)),
            b'\\' if after.starts_with(b"u00") => (3, after.get(3..5)),
            _ => (0, None),
        };
        let byte = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte {
            Some(byte) => {
                plain.push(byte);
                rest = &after[skipped + 2..];
            }
            None => {
                plain.push(*first);
                rest = after;
            }
        }
    }
    (plain.len() < name.len()).then_some(plain)
}

/// What to mask in `text`, a view of a value that is masked as a `whole` or not.
pub(crate) fn of(whole: bool, text: &[u8]) -> Vec<Range<usize>> {
    if whole { std::iter::once(0..text.len()).collect() } else { runs(text) }
}

/// The runs of `text` that are or may be credentials, in order and apart.
pub(crate) fn runs(text: &[u8]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for pattern in [&*PAIR, &*ELEMENT, &*REST] {
        let mut from = 0;
        while let Some(found) = pattern.captures_at(text, from) {
            let run = found.iter().skip(1).flatten().next().map_or(from..from, |run| run.range());
            // What looks like a credential may be the name of the next; in a long one that is not looked for.
            let next = if run.len() > RUN_BYTES { run.end } else { run.start };
            from = found.get(0).map_or(text.len(), |all| all.start() + 1).max(next.max(from + 1));
            runs.push(run);
            if from > text.len() {
                break;
            }
        }
    }
    runs.extend(opened::runs(text));
    runs.extend(FORM.find_iter(text).map(|found| found.range()));
    runs.extend(
        RUN.find_iter(text).filter(|found| random(found.as_bytes())).map(|found| found.range()),
    );
    merge(runs)
}

/// Whether a long run changes between letters and digits as often as a random key does and a path does not.
fn random(run: &[u8]) -> bool {
    let kinds = run.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::is_ascii_digit);
    let kinds: Vec<bool> = kinds.collect();
    kinds.windows(2).filter(|pair| pair[0] != pair[1]).count() >= 4
}

fn merge(mut runs: Vec<Range<usize>>) -> Vec<Range<usize>> {
    runs.retain(|run| !run.is_empty());
    runs.sort_unstable_by_key(|run| (run.start, run.end));
    let mut apart: Vec<Range<usize>> = Vec::with_capacity(runs.len());
    for run in runs {
        match apart.last_mut() {
            Some(last) if run.start <= last.end => last.end = last.end.max(run.end),
            _ => apart.push(run),
        }
    }
    apart
}

/// At most [`QUOTE_BYTES_MAX`] bytes of `text` around `found`, without what is in `masked`, fit to be printed.
pub(crate) fn quote(text: &[u8], found: Range<usize>, masked: &[Range<usize>]) -> String {
    let spare = QUOTE_BYTES_MAX.saturating_sub(found.len());
    let start = found.start.saturating_sub(spare / 2);
    let end = (start + QUOTE_BYTES_MAX).min(text.len());
    let start = end.saturating_sub(QUOTE_BYTES_MAX).min(start);
    let mut quoted = String::with_capacity(QUOTE_BYTES_MAX + 16);
    if start > 0 {
        quoted.push('…');
    }
    let mut at = start;
    for run in masked.iter().filter(|run| run.end > start && run.start < end) {
        if run.start > at {
            print(&text[at..run.start], &mut quoted);
        }
        quoted.push_str(MASK);
        at = run.end;
    }
    if at < end {
        print(&text[at..end], &mut quoted);
    }
    if end < text.len() {
        quoted.push('…');
    }
    quoted
}

fn print(bytes: &[u8], into: &mut String) {
    for letter in String::from_utf8_lossy(bytes).chars() {
        if letter.is_control() {
            into.extend(letter.escape_default());
        } else {
            into.push(letter);
        }
    }
}

/// `name` fit to be shown: masked where it is itself like a credential, and cut.
pub(crate) fn name(name: &[u8]) -> String {
    quote(name, 0..0, &runs(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, shown: &str) {
        let text = text.as_bytes();
        assert_eq!(quote(text, 0..0, &runs(text)), shown, "{}", String::from_utf8_lossy(text));
    }

    #[test]
    fn credentials_are_masked_in_every_form_they_are_sent_in() {
        for (text, shown) in [
            ("user=a&password=hunter2&x=1", "user=a&password=***&x=1"),
            ("{\"db_password\":\"hunter2\",\"a\":1}", "{\"db_password\":***,\"a\":1}"),
            ("<password><![cdata[hunter2]]></password>", "<password>***</password>"),
            ("<password><![cdata[hunter2", "<password>***"),
            ("<password> <a><b c='d'>hunter2</b></a>", "<password>***</b></a>"),
            (
                "<a:password type='x'>correct horse</a:password>",
                "<a:password type='x'>***</a:password>",
            ),
            ("\"password\":[\"hunter2\"]", "\"password\":[***]"),
            ("dbpass=hunter2", "dbpass=***"),
            ("s:8:\"password\";s:7:\"hunter2\";", "s:8:\"password\";s:7:***;"),
            ("authorization: bearer abcdef", "authorization: ***"),
            ("cookie: sid=1; theme=dark", "cookie: ***"),
            ("http://root:hunter2@db/", "http***db/"),
            ("x ghp_abcdefgh12 y", "x *** y"),
            ("t=0123456789abcdef0123456789abcdef", "t=***"),
            ("q=eyjhbgcioi.eyjzdwiioi.abc", "q=***"),
            ("k wjalrxutnfemi/k7mdeng/bpxrficyexa4mple1key2", "k ***"),
        ] {
            check(text, shown);
        }
    }

    #[test]
    fn paths_and_prose_stay_readable() {
        for text in [
            "/usr/local/lib/python3/dist-packages/x",
            "1' union select null,null-- -",
            "a;cat /etc/passwd",
        ] {
            check(text, text);
        }
    }

    #[test]
    fn a_quote_keeps_the_match_and_its_bound() {
        let text = [b"a ".repeat(200), b"<script>".to_vec(), b" b".repeat(200)].concat();
        let quoted = quote(&text, 400..408, &[]);
        assert!(quoted.contains("<script>") && quoted.len() <= QUOTE_BYTES_MAX + 6, "{quoted}");
    }

    #[test]
    fn a_long_run_is_a_key_if_letters_and_digits_change_four_times() {
        let (key, name) = ("ab1cd2efghijklmnopqrst", "1ab2cdefghijklmnopqrst");
        check(&format!("x {key} y"), "x *** y");
        check(&format!("x {name} y"), &format!("x {name} y"));
        check("x ab1cd2ef y", "x ab1cd2ef y");
        check("pin=1&sid=2", "pin=***&sid=***");
        check("spin=1&x=2", "spin=1&x=2");
    }

    #[test]
    fn a_value_is_masked_for_its_name_but_no_name_and_no_agent() {
        let named = |place, part, name: &'static str| {
            by_name(&Value { place, part, name: name.as_bytes(), raw: b"" })
        };
        assert!(!named(Place::Query, Part::Name, "password"));
        assert!(named(Place::Referer, Part::Value, "password"));
        assert!(!named(Place::Agent, Part::Value, "password"));
        let of_query = |name| named(Place::Query, Part::Value, name);
        let secrets = ["password", "dbpass", "p%61ssword", "p\\u0061ssword", "account_key"];
        assert_eq!(secrets.map(of_query), [true; 5]);
        assert_eq!(["title", "", "passage", "passport", "%70age", "a%"].map(of_query), [false; 6]);
    }

    #[test]
    fn a_quote_is_cut_on_both_sides_and_shows_no_control() {
        let text = [b'a'; 400];
        let cut = |length: usize, found: Range<usize>| {
            let quoted = quote(&text[..length], found, &[]);
            let letters = quoted.chars().filter(|letter| *letter == 'a').count();
            (quoted.starts_with('…'), letters, quoted.ends_with('…'))
        };
        assert_eq!(cut(120, 0..0), (false, 120, false));
        assert_eq!(cut(121, 0..0), (false, 120, true));
        assert_eq!(cut(400, 200..210), (true, 120, true));
        assert_eq!(cut(400, 390..400), (true, 120, false));
        assert_eq!(cut(400, 55..65), (false, 120, true));
        assert_eq!(cut(400, 56..66), (true, 120, true));
        assert_eq!(quote(b"a\nb\x01c", 0..0, &[]), "a\\nb\\u{1}c");
        assert_eq!(quote(b"abcdef", 0..0, &[1..3, 3..4]), "a******ef");
        assert_eq!(merge(vec![3..4, 1..3, 6..6, 8..9, 8..12, 9..10]), [1..4, 8..12]);
        let found =
            quote(&[&[b'a'; 150][..], b"bc"].concat(), 150..152, std::slice::from_ref(&(0..150)));
        assert_eq!(found, "…***bc");
    }
}
