//! One JSON document a line: how deep and long it may be, and its fields by name.

use std::fmt;

use schemas::Header;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

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
    let mut from = serde_json::Deserializer::from_str(text);
    let read = Document { headers: false }.deserialize(&mut from);
    match read.and_then(|value| from.end().map(|()| value)) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(Dead::malformed("the line is JSON, but no object")),
        Err(error) => Err(Dead::malformed(format!("not JSON: {error}: '{}'", excerpt(line)))),
    }
}

/// A document as [`Value`] reads it, except that a name that stands twice among `headers` keeps all its values, as a
/// list: that is how ModSecurity writes a header that was sent twice.
struct Document {
    /// Whether what is read next are headers.
    headers: bool,
}

impl<'de> DeserializeSeed<'de> for Document {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Document {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = from.next_element_seed(Document { headers: false })? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = from.next_key::<String>()? {
            let inside = Document { headers: name.eq_ignore_ascii_case("headers") };
            let value = from.next_value_seed(inside)?;
            match object.get_mut(&name).filter(|_| self.headers) {
                Some(before) => join(before, value),
                None => drop(object.insert(name, value)),
            }
        }
        Ok(Value::Object(object))
    }
}

/// Adds `value` to what stood under its name before, as one list.
fn join(before: &mut Value, value: Value) {
    let list = |value: Value| match value {
        Value::Array(list) => list,
        one => vec![one],
    };
    let mut all = list(before.take());
    all.extend(list(value));
    *before = Value::Array(all);
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
