//! Chaos, planned: which process is killed when. The plans are pure, so one seed is one run; only [`act`] touches the
//! world.

use std::time::Duration;

use anyhow::Result;
use nix::sys::signal::Signal;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::redis;
use crate::terminal::say;
use crate::world::World;

/// One of our processes is killed this often.
const KILL_EVERY_SECONDS: u64 = 8;
/// How long the WAF hangs.
const WAF_HANGS: Duration = Duration::from_secs(10);
const SERVICES: [&str; 6] =
    ["collector", "scorer", "decider", "executor-0", "executor-1", "verifier"];

/// One thing done to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// SIGKILL; the supervisor starts it again.
    Kill(&'static str),
    /// Redis forgets everything.
    FlushRedis,
    /// SIGSTOP: connections stay open and nothing answers.
    StopWaf,
    ContinueWaf,
}

/// What is done when, counted from the first traffic.
pub type Schedule = Vec<(Duration, Act)>;

/// Kills one of our processes every eight seconds in seeded order, each once before any twice, and flushes Redis once.
pub fn services(seed: u64, seconds: u64) -> Schedule {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut schedule = Schedule::new();
    let mut round: Vec<&'static str> = Vec::new();
    for at in
        (KILL_EVERY_SECONDS..seconds).step_by(usize::try_from(KILL_EVERY_SECONDS).unwrap_or(1))
    {
        if round.is_empty() {
            round = SERVICES.to_vec();
            round.shuffle(&mut random);
        }
        if let Some(name) = round.pop() {
            schedule.push((Duration::from_secs(at), Act::Kill(name)));
        }
    }
    let flushed_at_ms = random.random_range(seconds * 200..=seconds * 800);
    schedule.push((Duration::from_millis(flushed_at_ms), Act::FlushRedis));
    schedule.sort();
    schedule
}

/// Kills Kafka and Redis once each, and lets the WAF hang once; far enough apart to tell the consequences apart.
pub fn components(seconds: u64) -> Schedule {
    let at = |percent: u64| Duration::from_millis(seconds * percent * 10);
    vec![
        (at(20), Act::Kill("kafka")),
        (at(50), Act::Kill("redis")),
        (at(65), Act::StopWaf),
        (at(65) + WAF_HANGS, Act::ContinueWaf),
    ]
}

/// Carries a schedule out. Ends with it.
pub async fn run(world: &World, mut schedule: Schedule) -> Result<()> {
    schedule.sort();
    let begun = tokio::time::Instant::now();
    for (at, what) in schedule {
        tokio::time::sleep_until(begun + at).await;
        act(world, what).await?;
    }
    Ok(())
}

async fn act(world: &World, what: Act) -> Result<()> {
    let signal = |name: &str, signal: Signal| {
        if let Some(member) = world.member(name) {
            member.signal(signal);
        }
    };
    match what {
        Act::Kill(name) => {
            say(format!("  ⚡ chaos: {name} is killed"));
            signal(name, Signal::SIGKILL);
        }
        Act::FlushRedis => {
            say("  ⚡ chaos: Redis is flushed");
            let address = redis::address_of(&world.description().redis.url)?;
            redis::command(&address, "FLUSHALL").await?;
        }
        Act::StopWaf => {
            say(format!("  ⚡ chaos: the WAF hangs for {} s", WAF_HANGS.as_secs()));
            signal("waf", Signal::SIGSTOP);
        }
        Act::ContinueWaf => {
            say("  ⚡ chaos: the WAF answers again");
            signal("waf", Signal::SIGCONT);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn one_seed_is_one_schedule_and_another_seed_another() {
        assert_eq!(services(7, 120), services(7, 120));
        assert_ne!(services(7, 120), services(8, 120));
    }

    #[test]
    fn every_process_dies_once_before_any_dies_twice() {
        for seed in 0..50 {
            let kills: Vec<Act> = services(seed, 120)
                .into_iter()
                .map(|(_, act)| act)
                .filter(|act| *act != Act::FlushRedis)
                .collect();
            assert_eq!(kills.len(), 14, "one every 8 s");
            assert_eq!(
                kills[..6].iter().collect::<BTreeSet<_>>().len(),
                SERVICES.len(),
                "seed {seed}"
            );
        }
    }

    #[test]
    fn kills_are_eight_seconds_apart_and_redis_is_flushed_once_in_between() {
        let schedule = services(3, 60);
        let kills: Vec<u64> = schedule
            .iter()
            .filter(|(_, act)| matches!(act, Act::Kill(_)))
            .map(|(at, _)| at.as_secs())
            .collect();
        assert_eq!(kills, [8, 16, 24, 32, 40, 48, 56]);
        let flushes: Vec<&Duration> =
            schedule.iter().filter(|(_, act)| *act == Act::FlushRedis).map(|(at, _)| at).collect();
        assert_eq!(flushes.len(), 1);
        assert!((12..=48).contains(&flushes[0].as_secs()), "{flushes:?}");
    }

    #[test]
    fn the_waf_hangs_for_ten_seconds_within_the_run() {
        let schedule = components(120);
        let at = |wanted: Act| schedule.iter().find(|(_, act)| *act == wanted).unwrap().0;
        assert_eq!(at(Act::ContinueWaf) - at(Act::StopWaf), WAF_HANGS);
        assert!(at(Act::ContinueWaf) < Duration::from_secs(120));
    }
}
