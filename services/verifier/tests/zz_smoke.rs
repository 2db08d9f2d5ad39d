//! Throwaway: the real Envoy.
mod common;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use common::{EPOCH, block};
use envoy_types::pb::envoy::service::auth::v3 as auth;
use envoy_types::pb::google::protobuf as pb;
use auth::authorization_server::{Authorization, AuthorizationServer};
use observe::probe::PrivateKey;
use pipeline::memory::Log as MemLog;
use pipeline::{Bus, Clock, Context, Health, Leases, Tls};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PKCS_ED25519, SanType};
use schemas::{Decision, Generation, Limits, Outcome, Protected, Record};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use verifier::{Verification, act, logic::*, points::envoy::Admin, probes::Prober, sources::envoy::Log};

struct Authz { point: &'static str, held: Arc<Mutex<HashMap<String, String>>> }
#[tonic::async_trait]
impl Authorization for Authz {
    async fn check(&self, r: tonic::Request<auth::CheckRequest>) -> Result<tonic::Response<auth::CheckResponse>, tonic::Status> {
        let r = r.into_inner();
        let xff = r.attributes.and_then(|a| a.request).and_then(|q| q.http).and_then(|h| h.headers.get("x-forwarded-for").cloned()).unwrap_or_default();
        let client = xff.split(',').next().unwrap_or("").trim().to_owned();
        let hit = self.held.lock().unwrap().get(&client).cloned();
        let text = |t: &str| pb::Value { kind: Some(pb::value::Kind::StringValue(t.to_owned())) };
        let mut fields = HashMap::from([("point".to_owned(), text(self.point))]);
        let http = if let Some(id) = &hit {
            fields.insert("decision_id".to_owned(), text(id));
            auth::check_response::HttpResponse::DeniedResponse(auth::DeniedHttpResponse { status: Some(envoy_types::pb::envoy::r#type::v3::HttpStatus { code: 403 }), headers: vec![], body: "refused".into() })
        } else { auth::check_response::HttpResponse::OkResponse(auth::OkHttpResponse::default()) };
        Ok(tonic::Response::new(auth::CheckResponse {
            status: Some(envoy_types::pb::google::rpc::Status { code: if hit.is_some() { 7 } else { 0 }, ..Default::default() }),
            dynamic_metadata: Some(pb::Struct { fields }), http_response: Some(http),
        }))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn smoke() {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, "authority"); params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let issue = |name: &str| { let key = KeyPair::generate().unwrap(); let mut p = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        p.distinguished_name.push(rcgen::DnType::CommonName, name); p.subject_alt_names.push(SanType::URI(format!("spiffe://perimeter/service/{name}").try_into().unwrap()));
        Tls { ca: ca.clone(), certificate: p.signed_by(&key, &issuer).unwrap().pem(), key: key.serialize_pem() } };
    let dir = std::path::Path::new("/tmp/vtest/w"); std::fs::create_dir_all(dir).unwrap();
    let e = issue("envoy");
    std::fs::write(dir.join("ca.pem"), &ca).unwrap(); std::fs::write(dir.join("envoy.pem"), &e.certificate).unwrap(); std::fs::write(dir.join("envoy.key"), &e.key).unwrap();
    let held = Arc::new(Mutex::new(HashMap::new()));
    let mut ports = vec![];
    for point in ["envoy/0", "envoy/1"] {
        let l = TcpListener::bind("127.0.0.1:0").await.unwrap(); ports.push(l.local_addr().unwrap().port());
        let t = issue("executor"); let held = held.clone();
        let (reporter, health) = tonic_health::server::health_reporter();
        reporter.set_serving::<AuthorizationServer<Authz>>().await;
        tokio::spawn(tonic::transport::Server::builder().tls_config(proto::mtls::server(&t.ca, &t.certificate, &t.key)).unwrap()
            .add_service(health).add_service(AuthorizationServer::new(Authz { point, held })).serve_with_incoming(tokio_stream::wrappers::TcpListenerStream::new(l)));
    }
    let clock = Clock::system();
    let verification = Verification::new(Core::new(Reach { envoy: true, waf: false }, Protected::special(), Limits::default(), 5));
    let key = Arc::new(PrivateKey::from_pem(&KeyPair::generate_for(&PKCS_ED25519).unwrap().serialize_pem()).unwrap());
    let l = TcpListener::bind("127.0.0.1:0").await.unwrap(); let als = l.local_addr().unwrap().port();
    let shutdown = CancellationToken::new();
    let log = Log::new(verification.clone(), clock.clone(), Some(key.public()));
    let (t, s) = (issue("verifier"), shutdown.clone());
    tokio::spawn(async move { log.serve(l, &t, s).await.unwrap() });
    let flush = std::env::var("FLUSH").unwrap_or("0.05s".into());
    let yaml = std::fs::read_to_string("/work/main/compose/envoy.yaml").unwrap().replace("buffer_flush_interval: 0.05s", &format!("buffer_flush_interval: {flush}"));
    let mut yaml = yaml;
    for (k, v) in [("admin_port", "39911".to_owned()), ("listener_port", "39912".into()), ("application_port", "39913".into()), ("authz_0_port", ports[0].to_string()), ("authz_1_port", ports[1].to_string()), ("collector_port", "39914".into()), ("verifier_port", als.to_string()), ("certificates", dir.display().to_string())] {
        yaml = yaml.replace(&format!("{{{{{k}}}}}"), &v);
    }
    std::fs::write(dir.join("envoy.yaml"), yaml).unwrap();
    let mut envoy = tokio::process::Command::new("/work/main/target/world/venv/lib/python3.11/site-packages/envoy/_bin/envoy")
        .args(["-c", "/tmp/vtest/w/envoy.yaml", "--base-id", "78", "--log-path", "/tmp/vtest/w/envoy.log"]).kill_on_drop(true).spawn().unwrap();
    tokio::time::sleep(Duration::from_secs(4)).await;
    let mem = MemLog::new(clock.clone());
    let context = Context { service: "verifier", replica: 0, bus: Bus::in_memory(mem.clone()), clock: clock.clone(), health: Health::default(), shutdown: shutdown.clone(), tls: None };
    let means = act::Means { prober: Some(Prober::new("http://127.0.0.1:39912".parse().unwrap(), key)), sets: None, publisher: context.bus.publisher().unwrap() };
    let (c, v) = (context.clone(), verification.clone());
    tokio::spawn(async move { act::run(&c, &v, &Leases::default(), means).await.unwrap() });
    let (c, v) = (context.clone(), verification.clone());
    tokio::spawn(async move { act::watch_replicas(&c, &v, Some(Admin::new("http://127.0.0.1:39911".parse().unwrap(), "authz".into()))).await.unwrap() });
    tokio::time::sleep(Duration::from_secs(2)).await;
    let t0 = clock.now();
    let mut at = HashMap::new();
    for n in 0..40u32 {
        let address = if n % 4 == 3 { format!("2a00:1450:0:{:x}::/64", n + 1) } else { format!("81.2.69.{}", n + 1) };
        let now = clock.now();
        let until = now - common::T0 + 6_000;
        let d: Decision = Decision { detected_at: Some(now), ..block(&address, u128::from(n) + 1, until) };
        let appended = schemas::fold::Appended { generation: Generation { epoch: EPOCH, offset: i64::from(n) }, at: now };
        verification.apply(Input::Decision { decision: Box::new(d.clone()), appended, trace: None }, now);
        tokio::time::sleep(Duration::from_millis(15)).await;
        let rep = schemas::observable::representative(d.observable.network()).to_string();
        held.lock().unwrap().insert(rep.clone(), d.decision_id.to_string());
        at.insert(d.decision_id, clock.now());
        let h = held.clone();
        tokio::spawn(async move { tokio::time::sleep(Duration::from_millis((until + common::T0 - clock_now()) as u64)).await; h.lock().unwrap().remove(&rep); });
        tokio::time::sleep(Duration::from_millis(135)).await;
    }
    tokio::time::sleep(Duration::from_secs(9)).await;
    let mut took = vec![]; let mut lift = vec![]; let mut other = vec![];
    for (_, _, m) in mem.messages("outcomes") {
        let o = Outcome::decode(&m.payload).unwrap();
        match (o.level, format!("{:?} {:?}", o.phase, o.effect).as_str()) {
            (3, "Apply Effective") => took.push(o.verified_at - at[&o.decision_id]),
            (3, "Lift Effective") => lift.push(o.verified_at - o.until.unwrap()),
            (2, "Apply Effective") => {}
            (_, x) => other.push(format!("{} {x} {} {}", o.level, o.point, o.reason)),
        }
    }
    took.sort(); lift.sort();
    eprintln!("flush {flush} proofs {} after enforcement ms {took:?}\nlifts {} {lift:?}\nother {} active {} t {}", took.len(), lift.len(), other.iter().filter(|l| l.starts_with("3")).count(), verification.active_claims(), clock.now() - t0);
    let _started = Instant::now();
    shutdown.cancel();
    envoy.kill().await.unwrap();
}
fn clock_now() -> i64 { Clock::system().now() }
