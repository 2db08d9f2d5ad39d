//! Bodies and files that are no text: pictures, archives, messages of binary protocols.
//!
//! Their bytes have no grammar that an attack on a text could break out of, and whatever is odd about a text (NULs,
//! control characters) is ordinary in them. What is read of them is what a server or a browser might run, or hand on.

use super::out::{Out, plain};
use crate::request::{Place, Value};
use memchr::{memchr, memchr2, memmem};

/// How many bytes are looked at to tell what they are.
const HEAD_BYTES: usize = 2048;
/// Most texts read of one message, and as many plain words.
const TEXTS_MAX: usize = 32;
/// Shortest text that is read of a message that is mostly text, and of one that is not: of random bytes a run of twelve is
/// text once in 100,000.
const TEXT_MIN: usize = 4;
const RUN_MIN: usize = 12;
/// Shortest text that is read behind what media begin with. Sizes and versions follow there, which are texts of a few bytes
/// at most.
const LEAD_MIN: usize = 8;

/// What files of media, archives and documents begin with, behind bytes that are no letters: some programs write those in
/// another encoding.
const MEDIA: [&[u8]; 15] = [
    b"PNG\r\n",
    b"PNG\n",
    b"JFIF",
    b"Exif",
    b"GIF87a",
    b"GIF89a",
    b"RIFF",
    b"PK\x03\x04",
    b"%PDF-",
    b"OggS",
    b"ftyp",
    b"ID3",
    b"wOFF",
    b"wOF2",
    b"Rar!",
];
/// Most bytes in front of those.
const BEFORE_MAX: usize = 16;
/// What begins the serialised objects of Java, .NET and Python: an attack by itself.
const OBJECTS: [&[u8]; 3] = [b"\xac\xed\x00\x05", b"\x00\x01\x00\x00\x00\xff\xff\xff\xff", b"\x80"];
/// A short tag stands in random bytes now and then. It begins PHP where a text of `RUN_MIN` bytes follows, or a shorter one
/// with one of these in it: of 3,000 random bodies of 32 KiB about one has that.
const PHP_SIGNS: &[u8] = b"'\"`#$(/?@[";
/// What begins a page, or a program that is not PHP. Two or three bytes alone stand in random ones now and then, so a text
/// must follow those.
const CODE: [&[u8]; 12] = [
    b"<script",
    b"<html",
    b"<svg",
    b"<img",
    b"<iframe",
    b"<body",
    b"<!--#",
    b"<!doctype",
    b"<!entity",
    b"<jsp:",
    b"<cf",
    b"<%",
];

/// Hands out what matters of `bytes`, if they are no text; answers whether they are none.
pub(super) fn read<'a, F: FnMut(Value<'a>)>(
    bytes: &'a [u8],
    place: Place,
    name: &'a [u8],
    out: &mut Out<'_, F>,
) -> bool {
    let head = &bytes[..bytes.len().min(HEAD_BYTES)];
    if memchr(0, head).is_none() || wide(head) || OBJECTS.iter().any(|one| head.starts_with(one)) {
        return false;
    }
    programs(bytes, place, name, out);
    let before = head.iter().take(BEFORE_MAX).take_while(|byte| **byte <= b' ' || **byte >= 0x7f);
    let begin = &bytes[before.count()..];
    if let Some(magic) = MEDIA.iter().find(|magic| begin.starts_with(magic)) {
        out.value(place, name, lead(magic, begin));
        return true;
    }
    let text = head.utf8_chunks().map(|chunk| chunk.valid().len()).sum::<usize>();
    let odd = head.iter().filter(|byte| control(**byte)).count();
    if (text - odd.min(text)) * 5 >= head.len() * 3 {
        let valid = bytes.utf8_chunks().map(|chunk| chunk.valid().as_bytes());
        let texts = valid.flat_map(|text| text.split(|byte| control(*byte)));
        hand_out(texts.filter(|text| text.len() >= TEXT_MIN), place, name, out);
    } else {
        let texts = bytes.split(|byte| control(*byte) || !byte.is_ascii());
        hand_out(texts.filter(|text| text.len() >= RUN_MIN), place, name, out);
    }
    true
}

/// Whether it is text of two bytes a character.
fn wide(head: &[u8]) -> bool {
    let every_other = |odd: usize| {
        let nth = |from: usize| head.iter().skip(from).step_by(2).take(4);
        head.len() >= 8
            && nth(odd).all(|byte| *byte == 0)
            && nth(1 - odd).all(|byte| (b' '..0x7f).contains(byte))
    };
    head.starts_with(b"\xff\xfe")
        || head.starts_with(b"\xfe\xff")
        || every_other(0)
        || every_other(1)
}

/// What media begin with and the text behind it, if that is longer than true ones have it: whoever takes the file for a
/// text reads on there.
fn lead<'a>(magic: &[u8], begin: &'a [u8]) -> &'a [u8] {
    let behind = &begin[magic.len()..];
    let text = behind.split(|byte| control(*byte)).next().unwrap_or_default();
    // A PDF is a text as far as its first stream, with a grammar of its own from its first comment or object on.
    let own = || [memchr(b'%', text), memmem::find(text, b" obj")].into_iter().flatten().min();
    let length = (magic == b"%PDF-").then(own).flatten().unwrap_or(text.len());
    if length < LEAD_MIN { &[] } else { &begin[..magic.len() + length] }
}

/// PHP from where it begins, with all that follows: a server goes on to its end, over any bytes in its comments and texts.
/// In front of it every page and other program up to its first byte 0 or 1, which texts do not have and binary data soon
/// has.
fn programs<'a, F: FnMut(Value<'a>)>(
    bytes: &'a [u8],
    place: Place,
    name: &'a [u8],
    out: &mut Out<'_, F>,
) {
    let (before, from_php) = bytes.split_at(php(bytes).unwrap_or(bytes.len()));
    out.value(place, name, from_php);
    let mut at = 0;
    while let Some(found) = memchr(b'<', &before[at..]) {
        at += found;
        let here = &before[at..];
        let begins = |code: &&&[u8]| {
            here.len() >= code.len() && here[..code.len()].eq_ignore_ascii_case(code)
        };
        match CODE.iter().find(begins) {
            Some(code) if code.len() > 3 || run(here).len() == RUN_MIN => {
                let length = memchr2(0, 1, here).unwrap_or(here.len());
                out.value(place, name, &here[..length]);
                at += length;
            }
            _ => at += 1,
        }
    }
}

/// Where PHP begins.
fn php(bytes: &[u8]) -> Option<usize> {
    memmem::find_iter(bytes, b"<?").find(|at| match &bytes[at + 2..] {
        [b'=' | b' ' | b'\n', behind @ ..] => {
            let text = run(behind);
            text.len() == RUN_MIN || text.iter().any(|byte| PHP_SIGNS.contains(byte))
        }
        behind => behind.len() >= 3 && behind[..3].eq_ignore_ascii_case(b"php"),
    })
}

/// The text that `bytes` begin with, as far as matters to tell whether it is one.
fn run(bytes: &[u8]) -> &[u8] {
    let near = &bytes[..bytes.len().min(RUN_MIN)];
    near.split(|byte| control(*byte) || !byte.is_ascii()).next().unwrap_or_default()
}

/// Hands out the first of the texts. Plain words are counted by themselves, so that they hide nothing else.
fn hand_out<'a, F: FnMut(Value<'a>)>(
    texts: impl Iterator<Item = &'a [u8]>,
    place: Place,
    name: &'a [u8],
    out: &mut Out<'_, F>,
) {
    let (mut read, mut all) = ([0; 2], true);
    for text in texts {
        let count = &mut read[usize::from(plain(text))];
        all &= *count < TEXTS_MAX;
        if *count < TEXTS_MAX {
            *count += 1;
            out.value(place, name, text);
        }
    }
    if !all {
        out.skip();
    }
}

fn control(byte: u8) -> bool {
    byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r') || byte == 0x7f
}
