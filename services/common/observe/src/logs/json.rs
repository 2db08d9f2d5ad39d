//! One JSON document a line: how deep and long it may be, and its fields by name.

use schemas::Header;
use serde_json::Value;

use super::text::excerpt;
use crate::observation::Dead;

/// The objects and arrays that may stand inside each other.
const DEPTH_MAX: usize = 32;

/// The object that a line holds, also after the prefix of a container's log (`TIME stdout F `).
pub(crate) fn object(line: &str) -> Result<Value, Dead> {
    let text = unwrapped(line);
    if too_deep(text) {
        return Err(Dead::too_long(format!("more than {DEPTH_MAX} levels of JSON")));
    }
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(Dead::malformed("the line is JSON, but no object")),
        Err(error) => Err(Dead::malformed(format!("not JSON: {error}: '{}'", excerpt(line)))),
    }
}

/// The text at a path of names, if it is there and not empty.
pub(crate) fn text<'a>(value: &'a Value, path: &[&str]) -> Option<&'a str> {
    super::text::present(at(value, path)?.as_str()?)
}

/// The number at a path of names, also where it was written as text.
pub(crate) fn number(value: &Value, path: &[&str]) -> Option<i64> {
    let found = at(value, path)?;
    found.as_i64().or_else(|| found.as_str()?.parse().ok())
}

/// What stands at a path of names.
pub(crate) fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, name| value.get(name))
}

/// A header of an object of headers, whose names have any case and whose values are texts or lists of texts.
pub(super) fn header<'a>(headers: &'a Value, name: &str) -> Option<&'a str> {
    let mut named =
        headers.as_object()?.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name));
    let (_, value) = named.next()?;
    // Written twice in another case, nobody knows which of them a proxy wrote.
    if named.next().is_some() {
        return None;
    }
    // Of several values the last is what the nearest proxy wrote.
    value.as_str().or_else(|| value.as_array()?.last()?.as_str())
}

/// All headers: of an object as [`header`] reads one, or of a list of objects with `name` and `value`. None where it is
/// neither.
pub(crate) fn headers(value: &Value) -> Option<Vec<Header>> {
    let of = |name: &str, value: &Value| {
        value.as_str().map(|value| Header { name: name.to_owned(), value: value.to_owned() })
    };
    match value {
        Value::Object(named) => {
            let texts = named.iter().flat_map(|(name, value)| {
                let list = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
                list.iter().filter_map(move |text| of(name, text))
            });
            Some(texts.collect())
        }
        Value::Array(list) => {
            let one = |item: &Value| of(item.get("name")?.as_str()?, item.get("value")?);
            Some(list.iter().filter_map(one).collect())
        }
        _ => None,
    }
}

/// The line without the prefix that container runtimes write before it.
fn unwrapped(line: &str) -> &str {
    if line.starts_with('{') {
        return line;
    }
    let mut words = line.splitn(4, ' ');
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some(_), Some("stdout" | "stderr"), Some("F"), Some(rest)) => rest,
        _ => line,
    }
}

/// Counts brackets outside of texts, so that the depth is known before anything is built.
fn too_deep(text: &str) -> bool {
    let (mut depth, mut inside, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if inside => escaped = true,
            b'"' => inside = !inside,
            b'{' | b'[' if !inside => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return true;
                }
            }
            b'}' | b']' if !inside => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}
