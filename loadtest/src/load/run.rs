//! One run under load: leg after leg, each with a sender, an operator and two onlookers, and a report of it all.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use schemas::{Observable, Topic};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::args::Plan;
use super::clock::micros;
use super::expected::{Expected, Micros};
use super::kafka::{Follower, Offsets};
use super::lag::{self, Sample, Trend};
use super::mix::{Mix, Shape};
use super::overrides::{self, Told};
use super::progress::{Before, Published, Seen, follow, sample};
use super::report::{self, Report};
use super::sender::{Leg, Sender, Sink};
use super::stopped::Stopped;
use super::thresholds::Thresholds;
use super::usage::{Cores, Readings, yardstick_ms};
use crate::terminal::Terminal;
use crate::traffic::plan::{Addresses, Family};
use crate::world::World;

/// How long the pipeline may take to have nothing left to do, before and after a leg.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);
/// A backlog may take as long as ten million events at a tenth of the rate that is asked for.
const BACKLOG_TIMEOUT: Duration = Duration::from_secs(900);
/// How long detections, decisions and leases that are still missing are waited for once everything was scored.
const STRAGGLERS_TIMEOUT: Duration = Duration::from_secs(5);
/// How long proofs that are still missing are waited for after that, unless they may take longer by what is asked for.
const PROOFS_TIMEOUT: Duration = Duration::from_secs(15);
/// Before each leg, as another run may have ended just now: longer than a detection keeps the next of the same client
/// away.
const PAUSE: Duration = Duration::from_secs(3);
/// From the start of the onlookers to the first record.
const LEAD_US: Micros = 500_000;
const LOOK: Duration = Duration::from_millis(50);
const SEED_OF_OUR_ADDRESS: u64 = 0x7065_7269_6d65_7465;

/// What is run.
pub struct Run<'a> {
    pub what: &'static str,
    pub world: &'a World,
    pub shape: Shape,
    pub thresholds: Thresholds,
    pub overrides: bool,
    /// The scorer is stopped until everything is published.
    pub stop_scorer: bool,
    pub plans: Vec<Plan>,
}

/// Runs every leg, and reports. An error means that the run could not be made.
pub async fn run(
    run: Run<'_>,
    sink: Sink,
    published: Published,
    terminal: &mut Terminal,
    interrupted: CancellationToken,
) -> Result<Report> {
    let source = format!("loadtest/{}", uuid::Uuid::new_v4());
    let mix = Mix::new(run.shape, &source, run.world.protected()?);
    let clients: Vec<Observable> = mix.clients().collect();
    let mut sender = Sender { sink, mix };
    let mut report = Report {
        what: run.what.to_owned(),
        machine: machine(),
        seed: run.shape.seed,
        attacks: run.shape.attacks,
        attackers: run.shape.attackers,
        clients: run.shape.clients,
        ..Report::default()
    };
    let sweep = run.plans.len() > 1;
    for plan in &run.plans {
        tokio::time::sleep(PAUSE).await;
        terminal.say(&format!(
            "{}: {:.0}/s, {} records",
            run.what,
            plan.rate,
            plan.schedule.count()
        ));
        let (back, leg) = one_leg(&run, plan, sender, &published, &clients, &interrupted).await?;
        sender = back;
        let held = leg.held;
        if held && sweep {
            report.held_rate = Some(leg.rate);
        }
        report.legs.push(leg);
        if interrupted.is_cancelled() || (sweep && !held) {
            break;
        }
    }
    report.interrupted = interrupted.is_cancelled();
    report.missed = run.thresholds.missed(&report);
    Ok(report)
}

async fn one_leg(
    run: &Run<'_>,
    plan: &Plan,
    mut sender: Sender,
    published: &Published,
    clients: &[Observable],
    interrupted: &CancellationToken,
) -> Result<(Sender, report::Leg)> {
    let bootstrap = &run.world.kafka.bootstrap;
    let before = idle(bootstrap, published).await?;
    let slow_before = spawn_blocking(yardstick_ms).await?;
    let begun_at = micros() + LEAD_US;
    let steady_from = begun_at + (plan.steady_from * 1e6) as Micros;
    let leg = Leg {
        schedule: Arc::new(plan.schedule.clone()),
        begun_at,
        expected: Arc::new(Mutex::new(Expected::new(clients.iter().cloned(), steady_from))),
        sent: Arc::default(),
        stop: CancellationToken::new(),
    };
    let _ended = leg.stop.clone().drop_guard();
    let (seen, told) = (Seen::default(), Told::default());
    onlookers(bootstrap, published, before, &leg, &seen, &told)?;
    if run.overrides {
        operate(run, &leg, &told).await?;
    }
    let stopped = if run.stop_scorer { Some(Stopped::scorer(run.world)?) } else { None };
    let (used, cores) = (Readings::take(&run.world.pids()), Cores::read());
    // A signal ends the sending; what was sent before it is still looked at.
    let sending = Leg { stop: interrupted.clone(), ..leg.clone() };
    let sent = spawn_blocking(move || sender.run(&sending).map(|()| sender));
    let sender = sent.await??;
    let published_after = leg.elapsed().as_secs_f64();
    drop(stopped);
    let patience = if plan.hold || plan.step.is_some() { IDLE_TIMEOUT } else { BACKLOG_TIMEOUT };
    let drained = drained(&seen, published_after, patience, interrupted).await;
    stragglers(&leg, &told, run.world.decides(), interrupted).await;
    let processes = Readings::take(&run.world.pids()).since(&used);
    let stolen = Cores::read().zip(cores).map(|(now, before)| now.stolen_since(before));
    proofs(&leg, run.thresholds.max_proved_ms, interrupted).await;
    leg.stop.cancel();
    let slow_after = spawn_blocking(yardstick_ms).await?;
    let after = Offsets::new(bootstrap)?;
    let after = spawn_blocking(move || after.totals()).await??;
    let of = report::Leg {
        sent: leg.sent.load(Ordering::Relaxed),
        dead_letters: after.dead_letters - before.totals.dead_letters,
        drained_after_seconds: drained.map(|at| at - published_after),
        overrides: run.overrides.then(|| told.report()),
        processes,
        stolen,
        yardstick_ms: [slow_before, slow_after],
        samples: seen.samples(),
        ..report::Leg::default()
    };
    let mut of = leg.with_expected(|expected| account(of, plan, expected, published_after));
    of.held = run.thresholds.held(&of);
    Ok((sender, of))
}

/// Puts together what a leg came to.
fn account(
    mut of: report::Leg,
    plan: &Plan,
    expected: &Expected,
    published_after: f64,
) -> report::Leg {
    of.rate = plan.rate;
    of.seconds = plan.schedule.length().as_secs_f64();
    of.found = expected.found();
    of.unexpected = expected.unexpected().to_vec();
    of.detected_ms = expected.read();
    of.published_ms = expected.published();
    of.proved_ms = expected.proved();
    of.blocks = expected.blocks();
    of.published = of.samples.last().map_or(0, |sample| sample.published);
    of.behind_max = of.samples.iter().map(Sample::behind).max().unwrap_or(0);
    let between = |from: f64, until: f64| -> Vec<Sample> {
        let within = of.samples.iter().filter(|sample| (from..=until).contains(&sample.seconds));
        within.copied().collect()
    };
    let steady = between(plan.steady_from, plan.base_until);
    of.published_per_second = lag::rate(&steady, |sample| sample.published);
    of.scored_per_second = lag::rate(&steady, Sample::scored);
    let trend = Trend::of(&steady, plan.rate);
    if let Some(step) = plan.step {
        let ended = plan.base_until + step.seconds;
        let gone = lag::gone_after(&of.samples, ended, trend.behind_median, plan.rate);
        let (over, seconds) = (step.over, step.seconds);
        of.step = Some(report::Step { over, seconds, gone_after_seconds: gone });
    } else if plan.hold {
        of.trend = Some(trend);
    } else {
        let drained = of.drained_after_seconds.unwrap_or(f64::INFINITY);
        let eaten = between(published_after, published_after + drained);
        of.scored_per_second = lag::rate(&eaten, Sample::scored);
    }
    of
}

/// Waits until the scorer has nothing left to do; answers where everything stands then.
async fn idle(bootstrap: &str, published: &Published) -> Result<Before> {
    let offsets = Arc::new(Offsets::new(bootstrap)?);
    let deadline = Instant::now() + IDLE_TIMEOUT;
    loop {
        let (asking, published) = (offsets.clone(), published.clone());
        let asked = spawn_blocking(move || {
            Ok::<_, anyhow::Error>(Before {
                totals: asking.totals()?,
                published: published.count()?,
            })
        });
        let before = asked.await??;
        if before.totals.lag() == 0 {
            return Ok(before);
        }
        if Instant::now() > deadline {
            bail!(
                "the scorer is still {} events behind after {} s; is it running, and does nobody else publish",
                before.totals.lag(),
                IDLE_TIMEOUT.as_secs()
            );
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Starts to look at what the pipeline does; ends with the leg.
fn onlookers(
    bootstrap: &str,
    published: &Published,
    before: Before,
    leg: &Leg,
    seen: &Seen,
    told: &Told,
) -> Result<()> {
    let (offsets, published) = (Offsets::new(bootstrap)?, published.clone());
    let (sampled, samples) = (leg.clone(), seen.clone());
    spawn_blocking(move || sample(&offsets, &published, before, &sampled, &samples));
    let topics = [Topic::Detections, Topic::Decisions, Topic::Leases, Topic::Outcomes];
    let follower = Follower::new(bootstrap, &topics)?;
    let (followed, told) = (leg.clone(), told.clone());
    spawn_blocking(move || follow(&follower, &followed, &told));
    Ok(())
}

/// Lets an operator block and unblock an address that nobody of the traffic has.
async fn operate(run: &Run<'_>, leg: &Leg, told: &Told) -> Result<()> {
    let operator = run.world.operator().context(
        "the world file does not say how to reach the decider as an operator; use --no-overrides without it",
    )?;
    let client = overrides::connect(&operator).await?;
    let seed = run.shape.seed ^ SEED_OF_OUR_ADDRESS;
    let mut addresses = Addresses::new(ChaCha8Rng::seed_from_u64(seed), run.world.protected()?);
    let observable = Observable::client(addresses.draw(Family::V4));
    tokio::spawn(overrides::ask(client, observable, told.clone(), leg.stop.clone()));
    Ok(())
}

/// When everything that was sent was scored; `None` if that takes longer than `patience`.
async fn drained(
    seen: &Seen,
    from: f64,
    patience: Duration,
    interrupted: &CancellationToken,
) -> Option<f64> {
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline && !interrupted.is_cancelled() {
        let last = seen.last().filter(|sample| sample.seconds >= from && sample.behind() == 0);
        if let Some(sample) = last {
            return Some(sample.seconds);
        }
        tokio::time::sleep(LOOK).await;
    }
    None
}

async fn stragglers(leg: &Leg, told: &Told, decides: bool, interrupted: &CancellationToken) {
    until(STRAGGLERS_TIMEOUT, interrupted, || {
        let (found, undecided) =
            leg.with_expected(|expected| (expected.found(), expected.undecided()));
        found.seen >= found.expected && (undecided == 0 || !decides) && told.settled()
    })
    .await;
}

/// Waits for the proofs of the last blocks, or each of them would look like one that never comes.
async fn proofs(leg: &Leg, allowed_ms: Option<f64>, interrupted: &CancellationToken) {
    let allowed = allowed_ms.and_then(|ms| Duration::try_from_secs_f64(ms / 1_000.0).ok());
    let patience = allowed.unwrap_or_default().clamp(PROOFS_TIMEOUT, IDLE_TIMEOUT);
    until(patience, interrupted, || {
        let blocks = leg.with_expected(|expected| expected.blocks());
        blocks.proved >= blocks.decided
    })
    .await;
}

/// Waits until `met`, for `patience` at most.
async fn until(patience: Duration, interrupted: &CancellationToken, met: impl Fn() -> bool) {
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline && !interrupted.is_cancelled() && !met() {
        tokio::time::sleep(LOOK).await;
    }
}

fn machine() -> report::Machine {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kilobytes = total.and_then(|total| total.split_whitespace().next()?.parse::<u64>().ok());
    report::Machine {
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        memory_bytes: kilobytes.unwrap_or(0) * 1024,
        release: !cfg!(debug_assertions),
    }
}
