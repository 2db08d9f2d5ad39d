//! Controls: that the learner learns the payload and not its wrapper, and that a value is not worse for where it stands.

use std::collections::BTreeMap;

use serde::Serialize;

use super::data::{Data, Sink};
use super::folds::OutOfFold;
use super::metrics::Share;
use super::rows::Row;
use crate::features::{BIAS, GRAM_BASE};
use crate::request::Request;

/// What stands in place of a payload.
const NOTHING: &str = "x";
/// Sources whose benign values are moved.
const MOVED: [&str; 3] = ["httpparams", "gran-waf", "text-rust-analyzer"];
/// Where they are moved to.
const PLACES: [&str; 6] = ["user-agent", "referer", "cookie", "x-forwarded-for", "path", "query"];

/// The row with `x` for every value at the places of its payload; the wrapper stays.
pub fn emptied(row: &Row) -> Row {
    let mut row = row.clone();
    for place in row.places.clone() {
        match place.as_str() {
            "uri" => row.uri = emptied_uri(&row.uri),
            "body" => row.body = emptied_pairs(&row.body),
            _ => {
                let name = place.split_once(':').map(|(_, name)| name.to_owned());
                let own =
                    |key: &str| name.as_ref().is_none_or(|name| key.eq_ignore_ascii_case(name));
                let headers = row.headers.iter_mut().filter(|(key, _)| own(key));
                headers.for_each(|(_, value)| NOTHING.clone_into(value));
            }
        }
    }
    row
}

fn emptied_uri(uri: &str) -> String {
    let (path, query) =
        uri.split_once('?').map_or((uri, None), |(path, query)| (path, Some(query)));
    // Without a query the path itself is the payload.
    let plain = |segment: &&str| {
        (query.is_some() || segment.is_empty())
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    let path: Vec<&str> =
        path.split('/').map(|part| Some(part).filter(plain).unwrap_or(NOTHING)).collect();
    let path = path.join("/");
    query.map_or(path.clone(), |query| format!("{path}?{}", emptied_pairs(query)))
}

fn emptied_pairs(pairs: &str) -> String {
    let word = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let emptied: Vec<String> = pairs
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) if word(name) => format!("{name}={NOTHING}"),
            _ => NOTHING.to_owned(),
        })
        .collect();
    emptied.join("&")
}

/// The longest value of the query or form that the payload of `row` stands in, percent-decoded once.
pub fn payload(row: &Row) -> Option<Vec<u8>> {
    let pairs = match row.places.first()?.as_str() {
        "uri" => row.uri.split_once('?')?.1,
        "body" => row.body.as_str(),
        _ => return None,
    };
    let values = pairs.split('&').filter_map(|pair| pair.split_once('='));
    values.map(|(_, value)| decoded(value)).max_by_key(Vec::len)
}

fn decoded(value: &str) -> Vec<u8> {
    let bytes = value.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = value.get(at + 1..at + 3).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match (bytes[at], pair) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    out
}

fn escaped(value: &[u8], also: &[u8]) -> String {
    let keep = |byte: u8| byte.is_ascii_graphic() && byte != b'%' && !also.contains(&byte);
    let part = |byte: &u8| {
        if keep(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") }
    };
    value.iter().map(part).collect()
}

/// A request with `value` at `place` and nothing else to read.
fn moved(row: &Row, value: &[u8], place: &str) -> Row {
    let mut row = row.clone();
    row.headers = BTreeMap::from([("User-Agent".to_owned(), "Mozilla/5.0".to_owned())]);
    row.body = String::new();
    row.uri = "/".to_owned();
    let line: Vec<u8> =
        value.iter().map(|byte| if byte.is_ascii_control() { b' ' } else { *byte }).collect();
    let line = String::from_utf8_lossy(&line).into_owned();
    match place {
        "path" => row.uri = format!("/{}", escaped(value, b"?#")),
        "query" => row.uri = format!("/?q={}", escaped(value, b"&#+")),
        "cookie" => {
            drop(row.headers.insert("Cookie".to_owned(), format!("c={}", line.replace(';', "%3B"))))
        }
        "user-agent" => drop(row.headers.insert("User-Agent".to_owned(), line)),
        _ => drop(row.headers.insert(place.to_owned(), line)),
    }
    row
}

/// A benign row with its value at one of the other places, in turn by its number: what training sees besides, so that
/// a signature of an agent or a path does not learn that prose never stands there.
pub fn elsewhere(row: &Row, number: usize) -> Option<Row> {
    let value = payload(row).filter(|_| !row.attack())?;
    Some(moved(row, &value, PLACES[number % PLACES.len()]))
}

/// A benign row with its value in a query, escaped otherwise than it must be, in turn by its number: what training sees
/// besides, so that the mark of such an escape does not learn that only attackers write it.
pub fn escaped_otherwise(row: &Row, number: usize) -> Option<Row> {
    let value = payload(row).filter(|_| !row.attack())?;
    let mut row = moved(row, &value, "query");
    row.uri = format!("/?q={}", ESCAPES[number % ESCAPES.len()](&value));
    Some(row)
}

/// A way to escape a value.
type Escape = fn(&[u8]) -> String;
const ESCAPES: [Escape; 3] = [escaped_twice, escaped_wide, escaped_letters];

/// As a client does that escapes what is escaped already.
fn escaped_twice(value: &[u8]) -> String {
    escaped(escaped(value, b"&#+").as_bytes(), b"")
}

/// As `escape` of JavaScript does, for every mark and every letter outside ASCII.
fn escaped_wide(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    let mut out = String::with_capacity(2 * text.len());
    for letter in text.chars() {
        if letter.is_ascii_alphanumeric() {
            out.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            out.push_str(&format!("%u{unit:04X}"));
        }
    }
    out
}

/// With every fifth byte escaped, whether or not it must be.
fn escaped_letters(value: &[u8]) -> String {
    let piece = |(at, byte): (usize, &u8)| match at % 5 {
        0 => format!("%{byte:02X}"),
        _ => escaped(&[*byte], b"&#+"),
    };
    value.iter().enumerate().map(piece).collect()
}

/// False alarms of values that were moved, beside those in place.
#[derive(Debug, Clone, Serialize)]
pub struct Moved {
    pub source: String,
    pub place: String,
    pub share: Share,
    pub in_place: usize,
}

/// Moves every benign value of three sources to other places and reads it with the weights of the fold that left its
/// source out.
pub fn moves(
    rows: &[Row],
    data: &Data,
    out: &OutOfFold,
    threshold: f64,
    cap: f64,
    extract: &mut impl FnMut(&Request<'_>, Sink<'_>),
) -> Vec<Moved> {
    let mut found = Vec::new();
    for (source, name) in
        data.sources.iter().enumerate().filter(|(_, name)| MOVED.contains(&name.as_str()))
    {
        let Some((weights, scale)) = out.weights[source].as_ref().zip(out.scales[source]) else {
            continue;
        };
        let benign =
            || rows.iter().enumerate().filter(|(_, row)| row.source == *name && !row.attack());
        let values: Vec<(usize, &Row, Vec<u8>)> =
            benign().filter_map(|(at, row)| Some((at, row, payload(row)?))).collect();
        let in_place = values.iter().filter(|(at, _, _)| out.all[*at] >= threshold).count();
        for place in PLACES {
            let llrs = values.iter().map(|(_, row, value)| {
                scale.apply(
                    moved(row, value, place)
                        .request(|request| worst(data, weights, cap, request, extract)),
                )
            });
            let share = Share::reaching(threshold, llrs.collect::<Vec<f64>>());
            found.push(Moved { source: name.clone(), place: place.to_owned(), share, in_place });
        }
    }
    found
}

fn worst(
    data: &Data,
    weights: &[f64],
    cap: f64,
    request: &Request<'_>,
    extract: &mut impl FnMut(&Request<'_>, Sink<'_>),
) -> Option<f64> {
    let mut readings: Vec<(f64, f64)> = Vec::new();
    extract(request, &mut |_, _, feature, size| {
        if feature == BIAS {
            readings.push((weights[0], 0.0));
        } else if let Some((column, reading)) = data.find(feature.0).zip(readings.last_mut()) {
            let part = weights[column] * f64::from(size);
            if feature.0 >= GRAM_BASE { reading.1 += part } else { reading.0 += part }
        }
    });
    readings.into_iter().map(|(sum, grams)| sum + grams.clamp(-cap, cap)).max_by(f64::total_cmp)
}
