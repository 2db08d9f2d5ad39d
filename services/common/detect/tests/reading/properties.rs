//! What holds for any bytes.

use crate::{read, read_with, value};
use detect::normalise::{Normaliser, READINGS_MAX};
use detect::split::{VALUES_MAX, WINDOW_BYTES, WINDOWS_MAX, split};
use detect::{Header, Part, Place, Request, Value};
use proptest::prelude::*;

/// Bytes that meet the steps far more often than bytes of chance do.
pub(crate) fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::sample::select(vec![
        &b"%"[..],
        b"%25",
        b"%3c",
        b"%u0027",
        b"%c0%ae",
        b"&#60",
        b"&lt;",
        b"&",
        b"+",
        b"+ADw-",
        b"\\u003c",
        b"\\x41",
        b"\\",
        b"/*",
        b"*/",
        b"/*!50000",
        b"'",
        b"\"",
        b"||",
        b"$IFS",
        b"${",
        b"}",
        b"{a,b}",
        b"$@",
        b"..",
        b"/",
        b";",
        b"//",
        b"....//",
        b" ",
        b"\n",
        b"--a\n",
        b"#",
        b"\0",
        b"\xef\xbc\x9c",
        b"\xd0\xb5",
        b"\xc0",
        b"\xf0\x9f",
        b"sElEcT",
        b"PHNjcmlwdD5hbGVydCgxKQ==",
        b"0x2f6574632f706173",
        b"<a b='",
        b"<![CDATA[",
        b"]]>",
        b"\":",
        b"{\"",
        b"[",
        b"--B\r\n",
        b"name=\"",
        b"\r\n\r\n",
        b"=",
        b"?",
    ]);
    let any = prop::collection::vec(any::<u8>(), 0..6);
    let piece = prop_oneof![4 => pieces.prop_map(<[u8]>::to_vec), 1 => any];
    prop::collection::vec(piece, 0..40).prop_map(|all| all.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_value_is_read_within_its_length(raw in bytes(), place in prop::sample::select(Place::ALL.to_vec())) {
        let (mut readings, mut longest) = (0, 0);
        Normaliser::default().read(&value(place, &raw), |reading| {
            readings += 1;
            longest = [reading.text, reading.sql, reading.shell, reading.path].iter().map(|v| v.len()).fold(longest, usize::max);
        });
        prop_assert!((1..=READINGS_MAX).contains(&readings));
        prop_assert!(longest <= raw.len());
    }

    #[test]
    fn buffers_used_before_change_no_answer(first in bytes(), raw in bytes(), place in prop::sample::select(Place::ALL.to_vec())) {
        let mut warm = Normaliser::default();
        read_with(&mut warm, &value(Place::Query, &first));
        prop_assert_eq!(read_with(&mut warm, &value(place, &raw)), read(place, &raw));
    }

    #[test]
    fn a_normal_text_is_read_as_it_is(raw in "[a-z0-9]{0,8}( [a-z0-9,.:!?<>()=-]{1,8}){0,8}", place in prop::sample::select(Place::ALL.to_vec())) {
        let all = read(place, raw.as_bytes());
        prop_assert_eq!(&all[0].text, &raw);
        prop_assert!(all[0].marks.is_empty(), "{:?}", all[0].marks);
    }

    #[test]
    fn any_request_is_split_within_the_limits(uri in bytes(), kind in 0_usize..6, body in bytes()) {
        let kind = [&b"application/json"[..], b"text/xml", b"multipart/form-data; boundary=B", b"application/x-www-form-urlencoded", b"text/plain", b""][kind];
        let headers = [Header { name: b"content-type", value: kind }, Header { name: b"cookie", value: &uri }];
        let request = Request { uri: &uri, referer: Some(&body), headers: &headers, body: Some(&body), ..Request::default() };
        let mut count = 0;
        split(&request, |value| {
            count += 1;
            assert!((1..=WINDOW_BYTES).contains(&value.raw.len()));
        });
        prop_assert!(count <= VALUES_MAX + WINDOWS_MAX);
    }
}

#[test]
fn ten_times_the_input_costs_ten_times_the_steps() {
    let pieces = [
        "plain words ",
        "%2525",
        "&#60;",
        "\\u003c",
        "/*!",
        "/*a*/",
        "'a'||",
        "$IFS",
        "${",
        "{a,",
        "../",
        "....//",
        ";",
        "--a\n",
        "#",
        "PHNjcmlwdD5hbGVydCgxKQ== ",
        "0x2f6574632f706173 ",
        "+ADw-",
        "sElEcT ",
        "aB3",
    ];
    for piece in pieces {
        let steps = |times: usize| {
            let raw = piece.repeat(times);
            let mut normaliser = Normaliser::default();
            normaliser.read(
                &Value { place: Place::Query, part: Part::Value, name: b"", raw: raw.as_bytes() },
                |_| {},
            );
            normaliser.steps()
        };
        let (small, large) = (steps(100), steps(1000));
        assert!(large * 2 <= small * 21, "{piece}: {small} -> {large}");
    }
}
