//! Makes and checks the topics: what `perimeter bootstrap kafka` does.
//!
//! Topics are made here and by no service. `decisions` and `leases` are made together, with the epoch record; finding
//! only one of them is refused, because their generations would not belong together.

mod adopt;
mod plan;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::metadata::Metadata;
use schemas::{Epoch, LeaseEntry, Millis, Topic};

use crate::bus::{Bus, From};
use crate::kafka::Kafka;

pub use adopt::{Adopted, Adoption, adopt};
pub use plan::{Found, Plan, plan};

/// How long the brokers may take to answer before they count as unreachable.
const REACH_TIMEOUT: Duration = Duration::from_secs(8);
/// How long an administrative request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long new topics may take until each partition has a leader.
const LEADERS_TIMEOUT: Duration = Duration::from_secs(20);
const LEADERS_POLL: Duration = Duration::from_millis(100);
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(30);

/// How the topics are to be made.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bootstrap {
    /// Copies of each partition; `None` is 3, or fewer where there are fewer brokers.
    pub replication: Option<i32>,
    /// Copies that must have a record before it is acknowledged; `None` is 2, or 1 with a single copy.
    pub min_in_sync: Option<i32>,
    /// Say what would be done, and do nothing.
    pub dry_run: bool,
    /// One of `decisions` and `leases` may be missing: it is made, and the caller goes on to [`adopt`].
    pub adopt: bool,
}

/// What was done, or with `dry_run` what would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bootstrapped {
    pub brokers: usize,
    pub replication: i32,
    pub min_in_sync: i32,
    pub created: Vec<String>,
    pub present: Vec<String>,
    /// Where an existing topic is not as it should be, one sentence each. Nothing existing is changed.
    pub differences: Vec<String>,
    /// Whether the epoch record was written (or would be).
    pub epoch_written: bool,
    /// The epoch written by this run.
    pub epoch: Option<Millis>,
}

/// Makes the topics that are missing and compares those that exist.
///
/// `now` becomes the epoch if `decisions` and `leases` are made, or stand there without ever having got a record.
pub async fn bootstrap(bus: &Bus, request: Bootstrap, now: Millis) -> Result<Bootstrapped> {
    let Bus::Kafka(kafka) = bus else { bail!("only a bus on Kafka has topics to make") };
    let admin = Admin::connect(kafka).await?;
    let (brokers, found) = admin.found().await?;
    let mut plan = plan(&found, request.adopt)?;
    let asked = plan::other_copies(&found, request.replication, request.min_in_sync);
    plan.differences.extend(asked);
    let replication = request.replication.unwrap_or_else(|| default_replication(brokers));
    let min_in_sync = request.min_in_sync.unwrap_or(if replication > 1 { 2 } else { 1 });
    if min_in_sync > replication {
        bail!(
            "a record cannot be on {min_in_sync} of {replication} copies; lower --min-isr or raise --replication"
        );
    }
    if !request.dry_run && !plan.create.is_empty() {
        admin.create(&plan.create, replication, min_in_sync).await?;
        admin.leaders(&plan.create).await?;
    }
    // An adoption writes its own epoch record, last.
    let both_made = plan.makes(Topic::Leases) && plan.makes(Topic::Decisions);
    let epoch_missing =
        both_made || (!plan.makes(Topic::Leases) && empty(bus, Topic::Leases).await?);
    let epoch_written = epoch_missing && !request.adopt;
    let epoch = (epoch_written && !request.dry_run).then_some(now);
    if let Some(epoch) = epoch {
        publish_epoch(bus, Epoch { epoch, replaces: Vec::new() }).await?;
    }
    Ok(Bootstrapped {
        brokers,
        replication,
        min_in_sync,
        created: plan.create.iter().map(|spec| spec.name.clone()).collect(),
        present: found.into_keys().collect(),
        differences: plan.differences,
        epoch_written,
        epoch,
    })
}

pub(crate) async fn publish_epoch(bus: &Bus, epoch: Epoch) -> Result<()> {
    let publisher = bus.publisher()?;
    tokio::time::timeout(PUBLISH_TIMEOUT, publisher.publish(&LeaseEntry::Epoch(epoch)))
        .await
        .context(
            "the broker did not acknowledge the epoch record in time; run the same command again",
        )?
        .context("could not write the epoch record; run the same command again")
}

fn default_replication(brokers: usize) -> i32 {
    match brokers {
        0 | 1 => 1,
        2 => 2,
        _ => 3,
    }
}

/// Whether the one partition of `topic` never got a record.
async fn empty(bus: &Bus, topic: Topic) -> Result<bool> {
    let read_back = bus.read_back();
    let end =
        tokio::task::spawn_blocking(move || read_back.read(topic, 0, From::End, &mut |_| Ok(())))
            .await??;
    Ok(end == 0)
}

struct Admin {
    client: std::sync::Arc<AdminClient<DefaultClientContext>>,
    servers: String,
}

impl Admin {
    async fn connect(kafka: &Kafka) -> Result<Admin> {
        let config: ClientConfig = kafka.admin_config();
        let servers =
            config.get("bootstrap.servers").unwrap_or("(no bootstrap.servers)").to_owned();
        let client = config.create().context("could not use the Kafka settings")?;
        Ok(Admin { client: std::sync::Arc::new(client), servers })
    }

    /// The brokers' number and the topics of ours that exist, as they are.
    async fn found(&self) -> Result<(usize, BTreeMap<String, Found>)> {
        let metadata = self.metadata(REACH_TIMEOUT).await?;
        let mut found = BTreeMap::new();
        for topic in metadata.topics() {
            let ours = schemas::TOPICS.iter().any(|spec| spec.name == topic.name());
            if ours && !topic.partitions().is_empty() {
                let partitions = i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX);
                let copies = topic.partitions().iter().map(|partition| partition.replicas().len());
                let copies = i32::try_from(copies.min().unwrap_or(0)).unwrap_or(i32::MAX);
                let topic_found = Found { partitions, copies, config: BTreeMap::new() };
                found.insert(topic.name().to_owned(), topic_found);
            }
        }
        let names: Vec<String> = found.keys().cloned().collect();
        let asked: Vec<ResourceSpecifier<'_>> =
            names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
        if asked.is_empty() {
            return Ok((metadata.brokers().len(), found));
        }
        let described = self.client.describe_configs(&asked, &options()).await;
        let described = described.context("could not read the topics' configuration")?;
        for (name, resource) in names.iter().zip(described) {
            let resource = resource.map_err(|code| {
                anyhow::anyhow!("could not read the configuration of {name}: {code}; DescribeConfigs must be allowed")
            })?;
            let config = resource
                .entries
                .into_iter()
                .filter_map(|entry| Some((entry.name, entry.value?)))
                .collect();
            if let Some(topic) = found.get_mut(name) {
                topic.config = config;
            }
        }
        Ok((metadata.brokers().len(), found))
    }

    async fn create(
        &self,
        specs: &[&schemas::TopicSpec],
        replication: i32,
        min_in_sync: i32,
    ) -> Result<()> {
        let min_in_sync = min_in_sync.to_string();
        let configs: Vec<Vec<(&str, String)>> = specs.iter().map(|spec| spec.config()).collect();
        let topics: Vec<NewTopic<'_>> = specs
            .iter()
            .zip(&configs)
            .map(|(spec, config)| {
                let topic = NewTopic::new(
                    &spec.name,
                    spec.partitions,
                    TopicReplication::Fixed(replication),
                )
                .set(plan::MIN_IN_SYNC, &min_in_sync);
                config.iter().fold(topic, |topic, (name, value)| topic.set(name, value))
            })
            .collect();
        let created = self.client.create_topics(&topics, &options()).await;
        let created =
            created.with_context(|| format!("could not make the topics on {}", self.servers))?;
        let failed: Vec<String> = created
            .into_iter()
            .filter_map(|topic| topic.err())
            .map(|(name, code)| format!("{name} ({code})"))
            .collect();
        if failed.is_empty() {
            return Ok(());
        }
        bail!(
            "could not make {}; CreateTopics must be allowed and {replication} broker(s) be there for the copies \
             (--replication)",
            failed.join(", ")
        )
    }

    /// Waits until every partition of the new topics has a leader.
    async fn leaders(&self, specs: &[&schemas::TopicSpec]) -> Result<()> {
        let begun = Instant::now();
        loop {
            let metadata = self.metadata(REACH_TIMEOUT).await?;
            let led = |name: &str| {
                metadata.topics().iter().any(|topic| {
                    topic.name() == name
                        && !topic.partitions().is_empty()
                        && topic.partitions().iter().all(|partition| partition.leader() >= 0)
                })
            };
            let waiting: Vec<&str> =
                specs.iter().map(|spec| spec.name.as_str()).filter(|name| !led(name)).collect();
            if waiting.is_empty() {
                return Ok(());
            }
            if begun.elapsed() > LEADERS_TIMEOUT {
                bail!(
                    "{} got no leader; look at the brokers, then run the same command again",
                    waiting.join(", ")
                );
            }
            tokio::time::sleep(LEADERS_POLL).await;
        }
    }

    async fn metadata(&self, timeout: Duration) -> Result<Metadata> {
        let client = self.client.clone();
        let asked =
            tokio::task::spawn_blocking(move || client.inner().fetch_metadata(None, timeout))
                .await?;
        asked.with_context(|| {
            format!(
                "could not reach Kafka at {} within {} s; check the addresses (--brokers or KAFKA_BOOTSTRAP_SERVERS) \
                 and the KAFKA_… settings for TLS and SASL",
                self.servers,
                timeout.as_secs()
            )
        })
    }
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(REQUEST_TIMEOUT))
        .operation_timeout(Some(REQUEST_TIMEOUT))
}
