//! Bodies and files that are no text: pictures, archives, messages of binary protocols.
//!
//! Their bytes have no grammar that an attack on a text could break out of, and whatever is odd about a text (NULs,
//! control characters) is ordinary in them. What is read of them is what a server might run or hand on.

use super::out::Out;
use crate::request::{Place, Value};
use memchr::{memchr, memmem};

/// How far into the bytes what they begin with is looked for: some write a signature in another encoding.
const MAGIC_BYTES: usize = 16;
/// How many bytes are looked at for a NUL.
const HEAD_BYTES: usize = 2048;
/// Shortest text inside that is read: of random bytes a run of so many is text once in 100,000.
const RUN_MIN: usize = 12;
/// How much is read of a program inside a picture.
const CODE_BYTES: usize = 512;

/// What files of media, archives and documents begin with.
const MEDIA: [&[u8]; 17] = [
    b"PNG\r\n",
    b"PNG\n",
    b"JFIF",
    b"Exif",
    b"GIF87a",
    b"GIF89a",
    b"WEBP",
    b"PK\x03\x04",
    b"%PDF-",
    b"OggS",
    b"ftyp",
    b"WAVE",
    b"ID3",
    b"wOFF",
    b"wOF2",
    b"7z\xbc\xaf",
    b"Rar!",
];
/// What begins the serialised objects of Java, .NET and Python: an attack by itself.
const OBJECTS: [&[u8]; 3] = [b"\xac\xed\x00\x05", b"\x00\x01\x00\x00\x00\xff\xff\xff\xff", b"\x80"];
/// What begins a program that a server runs from inside a file.
const CODE: [&[u8]; 4] = [b"<?php", b"<?=", b"<%", b"<script"];

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
    let begin = &head[..head.len().min(MAGIC_BYTES)];
    if MEDIA.iter().any(|magic| memmem::find(begin, magic).is_some()) {
        programs(bytes, place, name, out);
    } else {
        texts(bytes, place, name, out);
    }
    true
}

/// Whether it is text of two bytes a character.
fn wide(head: &[u8]) -> bool {
    let every_other = |odd: usize| {
        head.len() >= 6 && head.iter().skip(odd).step_by(2).take(3).all(|byte| *byte == 0)
    };
    head.starts_with(b"\xff\xfe")
        || head.starts_with(b"\xfe\xff")
        || every_other(0)
        || every_other(1)
}

/// Each program inside, from where it begins.
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
        let begins = |code: &&[u8]| {
            here.len() >= code.len() && here[..code.len()].eq_ignore_ascii_case(code)
        };
        if CODE.iter().any(begins) {
            let near = &here[..here.len().min(CODE_BYTES)];
            let text = near.split(|byte| !readable(*byte)).next().unwrap_or_default();
            if text.len() >= RUN_MIN {
                out.value(place, name, text);
            }
        }
        at += 1;
    }
}

/// Each run of text that is long enough to say something.
fn texts<'a, F: FnMut(Value<'a>)>(
    bytes: &'a [u8],
    place: Place,
    name: &'a [u8],
    out: &mut Out<'_, F>,
) {
    for text in bytes.split(|byte| !readable(*byte)).filter(|text| text.len() >= RUN_MIN) {
        out.value(place, name, text);
    }
}

fn readable(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e | b'\t' | b'\n' | b'\r')
}
