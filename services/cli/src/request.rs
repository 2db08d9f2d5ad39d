//! One recorded request: a row of JSON, or the bytes that were sent.

use std::fmt;

use detect::request::{Header, Request};
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;

/// Longest row or request read, in bytes.
pub(crate) const REQUEST_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What of a row may be used; whatever else it says is not looked at.
#[derive(Deserialize)]
struct Row {
    #[serde(default)]
    id: Value,
    method: String,
    uri: String,
    #[serde(default)]
    headers: Headers,
    #[serde(default)]
    body: Option<String>,
}

/// Headers in the order written, repeated ones too.
#[derive(Default)]
struct Headers(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Headers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("headers as an object of texts")
            }

            fn visit_unit<E: Error>(self) -> Result<Headers, E> {
                Ok(Headers::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers, A::Error> {
                let mut pairs = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    let Value::String(value) = value else {
                        return Err(Error::custom(format!("the header {name} is not a text")));
                    };
                    pairs.push((name, value));
                }
                Ok(Headers(pairs))
            }
        }
        from.deserialize_any(Pairs)
    }
}

/// A request, owned. Absent is not empty.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Recorded {
    /// A text or a number; null where the request has none.
    pub(crate) id: Value,
    method: Vec<u8>,
    uri: Vec<u8>,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    body: Option<Vec<u8>>,
}

impl Recorded {
    /// Reads a row of JSON; says what is wrong with one that cannot be read.
    pub(crate) fn row(bytes: &[u8]) -> Result<Self, String> {
        // It would be taken for the members in their order.
        if bytes.trim_ascii_start().starts_with(b"[") {
            return Err(
                "an array is no row; a row is one JSON object with id, method and uri".to_owned()
            );
        }
        let row: Row = serde_json::from_slice(bytes).map_err(|error| unreadable(&error))?;
        if !matches!(row.id, Value::String(_) | Value::Number(_) | Value::Null) {
            return Err("the id is neither a text nor a number".to_owned());
        }
        let headers = row.headers.0.into_iter();
        Ok(Recorded {
            id: row.id,
            method: row.method.into_bytes(),
            uri: row.uri.into_bytes(),
            headers: headers.map(|(name, value)| (name.into_bytes(), value.into_bytes())).collect(),
            body: row.body.map(String::into_bytes),
        })
    }

    /// Reads what a client sends over HTTP/1.1: a line of method, target and version, headers, an empty line, a body.
    /// Line ends may be bare, as an editor writes them, and the target may have blanks, as an attacker writes them.
    pub(crate) fn http(bytes: &[u8]) -> Result<Self, String> {
        let (line, mut rest) = line(bytes);
        let wrong = || {
            "the first line is no request: write METHOD, a blank and the target, as in \
             'GET /search?q=x HTTP/1.1', or a JSON row"
                .to_owned()
        };
        let blank = line.iter().position(|byte| *byte == b' ').ok_or_else(wrong)?;
        let (method, target) = (&line[..blank], line[blank..].trim_ascii());
        let uri = match target.iter().rposition(|byte| *byte == b' ') {
            Some(at) if target[at + 1..].starts_with(b"HTTP/") => target[..at].trim_ascii_end(),
            _ => target,
        };
        let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
        if uri.is_empty() || method.is_empty() || !method.iter().all(token) {
            return Err(wrong());
        }
        let mut headers: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let mut number = 1;
        let mut body = None;
        while !rest.is_empty() {
            let (header, after) = self::line(rest);
            rest = after;
            number += 1;
            if header.is_empty() {
                body = Some(rest.to_vec()).filter(|body| !body.is_empty());
                break;
            }
            if let (b' ' | b'\t', Some((_, value))) = (header[0], headers.last_mut()) {
                value.push(b' ');
                value.extend_from_slice(header.trim_ascii());
                continue;
            }
            let colon = header.iter().position(|byte| *byte == b':').ok_or_else(|| {
                format!("line {number} is no header: write NAME: VALUE, and an empty line before the body")
            })?;
            headers.push((header[..colon].to_vec(), header[colon + 1..].trim_ascii().to_vec()));
        }
        let (method, uri) = (method.to_vec(), uri.to_vec());
        Ok(Recorded { id: Value::Null, method, uri, headers, body })
    }

    /// Calls `each` with the request as the detector takes it.
    pub(crate) fn lend<T>(&self, each: impl FnOnce(&Request<'_>) -> T) -> T {
        let (mut agent, mut referer) = (None, None);
        let mut headers = Vec::with_capacity(self.headers.len());
        for (name, value) in &self.headers {
            let own = if name.eq_ignore_ascii_case(b"user-agent") {
                Some(&mut agent)
            } else if name.eq_ignore_ascii_case(b"referer") {
                Some(&mut referer)
            } else {
                None
            };
            match own {
                Some(place) if place.is_none() => *place = Some(value.as_slice()),
                _ => headers.push(Header { name, value }),
            }
        }
        each(&Request {
            method: &self.method,
            uri: &self.uri,
            agent,
            referer,
            headers: &headers,
            body: self.body.as_deref().filter(|body| !body.is_empty()),
        })
    }
}

/// The first line without its end, and what follows.
fn line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let (line, rest) = match end {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &bytes[..0]),
    };
    (line.strip_suffix(b"\r").unwrap_or(line), rest)
}

/// The parser's words without the number of the line within the row, which is always 1.
fn unreadable(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let problem = text.split(" at line ").next().unwrap_or_default();
    format!(
        "{problem}, at byte {}; a row is one JSON object with id, method and uri",
        error.column()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(sent: &str, expected: &str) {
        let told = match Recorded::http(sent.as_bytes()) {
            Ok(request) => {
                let headers: Vec<String> = request
                    .headers
                    .iter()
                    .map(|(name, value)| {
                        [name.as_slice(), value].map(String::from_utf8_lossy).join("=")
                    })
                    .collect();
                let body = request.body.map(|body| String::from_utf8(body).unwrap());
                let [method, uri] = [request.method, request.uri].map(String::from_utf8);
                format!("{} {} {headers:?} {body:?}", method.unwrap(), uri.unwrap())
            }
            Err(problem) => problem,
        };
        assert!(told.starts_with(expected), "{sent:?}: {told}");
    }

    #[test]
    fn a_request_is_read_as_it_is_sent_or_as_an_editor_keeps_it() {
        check("GET /a HTTP/1.1\r\nHost: a\r\n\r\n", "GET /a [\"Host=a\"] None");
        check(
            "GET /a b' HTTP/1.0\nX: 1\n\t2\n\nq=1\r\n",
            "GET /a b' [\"X=1 2\"] Some(\"q=1\\r\\n\")",
        );
        check("GET /a", "GET /a [] None");
        for sent in ["", "GET", "GET ", "G<T / HTTP/1.1", "\nGET / HTTP/1.1"] {
            check(sent, "the first line is no request");
        }
        check("GET /\nbody", "line 2 is no header");
    }

    #[test]
    fn a_bad_row_says_what_is_wrong_with_it() {
        for (row, problem) in [
            ("{\"id\":1", "EOF while parsing an object, at byte 7"),
            ("[]", "an array is no row"),
            (r#"["a","GET","/",{},null]"#, "an array is no row"),
            (r#"{"id":"a","method":"GET"}"#, "missing field `uri`"),
            (r#"{"id":{},"method":"GET","uri":"/"}"#, "the id is neither"),
            (r#"{"id":1,"method":"GET","uri":"/","headers":{"HOST":1}}"#, "the header HOST is not"),
            (r#"{"id":1,"method":"GET","uri":"/","headers":[]}"#, "invalid type: sequence"),
        ] {
            let found = Recorded::row(row.as_bytes()).unwrap_err();
            assert!(found.starts_with(problem), "{row}: {found}");
        }
    }

    #[test]
    fn a_header_given_twice_is_read_twice() {
        let row = br#"{"method":"GET","uri":"/","headers":{"User-Agent":"a","user-agent":"b"}}"#;
        Recorded::row(row).unwrap().lend(|request| {
            assert_eq!(request.agent, Some(b"a".as_slice()));
            assert_eq!(request.headers[0].value, b"b");
        });
    }
}
