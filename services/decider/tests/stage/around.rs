//! What operators allow around a client: folded into the leases already, or only decided.

use pipeline::{Follow as _, Message, Raw, Update};
use schemas::topic::partition_of_key;
use schemas::{Action, Decision, Topic};

use super::common::{HOUR, MINUTE, SECOND, detection, operator};
use super::{IP, START, World, last, leased};

impl World {
    /// An operator's word on a network reaches the decider's copy of the leases.
    fn folded(&self, decision: &Decision) {
        let message = Message::of(&leased(decision)).unwrap();
        let raw = Raw::of(&message, Topic::Leases, 0, 0, START);
        self.leases.sink().update(Update::Record(raw));
    }

    /// An operator's word on a network was decided at `at`, in the partition of its own key.
    fn told(&mut self, offset: i64, at: i64, decision: &Decision) {
        let message = Message::of(decision).unwrap();
        let partition = partition_of_key(&message.key, Topic::Decisions.partitions());
        let raw = Raw::of(&message, Topic::Decisions, partition, offset, at);
        self.tail.update(Update::Record(raw));
    }

    /// A client is found out at these times; answers what was decided since the start.
    async fn found(&mut self, client: &str, times: &[i64]) -> Vec<String> {
        let detections: Vec<_> = times.iter().map(|at| detection(client, *at)).collect();
        self.detect(&detections);
        self.work().await;
        self.decisions()
    }
}

const WITHIN: [(&str, &str); 2] = [(IP, "81.2.69.0/24"), ("2a00:1450:0:5::/64", "2a00:1450::/56")];

#[tokio::test]
async fn what_is_done_under_an_allow_of_a_network_is_not_blocked_and_does_not_count_when_it_lapses()
{
    for (client, network) in WITHIN {
        for is_folded in [true, false] {
            let mut world = World::of(client);
            let allow = operator(Action::Allow, network, START, HOUR);
            if is_folded {
                world.folded(&allow)
            } else {
                world.told(0, START, &allow)
            }
            world.found(client, &[START + MINUTE, START + HOUR - 1]).await;
            let words = format!("an operator's allow of {network} stands for another ");
            assert!(last(&world).explanation.contains(&words), "{}", last(&world).explanation);
            let decided = world.found(client, &[START + HOUR]).await;
            let expected = ["Observe 0 Overridden", "Observe 0 Overridden", "Block 300 Policy"];
            assert_eq!(decided, expected, "{client}");
        }
    }
}

#[tokio::test]
async fn a_block_of_a_network_and_an_allow_of_a_neighbour_leave_a_detection_as_it_is() {
    for (action, network) in [(Action::Block, "81.2.69.0/24"), (Action::Allow, "81.2.68.0/24")] {
        let mut world = World::new();
        let word = operator(action, network, START, HOUR);
        world.folded(&word);
        world.told(0, START, &word);
        let decided = world.found(IP, &[START + MINUTE]).await;
        assert_eq!(decided, ["Block 300 Policy"], "{action:?} {network}");
    }
}

#[tokio::test]
async fn of_one_network_the_newest_word_counts_be_it_folded_or_only_decided() {
    let (network, later) = ("81.2.69.0/24", START + SECOND);
    let allow = operator(Action::Allow, network, START, HOUR);
    let block = operator(Action::Block, network, later, HOUR);
    let mut world = World::new();
    world.folded(&allow);
    world.told(1, later, &block);
    assert_eq!(world.found(IP, &[START + MINUTE]).await, ["Block 300 Policy"]);

    let mut world = World::new();
    world.folded(&allow);
    world.told(0, START - SECOND, &operator(Action::Block, network, START - SECOND, HOUR));
    assert_eq!(world.found(IP, &[START + MINUTE]).await, ["Observe 0 Overridden"]);
}

#[tokio::test]
async fn what_was_said_of_networks_outlives_topics_that_were_made_anew() {
    let (network, later) = ("81.2.69.0/24", START + SECOND);
    let mut world = World::new();
    world.told(7, START, &operator(Action::Allow, network, START, HOUR));
    world.tail.update(Update::Restarted { topic: Topic::Decisions, partition: 0 });
    assert_eq!(world.found(IP, &[START + MINUTE]).await, ["Observe 0 Overridden"]);
    world.told(0, later, &operator(Action::Block, network, later, HOUR));
    let decided = world.found(IP, &[START + 2 * MINUTE]).await;
    assert_eq!(decided, ["Observe 0 Overridden", "Block 300 Policy"]);
}
