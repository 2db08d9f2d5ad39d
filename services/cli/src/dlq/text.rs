//! Bytes for a person's eyes. They may be an attacker's: a terminal must not obey any of them.

use std::fmt::Write as _;

/// How many bytes one line of a dump shows.
const DUMP_BYTES: usize = 16;

/// The bytes on one line, at most `chars_max` characters of it: text as it is, everything else escaped.
pub fn escaped(bytes: &[u8], chars_max: usize) -> String {
    let mut shown = String::new();
    let mut chars = 0;
    for chunk in bytes.utf8_chunks() {
        let text = chunk.valid().chars().map(escaped_char);
        let rest = chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}"));
        for piece in text.chain(rest) {
            chars += piece.chars().count();
            if chars > chars_max {
                shown.push('…');
                return shown;
            }
            shown.push_str(&piece);
        }
    }
    shown
}

/// What Rust calls unprintable is escaped: control characters, and those that turn the direction of writing.
fn escaped_char(character: char) -> String {
    match character {
        '"' | '\'' => character.to_string(),
        other => other.escape_debug().to_string(),
    }
}

/// The text that the bytes are, line by line and escaped; `None` where they are no text.
pub fn lines(bytes: &[u8]) -> Option<Vec<String>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let binary = |character: char| {
        character.is_control() && !matches!(character, '\n' | '\r' | '\t' | '\x1b')
    };
    if text.contains(binary) {
        return None;
    }
    Some(text.lines().map(|line| escaped(line.as_bytes(), usize::MAX)).collect())
}

/// The bytes in hexadecimal and, where they are ASCII, as characters: one line for each 16.
pub fn dump(bytes: &[u8]) -> Vec<String> {
    bytes
        .chunks(DUMP_BYTES)
        .enumerate()
        .map(|(number, chunk)| {
            let mut line = format!("{:08x} ", number * DUMP_BYTES);
            for place in 0..DUMP_BYTES {
                let gap = if place == DUMP_BYTES / 2 { "  " } else { " " };
                let shown = match chunk.get(place) {
                    Some(byte) => write!(line, "{gap}{byte:02x}"),
                    None => write!(line, "{gap}  "),
                };
                shown.expect("writing to a string cannot fail");
            }
            let printable = |byte: &u8| match byte {
                b' '..=b'~' => char::from(*byte),
                _ => '.',
            };
            let characters: String = chunk.iter().map(printable).collect();
            format!("{line}  |{characters}|")
        })
        .collect()
}

/// The bytes in hexadecimal, without anything between.
pub fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
    }
    text
}
