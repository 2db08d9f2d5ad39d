//! What must hold for any bytes: one function for each fuzz target, each of which panics where it does not.

use std::sync::LazyLock;

use detect::model::Model;
use detect::normalise::{Normaliser, READINGS_MAX};
use detect::request::{Header, Part, Place, Request, Value};
use detect::signatures::Signatures;
use detect::split::{VALUES_MAX, WINDOWS_MAX};
use detect::structure::{markup as tags, shell as commands, sql as statements};
use detect::{Detector, Reader, Score};

static DETECTOR: LazyLock<Detector> = LazyLock::new(|| Detector::shipped(detect::detector::PI));

/// Everything of one reading that must not depend on what was read before.
fn readings(normaliser: &mut Normaliser, value: &Value<'_>) -> Vec<(Vec<Vec<u8>>, u32, bool)> {
    let mut all = Vec::new();
    normaliser.read(value, |reading| {
        let views = [reading.text, reading.sql, reading.shell, reading.path];
        all.push((views.map(<[u8]>::to_vec).to_vec(), reading.marks.0, reading.quiet));
    });
    all
}

/// At most four readings, steps in proportion, and the same from a normaliser that has read something else.
pub fn normalise(bytes: &[u8]) {
    let Some((&first, raw)) = bytes.split_first() else { return };
    let place = Place::ALL[usize::from(first) % Place::ALL.len()];
    let value = Value { place, part: Part::Value, name: b"", raw };
    let mut fresh = Normaliser::default();
    let once = readings(&mut fresh, &value);
    assert!((1..=READINGS_MAX).contains(&once.len()));
    assert!(fresh.steps() <= 1000 + 200 * raw.len() as u64, "{} steps", fresh.steps());
    let mut warm = Normaliser::default();
    let reversed: Vec<u8> = raw.iter().rev().copied().collect();
    readings(&mut warm, &Value { raw: &reversed, ..value });
    assert_eq!(readings(&mut warm, &value), once);
}

/// Calls a tokeniser twice: its answer is the same and its steps are in proportion.
fn tokens<T: PartialEq + std::fmt::Debug>(text: &[u8], read: impl Fn(&[u8], &mut u64) -> T) {
    let (mut first, mut second) = (0, 0);
    assert_eq!(read(text, &mut first), read(text, &mut second));
    assert_eq!(first, second);
    assert!(first <= 1000 + 200 * text.len() as u64, "{first} steps for {} bytes", text.len());
}

pub fn sql(bytes: &[u8]) {
    tokens(bytes, |text, steps| statements::read(text, steps).0);
}

pub fn shell(bytes: &[u8]) {
    tokens(bytes, |text, steps| commands::read(text, steps).0);
}

pub fn markup(bytes: &[u8]) {
    tokens(bytes, |text, steps| tags::read(text, steps).0);
}

/// A request cut from the bytes: fields end at 0x1f, the first byte says what the body is.
fn request<T>(bytes: &[u8], each: impl FnOnce(&Request<'_>) -> T) -> T {
    const KINDS: [&[u8]; 6] = [
        b"application/json",
        b"text/xml",
        b"multipart/form-data; boundary=B",
        b"application/x-www-form-urlencoded",
        b"text/plain",
        b"",
    ];
    let (kind, rest) = bytes.split_first().map_or((0, bytes), |(first, rest)| (*first, rest));
    let mut fields = rest.splitn(6, |byte| *byte == 0x1f);
    let mut field = || fields.next();
    let uri = field().unwrap_or_default();
    let (agent, referer, cookie, header, body) = (field(), field(), field(), field(), field());
    let headers = [
        Header { name: b"Content-Type", value: KINDS[usize::from(kind) % KINDS.len()] },
        Header { name: b"Cookie", value: cookie.unwrap_or_default() },
        Header { name: b"X-Forwarded-For", value: header.unwrap_or_default() },
    ];
    each(&Request { method: b"POST", uri, agent, referer, headers: &headers, body })
}

/// Windows are not empty and not too many. How long one is depends on the blanks and comments in it.
pub fn split(bytes: &[u8]) {
    request(bytes, |request| {
        let mut count = 0;
        detect::split::split(request, |value| {
            count += 1;
            assert!(!value.raw.is_empty());
        });
        assert!(count <= VALUES_MAX + WINDOWS_MAX);
    });
}

/// A pack or a model file is read or refused.
pub fn rules(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(signatures) = Signatures::parse([("fuzzed", &*text)]) {
        drop(signatures.check());
    }
    drop(Model::read(bytes, &DETECTOR.signatures));
}

/// A score is finite and the same from a reader that is fresh, warm, or has just read something else.
pub fn score(bytes: &[u8]) {
    let score = |reader: &mut Reader, bytes: &[u8]| -> Score {
        request(bytes, |request| DETECTOR.score(reader, request))
    };
    let mut warm = Reader::default();
    let fresh = score(&mut warm, bytes);
    assert!(fresh.llr.is_finite());
    assert_eq!(score(&mut warm, bytes), fresh);
    let (left, right) = bytes.split_at(bytes.len() / 2);
    let parts = (score(&mut warm, left), score(&mut warm, right));
    assert_eq!(score(&mut warm, bytes), fresh);
    let mut second = Reader::default();
    assert_eq!((score(&mut second, left), score(&mut second, right)), parts);
}
