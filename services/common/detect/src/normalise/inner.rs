//! Texts that are encoded inside a text: base64 and hex.

use super::Marks;
use super::classes;
use super::decode::{hex, sextet};
use memchr::memchr_iter;

/// Shortest run that is tried.
pub(super) const RUN_MIN: usize = 16;
/// Fewest hex digits that are tried: of shorter names of files, which are often digests, one in some thousands happens to
/// be the digits of a text.
const DIGITS_MIN: usize = 24;
/// Fewest after `0x`.
const NUMBER_MIN: usize = 8;

/// JSON and pairs of words in base64 are read too, but are a sign of nothing.
const DATA: Marks = Marks(0);

/// Calls `found` with each text that is encoded in `text`, written to a buffer of `found`'s.
/// `slash` says whether `/` may be a digit: in a path it parts the segments.
pub(super) fn search(
    text: &[u8],
    slash: bool,
    steps: &mut u64,
    mut found: impl FnMut(&[u8], Marks) -> bool,
) {
    let digit = |at: usize| classes::digit(text[at], slash);
    // Numbers may be shorter than the runs that the probes below are sure to meet.
    for at in memchr_iter(b'x', text).filter(|&at| at > 0 && text[at - 1] == b'0') {
        let end = (at + 1..text.len()).find(|&i| hex(text[i]).is_none()).unwrap_or(text.len());
        *steps += (end - at) as u64;
        let run = &text[at - 1..end];
        if run.len() < RUN_MIN && encoded(run).is_some_and(|mark| !found(run, mark)) {
            return;
        }
    }
    let mut at = 0;
    while let Some(probe) = Some(at + RUN_MIN - 1).filter(|&probe| probe < text.len()) {
        *steps += 1;
        let Some(start) = (at..=probe).rev().take_while(|&i| digit(i)).last() else {
            at = probe + 1;
            continue;
        };
        let end = (probe..text.len()).find(|&i| !digit(i)).unwrap_or(text.len());
        *steps += (end - start) as u64;
        let run = &text[start..end];
        if encoded(run).is_some_and(|mark| !found(run, mark)) {
            return;
        }
        at = end;
    }
}

/// What `run` is the plausible encoding of text in.
fn encoded(run: &[u8]) -> Option<Marks> {
    if let Some(digits) = hex_digits(run) {
        let printable = digits.chunks_exact(2).all(|pair| text_byte(hex_byte(pair)));
        if printable {
            return Some(Marks::HEX);
        }
    }
    // All bytes at once, as most runs have to be read to their end.
    let has = |kind: fn(&u8) -> bool| run.iter().fold(false, |any, byte| any | kind(byte));
    if run.len() < RUN_MIN || !has(u8::is_ascii_uppercase) || !has(u8::is_ascii_lowercase) {
        return None;
    }
    let (mut good, mut all) = (0_usize, 0_usize);
    for byte in base64(run) {
        good += usize::from(text_byte(byte));
        all += 1;
        if all == 12 && good < 11 {
            return None;
        }
    }
    let mark = if json(base64(run)) || base64(run).all(worded) { DATA } else { Marks::BASE64 };
    (good * 10 >= all * 9).then_some(mark)
}

/// Whether `byte` stands in a word, a number or pairs of them.
fn worded(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-.:=&@+".contains(&byte)
}

/// Whether `text` is the beginning of a JSON object, with nothing outside its strings that JSON would not have there.
fn json(text: impl Iterator<Item = u8>) -> bool {
    /// The syntax, numbers, and the letters of `true`, `false` and `null`.
    const OUTSIDE: &[u8] = b"{}[],: \t\r\n0123456789+-.Etruefalsn";
    let mut strings = Strings::default();
    text.enumerate().all(|(at, byte)| {
        let begins = at > 1 || byte == b"{\""[at];
        let quote = strings.step(byte);
        begins && (quote || strings.inside || OUTSIDE.contains(&byte))
    })
}

/// Where the strings of a JSON text are.
#[derive(Default)]
struct Strings {
    inside: bool,
    escaped: bool,
}

impl Strings {
    /// Answers whether `byte` opens or closes a string.
    fn step(&mut self, byte: u8) -> bool {
        let quote = byte == b'"' && !self.escaped;
        self.inside ^= quote;
        self.escaped = self.inside && byte == b'\\' && !self.escaped;
        quote
    }
}

fn hex_digits(run: &[u8]) -> Option<&[u8]> {
    let number = run.strip_prefix(b"0x").or_else(|| run.strip_prefix(b"0X"));
    let least = if number.is_some() { NUMBER_MIN } else { DIGITS_MIN };
    let digits = number.unwrap_or(run);
    let fits = digits.len() >= least && digits.len().is_multiple_of(2);
    (fits && digits.iter().all(|&b| hex(b).is_some())).then_some(digits)
}

fn hex_byte(pair: &[u8]) -> u8 {
    pair.iter().fold(0, |sum, &b| sum << 4 | hex(b).unwrap_or(0) as u8)
}

fn text_byte(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e | b'\t' | b'\n' | b'\r')
}

fn base64(run: &[u8]) -> impl Iterator<Item = u8> + '_ {
    run.chunks(4).flat_map(|four| {
        let bits = four.iter().fold(0_u32, |sum, &b| sum << 6 | u32::from(sextet(b).unwrap_or(0)))
            << (6 * (4 - four.len()));
        let bytes = bits.to_be_bytes();
        bytes.into_iter().skip(1).take(four.len() * 6 / 8)
    })
}

/// Writes what `run` encodes.
pub(super) fn decode(run: &[u8], mark: Marks, out: &mut Vec<u8>) {
    out.clear();
    if mark == Marks::HEX {
        out.extend(hex_digits(run).unwrap_or_default().chunks_exact(2).map(hex_byte));
    } else {
        out.extend(base64(run));
    }
    if mark == DATA && out.starts_with(b"{\"") {
        unquote(out);
    }
}

/// Takes from a JSON text what only its syntax needs, so that its strings and names are read as if they stood alone. A
/// token or the state of a page is often sent so, and is no sign of anything.
fn unquote(text: &mut [u8]) {
    let mut strings = Strings::default();
    for byte in text {
        let syntax = matches!(*byte, b'{' | b'}' | b'[' | b']' | b',' | b':');
        if strings.step(*byte) || (syntax && !strings.inside) {
            *byte = b' ';
        }
    }
}
