//! The executor: decisions become leases, and every enforcement point is made equal to them.
//!
//! Three parts share no fate. The *fold* ([`stage`]) turns a decision into a lease and publishes it, nothing more. The
//! *view* ([`view`]) is this replica's copy of all leases; Envoy is answered from it. Each *point* ([`points`]) has a
//! reconcile loop of its own: it makes the point equal to the copy and tells what it did. Two or more replicas run; what
//! needs one writer is done by the owner of partition 0 ([`ownership`]). What ended while nobody was there is found in
//! what was told before ([`recall`]). Each replica can be frozen by itself, with Kafka away ([`freeze`]).
//!
//! What is not here: any decision, and anything that removes an enforcement because the executor stops.

pub mod api;
pub mod config;
pub mod freeze;
pub mod logic;
pub mod ownership;
pub mod points;
pub mod recall;
pub mod stage;
pub mod traces;
pub mod view;

pub use config::Config;
pub use freeze::OwnFreeze;
pub use ownership::Ownership;
pub use stage::{FoldStage, Fuses, Restored};

use ::blocklist::Blocklist;
use anyhow::Result;
use pipeline::{Assigned, Context, Group, LEASE_TOPICS, Leases};
use schemas::LeaseEntry;

use points::{Outbox, aws_waf, blocklist, envoy};
use recall::Recalled;
use traces::Traces;
use view::{Repairs, SeenEpoch, ViewSink};

/// The fold's consumer group.
pub const GROUP: Group = Group("executor");
/// The group that dead-letters what is no lease.
const GROUP_OF_LEASES: Group = Group("executor-leases");
/// How long a fold that stopped waits before it is begun anew.
const FOLD_AGAIN: std::time::Duration = std::time::Duration::from_secs(1);

/// Runs the executor until shutdown.
pub async fn start(config: Config, context: Context) -> Result<()> {
    let leases = Leases::default();
    let ownership = Ownership::default();
    let publisher = context.bus.publisher()?;
    let (repairs, asking) = Repairs::channel();
    let traces = Traces::default();
    let (outbox, outgoing) = Outbox::channel(traces.clone());
    let seen = SeenEpoch::default();
    let recalled = Recalled::default();
    let freeze = OwnFreeze::new(leases.clone(), config.freeze_file.as_deref(), context.clock.now());
    let protected = config.policy.protected();
    let (context, leases) = (&context, &leases);

    let late = view::late_writes(&repairs, &ownership);
    let sink = ViewSink::new(leases.sink_with(late), seen.clone(), traces);
    let trusted = envoy::trusted(&config.policy);
    let waf = match &config.waf {
        Some(waf) => Some(aws_waf::Provider::Service(Box::new(aws_waf::Service::new(waf).await))),
        None => None,
    };
    let redis = config.redis.as_deref().map(Blocklist::connect).transpose()?;

    tokio::try_join!(
        pipeline::follow(context, &LEASE_TOPICS, sink),
        fold(context, leases, &ownership, &repairs, &config),
        proofread(context),
        view::watch(context, leases, &ownership),
        view::repair(context, leases, &ownership, &publisher, asking),
        view::repeat_epoch(context, leases, &ownership, &publisher, &seen),
        points::publish(context, &publisher, outgoing),
        recall::watch(context, leases, &ownership, &recalled),
        freeze::watch(context, &freeze, config.freeze_file.clone()),
        envoy::serve(context, config.authz, leases.clone(), protected.clone(), trusted, &freeze),
        envoy::reconcile(context, leases, protected.clone(), &outbox, &recalled),
        optional(waf.as_ref(), |provider| {
            aws_waf::reconcile(
                context, leases, &ownership, &protected, provider, &outbox, &recalled,
            )
        }),
        optional(redis.as_ref(), |redis| {
            blocklist::reconcile(context, leases, &ownership, &protected, redis, &outbox, &recalled)
        }),
    )
    .map(|_| ())
}

/// Folds the partitions that this replica is given, once its copy of the leases is whole.
async fn fold(
    context: &Context,
    leases: &Leases,
    ownership: &Ownership,
    repairs: &Repairs,
    config: &Config,
) -> Result<()> {
    if !view::complete(context, leases).await {
        return Ok(());
    }
    let fuses = Fuses { protected: config.policy.protected(), limits: config.policy.limits() };
    let (leases, ownership, repairs) = (leases.clone(), ownership.clone(), repairs.clone());
    let open = move |assigned: Assigned| {
        FoldStage::open(&assigned, fuses.clone(), leases.clone(), &ownership, &repairs)
    };
    again(context, GROUP, || pipeline::run(context, GROUP, open.clone())).await
}

/// Runs a group, and begins it anew when it fails. What reads in a group shares no fate with the view: whatever befalls
/// it, Envoy is answered from what is known and claims end on time, so it never ends the process.
async fn again<F: Future<Output = Result<()>>>(
    context: &Context,
    group: Group,
    run: impl Fn() -> F,
) -> Result<()> {
    let restarts = metrics::counter!("perimeter_group_restarts_total", "group" => group.0);
    restarts.increment(0);
    loop {
        match run().await {
            Ok(()) => return Ok(()),
            Err(error) if context.shutdown.is_cancelled() => return Err(error),
            Err(error) => {
                tracing::error!(
                    group = group.0,
                    error = format!("{error:#}"),
                    "a group stopped; beginning it anew"
                );
                restarts.increment(1);
                context.health.set(format!("stage {}", group.0), false);
            }
        }
        tokio::select! {
            () = tokio::time::sleep(FOLD_AGAIN) => {}
            () = context.shutdown.cancelled() => return Ok(()),
        }
    }
}

/// Dead-letters what is no lease. As the fold, it must not take the process with it.
async fn proofread(context: &Context) -> Result<()> {
    again(context, GROUP_OF_LEASES, || pipeline::proofread::<LeaseEntry>(context, GROUP_OF_LEASES))
        .await
}

async fn optional<T, F>(point: Option<T>, run: impl FnOnce(T) -> F) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    match point {
        Some(point) => run(point).await,
        None => Ok(()),
    }
}
