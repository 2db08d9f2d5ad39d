//! What is missing, and what is not as it should be. Data in, data out.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use schemas::{TOPICS, Topic, TopicSpec};

/// How many copies must have a record before it is acknowledged, as Kafka names it.
pub(super) const MIN_IN_SYNC: &str = "min.insync.replicas";

/// A topic as the brokers have it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    pub partitions: i32,
    /// Of the partition that has fewest.
    pub copies: i32,
    /// Kafka's names and values.
    pub config: BTreeMap<String, String>,
}

/// What `bootstrap kafka` has to do.
#[derive(Debug, PartialEq, Eq)]
pub struct Plan {
    pub create: Vec<&'static TopicSpec>,
    /// One sentence per setting of an existing topic that is not as `topics.yaml` says.
    pub differences: Vec<String>,
}

impl Plan {
    pub(super) fn makes(&self, topic: Topic) -> bool {
        self.create.iter().any(|spec| spec.name == topic.name())
    }
}

/// Compares what exists with `topics.yaml`.
///
/// A lease's generation is an offset in `decisions`, so the two topics are only ever made together; unless `adopt`,
/// finding one of them alone is an error.
pub fn plan(found: &BTreeMap<String, Found>, adopt: bool) -> Result<Plan> {
    let exists = |topic: Topic| found.contains_key(topic.name());
    if !adopt && exists(Topic::Decisions) != exists(Topic::Leases) {
        let (there, missing) =
            if exists(Topic::Leases) { ("leases", "decisions") } else { ("decisions", "leases") };
        bail!(
            "topic {there} exists and {missing} does not, so their generations would not belong together; bring \
             {missing} back, or run `perimeter bootstrap kafka --adopt`, which makes it and begins a new epoch"
        );
    }
    let create = TOPICS.iter().filter(|spec| !found.contains_key(&spec.name)).collect();
    let differences = TOPICS
        .iter()
        .filter_map(|spec| Some((spec, found.get(&spec.name)?)))
        .flat_map(|(spec, topic)| differences(spec, topic))
        .collect();
    Ok(Plan { create, differences })
}

fn differences(spec: &TopicSpec, found: &Found) -> Vec<String> {
    let name = &spec.name;
    let mut sentences = Vec::new();
    if found.partitions != spec.partitions {
        sentences.push(format!(
            "topic {name} has {} partitions and must have {}; services refuse to start on it, and it can only be \
             made anew",
            found.partitions, spec.partitions
        ));
    }
    for (setting, wanted) in spec.config() {
        let value = found.config.get(setting).map_or("not set", String::as_str);
        if sorted(value) != sorted(&wanted) {
            sentences.push(format!(
                "topic {name}: {setting} is {value} and should be {wanted}; change it with `kafka-configs --alter \
                 --topic {name} --add-config '{setting}=[{wanted}]'`"
            ));
        }
    }
    sentences
}

/// Where a topic that exists has not the copies, or does not wait for those, that were asked for: one sentence each.
pub(super) fn other_copies(
    found: &BTreeMap<String, Found>,
    copies: Option<i32>,
    min_in_sync: Option<i32>,
) -> Vec<String> {
    let mut sentences = Vec::new();
    for (name, topic) in found {
        if let Some(asked) = copies.filter(|asked| *asked != topic.copies) {
            sentences.push(format!(
                "topic {name}: a partition has {} cop(ies) and {asked} were asked for; change it with \
                 `kafka-reassign-partitions`",
                topic.copies
            ));
        }
        let value = topic.config.get(MIN_IN_SYNC).map_or("not set", String::as_str);
        if let Some(asked) = min_in_sync.filter(|asked| asked.to_string() != value) {
            sentences.push(format!(
                "topic {name}: {MIN_IN_SYNC} is {value} and {asked} was asked for; change it with `kafka-configs --alter \
                 --topic {name} --add-config '{MIN_IN_SYNC}={asked}'`"
            ));
        }
    }
    sentences
}

/// A list of values in an order of its own: `delete,compact` says the same as `compact,delete`.
fn sorted(value: &str) -> Vec<&str> {
    let mut values: Vec<&str> = value.split(',').map(str::trim).collect();
    values.sort_unstable();
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All topics as they should be, changed by `change`.
    fn cluster(change: impl FnOnce(&mut BTreeMap<String, Found>)) -> BTreeMap<String, Found> {
        let as_said = |spec: &TopicSpec| {
            let config =
                spec.config().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            (spec.name.clone(), Found { partitions: spec.partitions, copies: 1, config })
        };
        let mut found = TOPICS.iter().map(as_said).collect();
        change(&mut found);
        found
    }

    fn set(found: &mut BTreeMap<String, Found>, topic: &str, setting: &str, value: &str) {
        found.get_mut(topic).unwrap().config.insert(setting.to_owned(), value.to_owned());
    }

    #[track_caller]
    fn check(found: &BTreeMap<String, Found>, created: usize, differences: &[&str]) {
        let plan = plan(found, false).unwrap();
        assert_eq!(plan.create.len(), created);
        assert_eq!(plan.differences.len(), differences.len(), "{:?}", plan.differences);
        for (sentence, begins) in plan.differences.iter().zip(differences) {
            assert!(sentence.starts_with(begins), "{sentence}");
        }
    }

    #[test]
    fn an_empty_cluster_gets_every_topic_and_a_whole_one_nothing() {
        check(&BTreeMap::new(), TOPICS.len(), &[]);
        check(&cluster(|_| {}), 0, &[]);
        check(&cluster(|found| drop(found.remove("events.dlq"))), 1, &[]);
    }

    #[test]
    fn every_setting_that_safety_rests_on_is_compared() {
        check(
            &cluster(|found| {
                set(found, "leases", "min.compaction.lag.ms", "0");
                set(found, "leases", "cleanup.policy", "delete,compact");
                set(found, "decisions", "retention.ms", "604800000");
                set(found, "decisions", "message.timestamp.type", "CreateTime");
                set(found, "events", "retention.bytes", "1073741824");
                set(found, "controls", "cleanup.policy", "delete");
                found.get_mut("outcomes").unwrap().partitions = 12;
            }),
            0,
            &[
                "topic events: retention.bytes is 1073741824",
                "topic decisions: retention.ms is 604800000",
                "topic decisions: message.timestamp.type is CreateTime",
                "topic leases: min.compaction.lag.ms is 0",
                "topic outcomes has 12 partitions",
                "topic controls: cleanup.policy is delete",
            ],
        );
    }

    #[test]
    fn copies_are_compared_with_what_was_asked_for_and_with_nothing_else() {
        let found = cluster(|found| {
            found.retain(|name, _| name == "events");
            set(found, "events", MIN_IN_SYNC, "1");
        });
        let cases: [(Option<i32>, Option<i32>, &[&str]); 3] = [
            (None, None, &[]),
            (Some(1), Some(1), &[]),
            (Some(3), Some(2), &["a partition has 1 cop(ies) and 3", "min.insync.replicas is 1"]),
        ];
        for (copies, min_in_sync, expected) in cases {
            let told = other_copies(&found, copies, min_in_sync);
            assert_eq!(told.len(), expected.len(), "{told:?}");
            for (sentence, begins) in told.iter().zip(expected) {
                assert!(sentence.starts_with(&format!("topic events: {begins}")), "{sentence}");
            }
        }
    }

    #[test]
    fn one_of_decisions_and_leases_alone_is_refused_unless_adopted() {
        for alone in ["decisions", "leases"] {
            let found = cluster(|found| drop(found.remove(alone)));
            let error = plan(&found, false).unwrap_err().to_string();
            assert!(error.contains(&format!("{alone} does not")), "{error}");
            assert_eq!(plan(&found, true).unwrap().create.len(), 1);
        }
    }
}
