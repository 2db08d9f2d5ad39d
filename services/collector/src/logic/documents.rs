//! What becomes of a document: how far its sender is believed, and what its events are called. Data in, data out.

use observe::Dead;
use observe::documents::Document;
use schemas::{Event, Millis, Provenance};
use uuid::Uuid;

/// Who sent a document, and where it stands.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    pub source: &'a str,
    /// Of the document among its source's, where that counts. Several events of one document share none.
    pub position: Option<i64>,
    /// Whether a client's address is believed as if we had seen the connection; else it is what a feed says.
    pub authoritative: bool,
    pub received_at: Millis,
}

/// The events of a document, or why a part of it is none. `made` answers the id of the part that has none of its own.
pub fn events(
    document: Document,
    sent: Sent<'_>,
    made: impl Fn(usize) -> Uuid,
) -> Vec<Result<Event, Dead>> {
    let Sent { source, authoritative, received_at, .. } = sent;
    let observations = match document {
        Document::Observed(observations) => observations,
        Document::Own(mut own) => {
            if authoritative {
                own.observation.provenance = own.provenance.unwrap_or(Provenance::SocketPeer);
            } else {
                own.observation.provenance = Provenance::ExternalFeed;
                // A sender that nobody vouches for may not say that its requests are not to be judged.
                own.observation.refused_by_us = false;
            }
            let (source, position) = match own.place {
                Some(place) => (format!("{source}/{}", place.source), Some(place.position)),
                None => (source.to_owned(), sent.position),
            };
            let event_id = own.event_id.unwrap_or_else(|| made(0));
            return vec![Ok(own.observation.into_event(event_id, source, position, received_at))];
        }
    };
    let position = sent.position.filter(|_| observations.len() == 1);
    let event = |(number, observation): (usize, Result<observe::Observation, Dead>)| {
        let mut observation = observation?;
        if authoritative {
            observation.provenance = Provenance::SocketPeer;
        }
        Ok(observation.into_event(made(number), source.to_owned(), position, received_at))
    };
    observations.into_iter().enumerate().map(event).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(stated: &str, authoritative: bool, expected: Provenance) {
        let json = format!(
            r#"{{"observed_at": 1795267200000, "client": "81.2.69.142", "uri": "/"{stated}}}"#
        );
        let document = observe::documents::read(json.as_bytes()).unwrap();
        let sent = Sent { source: "http/shop", position: None, authoritative, received_at: 0 };
        let found = events(document, sent, |_| Uuid::nil());
        let event = found.into_iter().next().unwrap().unwrap();
        assert_eq!(event.provenance, expected, "{stated}, {authoritative}");
    }

    #[test]
    fn an_event_that_says_nothing_of_its_address_is_believed_as_its_sender_is() {
        check("", true, Provenance::SocketPeer);
        check("", false, Provenance::ExternalFeed);
        check(r#", "provenance": "log_text""#, true, Provenance::LogText);
        check(r#", "provenance": "external_feed""#, true, Provenance::ExternalFeed);
        check(r#", "provenance": "socket_peer""#, false, Provenance::ExternalFeed);
    }
}
