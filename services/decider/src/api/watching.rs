//! What a watcher is told, from the beginning of his stream to its last word.

use std::time::Duration;

use proto::v1::Happening;
use schemas::Observable;
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::answers;

/// How long a watcher whose stream is over may take to make room for its last word.
const LAST_WORD_TIMEOUT: Duration = Duration::from_secs(1);

/// Hands news on until the watcher goes away, the process stops, or the stream has lasted for `longest`. Whoever does not
/// read what he was sent is not told which it was.
pub(super) async fn watched(
    mut news: broadcast::Receiver<Happening>,
    only: Option<Observable>,
    sender: mpsc::Sender<Result<Happening, Status>>,
    shutdown: CancellationToken,
    longest: Duration,
) {
    let forwarding = forward(&mut news, only.as_ref(), &sender);
    let forwarded = tokio::select! {
        forwarded = tokio::time::timeout(longest, forwarding) => forwarded,
        () = shutdown.cancelled() => return,
    };
    if forwarded.is_err() {
        let over = format!("a stream lasts {} min at most; watch again", longest.as_secs() / 60);
        let over = Err(Status::deadline_exceeded(over));
        drop(sender.send_timeout(over, LAST_WORD_TIMEOUT).await);
    }
}

/// Hands news on until the watcher goes away. One that cannot follow is told so, and ends.
async fn forward(
    news: &mut broadcast::Receiver<Happening>,
    only: Option<&Observable>,
    sender: &mpsc::Sender<Result<Happening, Status>>,
) {
    loop {
        let next = tokio::select! {
            next = news.recv() => next,
            () = sender.closed() => return,
        };
        let told = match next {
            Ok(happening) if concerns(&happening, only) => Ok(happening),
            Ok(_) => continue,
            Err(broadcast::error::RecvError::Closed) => return,
            Err(broadcast::error::RecvError::Lagged(missed)) => Err(Status::data_loss(format!(
                "{missed} happenings came faster than they were read; watch again"
            ))),
        };
        let last = told.is_err();
        if sender.send(told).await.is_err() || last {
            return;
        }
    }
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

    fn happened(count: i64) -> (broadcast::Sender<Happening>, broadcast::Receiver<Happening>) {
        let (news, waiting) = broadcast::channel(64);
        for at in 0..count {
            news.send(Happening { at, ..Happening::default() }).unwrap();
        }
        (news, waiting)
    }

    #[tokio::test]
    async fn a_stream_ends_when_it_has_lasted_as_long_as_one_may_and_says_so() {
        let ((_news, waiting), (sender, mut receiver)) = (happened(1), mpsc::channel(2));
        watched(waiting, None, sender, CancellationToken::new(), Duration::ZERO).await;
        assert_eq!(receiver.recv().await.expect("what happened before").unwrap().at, 0);
        let over = receiver.recv().await.expect("a last word").expect_err("an end");
        assert_eq!(over.code(), tonic::Code::DeadlineExceeded);
        assert!(receiver.recv().await.is_none());
    }

    #[tokio::test]
    async fn a_watcher_who_reads_nothing_is_not_waited_for_for_ever() {
        let ((_news, waiting), (sender, mut receiver)) = (happened(3), mpsc::channel(1));
        watched(waiting, None, sender, CancellationToken::new(), Duration::ZERO).await;
        assert_eq!(receiver.recv().await.expect("what there was room for").unwrap().at, 0);
        assert!(receiver.recv().await.is_none());
    }
}
