//! A scripted registry: what it is asked, what of it is accepted, and what happens while it does not answer.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use pipeline::{Bus, Context, Env, Message, Registry, RegistryError};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use schemas::{SchemaIds, Topic};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{World, count, decision};

const DECISION: &str = include_str!("../../../../../schemas/avro/decision.avsc");
const EVENT: &str = include_str!("../../../../../schemas/avro/event.avsc");
const EVENT_V1: &str = include_str!("../../../../../schemas/avro/old/event.v1.avsc");
const DECISION_ID: u32 = 70_007;

/// What the registry holds, by subject and version, and what it answers with before it answers.
#[derive(Clone, Default)]
struct Script {
    subjects: BTreeMap<String, BTreeMap<u32, Value>>,
    status: Arc<AtomicU16>,
    asked: Arc<AtomicUsize>,
    /// Answered in place of any document.
    nonsense: Option<String>,
}

impl Script {
    fn with(mut self, subject: &str, versions: &[(u32, Value)]) -> Self {
        self.subjects.insert(subject.to_owned(), versions.iter().cloned().collect());
        self
    }

    async fn serve(&self) -> String {
        let router = Router::new()
            .route("/api/subjects/{subject}/versions", get(versions))
            .route("/api/subjects/{subject}/versions/{version}", get(version))
            .with_state(self.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/api/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }

    fn answer(&self, headers: &HeaderMap, found: Option<Value>) -> Response {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let status = StatusCode::from_u16(self.status.load(Ordering::SeqCst));
        if let Some(status) = status.ok().filter(|status| *status != StatusCode::OK) {
            return status.into_response();
        }
        if headers.get("authorization").is_some_and(|user| user != "Basic cGVyaW1ldGVyOnM6M2NyZXQ=")
        {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        match (&self.nonsense, found) {
            (Some(nonsense), _) => nonsense.clone().into_response(),
            (None, Some(found)) => Json(found).into_response(),
            (None, None) => StatusCode::NOT_FOUND.into_response(),
        }
    }
}

async fn versions(
    State(script): State<Script>,
    Path(subject): Path<String>,
    headers: HeaderMap,
) -> Response {
    let found = script.subjects.get(&subject);
    script.answer(&headers, found.map(|versions| json!(versions.keys().collect::<Vec<_>>())))
}

async fn version(
    State(script): State<Script>,
    Path((subject, version)): Path<(String, u32)>,
    headers: HeaderMap,
) -> Response {
    let found = script.subjects.get(&subject).and_then(|versions| versions.get(&version));
    script.answer(&headers, found.cloned())
}

fn registered(id: u32, schema: &str) -> Value {
    json!({ "subject": "any", "version": 1, "id": id, "schema": schema })
}

fn settings(pairs: &[(&str, &str)]) -> Env {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Env::new("scorer", pairs.iter().map(owned))
}

fn registry(url: &str) -> Registry {
    Registry::from_env(&settings(&[("SCHEMA_REGISTRY_URL", url)])).unwrap().unwrap()
}

#[tokio::test]
async fn only_a_schema_of_ours_gives_its_id_a_meaning() {
    let foreign = r#"{"type":"record","name":"Event","fields":[{"name":"id","type":"string"}]}"#;
    let mut json_schema = registered(5, EVENT);
    json_schema["schemaType"] = json!("JSON");
    let script = Script::default()
        .with(
            "events-value",
            &[
                (1, registered(70_001, EVENT_V1)),
                (2, registered(70_002, EVENT)),
                (3, registered(3, foreign)),
                (4, registered(4, "no schema at all")),
                (5, json_schema),
            ],
        )
        .with("decisions-value", &[(1, registered(DECISION_ID, DECISION))])
        .with("orders-value", &[(1, registered(6, EVENT))]);
    let mut expected = SchemaIds::default();
    for (id, schema) in [(70_001, EVENT_V1), (70_002, EVENT), (DECISION_ID, DECISION)] {
        assert!(expected.take(id, schema));
    }
    assert_eq!(registry(&script.serve().await).ids().await.unwrap(), expected);
}

#[tokio::test]
async fn a_registry_that_says_nothing_of_use_is_told_apart_from_one_that_cannot_be_reached() {
    let with = |status: u16, nonsense: Option<&str>| Script {
        status: Arc::new(AtomicU16::new(status)),
        nonsense: nonsense.map(str::to_owned),
        ..Script::default()
    };
    let large = format!("[{}1]", "1,".repeat(1024 * 1024));
    for (script, reached, words) in [
        (with(503, None), false, "503"),
        (with(401, None), true, "401 Unauthorized"),
        (with(200, Some("<html>")), true, "no such document"),
        (with(200, Some(&large)), true, "length limit"),
    ] {
        check(&script.serve().await, reached, words).await;
    }
    check("http://127.0.0.1:9", false, "refused").await;
    assert!(registry(&Script::default().serve().await).ids().await.unwrap().is_empty());
}

async fn check(url: &str, reached: bool, words: &str) {
    let error = registry(url).ids().await.unwrap_err();
    assert_eq!(matches!(error, RegistryError::Refused { .. }), reached, "{error}");
    let text = error.to_string();
    assert!(text.contains(words) && text.contains("SCHEMA_REGISTRY_URL"), "{text}");
}

#[test]
fn settings_are_checked_before_anything_connects() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let empty = empty.to_str().unwrap();
    let url = |url: &'static str| ("SCHEMA_REGISTRY_URL", url);
    let cases: [(&[(&str, &str)], &str); 8] = [
        (
            &[("SCHEMA_REGISTRY_USER", "x"), url("http://r:8081")],
            "SCHEMA_REGISTRY_USER is not a setting",
        ),
        (&[("SCHEMA_REGISTRY_CA", "ca.pem")], "SCHEMA_REGISTRY_URL is not set"),
        (&[url("registry:8081")], "it is neither http nor https"),
        (&[url("ftp://registry")], "it is neither http nor https"),
        (&[url("http://me:s3cret@registry")], "it has a user"),
        (&[url("https://registry")], "SCHEMA_REGISTRY_CA is not set"),
        (&[url("https://registry"), ("SCHEMA_REGISTRY_CA", "/nowhere.pem")], "/nowhere.pem"),
        (&[url("https://registry"), ("SCHEMA_REGISTRY_CA", empty)], "it holds no certificate"),
    ];
    for (pairs, words) in cases {
        let error = Registry::from_env(&settings(pairs)).unwrap_err().to_string();
        assert!(error.contains(words) && !error.contains("s3cret"), "{error}");
    }
    assert!(Registry::from_env(&settings(&[])).unwrap().is_none());
    let told = Registry::from_env(&settings(&[
        url("http://registry:8081/apis/ccompat/v7/"),
        ("SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO", "perimeter:s3cret"),
    ]));
    let told = format!("{:?}", told.unwrap().unwrap());
    assert_eq!(told, "Registry(http://registry:8081/apis/ccompat/v7)");
}

#[tokio::test]
async fn a_registry_with_tls_and_a_password_is_asked_with_both() {
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(
        vec![certificate.der().clone()],
        PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap(),
    );
    let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked: Arc<OnceLock<String>> = Arc::default();
    let first = asked.clone();
    tokio::spawn(async move {
        let mut stream = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
        let mut request = vec![0; 4_096];
        while let Ok(bytes @ 1..) = stream.read(&mut request).await {
            first.get_or_init(|| String::from_utf8_lossy(&request[..bytes]).into_owned());
            let answer = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(answer).await.unwrap();
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let url = format!("https://localhost:{port}");
    let registry = Registry::from_env(&settings(&[
        ("SCHEMA_REGISTRY_URL", &url),
        ("SCHEMA_REGISTRY_CA", ca.to_str().unwrap()),
        ("SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO", "perimeter:s:3cret"),
    ]));
    assert!(registry.unwrap().unwrap().ids().await.unwrap().is_empty());
    let asked = asked.get().unwrap().to_lowercase();
    assert!(asked.starts_with("get /subjects/events-value/versions http/1.1\r\n"), "{asked}");
    assert!(asked.contains("authorization: basic cgvyaw1ldgvyonm6m2nyzxq=\r\n"), "{asked}");
    assert!(asked.contains(&format!("host: localhost:{port}\r\n")), "{asked}");
}

/// A framed record that would be dead-lettered without the registry waits for it, and nothing is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_stage_reads_nothing_before_the_registry_has_answered() {
    let script = Script { status: Arc::new(AtomicU16::new(503)), ..Script::default() }
        .with("decisions-value", &[(1, registered(DECISION_ID, DECISION))]);
    let registry = registry(&script.serve().await);
    let world = World::new();
    let context = world.context();
    let bus: Bus = context.bus.clone().with_registry(Some(registry));
    let context = Context { bus, ..context };
    let publisher = context.bus.publisher().unwrap();
    let framed = |id: u32| {
        let mut message = Message::of(&decision("81.2.69.1", 1)).unwrap();
        message.payload.splice(..10, [&[0], &id.to_be_bytes()[..]].concat());
        message
    };
    publisher.send(framed(DECISION_ID)).await.unwrap();
    publisher.send(framed(DECISION_ID + 1)).await.unwrap();
    publisher.publish(&decision("81.2.69.1", 2)).await.unwrap();
    let running = world.start(&context);
    world.until("asking twice", || script.asked.load(Ordering::SeqCst) >= 2).await;
    assert!(context.health.ready().is_err());
    assert_eq!(count(&world.seen), 0);
    script.status.store(200, Ordering::SeqCst);
    world.until("answering both", || count(&world.seen) == 2).await;
    context.shutdown.cancel();
    running.await.unwrap().unwrap();
    assert_eq!(world.seen.lock().unwrap()["81.2.69.1"], [1, 2]);
    assert_eq!(super::dead_letter_classes(&world), ["unknown_schema"]);
    let mut reasons = Vec::new();
    let letters = context.bus.dead_letters();
    letters
        .read(Topic::Decisions, pipeline::From::Beginning, &mut |letter| {
            let reason = letter.header("perimeter-reason").unwrap();
            reasons.push(String::from_utf8_lossy(reason).into_owned());
            Ok(std::ops::ControlFlow::Continue(()))
        })
        .unwrap();
    assert!(matches!(&reasons[..], [one] if one.contains("schema id 70008 ")), "{reasons:?}");
}
