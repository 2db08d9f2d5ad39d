//! Cuts a body into its documents: lines, the elements of an array, or one document over several lines.

use crate::logs::BYTE_ORDER_MARK;

/// The body is an array, or one document, that has no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the JSON that begins in line {line} has no end")]
pub struct Unbalanced {
    pub line: usize,
}

/// The documents of a body, each with the line it begins in, from 1.
///
/// What begins with `[` is an array; one object that is the whole body is one document however many lines it has; all
/// else is one document a line. A byte order mark that leads is of no document. Nothing is judged here: a document may be
/// anything but cut off.
pub fn split(body: &[u8]) -> Result<Vec<(usize, &[u8])>, Unbalanced> {
    let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    let start = body.len() - body.trim_ascii_start().len();
    match body.get(start) {
        Some(b'[') => {
            let Some((elements, after)) = elements(body, start) else {
                return Err(Unbalanced { line: line_of(body, start) });
            };
            match body[after..].trim_ascii().is_empty() {
                true => Ok(numbered(body, elements)),
                false => Ok(lines(body)),
            }
        }
        Some(b'{') => match elements(body, start) {
            Some((_, after)) if body[after..].trim_ascii().is_empty() => {
                Ok(numbered(body, vec![(start, after)]))
            }
            _ => Ok(lines(body)),
        },
        _ => Ok(lines(body)),
    }
}

fn lines(body: &[u8]) -> Vec<(usize, &[u8])> {
    let lines = body.split(|byte| *byte == b'\n').enumerate();
    lines
        .map(|(index, line)| (index + 1, line.trim_ascii()))
        .filter(|(_, line)| !line.is_empty())
        .collect()
}

fn numbered(body: &[u8], elements: Vec<(usize, usize)>) -> Vec<(usize, &[u8])> {
    let (mut line, mut counted) = (1, 0);
    let mut documents = Vec::with_capacity(elements.len());
    for (start, end) in elements {
        let element = body[start..end].trim_ascii();
        let start = end - body[start..end].trim_ascii_start().len();
        line += body[counted..start].iter().filter(|byte| **byte == b'\n').count();
        counted = start;
        if !element.is_empty() {
            documents.push((line, element));
        }
    }
    documents
}

/// What stands between the outermost brackets that open at `start`, at their commas; and what follows them.
fn elements(body: &[u8], start: usize) -> Option<(Vec<(usize, usize)>, usize)> {
    let (mut depth, mut inside, mut escaped) = (0_usize, false, false);
    let mut elements = Vec::new();
    let mut begun = start + 1;
    for (index, byte) in body.iter().enumerate().skip(start) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if inside => escaped = true,
            b'"' => inside = !inside,
            _ if inside => {}
            b'{' | b'[' => depth += 1,
            b',' if depth == 1 => {
                elements.push((begun, index));
                begun = index + 1;
            }
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    elements.push((begun, index));
                    return Some((elements, index + 1));
                }
            }
            _ => {}
        }
    }
    None
}

fn line_of(body: &[u8], at: usize) -> usize {
    1 + body[..at].iter().filter(|byte| **byte == b'\n').count()
}
