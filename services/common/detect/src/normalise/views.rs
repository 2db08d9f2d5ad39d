//! The views of a text: as SQL, as a shell command and as a path. No view is longer than the text.

use super::Marks;
use memchr::memmem;

fn word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Writes what comes before the next byte of `kind`; answers how long that was.
fn copy_plain(rest: &[u8], kind: u8, out: &mut Vec<u8>) -> usize {
    let plain = rest.iter().take_while(|byte| KIND[usize::from(**byte)] & kind == 0).count();
    out.extend_from_slice(&rest[..plain]);
    plain
}

/// Means something in the view for SQL.
const IN_SQL: u8 = 1;
/// Means something in the view for a shell.
const IN_SHELL: u8 = 1 << 1;

static KIND: [u8; 256] = {
    let (sql, shell, mut kinds) = (b"/*'\" ", b"\\'\"`^${ ", [0; 256]);
    let mut at = 0;
    while at < sql.len() {
        kinds[sql[at] as usize] |= IN_SQL;
        at += 1;
    }
    at = 0;
    while at < shell.len() {
        kinds[shell[at] as usize] |= IN_SHELL;
        at += 1;
    }
    kinds
};

fn push_blank(out: &mut Vec<u8>) {
    if out.last() != Some(&b' ') {
        out.push(b' ');
    }
}

/// Takes `--noise` and `#noise` up to the end of their line out of a decoded text, in place: folded into one line they
/// would hide what follows. Headings and issue numbers look alike, so it leaves no mark. Answers whether there was one.
pub(super) fn line_comments(buf: &mut Vec<u8>) -> bool {
    let (mut read, mut write, mut changed) = (0, 0, false);
    while read < buf.len() {
        let rest = &buf[read..];
        let opens = if rest[0] == b'#' { 1 } else { 2 * usize::from(rest.starts_with(b"--")) };
        if opens > 0 {
            let noise = |b: &u8| word(*b) || opens == 2 && matches!(b, b' ' | b'\t');
            let noise = rest[opens..].iter().take_while(|b| noise(b)).count();
            if matches!(rest.get(opens + noise), Some(b'\n' | b'\r')) {
                read += opens + noise;
                changed = true;
                continue;
            }
        }
        buf[write] = buf[read];
        (read, write) = (read + 1, write + 1);
    }
    buf.truncate(write);
    changed
}

/// `text` without block comments and with joined literals.
pub(super) fn sql(text: &[u8], out: &mut Vec<u8>) -> Marks {
    let (mut at, mut marks, mut open, mut versioned) = (0, Marks::default(), 0_u8, false);
    // Where the next comment ends: looked for only once it is passed, so that the pass stays linear.
    let mut close = Some(0);
    out.clear();
    while at < text.len() {
        at += copy_plain(&text[at..], IN_SQL, out);
        let Some(&byte) = text.get(at) else { break };
        if byte == b'/' && text.get(at + 1) == Some(&b'*') && close.is_some_and(|end| end < at + 2)
        {
            close = memmem::find(&text[at + 2..], b"*/").map(|length| at + 2 + length);
        }
        if let (b'/', Some(b'*'), Some(end)) = (byte, text.get(at + 1), close) {
            let length = end - at - 2;
            push_blank(out);
            marks |= Marks::when(text[at + 2] != b'/', Marks::SQL_COMMENT);
            if text[at + 2] == b'!' && length > 1 {
                let digits =
                    text[at + 3..].iter().take(6).take_while(|b| b.is_ascii_digit()).count();
                versioned = true;
                at += 3 + digits;
            } else {
                at += length + 4;
                while text.get(at) == Some(&b' ') {
                    at += 1;
                }
            }
            continue;
        }
        if versioned && text[at..].starts_with(b"*/") {
            versioned = false;
            push_blank(out);
            at += 2;
            continue;
        }
        if matches!(byte, b'\'' | b'"') {
            if open == byte {
                if let Some(next) = joiner(text, at) {
                    marks |= Marks::SQL_CONCAT;
                    at = next;
                    continue;
                }
                open = 0;
            } else if open == 0 {
                open = byte;
            }
        }
        if byte == b' ' {
            push_blank(out)
        } else {
            out.push(byte)
        }
        at += 1;
    }
    marks
}

/// Where the next literal's text begins if the quote at `at` ends a literal that is joined to another one.
fn joiner(text: &[u8], at: usize) -> Option<usize> {
    let quote = text[at];
    let mut next = at + 1;
    let blank = text.get(next) == Some(&b' ');
    next += usize::from(blank);
    let joined = match text.get(next)? {
        b'|' if text.get(next + 1) == Some(&b'|') => 2,
        b'+' => 1,
        _ => 0,
    };
    next += joined;
    next += usize::from(joined > 0 && text.get(next) == Some(&b' '));
    let literal = |b: &u8| word(*b) || matches!(b, b' ' | b'%' | b'/' | b'.' | b'-' | b'<' | b'>');
    let follows = text.get(next) == Some(&quote) && text.get(next + 1).is_some_and(literal);
    (follows && (joined > 0 || blank)).then_some(next + 1)
}

/// `text` without what a shell takes out before it looks for a command.
pub(super) fn shell(text: &[u8], out: &mut Vec<u8>) -> Marks {
    let (mut at, mut marks, mut quotes) = (0, Marks::default(), 0_u32);
    out.clear();
    while at < text.len() {
        at += copy_plain(&text[at..], IN_SHELL, out);
        let Some(&byte) = text.get(at) else { break };
        let after_word = out.last().is_some_and(|&b| word(b) || b == b'/');
        let taken = match byte {
            // Paths of Windows have backslashes in words too, so they leave no mark; a doubled one is one.
            b'\\' if text.get(at + 1) == Some(&b'\\') => {
                out.push(b'\\');
                2
            }
            b'\\' => 1,
            // One back-tick begins a command inside another; two beside each other are one that says nothing.
            b'`' if text.get(at + 1) != Some(&b'`') => 0,
            b'\'' | b'"' | b'`' | b'^' if after_word => {
                let run = text[at..]
                    .iter()
                    .take_while(|b| matches!(b, b'\'' | b'"' | b'`' | b'^'))
                    .count();
                if text.get(at + run).is_some_and(|&b| word(b) || b == b'/') {
                    quotes += run as u32;
                    marks |= Marks::when(quotes > 1, Marks::SHELL_QUOTE);
                    run
                } else {
                    out.extend_from_slice(&text[at..at + run]);
                    at += run;
                    continue;
                }
            }
            b'$' => variable(&text[at..], after_word, out, &mut marks),
            b'{' => brace_list(&text[at..], out, &mut marks),
            b' ' => {
                quotes = 0;
                0
            }
            _ => 0,
        };
        at += taken;
        if taken == 0 {
            out.push(byte);
            at += 1;
        }
    }
    marks
}

/// What prints nothing behind a dollar sign.
const NOTHING: [&[u8]; 4] = [b"()", b"''", b"(:)", b"(true)"];

/// How much of a variable at the head of `rest` a shell replaces by nothing, or by what is pushed here.
fn variable(rest: &[u8], after_word: bool, out: &mut Vec<u8>, marks: &mut Marks) -> usize {
    let (name, end) = if rest.get(1) == Some(&b'{') {
        let Some(length) = rest[2..].iter().take(40).position(|&b| b == b'}') else { return 0 };
        (&rest[2..2 + length], length + 3)
    } else if let Some(nothing) = NOTHING.iter().find(|one| rest[1..].starts_with(one)) {
        (&rest[..0], 1 + nothing.len())
    } else {
        let length = match rest.get(1) {
            Some(b'@' | b'*' | b'!' | b'0'..=b'9') => 1,
            _ if rest[1..].starts_with(b"ifs") => 3,
            _ => return 0,
        };
        (&rest[1..=length], length + 1)
    };
    if name.starts_with(b"ifs") {
        push_blank(out);
        // `$IFS$9` is one blank.
        let empty = matches!(rest.get(end..end + 2), Some([b'$', b'0'..=b'9' | b'@' | b'*']));
        *marks |= Marks::SHELL_QUOTE;
        return end + 2 * usize::from(empty);
    }
    let sliced = name.windows(3).any(|w| w[0] == b':' && w[1].is_ascii_digit() && w[2] == b':');
    let simple = name.iter().all(|&b| word(b) || matches!(b, b'@' | b'*' | b'!'));
    let before_word = rest.get(end).is_some_and(|&b| word(b) || b == b'/');
    if sliced
        && [&b"path"[..], b"home", b"pwd", b"shell"].iter().any(|known| name.starts_with(known))
    {
        out.push(b'/');
    } else if !(sliced || simple && after_word && before_word) {
        return 0;
    }
    *marks |= Marks::SHELL_QUOTE;
    end
}

/// `{cat,/etc/passwd}` is the words in it.
fn brace_list(rest: &[u8], out: &mut Vec<u8>, marks: &mut Marks) -> usize {
    let plain = |b: &u8| {
        word(*b) || matches!(b, b',' | b'/' | b'.' | b'-' | b'*' | b'?' | b'|' | b'~' | b'$' | b'=')
    };
    let length = rest[1..].iter().take(200).take_while(|b| plain(b)).count();
    let list = &rest[1..=length];
    if rest.get(length + 1) != Some(&b'}') || !list.contains(&b',') || !list[0].is_ascii_lowercase()
    {
        return 0;
    }
    out.extend(list.iter().map(|&b| if b == b',' { b' ' } else { b }));
    *marks |= Marks::SHELL_BRACE;
    length + 2
}

/// `text` with slashes of one kind, and without segments that lead nowhere. `://` stays.
pub(super) fn path(text: &[u8], out: &mut Vec<u8>) -> Marks {
    let (mut at, mut marks, mut depth, mut start) = (0, Marks::default(), 0_i32, 0);
    out.clear();
    while at < text.len() {
        let byte = text[at];
        let slash = |at: usize| matches!(text.get(at), Some(b'/' | b'\\'));
        if byte == b';' && out.ends_with(b"..") {
            let length = text[at..].iter().take(32).position(|&b| b == b'/').unwrap_or(0);
            if length > 0 {
                marks |= Marks::PATH_DOT;
                at += length;
                continue;
            }
        }
        if !slash(at) {
            if !(word(byte) || matches!(byte, b'.' | b'-' | b'~' | b'%')) {
                (start, depth) = (out.len() + 1, 0);
            }
            out.push(byte);
            at += 1;
            continue;
        }
        // Folding undoes what a filter that takes out `../` once leaves behind.
        if &out[start.min(out.len())..] == b"...." && slash(at + 1) {
            out.truncate(out.len() - 2);
            marks |= Marks::PATH_DOT;
        }
        match &out[start.min(out.len())..] {
            b"." if start > 0 && out[start - 1] == b'/' => {
                out.pop();
                marks |= Marks::PATH_DOT;
                at += 1;
                continue;
            }
            b"." => {}
            b".." => depth -= 1,
            b"" => {}
            _ => depth += 1,
        }
        marks |= Marks::when(depth < 0, Marks::PATH_UP);
        if out.last() != Some(&b'/') || out.ends_with(b":/") {
            out.push(b'/');
        }
        start = out.len();
        at += 1;
    }
    let ends_up = out == b".." || out.ends_with(b"/..");
    marks | Marks::when(ends_up && depth < 1, Marks::PATH_UP)
}
