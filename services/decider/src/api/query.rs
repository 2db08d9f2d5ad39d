//! Query: what holds, where, and why. Answered from memory; changes nothing.

use std::cmp::Reverse;
use std::pin::Pin;

use proto::v1::query_server::Query;
use proto::v1::{
    ClaimState, ExplainReply, ExplainRequest, GetRequest, Happening, KpisReply, KpisRequest,
    ListReply, ListRequest, ObservableState, PointSummary, StatusReply, StatusRequest,
    WatchRequest,
};
use schemas::{Action, Claim, Millis, Observable, Origin, Protected, View};
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::explain::{self, Around};
use super::watching::watched;
use super::{CONNECTION_AGE_MAX, Shared, answers};
use crate::index::{Index, Spoken};
use crate::logic::kpis::figures;
use crate::names;

const LIST_DEFAULT: usize = 1_000;
const LIST_MAX: usize = 10_000;
/// Most claims in an answer about one network.
const CLAIMS_MAX: usize = 1_000;
/// Ended claims are listed this long.
const ENDED_MS: Millis = crate::RETAINED_MS;
/// Most happenings in one answer: the newest.
const HISTORY_MAX: usize = 200;
/// A copy of the leases older than this is a problem worth telling.
const STALE_MS: Millis = 5_000;
/// A claim may take this long to be put in force before its point counts as behind.
const SETTLE_MS: Millis = 5_000;
const WATCH_BUFFER: usize = 256;

/// The Query service.
pub struct Queries {
    shared: Shared,
    shutdown: CancellationToken,
}

impl Queries {
    pub fn new(shared: Shared, shutdown: CancellationToken) -> Self {
        Queries { shared, shutdown }
    }

    /// Everything known about one observable.
    pub fn state(&self, observable: &Observable) -> ObservableState {
        let (shared, now) = (&self.shared, self.shared.clock.now());
        let network = observable.network();
        let protected = &shared.rules.protected;
        let (claims, total, (action, overlaps, explanation)) = shared.leases.read(|reader| {
            let view = reader.view();
            let leases = answers::leases_about(view, network);
            let mut claims: Vec<_> = leases
                .iter()
                .flat_map(|lease| lease.claims.iter().map(move |claim| (*lease, claim)))
                .collect();
            let total = answers::count(claims.len());
            if claims.len() > CLAIMS_MAX {
                // What has ended is left out first, and what operators decided last: of a wide network they ask for that.
                claims.sort_by_key(|(_, claim)| {
                    (claim.until <= now, claim.origin != Origin::Operator)
                });
                claims.truncate(CLAIMS_MAX);
            }
            let claims: Vec<ClaimState> = shared.index.read(|index| {
                let shown = claims.iter();
                shown
                    .map(|(lease, claim)| answers::claim(lease, claim, view, protected, index, now))
                    .collect()
            });
            (claims, total, answers::holding(network, view, protected, now))
        });
        ObservableState {
            observable: observable.to_string(),
            action: names::action(action).to_owned(),
            explanation,
            claims,
            history: shared.index.read(|index| index.history(network, HISTORY_MAX)),
            protected: overlaps,
            total,
        }
    }

    /// The whole story of one observable.
    pub fn explain(&self, observable: &Observable) -> ExplainReply {
        let (shared, now) = (&self.shared, self.shared.clock.now());
        shared.leases.read(|reader| {
            let around = Around { view: reader.view(), protected: &shared.rules.protected, now };
            shared.index.read(|index| explain::explain(observable, index, &around))
        })
    }

    /// The key figures.
    pub fn kpis(&self) -> KpisReply {
        let (shared, now) = (&self.shared, self.shared.clock.now());
        let active = shared
            .leases
            .read(|reader| in_force(reader.view(), &shared.rules.protected, now).len());
        let (retained, since) =
            shared.index.read(|index| (index.retained(), index.retained_since()));
        answers::kpis(&figures(&retained, now), since, now, active)
    }

    /// The claims, newest first, and how many there are.
    pub fn claims(&self, limit: usize, include_ended: bool) -> ListReply {
        let now = self.shared.clock.now();
        let protected = &self.shared.rules.protected;
        self.shared.leases.read(|reader| {
            let view = reader.view();
            let listed = |until: Millis| until > now || (include_ended && until > now - ENDED_MS);
            let mut claims: Vec<_> = view
                .leases()
                .flat_map(|lease| lease.claims.iter().map(move |claim| (lease, claim)))
                .filter(|(_, claim)| listed(claim.until))
                .collect();
            claims.sort_by_key(|(lease, claim)| {
                (Reverse(claim.decided_at), lease.observable.clone())
            });
            let total = answers::count(claims.len());
            claims.truncate(limit);
            let claims = self.shared.index.read(|index| {
                let shown = claims.iter();
                shown
                    .map(|(lease, claim)| answers::claim(lease, claim, view, protected, index, now))
                    .collect()
            });
            ListReply { claims, total }
        })
    }

    /// Mode, freeze, points, and what is down.
    pub fn summary(&self) -> StatusReply {
        let shared = &self.shared;
        let now = shared.clock.now();
        let age_ms = shared.leases.age_ms(now);
        let (frozen_since, asked, held, mut reply) = shared.leases.read(|reader| {
            let view = reader.view();
            let reply =
                shared.index.read(|index| points(view, index, &shared.rules.protected, now));
            (view.frozen_since(), view.mode(), reader.hold(), reply)
        });
        reply.mode = names::mode(shared.rules.mode(asked)).to_owned();
        reply.policy_mode = names::mode(shared.rules.policy.mode).to_owned();
        reply.frozen = frozen_since.is_some();
        reply.frozen_since = frozen_since.unwrap_or(0);
        reply.view_age_ms = age_ms.unwrap_or(0);
        let mut problems: Vec<String> = held.iter().map(ToString::to_string).collect();
        if let Some(age_ms) = age_ms.filter(|age_ms| *age_ms > STALE_MS) {
            problems.push(format!(
                "the end of the log was last confirmed {} s ago; is Kafka reachable",
                age_ms / 1_000
            ));
        }
        problems.append(&mut reply.problems);
        reply.problems = problems;
        reply
    }

    /// Explain and Kpis speak of what is not retained, so they wait until all that is was read.
    fn told(&self) -> Result<(), Status> {
        self.ready()?;
        if self.shared.index.read(Index::complete) {
            return Ok(());
        }
        Err(Status::unavailable(
            "this decider has not read the last 24 hours yet; ask again in a moment",
        ))
    }

    fn ready(&self) -> Result<(), Status> {
        if self.shared.leases.read(|reader| reader.complete()) {
            return Ok(());
        }
        Err(Status::unavailable("this decider has not read the leases yet; ask again in a moment"))
    }
}

/// The claims in force, whoever decided them.
fn in_force<'a>(view: &'a View, protected: &Protected, now: Millis) -> Vec<&'a Claim> {
    let claims = view.leases().flat_map(|lease| {
        lease.claims.iter().map(move |claim| (lease.observable.network(), claim))
    });
    claims
        .filter(|(network, claim)| {
            answers::standing(*network, claim, view, protected, now).is_none()
        })
        .map(|(_, claim)| claim)
        .collect()
}

/// What each point holds of the claims in force.
fn points(view: &View, index: &Index, protected: &Protected, now: Millis) -> StatusReply {
    let in_force = in_force(view, protected, now);
    let mut reply =
        StatusReply { claims_in_force: answers::count(in_force.len()), ..StatusReply::default() };
    let blocks: Vec<_> = in_force
        .iter()
        .filter(|claim| claim.action == Action::Block)
        .map(|claim| (claim, index.points_of(claim.decision_id)))
        .collect();
    // What the points said of a claim decided before may have fallen out.
    let judged = index.retained_since()..now - SETTLE_MS;
    for (point, Spoken { highest, last_at }) in index.points() {
        let mut summary = PointSummary { point: point.clone(), last_at, ..PointSummary::default() };
        let mut spoke = false;
        let mut behind = 0;
        for (claim, states) in &blocks {
            let state = states.iter().find(|state| state.point == point);
            let state = state.cloned().unwrap_or_default();
            spoke |= !state.status.is_empty();
            let applied = state.status == "applied" && state.phase == "apply";
            summary.applied += i64::from(applied);
            summary.failed += i64::from(state.status == "failed");
            summary.proved +=
                i64::from(highest > 0 && state.phase == "apply" && state.level >= highest);
            behind += i64::from(!applied && judged.contains(&claim.decided_at));
        }
        if spoke && behind > 0 {
            let holds = summary.applied;
            reply.problems.push(format!(
                "{point} holds {holds} claims in force and lacks {behind} that it should hold"
            ));
        }
        reply.points.push(summary);
    }
    reply
}

#[tonic::async_trait]
impl Query for Queries {
    async fn get(&self, request: Request<GetRequest>) -> Result<Response<ObservableState>, Status> {
        let observable = observable(&request.get_ref().observable)?;
        self.ready()?;
        Ok(Response::new(self.state(&observable)))
    }

    async fn list(&self, request: Request<ListRequest>) -> Result<Response<ListReply>, Status> {
        let asked = request.into_inner();
        let limit = match usize::try_from(asked.limit) {
            Ok(0) => LIST_DEFAULT,
            Ok(limit) => limit.min(LIST_MAX),
            Err(_) => {
                return Err(Status::invalid_argument(
                    "a limit below 0 lists nothing; leave it out for 1000",
                ));
            }
        };
        self.ready()?;
        Ok(Response::new(self.claims(limit, asked.include_ended)))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<Happening, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let text = request.into_inner().observable;
        let only = if text.is_empty() { None } else { Some(observable(&text)?) };
        let (sender, receiver) = mpsc::channel(WATCH_BUFFER);
        let (news, shutdown) = (self.shared.index.watch(), self.shutdown.clone());
        tokio::spawn(watched(news, only, sender, shutdown, CONNECTION_AGE_MAX));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn explain(
        &self,
        request: Request<ExplainRequest>,
    ) -> Result<Response<ExplainReply>, Status> {
        let observable = observable(&request.get_ref().observable)?;
        self.told()?;
        Ok(Response::new(self.explain(&observable)))
    }

    async fn kpis(&self, _: Request<KpisRequest>) -> Result<Response<KpisReply>, Status> {
        self.told()?;
        Ok(Response::new(self.kpis()))
    }

    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusReply>, Status> {
        Ok(Response::new(self.summary()))
    }
}

fn observable(text: &str) -> Result<Observable, Status> {
    text.parse().map_err(|error: schemas::observable::ParseError| {
        Status::invalid_argument(error.to_string())
    })
}
