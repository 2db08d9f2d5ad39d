//! What the head of a part says of it: the name of its field, and whether it is a file.

use super::json::string_end;
use memchr::{memchr, memchr2, memmem};

/// What one head says.
pub(super) struct Disposition<'a> {
    /// The name of the field; empty where there is none.
    pub(super) name: &'a [u8],
    /// Every server takes it for a file. What some take for a field is read as the text that it is to them.
    pub(super) file: bool,
}

struct Parameter<'a> {
    key: &'a [u8],
    value: &'a [u8],
    /// Every server sees it so, and sees no other one in it.
    sure: bool,
}

/// Reads what stands behind `Content-Disposition:`. What is in quotes names nothing.
pub(super) fn read(text: &[u8]) -> Disposition<'_> {
    let (kind, mut rest) = parameter(text);
    let mut sure = kind.sure && !text.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t');
    let (mut name, mut file) = (None, false);
    while !rest.is_empty() {
        let (one, behind) = parameter(rest);
        // Before an `=` some servers pass over blanks.
        sure &= one.sure && one.key.trim_ascii_end() == one.key;
        if one.key.eq_ignore_ascii_case(b"name") {
            name = name.or(Some(one.value));
        } else if one.key == b"filename" {
            // Of two some servers take the last, and one that is empty makes no file.
            sure &= !one.value.trim_ascii().is_empty();
            file = true;
        }
        rest = behind;
    }
    Disposition { name: name.unwrap_or_default(), file: file && sure }
}

/// The parameter that `text` begins with, and what follows it. Servers disagree about a quote that is escaped, about one
/// inside a word, and about what stands between a quoted value and the next `;`.
fn parameter(text: &[u8]) -> (Parameter<'_>, &[u8]) {
    let at = memchr2(b'=', b';', text).unwrap_or(text.len());
    let key = text[..at].trim_ascii_start();
    let from = text[at..].strip_prefix(b"=").unwrap_or_default();
    let Some(quoted) = from.trim_ascii_start().strip_prefix(b"\"") else {
        let (whole, behind) = until_semicolon(text);
        let value = whole.get(at + 1..).unwrap_or_default().trim_ascii();
        return (Parameter { key, value, sure: unquoted(whole) }, behind);
    };
    let end = string_end(quoted, 0);
    let value = &quoted[..end];
    let (between, behind) = until_semicolon(quoted.get(end + 1..).unwrap_or_default());
    let closed = from.starts_with(b"\"") && end < quoted.len() && between.trim_ascii().is_empty();
    let escaped = value.contains(&b'"') || value.ends_with(b"\\");
    (Parameter { key, value, sure: closed && !escaped && unquoted(key) }, behind)
}

fn until_semicolon(text: &[u8]) -> (&[u8], &[u8]) {
    let at = memchr(b';', text).unwrap_or(text.len());
    (&text[..at], text.get(at + 1..).unwrap_or_default())
}

/// Whether no quote in `text` reaches beyond it. To some servers an apostrophe is one.
fn unquoted(text: &[u8]) -> bool {
    !text.contains(&b'"') && text.iter().filter(|byte| **byte == b'\'').count().is_multiple_of(2)
}

/// Calls `each` with whatever a server may take for the name of the file, inside the quotes of something else too.
pub(super) fn file_names<'a>(head: &'a [u8], mut each: impl FnMut(&'a [u8])) {
    for key in [&b"filename="[..], b"filename*="] {
        let mut from = 0;
        while let Some((name, next)) = file_name(head, key, from) {
            // Of two names some servers take the last.
            each(name);
            from = next;
        }
    }
}

/// The value of the parameter `key` of a part's head, from `from` on, as far as its line goes: a quote inside a file
/// name must not hide the rest of it. Answers also where to look for another.
fn file_name<'a>(head: &'a [u8], key: &[u8], from: usize) -> Option<(&'a [u8], usize)> {
    let at = (from..head.len()).find(|&at| {
        let starts =
            head.len() - at >= key.len() && head[at..at + key.len()].eq_ignore_ascii_case(key);
        starts
            && at
                .checked_sub(1)
                .is_none_or(|before| matches!(head[before], b' ' | b';' | b'\t' | b'\n'))
    })?;
    let start = at + key.len();
    let line = head[start..].split(|&b| b == b'\n').next().unwrap_or_default().trim_ascii();
    let Some(quoted) = line.strip_prefix(b"\"") else {
        return Some((line.split(|&b| b == b';').next().unwrap_or_default(), start));
    };
    let next = memmem::find(quoted, b"\"; ").or_else(|| memmem::find(quoted, b"\";"));
    let end = next.or_else(|| quoted.iter().rposition(|&b| b == b'"')).unwrap_or(quoted.len());
    Some((&quoted[..end], start))
}
