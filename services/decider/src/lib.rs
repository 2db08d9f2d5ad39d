//! The decider: one answer to each detection, and the operator's word.
//!
//! The stage on `detections` answers with the least harmful remedy the policy allows ([`logic::decide`]). What it must
//! remember is a fold of `decisions`, restored from the log at every start and kept by following it, so a replay gives
//! the same answer and nothing is lost with the process. Operators override over gRPC: an override is a decision like
//! any other, of origin operator. What is not here: putting anything in force, and judging whether it held.

pub mod api;
mod config;
pub mod index;
pub mod logic;
mod names;
pub mod restore;
pub mod stage;
pub mod tail;

use std::sync::Arc;

use pipeline::{Context, From, Group, LEASE_TOPICS, Leases};
use schemas::{Control, Outcome, Topic};

pub use config::Config;
pub use logic::Rules;
pub use stage::Decide;

/// How far back the index answers.
pub const RETAINED_MS: i64 = 24 * 60 * 60 * 1000;

/// Runs the decider until shutdown.
pub async fn start(config: Config, context: Context) -> anyhow::Result<()> {
    stage::announce();
    let rules = Arc::new(Rules::new(config.policy));
    let leases = Leases::default();
    let (pasts, networks) = (tail::Pasts::default(), stage::SharedNetworks::default());
    let shared = api::Shared {
        rules: rules.clone(),
        leases: leases.clone(),
        index: index::Shared::default(),
        publisher: context.bus.publisher()?,
        clock: context.clock.clone(),
    };
    let served = api::serve(&context, shared.clone(), config.api, config.plaintext);
    let since = context.clock.now() - RETAINED_MS;
    shared.index.forget(since);
    let topics = index::TOPICS.map(|topic| (topic, From::Since(since)));
    // A request of an operator's waits until what was decided before is known, and not for all that came of it.
    let (decided, rest): (Vec<_>, Vec<_>) = topics
        .into_iter()
        .partition(|(topic, _)| matches!(topic, Topic::Decisions | Topic::Controls));
    let tail = || {
        let (pasts, networks) = (pasts.clone(), networks.clone());
        tail::Tail::new(rules.clone(), pasts, networks, shared.index.clone())
    };
    // What was is asked for by people, who do not see half a second.
    let unhurried = Context { bus: context.bus.clone().in_bulk(), ..context.clone() };
    let decided = pipeline::follow(&unhurried, &decided, tail());
    let rest = pipeline::follow(&unhurried, &rest, tail());
    let copied = pipeline::follow(&context, &LEASE_TOPICS, leases.sink());
    let clock = context.clock.clone();
    let context = &context;
    let stages = async move {
        // Until the controls were read, nobody knows whether what is decided may be enforced.
        if !api::complete(&leases, &context.shutdown).await {
            return Ok(());
        }
        pipeline::run(context, Group("decider"), move |assigned| {
            let past = restore::restore(&assigned, &rules, &pasts, clock.now())?;
            Ok(Decide::new(rules.clone(), past, leases.clone(), networks.clone()))
        })
        .await
    };
    let outcomes = pipeline::proofread::<Outcome>(context, Group("decider-outcomes"));
    let controls = pipeline::proofread::<Control>(context, Group("decider-controls"));
    tokio::try_join!(served, decided, rest, copied, stages, outcomes, controls).map(|_| ())
}
