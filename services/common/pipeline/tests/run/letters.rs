//! Dead letters are never too large to be published: whoever writes them could not go on.

use std::sync::Arc;

use pipeline::{Headers, Message, Raw, Worker};
use schemas::Topic;

use super::{Echo, decision};

/// What brokers and clients take unless told otherwise, with room for the framing.
const LETTER_BYTES_MAX: usize = 900_000;

#[tokio::test]
async fn the_dead_letter_of_whatever_kafka_holds_can_be_published() {
    let good = Message::of(&decision("81.2.69.1", 1)).unwrap();
    let (long, text) = (vec![0xFF; 1_040_000], "é".repeat(300_000).into_bytes());
    let headers = [("traceparent", text.clone()), (pipeline::REPLAYED, text)];
    for (key, payload, class) in [
        (&good.key[..], &long[..], "too_large"),
        (&long[..300_000], &good.payload[..], "wrong_key"),
        (&long[..], &good.payload[..], "wrong_key"),
    ] {
        let raw = Raw {
            topic: Topic::Decisions,
            partition: 0,
            offset: 0,
            timestamp: 0,
            key,
            payload,
            headers: Headers::of(&headers),
        };
        let stage = Echo { seen: Arc::default(), refuse: Arc::default() };
        let produced = Worker::new(stage, 0).work(&[raw]).await;
        let [letter] = &produced.messages[..] else { panic!("one letter: {produced:?}") };
        let headers = letter.headers.iter().map(|(name, value)| name.len() + value.len());
        let bytes = letter.key.len() + letter.payload.len() + headers.sum::<usize>();
        assert!(bytes < LETTER_BYTES_MAX, "{class}: {bytes} bytes");
        assert!(letter.headers.contains(&("perimeter-class", class.as_bytes().to_vec())));
    }
}
