//! The index as the follower writes it and the calls read it, and the news for those who watch.

use std::sync::{Arc, PoisonError, RwLock};

use proto::v1::Happening;
use schemas::{Control, Decision, Detection, Enforcement, Millis, Outcome};
use tokio::sync::broadcast;

use super::Index;

/// How far behind a watcher may fall before it is told that it missed something.
const NEWS_MAX: usize = 4_096;

/// A shared index; clones share it.
#[derive(Clone)]
pub struct Shared {
    index: Arc<RwLock<Index>>,
    news: broadcast::Sender<Happening>,
}

impl Default for Shared {
    fn default() -> Self {
        Shared { index: Arc::default(), news: broadcast::Sender::new(NEWS_MAX) }
    }
}

impl Shared {
    /// Looks at the index. Never hold the look across an await.
    pub fn read<T>(&self, look: impl FnOnce(&Index) -> T) -> T {
        look(&self.index.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What happens from now on.
    pub fn watch(&self) -> broadcast::Receiver<Happening> {
        self.news.subscribe()
    }

    pub fn detection(&self, at: Millis, detection: &Detection, news: bool) {
        self.take(news, |index| index.detection(at, detection));
    }

    pub fn decision(&self, at: Millis, decision: Decision, news: bool) {
        self.take(news, |index| index.decision(at, decision));
    }

    pub fn enforcement(&self, act: &Enforcement, news: bool) {
        self.take(news, |index| index.enforcement(act));
    }

    pub fn outcome(&self, outcome: &Outcome, news: bool) {
        self.take(news, |index| index.outcome(outcome));
    }

    pub fn control(&self, at: Millis, control: &Control, news: bool) {
        self.take(news, |index| index.control(at, control));
    }

    pub fn prune(&self, before: Millis) {
        self.index.write().unwrap_or_else(PoisonError::into_inner).prune(before);
    }

    /// Takes a record in; what it came to is news unless it lies in the past.
    fn take(&self, news: bool, take: impl FnOnce(&mut Index) -> Option<Happening>) {
        let happening = take(&mut self.index.write().unwrap_or_else(PoisonError::into_inner));
        if let Some(happening) = happening.filter(|_| news) {
            // Nobody watching is not an error.
            drop(self.news.send(happening));
        }
    }
}
