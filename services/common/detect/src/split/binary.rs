//! Bodies and files that are no text: pictures, archives, messages of binary protocols.
//!
//! Their bytes have no grammar that an attack on a text could break out of, and whatever is odd about a text (NULs,
//! control characters) is ordinary in them. What is read of them is what a server or a browser might run, or hand on.

use super::out::Out;
use crate::request::{Place, Value};
use memchr::{memchr, memchr2};

/// How many bytes are looked at to tell what they are.
const HEAD_BYTES: usize = 2048;
/// How much is read of a program or page inside a picture.
const CODE_BYTES: usize = 2048;
/// Most texts read of one message.
const TEXTS_MAX: usize = 32;
/// Shortest text that is read of a message that is mostly text, and of one that is not: of random bytes a run of twelve is
/// text once in 100,000.
const TEXT_MIN: usize = 4;
const RUN_MIN: usize = 12;

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
/// What begins a program or a page. Two bytes alone stand in random ones now and then, so a text must follow those.
const CODE: [&[u8]; 16] = [
    b"<?php",
    b"<?=",
    b"<? ",
    b"<?\n",
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
    let before = head.iter().take(BEFORE_MAX).take_while(|byte| **byte <= b' ' || **byte >= 0x7f);
    let begin = &head[before.count()..];
    if MEDIA.iter().any(|magic| begin.starts_with(magic)) {
        programs(bytes, place, name, out);
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

/// Each program and page inside, from where it begins.
fn programs<'a, F: FnMut(Value<'a>)>(
    bytes: &'a [u8],
    place: Place,
    name: &'a [u8],
    out: &mut Out<'_, F>,
) {
    let mut at = 0;
    while let Some(found) = memchr(b'<', &bytes[at..]) {
        at += found;
        let here = &bytes[at..];
        let begins = |code: &&&[u8]| {
            here.len() >= code.len() && here[..code.len()].eq_ignore_ascii_case(code)
        };
        let short = |text: &[u8]| {
            text.len() < RUN_MIN
                || text[..RUN_MIN].iter().any(|byte| control(*byte) || !byte.is_ascii())
        };
        match CODE.iter().find(begins) {
            Some(code) if code.len() > 2 || !short(here) => {
                let near = &here[..here.len().min(CODE_BYTES)];
                out.value(place, name, &near[..memchr2(0, 1, near).unwrap_or(near.len())]);
                at += near.len();
            }
            _ => at += 1,
        }
    }
}

fn hand_out<'a, F: FnMut(Value<'a>)>(
    texts: impl Iterator<Item = &'a [u8]>,
    place: Place,
    name: &'a [u8],
    out: &mut Out<'_, F>,
) {
    for (number, text) in texts.enumerate() {
        if number == TEXTS_MAX {
            out.skip();
            return;
        }
        out.value(place, name, text);
    }
}

fn control(byte: u8) -> bool {
    byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r') || byte == 0x7f
}
