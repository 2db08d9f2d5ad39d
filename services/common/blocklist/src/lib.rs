//! The blocklist: the leases in force, as Redis shows them to others. The only crate that names redis.
//!
//! A projection that may be lost at any time: who writes it seals every batch, so that a lost write shows as a broken
//! seal and everything is written again. What is not here: what should be shown, and any decision.

mod memory;
mod server;

use schemas::{Action, Generation, Millis, Observable, Origin};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use memory::Memory;
use server::Server;

/// Prefix of the keys: `lease:81.2.69.142`.
pub const KEY_PREFIX: &str = "lease:";
/// Prefix of the seals, one for each writer.
pub const SEAL_PREFIX: &str = "blocklist:seal:";
/// Most changes sent together.
pub const BATCH_MAX: usize = 500;

/// Redis could not be asked, or did not answer in time.
#[derive(Debug, thiserror::Error)]
#[error("could not reach Redis: {0}")]
pub struct Unavailable(String);

/// What is shown of one lease: the claim that rules it.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    pub observable: Observable,
    pub action: Action,
    pub until: Millis,
    pub origin: Origin,
    pub decision_id: Uuid,
    pub generation: Generation,
}

/// One change of what is shown.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Show it until its end, unless a higher generation is shown.
    Show(Shown),
    /// Show nothing any more, unless a higher generation is shown.
    Hide(Observable, Generation),
}

impl Change {
    /// Whose key it is, under which generation, and what to show, if anything.
    fn parts(&self) -> (&Observable, Generation, Option<&Shown>) {
        match self {
            Change::Show(shown) => (&shown.observable, shown.generation, Some(shown)),
            Change::Hide(observable, generation) => (observable, *generation, None),
        }
    }
}

/// The value of a key, as others read it.
#[derive(Serialize, Deserialize)]
struct Value {
    action: Action,
    until: Millis,
    origin: Origin,
    decision_id: Uuid,
    generation: String,
}

/// The blocklist in Redis, or its twin in memory.
#[derive(Clone)]
pub struct Blocklist(Store);

#[derive(Clone)]
enum Store {
    Redis(Server),
    Memory(Memory),
}

impl Blocklist {
    /// The blocklist of the Redis at `url` (`redis://` or `rediss://`, with ACL user and password if it needs them).
    ///
    /// Checks the URL and connects at first use, so that a Redis that is down is a degraded start and not a refused one.
    /// Must be called inside a tokio runtime.
    pub fn connect(url: &str) -> Result<Blocklist, Unavailable> {
        Server::new(url).map(|server| Blocklist(Store::Redis(server)))
    }

    /// Checks a URL without connecting.
    pub fn check_url(url: &str) -> Result<(), Unavailable> {
        server::client(url).map(|_| ())
    }

    /// The twin in memory; clones share it.
    pub fn in_memory() -> Blocklist {
        Blocklist(Store::Memory(Memory::default()))
    }

    /// Makes `changes`, at most [`BATCH_MAX`], then leaves `seal` for `writer`. Safe to repeat.
    ///
    /// The seal is written last and with every batch: a Redis that lost a write lost the seal that came with it. So
    /// where `before`, the seal left last, is not there any more, nothing is written and the answer is false: a new
    /// seal would hide what was lost. Without `before` it is written whatever is there.
    pub async fn write(
        &self,
        changes: &[Change],
        writer: &str,
        before: Option<&str>,
        seal: &str,
    ) -> Result<bool, Unavailable> {
        match &self.0 {
            Store::Redis(server) => server.write(changes, writer, before, seal).await,
            Store::Memory(memory) => Ok(memory.write(changes, writer, before, seal)),
        }
    }

    /// The seal that `writer` left last, or `None` when it is gone.
    pub async fn seal(&self, writer: &str) -> Result<Option<String>, Unavailable> {
        match &self.0 {
            Store::Redis(server) => server.get(&format!("{SEAL_PREFIX}{writer}")).await,
            Store::Memory(memory) => Ok(memory.seal(writer)),
        }
    }

    /// What is shown of `observable`. Redis uses its own clock; the twin uses `now`.
    pub async fn shown(
        &self,
        observable: &Observable,
        now: Millis,
    ) -> Result<Option<Shown>, Unavailable> {
        let value = match &self.0 {
            Store::Redis(server) => server.get(&key(observable)).await?,
            Store::Memory(memory) => memory.value(observable, now),
        };
        Ok(value.and_then(|value| parse(observable, &value)))
    }

    /// Forgets everything, seals included: what FLUSHALL does.
    pub async fn flush(&self) -> Result<(), Unavailable> {
        match &self.0 {
            Store::Redis(server) => server.flush().await,
            Store::Memory(memory) => {
                memory.flush();
                Ok(())
            }
        }
    }
}

fn key(observable: &Observable) -> String {
    format!("{KEY_PREFIX}{observable}")
}

fn value(shown: &Shown) -> String {
    let value = Value {
        action: shown.action,
        until: shown.until,
        origin: shown.origin,
        decision_id: shown.decision_id,
        generation: shown.generation.to_string(),
    };
    serde_json::to_string(&value).unwrap_or_default()
}

fn parse(observable: &Observable, text: &str) -> Option<Shown> {
    let value: Value = serde_json::from_str(text).ok()?;
    let (epoch, offset) = value.generation.split_once('.')?;
    Some(Shown {
        observable: observable.clone(),
        action: value.action,
        until: value.until,
        origin: value.origin,
        decision_id: value.decision_id,
        generation: Generation { epoch: epoch.parse().ok()?, offset: offset.parse().ok()? },
    })
}
