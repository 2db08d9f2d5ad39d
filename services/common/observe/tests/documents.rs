//! Each kind of document becomes what it says, or dies of a true reason.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails its test by unwrapping")]

use observe::documents::{Document, read, split};
use schemas::{Activity, Provenance};

/// Reads a document of somebody else's; answers activity, client, method, uri, account, finding and success.
#[track_caller]
fn check(document: &str, expected: &str) {
    let said = match read(document.as_bytes()) {
        Ok(Document::Observed(observed)) => {
            assert!(observed.iter().all(|seen| seen.provenance == Provenance::ExternalFeed));
            let each = observed.into_iter().map(|seen| {
                let activity = match seen.activity {
                    Activity::HttpRequest => "request",
                    Activity::Login => "login",
                    Activity::Finding => "finding",
                };
                let texts = [
                    activity.to_owned(),
                    seen.observed_at.unwrap().to_string(),
                    seen.client.to_string(),
                    seen.method,
                    seen.uri,
                    seen.account.unwrap_or_default(),
                    seen.finding.unwrap_or_default(),
                    seen.succeeded.map(|yes| yes.to_string()).unwrap_or_default(),
                ];
                texts.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
            });
            each.collect::<Vec<_>>().join(" | ")
        }
        Ok(Document::Own(own)) => format!("own {}", own.observation.client),
        Err(dead) => format!("dead: {}", dead.class),
    };
    assert_eq!(said, expected, "{document}");
}

#[test]
fn ocsf_is_read_by_its_class() {
    check(
        r#"{"class_uid":4002,"time":1000,"src_endpoint":{"ip":"81.2.69.142"},
            "http_request":{"http_method":"GET","url":{"path":"/a","query_string":"b=c"}}}"#,
        "request 1000 81.2.69.142 GET /a?b=c",
    );
    check(
        r#"{"class_uid":3002,"time":1000,"src_endpoint":{"ip":"81.2.69.142"},"status_id":2,"user":{"name":"ann"}}"#,
        "login 1000 81.2.69.142 ann false",
    );
    check(
        r#"{"class_uid":2004,"time":1000,"finding_info":{"title":"scan"},"evidences":[{"src_endpoint":{"ip":"2a00:1450::1"}}]}"#,
        "finding 1000 2a00:1450::1 scan",
    );
    check(r#"{"class_uid":6003,"time":1000}"#, "dead: unsupported");
    check(r#"{"class_uid":4002,"time":1000}"#, "dead: no_address");
    check(r#"{"class_uid":4002,"src_endpoint":{"ip":"81.2.69.142"}}"#, "dead: no_time");
}

#[test]
fn other_detectors_findings_are_read() {
    check(
        r#"{"timestamp":"1970-01-01T00:00:01.000000+0000","event_type":"alert","src_ip":"81.2.69.142",
            "alert":{"signature_id":7,"signature":"a scan"}}"#,
        "finding 1000 81.2.69.142 7: a scan",
    );
    check(r#"{"timestamp":"1970-01-01T00:00:01Z","event_type":"dns","src_ip":"81.2.69.142"}"#, "");
    check(
        r#"{"rule":"a shell","time":"1970-01-01T00:00:01.0Z","output_fields":{"fd.cip":"81.2.69.142"}}"#,
        "finding 1000 81.2.69.142 a shell",
    );
    check(
        r#"{"rule":"a shell","time":"1970-01-01T00:00:01Z","output_fields":{}}"#,
        "dead: no_address",
    );
    check(
        r#"{"receiver":"perimeter","alerts":[
            {"status":"firing","labels":{"alertname":"flood","client_ip":"81.2.69.142"},"startsAt":"1970-01-01T00:00:01Z"},
            {"status":"firing","labels":{"alertname":"disk"},"startsAt":"1970-01-01T00:00:01Z"},
            {"status":"resolved","labels":{"alertname":"flood","client_ip":"81.2.69.144"},"startsAt":"1970-01-01T00:00:01Z"}]}"#,
        "finding 1000 81.2.69.142 flood",
    );
}

#[test]
fn our_own_form_is_strict() {
    check(r#"{"observed_at":1000,"client":"81.2.69.142"}"#, "own 81.2.69.142");
    check(r#"{"observed_at":1000,"client":"81.2.69.142","clint":1}"#, "dead: malformed");
    check(r#"{"observed_at":1000,"client":"81.2.69.142","position":1}"#, "dead: malformed");
    check(r#"{"observed_at":1000,"client":"localhost"}"#, "dead: no_address");
    check(r#"{"observed_at":1e300,"client":"81.2.69.142"}"#, "dead: no_time");
    check("[1]", "dead: malformed");
    check(&format!("{}1{}", r#"{"a":"#.repeat(33), "}".repeat(33)), "dead: too_long");
}

#[test]
fn a_body_is_lines_an_array_or_one_document() {
    let cut = |body: &'static str| {
        let documents = split(body.as_bytes()).map_err(|error| error.line)?;
        let text =
            |(line, bytes): (usize, &[u8])| format!("{line}:{}", String::from_utf8_lossy(bytes));
        Ok::<_, usize>(documents.into_iter().map(text).collect::<Vec<_>>())
    };
    assert_eq!(cut("{1}\n\nbad\n{2}").unwrap(), ["1:{1}", "3:bad", "4:{2}"]);
    assert_eq!(cut("[{\"a\":\"],\"},\n [1,2]]\n").unwrap(), ["1:{\"a\":\"],\"}", "2:[1,2]"]);
    assert_eq!(cut("\n{\n\"a\": 1\n}\n").unwrap(), ["2:{\n\"a\": 1\n}"]);
    assert_eq!(cut("[]").unwrap(), [""; 0]);
    assert_eq!(cut("\n[{}, {}"), Err(2));
}
