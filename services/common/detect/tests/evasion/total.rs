//! The whole detector on arbitrary requests: total, bounded, and each request for itself.

use std::sync::LazyLock;

use detect::split::{VALUES_MAX, WINDOWS_MAX};
use detect::{Detector, Header, Reader, Request, Score};
use proptest::prelude::*;

static DETECTOR: LazyLock<Detector> = LazyLock::new(crate::detector);

/// A request that owns its bytes.
#[derive(Debug, Clone)]
struct Owned {
    uri: Vec<u8>,
    agent: Option<Vec<u8>>,
    referer: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    body: Option<Vec<u8>>,
}

impl Owned {
    fn score(&self, reader: &mut Reader) -> Score {
        let headers: Vec<Header<'_>> =
            self.headers.iter().map(|(name, value)| Header { name, value }).collect();
        let request = Request {
            method: b"POST",
            uri: &self.uri,
            agent: self.agent.as_deref(),
            referer: self.referer.as_deref(),
            headers: &headers,
            body: self.body.as_deref(),
        };
        DETECTOR.score(reader, &request)
    }

    fn bytes(&self) -> usize {
        let optional = [&self.agent, &self.referer, &self.body];
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.len());
        self.uri.len()
            + optional.iter().map(|part| part.as_ref().map_or(0, Vec::len)).sum::<usize>()
            + headers.sum::<usize>()
    }
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::sample::select(vec![
        &b"a"[..],
        b"7",
        b" ",
        b"'",
        b"\"",
        b"=",
        b"&",
        b"?",
        b"/",
        b"..",
        b"%27",
        b"%2525",
        b"<",
        b">",
        b"or 1=1",
        b" union select ",
        b"/*",
        b"*/",
        b"-- ",
        b"<svg onload=",
        b"script>",
        b"$(",
        b"`id`",
        b";cat /etc/",
        b"${jndi:",
        b"{{",
        b"}}",
        b"\\u003c",
        b"\0",
        b"\r\n",
        b"{\"$ne\":",
        b"}",
        b"[",
        b"]",
        b"<!ENTITY ",
        b"PHNjcmlwdD4=",
        b"&#60;",
        b"+",
        b"%c0%ae",
        b"\xff",
        b"--B\r\n",
        b"Content-Disposition: form-data; name=\"a\"",
        b"select",
        b"(",
        b")",
        b",",
    ]);
    let one = prop_oneof![
        6 => pieces.prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(one, 0..24).prop_map(|parts| parts.concat())
}

fn request() -> impl Strategy<Value = Owned> {
    let kinds = prop::sample::select(vec![
        &b"application/json"[..],
        b"text/xml",
        b"multipart/form-data; boundary=B",
        b"application/x-www-form-urlencoded",
        b"text/plain",
        b"",
    ]);
    let names = prop::sample::select(vec![
        &b"Cookie"[..],
        b"X-Forwarded-For",
        b"X-A",
        b"Authorization",
        b"Accept",
    ]);
    let headers = prop::collection::vec((names.prop_map(<[u8]>::to_vec), bytes()), 0..4);
    let optional = || prop::option::of(bytes());
    (bytes(), optional(), optional(), headers, kinds, optional()).prop_map(
        |(uri, agent, referer, mut headers, kind, body)| {
            headers.push((b"Content-Type".to_vec(), kind.to_vec()));
            Owned { uri, agent, referer, headers, body }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_request_has_a_finite_score_and_bounded_work(one in request()) {
        let mut reader = Reader::default();
        let score = one.score(&mut reader);
        prop_assert!(score.llr.is_finite());
        if let Some((window, reading)) = score.best {
            prop_assert!(window < VALUES_MAX + WINDOWS_MAX);
            prop_assert!(reading < detect::normalise::READINGS_MAX);
        }
        let most = 4000 + 4000 * one.bytes() as u64;
        prop_assert!(reader.steps <= most, "{} steps for {} bytes", reader.steps, one.bytes());
    }

    #[test]
    fn a_score_depends_on_no_request_before_it(all in prop::collection::vec(request(), 1..5), cut in 0_usize..5) {
        let mut warm = Reader::default();
        let batch: Vec<Score> = all.iter().map(|one| one.score(&mut warm)).collect();
        let alone: Vec<Score> = all.iter().map(|one| one.score(&mut Reader::default())).collect();
        prop_assert_eq!(&batch, &alone);
        let (left, right) = all.split_at(cut.min(all.len()));
        let mut second = Reader::default();
        let mut parts: Vec<Score> = right.iter().map(|one| one.score(&mut second)).collect();
        let mut before: Vec<Score> = left.iter().rev().map(|one| one.score(&mut second)).collect();
        before.reverse();
        before.append(&mut parts);
        prop_assert_eq!(&before, &alone);
    }

    #[test]
    fn a_field_more_never_lowers_a_score(one in request(), more in bytes()) {
        let mut reader = Reader::default();
        let before = one.score(&mut reader);
        let mut larger = one.clone();
        larger.headers.push((b"X-More".to_vec(), more));
        prop_assert!(larger.score(&mut reader).llr >= before.llr);
    }
}
