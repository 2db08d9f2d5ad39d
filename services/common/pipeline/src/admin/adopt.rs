//! Adoption: what was decided is folded again, on top of the leases that are there, under a new epoch.
//!
//! It ends a hold after topics were made anew. Nothing that is in force is lost: a claim that only an old lease knows
//! is kept, and a decision that no lease knows is folded in.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use anyhow::{Context as _, Result};
use schemas::{
    Appended, Decision, Epoch, Folded, Generation, Lease, LeaseEntry, Limits, Millis, Observable,
    Protected, Record, Topic, fold,
};

use super::publish_epoch;
use crate::bus::{Bus, From};

const PUBLISH_TIMEOUT: Duration = Duration::from_secs(120);

/// What is to be adopted, and by which rules.
#[derive(Debug, Clone)]
pub struct Adoption {
    pub protected: Protected,
    pub limits: Limits,
    /// Epochs that readers still hold and that the topics, made anew, know nothing of any more.
    pub replaces: Vec<Millis>,
    /// Only count.
    pub dry_run: bool,
}

/// What an adoption came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    pub epoch: Millis,
    pub replaces: Vec<Millis>,
    pub leases: usize,
    /// Records that could not be read, and were passed over.
    pub unreadable: usize,
}

/// Folds `decisions` from its beginning on top of `leases`, publishes each lease once under a new epoch, and last the
/// epoch record, which names those it replaces.
pub async fn adopt(bus: &Bus, adoption: Adoption, now: Millis) -> Result<Adopted> {
    let reading = bus.clone();
    let Adoption { protected, limits, replaces, dry_run } = adoption;
    let (mut found, ends) = tokio::task::spawn_blocking(move || {
        let mut found = Found { epochs: replaces.into_iter().collect(), ..Found::default() };
        found.leases(&reading)?;
        let ends = found.decisions(&reading, &protected, &limits, now)?;
        anyhow::Ok((found, ends))
    })
    .await??;
    let epoch = found.epochs.last().map_or(now, |last| now.max(last + 1));
    let leases: Vec<LeaseEntry> = found
        .leases
        .drain()
        .map(|(observable, mut lease)| {
            // Every decision below the end is folded in by now, so none of them may be folded again.
            let offset = ends.get(&partition_of(&observable)).map_or(-1, |end| end - 1);
            lease.generation = Generation { epoch, offset };
            LeaseEntry::Lease(lease)
        })
        .collect();
    let replaces: Vec<Millis> = found.epochs.into_iter().collect();
    if !dry_run {
        tokio::time::timeout(PUBLISH_TIMEOUT, bus.publisher()?.publish_all(&leases))
            .await
            .context(
                "the broker did not acknowledge the leases in time; run the same command again",
            )?
            .context("could not publish the leases; run the same command again")?;
        publish_epoch(bus, Epoch { epoch, replaces: replaces.clone() }).await?;
    }
    Ok(Adopted { epoch, replaces, leases: leases.len(), unreadable: found.unreadable })
}

#[derive(Default)]
struct Found {
    leases: HashMap<Observable, Lease>,
    epochs: BTreeSet<Millis>,
    unreadable: usize,
}

impl Found {
    fn leases(&mut self, bus: &Bus) -> Result<()> {
        bus.read_back().read(Topic::Leases, 0, From::Beginning, &mut |raw| {
            match raw.decode::<LeaseEntry>() {
                Ok(LeaseEntry::Epoch(epoch)) => {
                    self.epochs.extend(epoch.replaces.into_iter().chain([epoch.epoch]))
                }
                Ok(LeaseEntry::Lease(lease)) => {
                    self.epochs.insert(lease.generation.epoch);
                    self.absorb(lease);
                }
                Err(_) => self.unreadable += 1,
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Keeps the higher generation, and from the lower the claims of origins that the higher does not know: leases
    /// of different epochs were not folded on top of each other.
    fn absorb(&mut self, lease: Lease) {
        let Some(held) = self.leases.remove(&lease.observable) else {
            self.leases.insert(lease.observable.clone(), lease);
            return;
        };
        let (mut higher, lower) =
            if lease.generation >= held.generation { (lease, held) } else { (held, lease) };
        if higher.generation.epoch != lower.generation.epoch {
            let missing =
                lower.claims.into_iter().filter(|claim| higher.claim(claim.origin).is_none());
            let missing: Vec<_> = missing.collect();
            higher.claims.extend(missing);
            higher.claims.sort_by_key(|claim| std::cmp::Reverse(claim.origin));
        }
        self.leases.insert(higher.observable.clone(), higher);
    }

    /// Folds every partition in; answers their ends.
    fn decisions(
        &mut self,
        bus: &Bus,
        protected: &Protected,
        limits: &Limits,
        now: Millis,
    ) -> Result<HashMap<i32, i64>> {
        let mut ends = HashMap::new();
        for partition in 0..Topic::Decisions.partitions() {
            let mut decisions: HashMap<Observable, Vec<(i64, Millis, Decision)>> = HashMap::new();
            let end =
                bus.read_back().read(Topic::Decisions, partition, From::Beginning, &mut |raw| {
                    match raw.decode::<Decision>() {
                        Ok(decision) => {
                            let of_observable =
                                decisions.entry(decision.observable.clone()).or_default();
                            of_observable.push((raw.offset, raw.timestamp, decision));
                        }
                        Err(_) => self.unreadable += 1,
                    }
                    Ok(())
                })?;
            ends.insert(partition, end);
            let epoch = self.epochs.last().map_or(now, |last| now.max(last + 1));
            for (observable, decisions) in decisions {
                self.fold(observable, &decisions, epoch, protected, limits);
            }
        }
        Ok(ends)
    }

    /// Folds the decisions on one observable that its lease does not know yet.
    fn fold(
        &mut self,
        observable: Observable,
        decisions: &[(i64, Millis, Decision)],
        epoch: Millis,
        protected: &Protected,
        limits: &Limits,
    ) {
        let mut lease = self.leases.get(&observable).cloned();
        // What was folded in last marks how much of the topic the lease knows; a topic made anew does not hold it,
        // and then all of it came later.
        let last_known = lease.as_ref().and_then(|lease| lease.recent_decisions.last().copied());
        let known =
            decisions.iter().rposition(|(_, _, decision)| Some(decision.decision_id) == last_known);
        for (offset, at, decision) in decisions.iter().skip(known.map_or(0, |index| index + 1)) {
            let appended = Appended { generation: Generation { epoch, offset: *offset }, at: *at };
            if let Folded::Lease(next) = fold(lease.as_ref(), decision, appended, protected, limits)
            {
                lease = Some(next);
            }
        }
        if let Some(lease) = lease {
            self.leases.insert(observable, lease);
        }
    }
}

fn partition_of(observable: &Observable) -> i32 {
    let key = observable.to_string();
    schemas::topic::partition_of_key(key.as_bytes(), <Decision as Record>::TOPIC.partitions())
}

#[cfg(test)]
mod tests {
    use schemas::Action;
    use uuid::Uuid;

    use super::*;
    use crate::memory::Log;
    use crate::service::Clock;
    use crate::stage::Message;

    const NOW: Millis = 1_795_000_000_000;
    const MINUTE: Millis = 60_000;

    fn decision(id: u128, action: Action, until: Millis) -> Decision {
        Decision {
            decision_id: Uuid::from_u128(id),
            until: Some(until),
            ..Decision::by_operator(action, "81.2.69.142".parse().unwrap())
        }
    }

    /// Folds `folded` into the one lease there is, appends `appended` to `decisions`, adopts, and answers the lease's
    /// claim and offset as `leases` has them then.
    async fn adopted(folded: &[Decision], appended: &[Decision]) -> (Adopted, Lease) {
        let log = Log::new(Clock::manual(NOW));
        let (protected, limits) = (Protected::special(), Limits::default());
        let mut lease = None;
        for (offset, decision) in (0..).zip(folded) {
            let at = Appended { generation: Generation { epoch: 7, offset }, at: NOW };
            if let Folded::Lease(next) = fold(lease.as_ref(), decision, at, &protected, &limits) {
                lease = Some(next);
            }
        }
        if let Some(entry) = lease.map(LeaseEntry::Lease) {
            log.append(Message::of(&entry).unwrap());
        }
        for decision in appended {
            log.append(Message::of(decision).unwrap());
        }
        let bus = Bus::in_memory(log.clone());
        let adoption = Adoption { protected, limits, replaces: vec![5], dry_run: false };
        let told = adopt(&bus, adoption, NOW).await.unwrap();
        let entries = log.messages("leases");
        let decode = |index: usize| LeaseEntry::decode(&entries[index].2.payload).unwrap();
        let LeaseEntry::Lease(lease) = decode(entries.len() - 2) else { panic!("a lease") };
        let LeaseEntry::Epoch(epoch) = decode(entries.len() - 1) else { panic!("the epoch last") };
        assert_eq!((epoch.epoch, &epoch.replaces), (told.epoch, &told.replaces));
        (told, lease)
    }

    #[tokio::test]
    async fn what_no_lease_knows_is_folded_and_what_one_knows_is_not_folded_again() {
        let first = decision(1, Action::Block, NOW + MINUTE);
        let second = decision(2, Action::Allow, NOW + 2 * MINUTE);
        let both = [first.clone(), second.clone()];
        let (told, lease) = adopted(&both, &both).await;
        assert_eq!((told.leases, told.epoch, told.replaces), (1, NOW, vec![5, 7]));
        assert_eq!((lease.claims[0].action, lease.generation.offset), (Action::Allow, 1));
        let (_, lease) = adopted(&both[..1], &both).await;
        assert_eq!(lease.claims[0].action, Action::Allow);
        assert_eq!(lease.recent_decisions.len(), 2);
    }

    #[tokio::test]
    async fn decisions_made_anew_come_later_and_an_empty_topic_takes_nothing_away() {
        let old = decision(1, Action::Block, NOW + MINUTE);
        let (_, lease) = adopted(std::slice::from_ref(&old), &[]).await;
        assert_eq!((lease.claims[0].decision_id, lease.generation.offset), (old.decision_id, -1));
        let (_, lease) = adopted(&[old], &[decision(3, Action::Allow, NOW + MINUTE)]).await;
        assert_eq!((lease.claims[0].action, lease.generation.offset), (Action::Allow, 0));
    }
}
