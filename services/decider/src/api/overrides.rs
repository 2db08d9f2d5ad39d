//! Override: what an operator changes. Every answer comes after Kafka acknowledged.

mod calls;

use std::collections::VecDeque;
use std::time::Duration;

use proto::v1::{ControlReply, ControlRequest, DecisionReply, ModeReply, SetModeRequest};
use schemas::control::{SCOPE_ALL, SCOPE_MODE};
use schemas::{Control, Decision, Millis, Mode, Record, Setting, Topic};
use tokio::sync::Mutex;
use tonic::Status;
use uuid::Uuid;

use super::{Shared, answers, standing};
use crate::logic::overrides::{
    Asked, Refused, Standing, decision, idempotency_key, leased, mode, observable, outranked_by,
    reason, repeats,
};
use crate::names;

/// How long a call waits for Kafka, and before that for the calls before it, which do. The record may arrive later all the
/// same, so a repeat uses the same key.
const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a block, unblock or allow waits until what was decided before is read: a decider that just started reads it.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// How often it looks meanwhile.
const READ_INTERVAL: Duration = Duration::from_millis(20);
/// Requests just answered, until the follower shows them.
const JUST_MAX: usize = 1_000;

/// The Override service.
pub struct Overrides {
    shared: Shared,
    /// What was just decided, and when. One request at a time: two with the same key must not both be new.
    decisions: Mutex<VecDeque<(Millis, Decision)>>,
    /// The same of freezes and modes. Nobody who stops automation waits for a block that Kafka has not taken yet.
    controls: Mutex<VecDeque<(Uuid, Setting)>>,
    acknowledge_within: Duration,
    read_within: Duration,
}

impl Overrides {
    pub fn new(shared: Shared) -> Self {
        let (decisions, controls) = (Mutex::default(), Mutex::default());
        let (acknowledge_within, read_within) = (ACKNOWLEDGE_TIMEOUT, READ_TIMEOUT);
        Overrides { shared, decisions, controls, acknowledge_within, read_within }
    }

    /// Makes `asked` a decision and publishes it, unless the same key was answered before.
    pub async fn decide(&self, asked: &Asked<'_>) -> Result<Decision, Status> {
        self.decided(asked).await.map(|(decision, _)| decision)
    }

    /// As [`Overrides::decide`], as the caller is told it: with what outranks the decision.
    pub async fn answer(&self, asked: &Asked<'_>) -> Result<DecisionReply, Status> {
        let (decision, standing) = self.decided(asked).await?;
        let outranked_by = outranked_by(&decision, &standing, self.shared.clock.now());
        let decision = Some(answers::decision(&decision));
        Ok(DecisionReply { decision, outranked_by: outranked_by.unwrap_or_default() })
    }

    /// The decision, and what operators decided last about what lies around and inside it; about the very network only where
    /// the decision is told again, for it may not be the last any more.
    async fn decided(&self, asked: &Asked<'_>) -> Result<(Decision, Vec<Standing>), Status> {
        let key = idempotency_key(asked.idempotency_key).map_err(status)?;
        self.read_before().await?;
        let mut just = self.acknowledged(self.decisions.lock()).await?;
        let (rules, now) = (&self.shared.rules, self.shared.clock.now());
        let mut standing = self.standing(asked, &just);
        let known = just.iter().find(|(_, decision)| decision.decision_id == key).cloned();
        if let Some((at, known)) = known.or_else(|| self.decided_before(key, asked)) {
            let same = repeats(rules, &known, at, asked);
            return if same { Ok((known, standing)) } else { Err(used(key)) };
        }
        let decision = decision(rules, asked, &standing, now).map_err(status)?;
        self.publish(&decision).await?;
        tracing::info!(
            decision = decision.explanation,
            by = asked.operator,
            "an operator overrides"
        );
        if just.len() == JUST_MAX {
            just.pop_front();
        }
        just.push_back((now, decision.clone()));
        // Of the very network, this is what operators decided last.
        standing.retain(|standing| standing.network != decision.observable.network());
        Ok((decision, standing))
    }

    /// What was decided under `key`, by any decider, and when: as `decisions` has it, or, where that is not retained any
    /// more, as the lease on the observable does.
    fn decided_before(&self, key: Uuid, asked: &Asked<'_>) -> Option<(Millis, Decision)> {
        let told = self.shared.index.read(|index| {
            index.story(key)?.decision().map(|(at, decision)| (at, decision.clone()))
        });
        told.or_else(|| {
            let observable = observable(asked).ok()?;
            self.shared.leases.read(|reader| {
                let claims = &reader.view().lease(&observable)?.claims;
                let claim = claims.iter().find(|claim| claim.decision_id == key)?;
                Some((claim.decided_at, leased(observable.clone(), claim)))
            })
        })
    }

    /// Waits until it is read what was decided before: a repeat must not be taken for a new request, nor be judged by the
    /// part that happens to be read, and what stands must be seen.
    async fn read_before(&self) -> Result<(), Status> {
        let Shared { index, leases, .. } = &self.shared;
        let reading = async {
            while !index.read(|index| index.has_read(Topic::Decisions))
                || !leases.read(|reader| reader.complete())
            {
                tokio::time::sleep(READ_INTERVAL).await;
            }
        };
        tokio::time::timeout(self.read_within, reading).await.map_err(|_| {
            Status::unavailable(
                "this decider has just started and has not read yet what was decided before; ask again in a moment, \
                 with the same idempotency key",
            )
        })
    }

    /// What operators decided last about what is asked about, and about what lies around and inside it. Not by the
    /// leases alone: they show a decision only a moment after it was acknowledged.
    fn standing(&self, asked: &Asked<'_>, just: &VecDeque<(Millis, Decision)>) -> Vec<Standing> {
        let Ok(observable) = observable(asked) else { return Vec::new() };
        let (network, index) = (observable.network(), &self.shared.index);
        self.shared.leases.read(|reader| {
            index.read(|index| standing::standing(network, reader.view(), index, just))
        })
    }

    /// Freezes or thaws automation, unless the same key was answered before.
    pub async fn control(
        &self,
        asked: &ControlRequest,
        frozen: bool,
        operator: &str,
    ) -> Result<ControlReply, Status> {
        let setting = Setting::Frozen(frozen);
        self.set(setting, &asked.idempotency_key, &asked.reason, operator).await?;
        let since = self.shared.leases.read(|reader| reader.view().frozen_since());
        Ok(ControlReply { frozen, frozen_since: since.filter(|_| frozen).unwrap_or(0) })
    }

    /// Sets the mode, unless the same key was answered before.
    pub async fn mode(&self, asked: &SetModeRequest, operator: &str) -> Result<ModeReply, Status> {
        let mode = mode(&self.shared.rules, &asked.mode).map_err(status)?;
        let (key, reason) = (&asked.idempotency_key, &asked.reason);
        self.set(Setting::Mode(mode), key, reason, operator).await?;
        let rules = &self.shared.rules;
        Ok(ModeReply {
            mode: names::mode(rules.mode(Some(mode))).to_owned(),
            policy_mode: names::mode(rules.policy.mode).to_owned(),
        })
    }

    async fn set(
        &self,
        setting: Setting,
        key: &str,
        why: &str,
        operator: &str,
    ) -> Result<(), Status> {
        let control_id = idempotency_key(key).map_err(status)?;
        let reason = reason(why).map_err(status)?;
        let mut just = self.acknowledged(self.controls.lock()).await?;
        let known = just.iter().find(|(id, _)| *id == control_id).map(|(_, known)| Some(*known));
        let known = known.or_else(|| self.shared.index.read(|index| index.control_of(control_id)));
        match known {
            Some(known) if known == Some(setting) => return Ok(()),
            Some(_) => return Err(used(control_id)),
            None => {}
        }
        let (complete, since) =
            self.shared.leases.read(|reader| (reader.complete(), reader.view().frozen_since()));
        // What lets automation go on must be no repeat: somebody may have stopped it again since. A freeze waits only so
        // long as it could forget since when another stands, and let in what was decided between the two.
        let stops = matches!(setting, Setting::Frozen(true) | Setting::Mode(Mode::Simulated));
        let known = stops || self.shared.index.read(|index| index.has_read(Topic::Controls));
        if !complete || !known {
            return Err(Status::unavailable(
                "this decider has just started and has not read yet what was said about automation before; ask again in \
                 a moment, with the same idempotency key",
            ));
        }
        let (scope, frozen, mode) = match setting {
            Setting::Frozen(frozen) => (SCOPE_ALL, frozen, None),
            Setting::Mode(mode) => (SCOPE_MODE, false, Some(mode)),
        };
        let control = Control {
            control_id,
            scope: scope.to_owned(),
            frozen,
            frozen_since: since.filter(|_| frozen),
            requested_at: self.shared.clock.now(),
            requested_by: operator.to_owned(),
            reason: reason.to_owned(),
            mode,
        };
        self.publish(&control).await?;
        let what = names::setting(Some(setting));
        tracing::warn!(what, by = operator, reason, "what automation may do was changed");
        if just.len() == JUST_MAX {
            just.pop_front();
        }
        just.push_back((control_id, setting));
        Ok(())
    }

    async fn publish<R: Record + Sync>(&self, record: &R) -> Result<(), Status> {
        let published = self.acknowledged(self.shared.publisher.publish(record)).await?;
        published.map_err(|error| {
            Status::unavailable(format!("{error}; ask again with the same idempotency key"))
        })
    }

    /// Waits for what is over once Kafka acknowledged, and no longer than that may take.
    async fn acknowledged<T>(&self, waiting: impl Future<Output = T>) -> Result<T, Status> {
        tokio::time::timeout(self.acknowledge_within, waiting).await.map_err(|_| {
            Status::unavailable(format!(
                "Kafka did not acknowledge within {} s; ask again with the same idempotency key",
                self.acknowledge_within.as_secs()
            ))
        })
    }
}

fn used(key: Uuid) -> Status {
    Status::invalid_argument(format!(
        "the idempotency key {key} was used for another request; draw a new one"
    ))
}

fn status(refused: Refused) -> Status {
    match refused {
        Refused::Invalid(sentence) => Status::invalid_argument(sentence),
        Refused::Fuse(sentence) => Status::failed_precondition(sentence),
        Refused::Role(sentence) => Status::permission_denied(sentence),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use observe::Policy;
    use pipeline::memory::Log;
    use pipeline::{Bus, Clock, Follow as _, Leases, Update};

    use super::*;
    use crate::logic::Rules;
    use crate::logic::overrides::Wish;

    const NOW: Millis = 1_795_000_000_000;
    const ADA: &str = "spiffe://perimeter/operator/ada";

    /// Has read the leases, and every decision: there is none.
    fn overrides() -> Overrides {
        let overrides = started();
        overrides.shared.index.completed(Topic::Decisions);
        overrides
    }

    /// Has read the leases, and nothing else.
    fn started() -> Overrides {
        let clock = Clock::manual(NOW);
        let bus = Bus::in_memory(Log::new(clock.clone()));
        let leases = Leases::default();
        for topic in [Topic::Leases, Topic::Controls] {
            leases.sink().update(Update::Reached { topic, partition: 0, end: 0, now: NOW });
        }
        Overrides::new(Shared {
            rules: Arc::new(Rules::new(Policy::parse("").unwrap())),
            leases,
            index: crate::index::Shared::default(),
            publisher: bus.publisher().unwrap(),
            clock,
        })
    }

    fn block(idempotency_key: &str) -> Asked<'_> {
        Asked {
            wish: Wish::Block,
            observable: "81.2.69.142",
            duration_ms: 60_000,
            reason: "a test",
            idempotency_key,
            operator: ADA,
            admin: true,
        }
    }

    #[tokio::test]
    async fn a_freeze_does_not_wait_for_a_block_that_kafka_does_not_take() {
        let overrides = overrides();
        // Who waits for Kafka to take a decision holds this.
        let _stuck = overrides.decisions.lock().await;
        let idempotency_key = Uuid::from_u128(1).to_string();
        let asked = ControlRequest { reason: "it blocks our partner".to_owned(), idempotency_key };
        let freezing = overrides.control(&asked, true, ADA);
        let frozen = tokio::time::timeout(Duration::from_secs(5), freezing).await;
        assert!(frozen.expect("it waits for the block").unwrap().frozen);
    }

    #[tokio::test]
    async fn whoever_waits_behind_somebody_for_whom_kafka_does_nothing_is_told_so_as_he_is() {
        let overrides = Overrides { acknowledge_within: Duration::ZERO, ..overrides() };
        let _stuck = (overrides.decisions.lock().await, overrides.controls.lock().await);
        let idempotency_key = Uuid::from_u128(1).to_string();
        let asked = ControlRequest { reason: "a test".to_owned(), idempotency_key };
        let behind_a_freeze = overrides.control(&asked, true, ADA).await.unwrap_err();
        let behind_a_block = overrides.decide(&block(&asked.idempotency_key)).await.unwrap_err();
        for told in [behind_a_freeze, behind_a_block] {
            assert_eq!(told.code(), tonic::Code::Unavailable);
            assert!(told.message().starts_with("Kafka did not acknowledge"), "{}", told.message());
        }
    }

    #[tokio::test]
    async fn whoever_asks_a_decider_that_does_not_come_to_read_is_told_so() {
        let overrides = Overrides { read_within: Duration::ZERO, ..started() };
        let key = Uuid::from_u128(1).to_string();
        let told = overrides.decide(&block(&key)).await.unwrap_err();
        assert_eq!(told.code(), tonic::Code::Unavailable);
        assert!(told.message().contains("the same idempotency key"), "{}", told.message());
        overrides.shared.index.completed(Topic::Decisions);
        overrides.decide(&block(&key)).await.unwrap();
    }
}
