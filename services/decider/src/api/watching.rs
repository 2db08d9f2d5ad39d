//! What a watcher is told, from the beginning of his stream to its last word.

use std::time::Duration;

use proto::v1::Happening;
use schemas::Observable;
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::{CONNECTION_AGE_MAX, answers};

/// How long a stream lasts, and how long a watcher is then given to read what waits for him.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lasts {
    stream: Duration,
    last_words: Duration,
}

pub(super) const LASTS: Lasts =
    Lasts { stream: CONNECTION_AGE_MAX, last_words: Duration::from_secs(5) };

/// Hands news on until the watcher goes away, the process stops, or the stream has lasted as long as one may.
pub(super) async fn watched(
    mut news: broadcast::Receiver<Happening>,
    only: Option<Observable>,
    sender: mpsc::Sender<Result<Happening, Status>>,
    shutdown: CancellationToken,
    lasts: Lasts,
) {
    tokio::select! {
        () = forward(&mut news, only.as_ref(), &sender) => {}
        () = shutdown.cancelled() => {}
        () = tokio::time::sleep(lasts.stream) => {
            let last_words = last_words(&mut news, only.as_ref(), &sender, lasts.stream);
            // Whoever does not read what he was sent is not waited for any longer.
            drop(tokio::time::timeout(lasts.last_words, last_words).await);
        }
    }
}

/// Hands news on until the watcher goes away. One that cannot follow is told so, and ends.
///
/// It takes nothing that it has no room for yet, so nothing is lost when it is stopped.
async fn forward(
    news: &mut broadcast::Receiver<Happening>,
    only: Option<&Observable>,
    sender: &mpsc::Sender<Result<Happening, Status>>,
) {
    while let Ok(room) = sender.reserve().await {
        let next = tokio::select! {
            next = news.recv() => next,
            () = sender.closed() => return,
        };
        match next {
            Ok(happening) if concerns(&happening, only) => room.send(Ok(happening)),
            Ok(_) => {}
            Err(broadcast::error::RecvError::Closed) => return,
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                room.send(Err(lost(missed)));
                return;
            }
        }
    }
}

/// Hands on what waits, and says that the stream is over. What comes meanwhile is left, or a flood would have no end.
async fn last_words(
    news: &mut broadcast::Receiver<Happening>,
    only: Option<&Observable>,
    sender: &mpsc::Sender<Result<Happening, Status>>,
    lasted: Duration,
) {
    let over = format!("a stream lasts {} min at most; watch again", lasted.as_secs() / 60);
    let mut last = Status::deadline_exceeded(over);
    for _ in 0..news.len() {
        match news.try_recv() {
            Ok(happening) if concerns(&happening, only) => {
                if sender.send(Ok(happening)).await.is_err() {
                    return;
                }
            }
            Ok(_) => {}
            Err(broadcast::error::TryRecvError::Lagged(missed)) => {
                last = lost(missed);
                break;
            }
            Err(_) => break,
        }
    }
    // Whoever went away needs no last word.
    drop(sender.send(Err(last)).await);
}

fn lost(missed: u64) -> Status {
    Status::data_loss(format!("{missed} happenings came faster than they were read; watch again"))
}

/// What is about everything concerns everybody.
fn concerns(happening: &Happening, only: Option<&Observable>) -> bool {
    let Some(only) = only else { return true };
    if happening.observable.is_empty() {
        return true;
    }
    let other = happening.observable.parse::<Observable>();
    other.is_ok_and(|other| answers::concerns(only.network(), other.network()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_ONCE: Lasts = Lasts { stream: Duration::ZERO, last_words: Duration::from_secs(5) };

    fn happened(count: i64) -> (broadcast::Sender<Happening>, broadcast::Receiver<Happening>) {
        let (news, waiting) = broadcast::channel(64);
        for at in 0..count {
            news.send(Happening { at, ..Happening::default() }).unwrap();
        }
        (news, waiting)
    }

    #[tokio::test]
    async fn a_stream_ends_when_it_has_lasted_as_long_as_one_may_and_says_so() {
        let ((_news, waiting), (sender, mut receiver)) = (happened(0), mpsc::channel(2));
        watched(waiting, None, sender, CancellationToken::new(), AT_ONCE).await;
        let over = receiver.recv().await.expect("a last word").expect_err("an end");
        assert_eq!(over.code(), tonic::Code::DeadlineExceeded);
        assert!(receiver.recv().await.is_none());
    }

    #[tokio::test]
    async fn what_waits_when_a_stream_ends_is_handed_on_before_its_last_word() {
        let ((_news, mut waiting), (sender, mut receiver)) = (happened(40), mpsc::channel(2));
        tokio::select! {
            biased;
            () = forward(&mut waiting, None, &sender) => panic!("there is room for two only"),
            () = std::future::ready(()) => {}
        }
        let reading = async {
            let mut told = Vec::new();
            while told.last().is_none_or(Result::is_ok)
                && let Some(item) = receiver.recv().await
            {
                told.push(item.map(|happening| happening.at).map_err(|over| over.code()));
            }
            told
        };
        let last_words = last_words(&mut waiting, None, &sender, Duration::ZERO);
        let (told, ()) = tokio::join!(reading, last_words);
        let last = Err(tonic::Code::DeadlineExceeded);
        assert_eq!(told, (0..40).map(Ok).chain([last]).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_watcher_who_reads_nothing_is_not_waited_for_for_ever() {
        let ((_news, waiting), (sender, mut receiver)) = (happened(3), mpsc::channel(1));
        let lasts = Lasts { last_words: Duration::ZERO, ..AT_ONCE };
        watched(waiting, None, sender, CancellationToken::new(), lasts).await;
        assert_eq!(receiver.recv().await.expect("what there was room for").unwrap().at, 0);
        assert!(receiver.recv().await.is_none());
    }
}
