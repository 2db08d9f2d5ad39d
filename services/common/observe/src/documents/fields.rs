//! The fields of a document, each by its path. Absent and null are nothing; what has another type than it should have is
//! told by its name, since whoever wrote it means something by it.

use std::net::IpAddr;
use std::ops::Range;

use schemas::{Header, Millis};
use serde_json::Value;

use crate::logs::json;
use crate::logs::text::{address, present};
use crate::logs::time::{Dates, iso};
use crate::observation::Dead;

/// Later than any clock: larger numbers are no milliseconds.
const MILLIS_MAX: i64 = 253_402_300_800_000;
/// As milliseconds these lie between 1970 and 1973, as seconds between 2001 and 5138.
const SECONDS: Range<i64> = 1_000_000_000..100_000_000_000;

/// The first address at one of the paths.
pub(super) fn client(document: &Value, paths: &[&[&str]]) -> Result<IpAddr, Dead> {
    for path in paths {
        if let Some(named) = text(document, path)? {
            return address(named);
        }
    }
    let names: Vec<String> = paths.iter().map(|path| path.join(".")).collect();
    Err(Dead::no_address(format!("none of {} names a client", names.join(", "))))
}

/// A time as milliseconds since the epoch, or as ISO 8601 with a zone.
pub(super) fn time(document: &Value, path: &[&str]) -> Result<Millis, Dead> {
    let read = match at(document, path)? {
        Some(Value::String(text)) => zoned(text),
        Some(value) => millis(value),
        None => Err("is missing"),
    };
    read.map_err(|problem| Dead::no_time(format!("{} {problem}", path.join("."))))
}

/// A text as it stands, also an empty one.
pub(super) fn whole<'a>(document: &'a Value, path: &[&str]) -> Result<Option<&'a str>, Dead> {
    match at(document, path)? {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(other) => Err(ill_typed(path, other, "a text")),
    }
}

/// A text; nothing where it is empty or a dash.
pub(super) fn text<'a>(document: &'a Value, path: &[&str]) -> Result<Option<&'a str>, Dead> {
    Ok(whole(document, path)?.and_then(present))
}

/// As [`text`].
pub(super) fn owned(document: &Value, path: &[&str]) -> Result<Option<String>, Dead> {
    Ok(text(document, path)?.map(str::to_owned))
}

/// A whole number, also where it was written as text.
pub(super) fn number(document: &Value, path: &[&str]) -> Result<Option<i64>, Dead> {
    let Some(value) = at(document, path)? else { return Ok(None) };
    let read = match value.as_str().map(present) {
        None => value.as_i64(),
        Some(None) => return Ok(None),
        Some(Some(text)) => text.parse().ok(),
    };
    read.map(Some).ok_or_else(|| ill_typed(path, value, "a whole number"))
}

/// A status code of HTTP, if it is one.
pub(super) fn status(document: &Value, path: &[&str]) -> Result<Option<i32>, Dead> {
    let code = number(document, path)?.and_then(|code| i32::try_from(code).ok());
    Ok(code.filter(|code| (100..600).contains(code)))
}

/// All headers: of an object of texts or lists of texts, or of a list of objects with `name` and `value`.
pub(super) fn headers(document: &Value, path: &[&str]) -> Result<Option<Vec<Header>>, Dead> {
    let Some(given) = at(document, path)? else { return Ok(None) };
    match given {
        Value::Object(named) => {
            if let Some((name, value)) = named.iter().find(|(_, value)| !texts(value)) {
                let place = [path, &[name.as_str()]].concat();
                return Err(ill_typed(&place, value, "a text or a list of texts"));
            }
        }
        Value::Array(list) => {
            if !list.iter().all(pair) {
                return Err(Dead::malformed(format!(
                    "{}: an entry of the list is no object whose name and value are texts",
                    path.join(".")
                )));
            }
        }
        other => {
            let expected = "an object of texts, or a list of objects with name and value";
            return Err(ill_typed(path, other, expected));
        }
    }
    Ok(json::headers(given))
}

/// What stands at a path, unless it is null.
fn at<'a>(document: &'a Value, path: &[&str]) -> Result<Option<&'a Value>, Dead> {
    let mut found = document;
    for (depth, name) in path.iter().enumerate() {
        let Value::Object(object) = found else {
            return Err(ill_typed(&path[..depth], found, "an object"));
        };
        found = match object.get(*name) {
            None | Some(Value::Null) => return Ok(None),
            Some(value) => value,
        };
    }
    Ok(Some(found))
}

fn ill_typed(path: &[&str], value: &Value, expected: &str) -> Dead {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    Dead::malformed(format!("{} is {found}, and must be {expected}", path.join(".")))
}

fn zoned(text: &str) -> Result<Millis, &'static str> {
    let read = |offset_minutes| iso(text, Dates { offset_minutes, ..Dates::default() });
    // What has a zone means the same wherever it is read.
    match (read(0), read(1)) {
        (Some(at), Some(elsewhere)) if at == elsewhere => Ok(at),
        (Some(_), _) => Err("has no zone; write for example 2026-01-01T00:00:00Z"),
        (None, _) => Err("is no time such as 2026-01-01T00:00:00Z"),
    }
}

fn millis(value: &Value) -> Result<Millis, &'static str> {
    match value.as_i64() {
        Some(number) if SECONDS.contains(&number) => {
            Err("looks like seconds since 1970; write milliseconds")
        }
        Some(number) if (0..MILLIS_MAX).contains(&number) => Ok(number),
        _ => Err("is no whole number of milliseconds since 1970"),
    }
}

fn texts(value: &Value) -> bool {
    is_text(value) || value.as_array().is_some_and(|list| list.iter().all(is_text))
}

/// An entry without a name or a value is no header, and Suricata writes such of HTTP/2.
fn pair(entry: &Value) -> bool {
    entry.is_object() && ["name", "value"].iter().all(|field| entry.get(field).is_none_or(is_text))
}

fn is_text(value: &Value) -> bool {
    value.is_string() || value.is_null()
}
