//! Messages over UDP, one a datagram. Receiving goes on while Kafka is waited for, up to a bound; what comes beyond it
//! is lost, as UDP tells nobody to wait.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use schemas::Millis;
use tokio::net::UdpSocket;

use super::drops::Drops;
use super::{Inner, Stream};
use crate::config::syslog::Transport;
use crate::logic::lines::Piece;
use crate::publish::{Outgoing, lost};

/// The longest datagram.
const DATAGRAM_BYTES_MAX: usize = 65_535;
/// Most events and dead letters of one listener, and most bytes of them, that wait while others are sent.
const WAITING_EVENTS_MAX: usize = 8_192;
const WAITING_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How often the kernel is asked what it dropped.
const DROPS_INTERVAL: Duration = Duration::from_secs(5);
/// How long nothing is received after receiving failed.
const RECEIVE_PAUSE: Duration = Duration::from_millis(50);

pub(super) async fn serve(inner: &Arc<Inner>, socket: UdpSocket) {
    let mut inbox =
        Inbox { inner: inner.clone(), streams: HashMap::new(), waiting: Outgoing::default() };
    let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
    let (mut drops, mut asking) = (Drops::of(&socket), tokio::time::interval(DROPS_INTERVAL));
    let mut sending: Option<BoxFuture<'_, bool>> = None;
    loop {
        if sending.is_none() && !inbox.waiting.is_empty() {
            sending = Some(Box::pin(inner.send(std::mem::take(&mut inbox.waiting))));
        }
        let sent = async {
            match &mut sending {
                Some(sending) => sending.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = inner.shutdown.cancelled() => break,
            _ = sent => sending = None,
            _ = asking.tick() => lost("kernel", drops.more() as usize),
            received = socket.recv_from(&mut datagram) => match received {
                Ok((length, peer)) => inbox.take(peer.ip(), &datagram[..length], inner.clock.now()),
                Err(error) => {
                    tracing::debug!(%error, "could not receive a datagram");
                    tokio::time::sleep(RECEIVE_PAUSE).await;
                }
            },
        }
    }
    let sent = match sending {
        Some(sending) => sending.await,
        None => true,
    };
    if sent {
        inner.send(inbox.waiting).await;
    } else {
        lost("shutdown", inbox.waiting.len());
    }
}

/// What was received and is not being sent yet.
struct Inbox {
    inner: Arc<Inner>,
    /// By the sender's name, each with the position of its next message.
    streams: HashMap<String, (Stream, u64)>,
    waiting: Outgoing,
}

impl Inbox {
    fn take(&mut self, address: IpAddr, datagram: &[u8], now: Millis) {
        let Some(sender) = self.inner.senders.of_address(address) else {
            return self.inner.refuse(Transport::Udp, address, None);
        };
        if self.waiting.len() >= WAITING_EVENTS_MAX || self.waiting.bytes() >= WAITING_BYTES_MAX {
            return lost("overrun", 1);
        }
        let (stream, position) = self
            .streams
            .entry(sender.name.clone())
            .or_insert_with(|| (self.inner.stream(sender), 0));
        let piece =
            Piece { offset: *position, next: *position + 1, bytes: datagram, too_long: false };
        *position += 1;
        stream.take(piece, now, &mut self.waiting);
    }
}

#[cfg(test)]
mod tests {
    use observe::Trusted;
    use pipeline::memory::Log;
    use pipeline::{Bus, Clock};
    use schemas::Protected;
    use tokio_util::sync::CancellationToken;
    use uuid::Uuid;

    use super::super::{Patience, Syslog};
    use super::*;
    use crate::publish::{Outbox, Watch};

    fn inbox() -> Inbox {
        let clock = Clock::manual(0);
        let publisher = Bus::in_memory(Log::new(clock.clone())).publisher().unwrap();
        let outbox =
            Outbox::new("syslog", publisher, Watch::new(Protected::special()), clock.clone());
        let text = "[[listener]]\ntransport = \"udp\"\naddress = \"127.0.0.1:0\"\n\
                    [[sender]]\nname = \"web\"\nnetwork = \"10.0.0.0/8\"";
        let senders = crate::config::syslog::Syslog::parse(text).unwrap().senders;
        let (trusted, end) = (Trusted::default(), CancellationToken::new());
        let syslog =
            Syslog::new(senders, trusted, Uuid::nil(), outbox, clock, end, Patience::default());
        Inbox { inner: syslog.0, streams: HashMap::new(), waiting: Outgoing::default() }
    }

    #[test]
    fn what_waits_is_bounded_and_a_stranger_takes_no_room() {
        let mut inbox = inbox();
        let (sender, stranger) = ([10, 0, 0, 1].into(), [192, 0, 2, 1].into());
        for _ in 0..WAITING_EVENTS_MAX + 100 {
            inbox.take(sender, b"nonsense", 0);
            inbox.take(stranger, b"nonsense", 0);
        }
        assert_eq!(inbox.waiting.len(), WAITING_EVENTS_MAX);
        assert_eq!(inbox.streams.len(), 1);
        // What was lost has no position: the next message follows the last one taken.
        assert_eq!(inbox.streams["web"].1, WAITING_EVENTS_MAX as u64);
        inbox.waiting = Outgoing::default();
        inbox.take(sender, b"nonsense", 0);
        assert_eq!(inbox.waiting.len(), 1);
    }
}
