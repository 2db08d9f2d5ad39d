//! One run: the canary, then visitors and attackers together, then the wait for what is still in force.
//!
//! A single loop owns the ledger; visitors, attackers and the reader of Kafka only send to it.

pub mod attackers;
pub mod http;
pub mod plan;
pub mod visitors;

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::anyhow;
use schemas::{Millis, Protected};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::ledger::{Incident, Ledger};
use crate::report::{Context, Report};
use crate::terminal::Terminal;
use crate::watch::{Seen, Watch};
use attackers::Progress;
use http::{Answer, Edge};
use plan::{GOOD_PER_SECOND, IncidentPlan, Plan, VISITOR_COUNT};

/// How long the canary may take to be proved and lifted.
pub const CANARY_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the run waits for what is still in force at its end: the ladder's longest step and some.
const LIFTS_TIMEOUT: Duration = Duration::from_secs(75);
/// How long records that are still missing are waited for once every attacker has gone.
const STRAGGLERS_TIMEOUT: Duration = Duration::from_secs(10);
const COUNT_TIMEOUT: Duration = Duration::from_secs(30);
const COUNT_TIMEOUT_INTERRUPTED: Duration = Duration::from_secs(3);
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);
const QUEUE_MAX: usize = 4096;

/// What happens to a run.
#[derive(Debug)]
pub enum Input {
    /// An attacker begins, and wants to know how far its incident has come.
    Begun { plan: IncidentPlan, at: Millis, progress: watch::Sender<Progress> },
    /// An attacker's request was answered.
    Attacker { id: usize, answer: Answer },
    /// A good visitor's request was answered.
    Good { address: IpAddr, target: String, answer: Answer },
}

/// What a run needs to know.
pub struct Options {
    pub bootstrap: String,
    pub listener: String,
    /// Networks from which nobody may come.
    pub protected: Protected,
    pub seconds: u64,
    pub seed: u64,
    pub canary_timeout: Duration,
    /// Nobody watches, so a signal is not how it is meant to end.
    pub headless: bool,
}

/// Runs, and reports. An error means that the run could not begin.
pub async fn run(
    options: Options,
    terminal: &mut Terminal,
    interrupted: CancellationToken,
) -> anyhow::Result<Report> {
    let edge = Edge::new(&options.listener)?;
    let Plan { seed, seconds, last_begin, canary, attackers, visitors } =
        Plan::new(options.seed, options.seconds, options.protected);
    let watch = Watch::start(&options.bootstrap).await?;
    let stop = CancellationToken::new();
    let _stopped = stop.clone().drop_guard();
    let (inputs, receiver) = mpsc::channel(QUEUE_MAX);
    let (seen_sender, seen) = mpsc::channel(QUEUE_MAX);
    let reader = watch.clone();
    let reader_stop = stop.clone();
    tokio::spawn(async move { reader.read(seen_sender, reader_stop).await });

    let canary_id = canary.id;
    let mut run = Run::new(receiver, seen, terminal, canary_id, interrupted);
    run.note(&format!("seed {seed}; the canary attacks from {}: SQL injection", canary.address));
    let (canary_edge, canary_inputs, canary_stop) = (edge.clone(), inputs.clone(), stop.clone());
    tokio::spawn(async move {
        attackers::incident_of(&canary_edge, canary, &canary_inputs, &canary_stop).await;
    });
    let proved_and_lifted = |ledger: &Ledger| {
        ledger
            .incident(canary_id)
            .is_some_and(|incident| incident.proof.is_some() && incident.lift_proved_at().is_some())
    };
    let begun =
        run.until(Instant::now() + options.canary_timeout, proved_and_lifted).await == Ended::Met;
    if begun {
        let traffic = Traffic { edge, attackers, visitors, last_begin, seconds };
        run.traffic(traffic, &inputs, &stop).await;
    }
    stop.cancel();
    run.note("counting what Kafka has");
    // Whoever interrupts does not want to wait for a broker that is away.
    let patience =
        if run.interrupted.is_cancelled() { COUNT_TIMEOUT_INTERRUPTED } else { COUNT_TIMEOUT };
    let growth = tokio::time::timeout(patience, watch.growth())
        .await
        .unwrap_or_else(|_| Err(anyhow!("Kafka gave no answer")));
    let growth = growth
        .inspect_err(|error| run.note(&format!("events and dead letters are unknown: {error:#}")))
        .ok();
    let interrupted = run.interrupted.is_cancelled();
    Ok(Report::new(
        &run.ledger,
        &Context {
            seed,
            seconds,
            canary: canary_id,
            interrupted,
            headless: options.headless,
            begun,
            growth,
        },
    ))
}

/// Who takes part once the canary is through.
struct Traffic {
    edge: Edge,
    attackers: Vec<plan::Attacker>,
    visitors: plan::Visitors,
    last_begin: Duration,
    seconds: u64,
}

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Met,
    TimedOut,
    Interrupted,
}

/// The loop that owns the ledger.
struct Run<'a> {
    ledger: Ledger,
    progress: HashMap<usize, watch::Sender<Progress>>,
    inputs: mpsc::Receiver<Input>,
    seen: mpsc::Receiver<Seen>,
    terminal: &'a mut Terminal,
    canary: usize,
    interrupted: CancellationToken,
    started: Instant,
    progress_due: Instant,
}

impl<'a> Run<'a> {
    fn new(
        inputs: mpsc::Receiver<Input>,
        seen: mpsc::Receiver<Seen>,
        terminal: &'a mut Terminal,
        canary: usize,
        interrupted: CancellationToken,
    ) -> Self {
        let started = Instant::now();
        Run {
            ledger: Ledger::default(),
            progress: HashMap::new(),
            inputs,
            seen,
            terminal,
            canary,
            interrupted,
            started,
            progress_due: started + PROGRESS_INTERVAL,
        }
    }

    /// Visitors and attackers until the end, then attackers alone until nothing is in force any more.
    async fn traffic(
        &mut self,
        traffic: Traffic,
        inputs: &mpsc::Sender<Input>,
        stop: &CancellationToken,
    ) {
        let Traffic { edge, attackers, visitors, last_begin, seconds } = traffic;
        self.note(&format!(
            "the canary was blocked, proved and lifted; now {seconds} s of traffic: {VISITOR_COUNT} visitors with \
             {GOOD_PER_SECOND} requests/s, {} attackers",
            attackers.len()
        ));
        let begun = Instant::now();
        let visiting = stop.child_token();
        tokio::spawn(visitors::browse(edge.clone(), visitors, inputs.clone(), visiting.clone()));
        let mut playing = JoinSet::new();
        for attacker in attackers {
            playing.spawn(attackers::play(
                edge.clone(),
                attacker,
                begun,
                last_begin,
                inputs.clone(),
                stop.child_token(),
            ));
        }
        let ends = begun + Duration::from_secs(seconds);
        self.until(ends, |_| false).await;
        visiting.cancel();
        self.note(&format!(
            "no more attacks; {} blocks still to be lifted",
            self.ledger.outstanding()
        ));
        let deadline = ends + LIFTS_TIMEOUT;
        while !playing.is_empty() && Instant::now() < deadline {
            // An attacker's end is looked for a few times a second; the loop goes on meanwhile.
            while playing.try_join_next().is_some() {}
            let tick = Instant::now() + Duration::from_millis(200);
            if self.until(tick.min(deadline), |_| false).await == Ended::Interrupted {
                return;
            }
        }
        let stragglers = deadline.min(Instant::now() + STRAGGLERS_TIMEOUT);
        self.until(stragglers, |ledger| ledger.outstanding() == 0).await;
    }

    /// Takes in what comes until `met`, until `deadline` or until a signal.
    async fn until(&mut self, deadline: Instant, met: impl Fn(&Ledger) -> bool) -> Ended {
        loop {
            if met(&self.ledger) {
                return Ended::Met;
            }
            tokio::select! {
                Some(input) = self.inputs.recv() => self.input(input),
                Some(seen) = self.seen.recv() => self.record(seen),
                () = tokio::time::sleep_until(self.progress_due) => {
                    self.progress_due += PROGRESS_INTERVAL;
                    self.terminal.progress(self.started.elapsed(), &self.ledger, self.canary);
                }
                () = tokio::time::sleep_until(deadline) => return Ended::TimedOut,
                () = self.interrupted.cancelled() => return Ended::Interrupted,
            }
        }
    }

    fn input(&mut self, input: Input) {
        let news = match input {
            Input::Begun { plan, at, progress } => {
                self.progress.insert(plan.id, progress);
                self.ledger.begin(plan, at);
                None
            }
            Input::Attacker { id, answer } => self.ledger.attacker(id, &answer),
            Input::Good { address, target, answer } => self.ledger.good(address, &target, &answer),
        };
        if let Some(news) = news {
            self.terminal.news(self.started.elapsed(), &news);
        }
    }

    fn record(&mut self, seen: Seen) {
        let news = self.ledger.seen(seen);
        if let Some(news) = news {
            self.terminal.news(self.started.elapsed(), &news);
        }
        let ledger = &self.ledger;
        self.progress.retain(|id, sender| {
            let progress = ledger.progress(*id);
            // Only a change wakes the attacker.
            sender.send_if_modified(|held| std::mem::replace(held, progress) != progress);
            !ledger.incident(*id).is_some_and(Incident::complete)
        });
    }

    fn note(&mut self, what: &str) {
        self.terminal.note(self.started.elapsed(), what);
    }
}
