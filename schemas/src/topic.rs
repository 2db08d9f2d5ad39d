//! The topics, as `topics.yaml` says them.

use std::sync::LazyLock;

use serde::Deserialize;

/// A topic that carries records of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    Events,
    ScorerState,
    Detections,
    Decisions,
    Leases,
    Enforcements,
    Outcomes,
    Controls,
}

impl Topic {
    pub const ALL: [Topic; 8] = [
        Topic::Events,
        Topic::ScorerState,
        Topic::Detections,
        Topic::Decisions,
        Topic::Leases,
        Topic::Enforcements,
        Topic::Outcomes,
        Topic::Controls,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Topic::Events => "events",
            Topic::ScorerState => "scorer-state",
            Topic::Detections => "detections",
            Topic::Decisions => "decisions",
            Topic::Leases => "leases",
            Topic::Enforcements => "enforcements",
            Topic::Outcomes => "outcomes",
            Topic::Controls => "controls",
        }
    }

    /// The topic for records of this one that were rejected.
    pub fn dead_letters(self) -> String {
        format!("{}.dlq", self.name())
    }

    pub fn spec(self) -> &'static TopicSpec {
        TOPICS
            .iter()
            .find(|spec| spec.name == self.name())
            .expect("topics.yaml names every topic; a test says so")
    }

    pub fn partitions(self) -> i32 {
        self.spec().partitions
    }
}

/// The topic of OCSF documents: JSON for others. Nothing of ours reads it, so it is no [`Topic`] and has no dead letters.
pub const OCSF: &str = "ocsf";

/// The partition of a key, as Java's client and librdkafka's `murmur2_random` choose it.
pub fn partition_of_key(key: &[u8], partitions: i32) -> i32 {
    ((murmur2(key) & 0x7fff_ffff) as i32) % partitions.max(1)
}

/// MurmurHash2, 32 bits, with the seed and tail order of Kafka's `Utils.murmur2`.
fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash: u32 = 0x9747_b28c ^ data.len() as u32;
    let mut chunks = data.chunks_exact(4);
    for chunk in &mut chunks {
        let mut k =
            u32::from_le_bytes(chunk.try_into().expect("chunks have four bytes")).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let tail = chunks.remainder();
    if !tail.is_empty() {
        for (index, byte) in tail.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * index);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

/// How old records leave a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cleanup {
    Delete,
    Compact,
    CompactDelete,
}

/// One topic as it must be.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopicSpec {
    pub name: String,
    pub partitions: i32,
    pub cleanup: Cleanup,
    /// -1 keeps for ever.
    pub retention_ms: i64,
    /// Whether the broker's clock stamps the records.
    pub append_time: bool,
    #[serde(default)]
    pub compaction_lag_ms: Option<i64>,
}

impl TopicSpec {
    /// The topic's configuration, as Kafka names it.
    pub fn config(&self) -> Vec<(&'static str, String)> {
        let cleanup = match self.cleanup {
            Cleanup::Delete => "delete",
            Cleanup::Compact => "compact",
            Cleanup::CompactDelete => "compact,delete",
        };
        let stamp = if self.append_time { "LogAppendTime" } else { "CreateTime" };
        let mut config = vec![
            ("cleanup.policy", cleanup.to_owned()),
            ("retention.ms", self.retention_ms.to_string()),
            ("retention.bytes", "-1".to_owned()),
            ("message.timestamp.type", stamp.to_owned()),
        ];
        if let Some(lag_ms) = self.compaction_lag_ms {
            config.push(("min.compaction.lag.ms", lag_ms.to_string()));
        }
        config
    }
}

/// Every topic, dead letters included, in the order of `topics.yaml`.
pub static TOPICS: LazyLock<Vec<TopicSpec>> = LazyLock::new(|| {
    #[derive(Deserialize)]
    struct File {
        topics: Vec<TopicSpec>,
    }
    let file: File = serde_saphyr::from_str(include_str!("../topics.yaml"))
        .expect("topics.yaml is checked by a test");
    file.topics
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_names_every_topic_its_dead_letters_and_what_is_only_for_others() {
        for topic in Topic::ALL {
            assert_eq!(topic.spec().name, topic.name());
            assert!(
                TOPICS.iter().any(|spec| spec.name == topic.dead_letters()),
                "{}",
                topic.dead_letters()
            );
        }
        assert!(TOPICS.iter().any(|spec| spec.name == OCSF));
        assert_eq!(TOPICS.len(), 2 * Topic::ALL.len() + 1);
    }

    #[test]
    fn keys_go_where_java_puts_them() {
        // The hashes are those of Kafka's own test of `Utils.murmur2`.
        for (key, hash) in [
            ("21", -973_932_308_i32),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
        ] {
            assert_eq!(murmur2(key.as_bytes()) as i32, hash, "{key}");
        }
    }

    #[test]
    fn the_record_of_truth_outlives_the_longest_lease_and_the_strike_memory() {
        let limits = crate::Limits::default();
        let needed = limits.operator_max_ms + limits.strike_memory_ms;
        for topic in [Topic::Leases, Topic::Decisions] {
            assert!(topic.spec().retention_ms > needed, "{}", topic.name());
        }
    }
}
