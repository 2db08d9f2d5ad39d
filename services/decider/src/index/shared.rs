//! The index as the follower writes it and the calls read it, and the news for those who watch.

use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use proto::v1::Happening;
use schemas::{Millis, Topic};
use tokio::sync::broadcast;

use super::{Index, Told, words};

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

    /// Takes a record in; what is told for the first time is news unless it lies in the past.
    pub fn take(&self, appended_at: Millis, told: impl Into<Told>, news: bool) {
        let told = told.into();
        let mut index = self.exclusive();
        // Looked at where nobody can read the index: who watches from later on finds the record in it.
        let watched = news && self.news.receiver_count() > 0;
        let happening = watched.then(|| words::happening(told.place(appended_at).at, &told));
        let first = index.take(appended_at, told);
        drop(index);
        if let Some(happening) = happening.filter(|_| first) {
            // Nobody watching any more is not an error.
            drop(self.news.send(happening));
        }
    }

    /// `topic` was once read to its end: a record of it that is not here is not retained.
    pub fn completed(&self, topic: Topic) {
        self.exclusive().completed(topic);
    }

    pub fn forget(&self, before: Millis) {
        self.exclusive().forget(before);
    }

    fn exclusive(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }
}
