//! The stories, and what must be true of each.

mod calm;
mod crashes;
mod epochs;
mod freeze;
mod frozen;
mod fuses;
mod order;
mod providers;
mod takeover;

use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::faults::Plan;
use crate::portrait::Portrait;
use crate::scenario::{ATTACKERS, Scenario};
use crate::world::{SECOND, World};

/// Whether the long runs are wanted.
pub(crate) fn deep() -> bool {
    std::env::var("PERIMETER_DEEP").is_ok_and(|value| value == "1")
}

/// The seeds to run: `WHOLE_SEED` alone, or as many as the run is deep.
pub(crate) fn seeds(few: u64, many: u64) -> std::ops::Range<u64> {
    match std::env::var("WHOLE_SEED").ok().and_then(|seed| seed.parse::<u64>().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..if deep() { many } else { few },
    }
}

/// Says how to repeat a run, if it fails.
pub(crate) struct Repeat(pub(crate) String);

impl Drop for Repeat {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("repeat with: {}", self.0);
        }
    }
}

pub(crate) fn rng(seed: u64) -> Box<ChaCha8Rng> {
    Box::new(ChaCha8Rng::seed_from_u64(seed))
}

/// The full story under a plan, to its end and half a minute beyond.
pub(crate) fn told(seed: u64, plan: Plan) -> World {
    let mut world = World::new(seed, plan, Scenario::full());
    world.run();
    world.come_to_rest();
    world
}

/// Half a minute of attacks, further ones at any time among them, under faults of chance.
pub(crate) fn attacked(seed: u64, rng: &mut ChaCha8Rng) -> World {
    let mut scenario = Scenario::attacks(30 * SECOND);
    for _ in 0..12 {
        let (client, kind) = ATTACKERS.choose(rng).expect("there are attackers");
        scenario.attack(rng.random_range(3_000..28_000), client, *kind);
    }
    let plan = Plan::Any { chance: 0.002, rng: self::rng(seed + 1) };
    World::new(seed, plan, scenario.sorted())
}

/// The full story without any fault.
pub(crate) fn calm() -> Portrait {
    Portrait::of(&told(0, Plan::Nothing))
}
