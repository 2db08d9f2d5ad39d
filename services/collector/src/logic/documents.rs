//! What becomes of a document: how far its sender is believed, and what its events are called. Data in, data out.

use observe::Dead;
use observe::documents::{Document, Seen};
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

/// What the id of an event is made of that has none of its own.
#[derive(Debug, Clone, Copy)]
pub enum Name<'a> {
    /// The document, and which part of it.
    Part(usize),
    /// A name that its sender gives to nothing else, in whichever document.
    Own(&'a str),
}

/// The events of a document, or why a part of it is none.
pub fn events(
    document: Document,
    sent: Sent<'_>,
    made: impl Fn(Name<'_>) -> Uuid,
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
            let event_id = own.event_id.unwrap_or_else(|| made(Name::Part(0)));
            return vec![Ok(own.observation.into_event(event_id, source, position, received_at))];
        }
    };
    let alone = observations.len() == 1;
    let event = |(number, seen): (usize, Result<Seen, Dead>)| {
        let Seen { name, mut observation } = seen?;
        observation.provenance = match (authoritative, observation.provenance) {
            (true, Provenance::ExternalFeed) => Provenance::SocketPeer,
            // The sender saw the connection and does not say whose the address is.
            (true, unsure) => unsure,
            (false, _) => Provenance::ExternalFeed,
        };
        // What is told again stands elsewhere then: it is known by its name alone.
        let position = sent.position.filter(|_| alone && name.is_none());
        let event_id = made(name.as_deref().map_or(Name::Part(number), Name::Own));
        Ok(observation.into_event(event_id, source.to_owned(), position, received_at))
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

    /// Of an alert that does not say which way its packet went, `src_ip` may be the server.
    #[test]
    fn an_address_of_which_its_sender_is_unsure_is_never_believed() {
        for (direction, authoritative, expected) in [
            (r#""direction": "to_server","#, true, Provenance::SocketPeer),
            (r#""direction": "to_server","#, false, Provenance::ExternalFeed),
            ("", true, Provenance::LogText),
            ("", false, Provenance::ExternalFeed),
        ] {
            let json = format!(
                r#"{{"event_type": "alert", {direction} "timestamp": "2026-11-21T13:05:09Z", "src_ip": "81.2.69.142"}}"#
            );
            let document = observe::documents::read(json.as_bytes()).unwrap();
            let sent = Sent { source: "http/ids", position: None, authoritative, received_at: 0 };
            let found = events(document, sent, |_| Uuid::nil());
            assert_eq!(found[0].as_ref().unwrap().provenance, expected, "{json}");
        }
    }
}
