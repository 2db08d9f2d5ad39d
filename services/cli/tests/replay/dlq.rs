//! Dead letters on the twin in memory: what each says, what may go back and what may not, and what shows afterwards.

use cli::dlq::{Outcome, Place, Replay, Replayed, Row, Selection, replay, replayable, text};
use pipeline::memory::Log;
use pipeline::{Bus, Clock, Message, Outputs, Raw, Received, Stage, Worker};
use proptest::prelude::*;
use schemas::{Detection, Event, Millis, Provenance, Record, Topic};
use uuid::Uuid;

const NOW: Millis = 1_795_266_309_000;
const HOUR: Millis = 3_600_000;
const DETECTION: &[u8] =
    include_bytes!("../../../../schemas/examples/detection/v1/sql-injection.avro");

/// Answers nothing: what reaches it was read.
struct Silent;

impl Stage for Silent {
    type Input = Event;

    async fn handle(&mut self, _: &[Received<'_, Event>], _: &mut Outputs) {}
}

fn event(observed_at: Millis, received_at: Option<Millis>) -> Message {
    let event = Event {
        event_id: Uuid::from_u128(7),
        source: "app".to_owned(),
        received_at,
        ..Event::request("81.2.69.142".parse().unwrap(), Provenance::SocketPeer, observed_at)
    };
    Message::of(&event).unwrap()
}

/// The world after its readers refused a few records.
struct World {
    log: Log,
    bus: Bus,
    clock: Clock,
}

impl World {
    fn new() -> Self {
        let clock = Clock::manual(NOW - 2 * HOUR);
        let log = Log::new(clock.clone());
        World { bus: Bus::in_memory(log.clone()), log, clock }
    }

    /// Hands a message to a reader of events; answers how many dead letters that made.
    async fn read(&self, message: &Message, partition: i32, offset: i64) -> usize {
        let raw = Raw::of(message, Topic::Events, partition, offset, self.clock.now());
        let produced = Worker::new(Silent, partition).work(&[raw]).await;
        let letters = produced.messages.len();
        for letter in produced.messages {
            self.log.append(letter);
        }
        letters
    }

    /// A letter as the collector writes it.
    fn letter(&self, class: &str, message: Message, more: &[(&'static str, &str)]) {
        let mut headers =
            vec![("perimeter-class", class.into()), ("perimeter-reason", "told".into())];
        headers.extend(more.iter().map(|(name, value)| (*name, (*value).into())));
        let topic = format!("{}.dlq", message.topic);
        self.log.append(Message { topic, headers, ..message });
    }

    fn line(&self, bytes: usize) {
        let line = Message { key: Vec::new(), payload: vec![b'x'; bytes], ..event(0, None) };
        let source = [("perimeter-source", "web-1/access.log"), ("perimeter-position", "4711")];
        self.letter("malformed", line, &source);
    }

    /// Replays, and answers what is said of each letter.
    async fn replay(&self, selection: Selection, dry_run: bool) -> (Vec<String>, Replayed) {
        let asked = Replay {
            topic: Topic::Events,
            selection,
            by: "anna".to_owned(),
            reason: "mended".to_owned(),
            dry_run,
            now: NOW,
        };
        let mut told = Vec::new();
        let mut tell = |row: &Row, outcome: &Outcome| {
            told.push(match outcome {
                Outcome::Published => format!("{} published", row.offset),
                Outcome::Refused(why) => format!("{} refused: {why}", row.offset),
            });
            Ok(())
        };
        let replayed = replay(&self.bus, &asked, &mut tell).await.unwrap();
        (told, replayed)
    }
}

/// One letter of each kind, in this order.
async fn refused() -> World {
    let world = World::new();
    let good = event(NOW - HOUR, None);
    let own = schemas::topic::partition_of_key(&good.key, Topic::Events.partitions());
    let cut = Message { payload: good.payload[..40].to_vec(), ..good.clone() };
    let foreign_key = Message { key: b"10.0.0.0/24".to_vec(), ..good.clone() };
    let large = Message { payload: vec![0xC3; 600 * 1024], ..good.clone() };
    let framed =
        Message { payload: [&[0, 0, 0, 0, 9], &good.payload[10..]].concat(), ..good.clone() };
    assert_eq!(world.read(&cut, own, 0).await, 1);
    assert_eq!(world.read(&good, (own + 1) % 6, 1).await, 1);
    assert_eq!(world.read(&foreign_key, own, 2).await, 1);
    assert_eq!(world.read(&large, own, 3).await, 1);
    assert_eq!(world.read(&framed, own, 4).await, 1);
    world.clock.advance(HOUR);
    world.letter(
        "unknown_schema",
        good,
        &[("perimeter-partition", "3"), ("perimeter-offset", "9")],
    );
    world.line(256);
    world.line(255);
    world.letter("future", event(NOW - 1, None), &[]);
    world.letter("future", event(NOW + HOUR, None), &[]);
    world.letter("future", event(NOW - 1, Some(NOW - HOUR)), &[]);
    world
}

#[tokio::test]
async fn what_is_whole_and_read_today_goes_back_and_everything_else_is_told_why_not() {
    let world = refused().await;
    let (told, replayed) = world.replay(Selection::default(), false).await;
    let expected = [
        "0 refused: the message does not follow its schema: a length reaches past the end",
        "1 published",
        "2 refused: the key '10.0.0.0/24 in partition",
        "3 refused: the message has 614400 bytes, more than the 524288 allowed",
        "4 refused: schema id 9 is none that a registry",
        "5 published",
        "6 refused: only the first 256 bytes were kept; the original stands in web-1/access.log at 4711",
        "7 refused: it is a line or document that the collector could not read, and no record; the original stands in \
         web-1/access.log at 4711",
        "8 published",
        "9 refused: the event is 3600000 ms in the future",
        "10 refused: the event is 3599999 ms in the future",
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.starts_with(expected), "{told}\n{expected}");
    }
    assert_eq!(replayed, Replayed { published: 3, refused: 8, absent: Vec::new() });

    let back = world.log.messages("events");
    assert_eq!(back.len(), 3);
    for (partition, _, message) in &back {
        assert_eq!(*partition, schemas::topic::partition_of_key(b"81.2.69.0/24", 6));
        assert_eq!(message.key, b"81.2.69.0/24");
    }
    assert_eq!(back[0].2.payload, event(NOW - HOUR, None).payload);
    let told = b"from events.dlq 1 at 2026-11-21 13:05:09Z by anna: mended";
    assert_eq!(back[0].2.headers, [("perimeter-replayed", told.to_vec())]);
    // What is in the dead letters stays there, and the same replay again does the same again.
    assert_eq!(world.log.messages("events.dlq").len(), 11);
    assert_eq!(world.replay(Selection::default(), false).await.1, replayed);
}

/// Of what came over HTTPS there is no file to look into, and `perimeter parse` reads lines only.
#[tokio::test]
async fn where_the_original_is_to_be_found_is_told_by_the_way_in() {
    for (source, told) in [
        ("http/shop", "nothing else of it is kept here: let its sender, shop, mend the document"),
        (
            "kafka/waf.findings/3",
            "the original stands in topic waf.findings, partition 3, at offset 7: ",
        ),
        ("syslog/mail/0d6f2c6e/1", "nothing else of it is kept here: mend what mail sends"),
        ("web-1/access.log", "the original stands in web-1/access.log at 7: `perimeter parse`"),
    ] {
        let world = World::new();
        let document = Message { payload: b"{".to_vec(), ..event(0, None) };
        let stood = [("perimeter-source", source), ("perimeter-position", "7")];
        world.letter("malformed", document, &stood);
        let (said, _) = world.replay(Selection::default(), true).await;
        assert!(said.len() == 1 && said[0].contains(told), "{said:?}");
        assert_eq!(
            said[0].contains("perimeter parse"),
            !source.starts_with(['h', 'k']),
            "{said:?}"
        );
    }
}

#[tokio::test]
async fn a_dry_run_says_the_same_and_publishes_nothing() {
    let world = refused().await;
    let said = world.replay(Selection::default(), true).await;
    assert!(world.log.messages("events").is_empty());
    assert_eq!(said, world.replay(Selection::default(), false).await);
}

#[tokio::test]
async fn a_selection_means_offsets_or_a_class_or_a_time() {
    let world = refused().await;
    let offsets = |world: &(Vec<String>, Replayed)| {
        let first = |told: &String| told.split(' ').next().unwrap().to_owned();
        world.0.iter().map(first).collect::<Vec<_>>()
    };
    let class = |class: &str| Selection { class: Some(class.to_owned()), ..Selection::default() };
    assert_eq!(offsets(&world.replay(class("wrong_key"), true).await), ["1", "2"]);
    assert!(world.replay(class("wrong"), true).await.0.is_empty());
    let since = Selection { since: Some(NOW - HOUR), ..Selection::default() };
    assert_eq!(offsets(&world.replay(since.clone(), true).await), ["5", "6", "7", "8", "9", "10"]);
    let both = Selection { class: Some("malformed".to_owned()), ..since };
    assert_eq!(offsets(&world.replay(both, true).await), ["6", "7"]);
    let listed = Selection { offsets: vec![1, 5, 11, 4_000], ..Selection::default() };
    let answer = world.replay(listed, true).await;
    assert_eq!(
        (offsets(&answer), answer.1.absent),
        (vec!["1".into(), "5".into()], vec![11, 4_000])
    );
}

#[tokio::test]
async fn what_is_refused_again_shows_who_had_published_it_again() {
    let world = refused().await;
    world.replay(Selection { offsets: vec![1], ..Selection::default() }, false).await;
    let (partition, offset, message) = world.log.messages("events").remove(0);
    assert_eq!(world.read(&message, (partition + 1) % 6, offset).await, 1);
    let mut rows = Vec::new();
    let letters = world.bus.dead_letters();
    letters
        .read(Topic::Events, pipeline::From::Offset(11), &mut |letter| {
            rows.push(Row::of(&letter));
            Ok(std::ops::ControlFlow::Continue(()))
        })
        .unwrap();
    let [row] = &rows[..] else { panic!("{rows:?}") };
    let replayed = row.replayed.as_deref().unwrap();
    assert_eq!(replayed, "from events.dlq 1 at 2026-11-21 13:05:09Z by anna: mended");
    assert_eq!((row.offset, row.class.as_str()), (11, "wrong_key"));
    let place = Place::Record { topic: Topic::Events, partition: (partition + 1) % 6, offset };
    assert_eq!(row.place, place);
}

#[tokio::test]
async fn only_events_and_detections_may_go_back() {
    for topic in Topic::ALL {
        let may = replayable(topic);
        assert_eq!(may.is_ok(), matches!(topic, Topic::Events | Topic::Detections), "{topic:?}");
        if let Err(why) = may {
            assert!(why.contains(" is never published again: ") && why.contains("; "), "{why}");
        }
    }
    let world = World::new();
    let detection = Message::of(&Detection::decode(DETECTION).unwrap()).unwrap();
    world.letter("unknown_schema", detection.clone(), &[]);
    world.letter("wrong_key", Message { key: b"81.2.69.1".to_vec(), ..detection.clone() }, &[]);
    let asked = Replay {
        topic: Topic::Detections,
        selection: Selection::default(),
        by: "anna".to_owned(),
        reason: "mended".to_owned(),
        dry_run: false,
        now: NOW,
    };
    let replayed = replay(&world.bus, &asked, &mut |_, _| Ok(())).await.unwrap();
    assert_eq!((replayed.published, replayed.refused), (1, 1));
    let back = world.log.messages("detections");
    assert_eq!((back.len(), &back[0].2.payload), (1, &detection.payload));
}

#[test]
fn bytes_are_shown_and_never_obeyed() {
    for (bytes, shown) in [
        (&b"GET /a?b=\"c\" 'd'"[..], "GET /a?b=\"c\" 'd'"),
        (b"\x1b[2J\x07\r\nroot\x9b", "\\u{1b}[2J\\u{7}\\r\\nroot\\x9b"),
        ("ünï\u{202e}txt\u{200b}".as_bytes(), "ünï\\u{202e}txt\\u{200b}"),
        (b"a\\x1b", "a\\\\x1b"),
        (&[0xC3, 0x01, 0x00], "\\xc3\\u{1}\\0"),
    ] {
        assert_eq!(text::escaped(bytes, 100), shown);
    }
    assert_eq!(text::escaped(b"0123456789", 4), "0123…");
    assert_eq!(
        text::lines(b"one\ttwo\n\x1b[31mthree\n").unwrap(),
        ["one\\ttwo", "\\u{1b}[31mthree"]
    );
    assert_eq!(text::lines(&[0xC3, 0x01]), None);
    assert_eq!(text::lines(b"a\0b"), None);
    assert_eq!(
        text::dump(b"0123456789abcdef\x1b!"),
        [
            "00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|",
            "00000010  1b 21                                             |.!|",
        ]
    );
}

proptest! {
    #[test]
    fn no_control_character_is_ever_shown(
        bytes in prop::collection::vec(any::<u8>(), 0..80),
        text in "\\PC*|[\\x00-\\x1f\\x7f-\\x9f\u{200e}\u{202a}-\u{202e}\u{2066}-\u{2069}]{0,20}",
    ) {
        for bytes in [&bytes[..], text.as_bytes()] {
            let mut shown = vec![text::escaped(bytes, 40)];
            shown.extend(text::dump(bytes));
            shown.extend(text::lines(bytes).unwrap_or_default());
            for line in shown {
                prop_assert!(!line.contains(char::is_control), "{line:?}");
                prop_assert!(!line.contains(['\u{200e}', '\u{202e}', '\u{2066}', '\u{2069}']), "{line:?}");
            }
        }
    }
}
