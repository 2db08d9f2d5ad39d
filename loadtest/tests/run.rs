//! A whole run against a small world of its own: an edge in this process and librdkafka's mock broker.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod common;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Asked, Block, DENIED, MARKED, serve};
use loadtest::report::Report;
use loadtest::terminal::Terminal;
use loadtest::traffic::http::now;
use loadtest::traffic::plan::accepted;
use loadtest::traffic::{Options, run};
use rdkafka::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use schemas::{Phase, Protected, Record, Status, TOPICS};
use tokio_util::sync::CancellationToken;

const BLOCK_MS: i64 = 1_500;

/// How far this world's pipeline goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Goes {
    Nowhere,
    ToLevelTwo,
    AllTheWay,
}

#[derive(Clone)]
struct SmallWorld {
    goes: Goes,
    producer: ThreadedProducer<DefaultProducerContext>,
    blocked: Arc<Mutex<HashMap<IpAddr, i64>>>,
    failed_logins: Arc<Mutex<HashMap<IpAddr, u32>>>,
}

impl SmallWorld {
    fn answer(&self, asked: &Asked) -> String {
        if self.blocked.lock().unwrap().get(&asked.client).is_some_and(|until| now() < *until) {
            return DENIED.to_owned();
        }
        if self.goes > Goes::Nowhere && self.attacks(asked) {
            tokio::spawn(self.clone().block(asked.client));
        }
        MARKED.to_owned()
    }

    fn attacks(&self, asked: &Asked) -> bool {
        let signs = [
            "%27%20OR",
            "%27%20AND",
            "SELECT",
            "SeLeCt",
            "DROP",
            "SLEEP",
            "passwd",
            "shadow",
            "win.ini",
        ];
        if asked.target == "/login" && !accepted(&asked.form) {
            let mut failed_logins = self.failed_logins.lock().unwrap();
            let failed = failed_logins.entry(asked.client).or_default();
            *failed += 1;
            return *failed >= 3;
        }
        signs.iter().any(|sign| asked.target.contains(sign))
    }

    async fn block(self, client: IpAddr) {
        let block = Block::new(client, now(), now() + BLOCK_MS);
        if self.blocked.lock().unwrap().insert(client, block.until).is_some() {
            return;
        }
        self.publish(&block.detection());
        self.publish(&block.decision());
        self.publish(&schemas::LeaseEntry::Lease(block.lease()));
        self.publish(&block.enforcement("envoy/0", Status::Applied, now()));
        self.publish(&block.outcome("envoy", 2, Phase::Apply, now()));
        if self.goes < Goes::AllTheWay {
            return;
        }
        self.publish(&block.outcome("envoy", 3, Phase::Apply, now()));
        self.publish(&block.outcome("aws-waf", 2, Phase::Apply, now()));
        let rest = u64::try_from(block.until - now()).unwrap_or_default();
        tokio::time::sleep(Duration::from_millis(rest)).await;
        self.publish(&block.outcome("envoy", 3, Phase::Lift, now()));
    }

    fn publish<R: Record>(&self, record: &R) {
        let mut bytes = Vec::new();
        record.encode(&mut bytes).unwrap();
        let key = record.key();
        self.producer
            .send(BaseRecord::to(R::TOPIC.name()).key(&key).payload(&bytes))
            .map_err(|(error, _)| error)
            .unwrap();
    }
}

async fn run_in(goes: Goes, canary_timeout: Duration) -> Report {
    let cluster = MockCluster::new(1).unwrap();
    for spec in TOPICS.iter() {
        cluster.create_topic(&spec.name, spec.partitions, 1).unwrap();
    }
    let bootstrap = cluster.bootstrap_servers();
    let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", &bootstrap)
        .set("linger.ms", "0")
        .create()
        .unwrap();
    let world =
        SmallWorld { goes, producer, blocked: Arc::default(), failed_logins: Arc::default() };
    let edge = world.clone();
    let listener = serve(move |asked| edge.answer(&asked)).await.to_string();
    let options = Options {
        bootstrap,
        listener,
        protected: Protected::special(),
        seconds: 10,
        seed: 7,
        canary_timeout,
        headless: true,
    };
    let report = run(options, &mut Terminal::silent(), CancellationToken::new()).await.unwrap();
    world.producer.flush(Duration::from_secs(1)).unwrap();
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn every_incident_of_a_short_run_is_proved_and_lifted() {
    let report = run_in(Goes::AllTheWay, Duration::from_secs(20)).await;
    assert_eq!(report.failures, Vec::<String>::new());
    assert!(report.incidents >= 7, "{report:?}");
    let counted = [report.proved, report.waf_read_back, report.expired, report.lift_proved];
    assert_eq!(counted, [report.incidents; 4]);
    assert!(report.good_requests > 1_000, "{}", report.good_requests);
    assert_eq!((report.good_refused, report.leaked, report.kept), (0, 0, 0));
    assert_eq!(report.dead_letters, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_comes_to_nothing_says_which_step_is_missing() {
    for (goes, missing) in [
        (
            Goes::Nowhere,
            "no traffic was sent, because the canary's attack came to nothing: it was not detected",
        ),
        (Goes::ToLevelTwo, "the block was not proved at Envoy: level 3 is missing"),
    ] {
        let report = run_in(goes, Duration::from_secs(2)).await;
        assert_eq!((report.incidents, report.good_requests), (0, 0));
        assert_eq!(report.failures.len(), 1, "{:?}", report.failures);
        assert!(report.failures[0].contains(missing), "{:?}", report.failures);
    }
}
