//! One replica of the executor: its fold lanes, its copy of the leases, and a reconcile loop for every point.

use std::pin::Pin;
use std::task::Context as Waking;

use ::executor::logic::envoy::EnvoyPoint;
use ::executor::logic::freeze::by_file;
use ::executor::logic::waf::{Sight, Step, WafLoop};
use ::executor::points::aws_waf::{MemorySets, POINT};
use ::executor::points::blocklist as mirror;
use ::executor::points::envoy::{Answer, answer};
use ::executor::traces::Traces;
use ::executor::view::{Repairs, SeenEpoch, ViewSink, late_writes, repair, serving};
use ::executor::{FoldStage, Fuses, OwnFreeze, Ownership};
use blocklist::Blocklist;
use futures::executor::block_on;
use pipeline::memory::Log;
use pipeline::{Assigned, Bus, Clock, Context, Health, Leases, Message, Seen};
use schemas::{Enforcement, Millis, Reader, Topic};

use crate::faults::{Died, Faults, Site};
use crate::follower::Follower;
use crate::lane::Lane;

pub(crate) const GROUP: &str = "executor";
const BATCH_MAX: usize = 5;
const SWEEP_INTERVAL_MS: Millis = 2_000;
/// More steps than any pass over both sets takes.
const WAF_STEPS_MAX: usize = 16;

/// What all replicas share: the log, the clock, the fuses and the providers.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) log: Log,
    pub(crate) clock: Clock,
    pub(crate) fuses: Fuses,
    pub(crate) waf: MemorySets,
    pub(crate) blocklist: Blocklist,
}

/// One replica as one process.
pub(crate) struct Process {
    pub(crate) replica: u32,
    around: Surroundings,
    /// Which partitions of `decisions` it is given.
    partitions: Vec<i32>,
    lives: u32,
    running: Option<Running>,
    /// Stopped by a signal: alive, and doing nothing.
    pub(crate) paused: bool,
    /// Since when the file is there that freezes this replica.
    frozen_at: Option<Millis>,
}

struct Running {
    leases: Leases,
    freeze: OwnFreeze,
    ownership: Ownership,
    follower: Follower<ViewSink>,
    repairs: Repairs,
    repairing: Pin<Box<dyn Future<Output = anyhow::Result<()>>>>,
    lanes: Vec<Lane<FoldStage>>,
    seen: Seen,
    envoy: EnvoyPoint,
    waf: WafLoop,
    mirror: mirror::Mirror,
    sweep_at: Millis,
}

impl Process {
    pub(crate) fn new(replica: u32, around: Surroundings, partitions: Vec<i32>) -> Self {
        let mut process = Process {
            replica,
            around,
            partitions,
            lives: 0,
            running: None,
            paused: false,
            frozen_at: None,
        };
        process.restart();
        process
    }

    /// Starts the process anew: it knows nothing but what it reads.
    pub(crate) fn restart(&mut self) {
        self.lives += 1;
        self.paused = false;
        self.running = Some(Running::new(self.replica, self.lives, &self.around));
        self.look();
        self.give(self.partitions.clone());
    }

    /// Puts the file there that freezes this replica, or takes it away.
    pub(crate) fn freeze(&mut self, frozen: bool) {
        let now = self.around.clock.now();
        self.frozen_at = frozen.then(|| self.frozen_at.unwrap_or(now));
        self.look();
    }

    /// Since when the file is there.
    pub(crate) fn frozen_at(&self) -> Option<Millis> {
        self.frozen_at
    }

    fn look(&self) {
        if let Some(running) = &self.running {
            let file = self.frozen_at.map(|at| by_file("freeze", b"a test", at));
            running.freeze.looked(Ok(file), self.around.clock.now());
        }
    }

    pub(crate) fn kill(&mut self) {
        self.running = None;
    }

    /// The group's word on which partitions this replica folds: others are let go, new ones are opened.
    pub(crate) fn give(&mut self, partitions: Vec<i32>) {
        self.partitions = partitions;
        let Some(running) = &mut self.running else { return };
        running.lanes.retain(|lane| self.partitions.contains(&lane.partition()));
        for partition in &self.partitions {
            if !running.lanes.iter().any(|lane| lane.partition() == *partition) {
                let lane = running.lane(*partition, &self.around);
                running.lanes.push(lane);
            }
        }
    }

    /// This replica's copy of the leases, while it lives.
    pub(crate) fn leases(&self) -> Option<&Leases> {
        self.running.as_ref().map(|running| &running.leases)
    }

    /// What it would answer Envoy now; `None` while it cannot.
    pub(crate) fn answer(&self, address: std::net::IpAddr) -> Option<Answer> {
        let (leases, now) = (self.leases().filter(|_| !self.paused)?, self.around.clock.now());
        let protected = &self.around.fuses.protected;
        leases.read(|reader| {
            reader.complete().then(|| answer(reader.view(), protected, address, now))
        })
    }

    /// What its health check says.
    pub(crate) fn serving(&self) -> bool {
        let now = self.around.clock.now();
        self.leases().is_some_and(|leases| {
            !self.paused && serving(leases.read(Reader::complete), leases.age_ms(now))
        })
    }

    pub(crate) fn step(&mut self, faults: &mut Faults) -> Result<bool, Died> {
        if self.paused {
            return Ok(false);
        }
        let Some(running) = &mut self.running else { return Ok(false) };
        let twice = faults.handled_twice();
        let mut moved = running.follower.follow(&self.around.log, self.around.clock.now(), twice);
        moved |= running.repair(&self.around.log);
        if !running.leases.read(Reader::complete) {
            return Ok(moved);
        }
        for lane in &mut running.lanes {
            moved |= lane.step(BATCH_MAX, faults)?;
        }
        running.points(self.replica, &self.around, faults)?;
        Ok(moved)
    }

    /// What a process does first that slept through a takeover: it goes on as if nothing had happened, on what it
    /// knows. Answers how many records it published late.
    pub(crate) fn wake(&mut self, batch_max: usize, faults: &mut Faults) -> usize {
        self.paused = false;
        let Some(running) = &mut self.running else { return 0 };
        let late = running.lanes.iter_mut().map(|lane| lane.late_write(batch_max)).sum();
        running.points(self.replica, &self.around, faults).expect("nobody dies in this run");
        late
    }
}

impl Running {
    fn new(replica: u32, life: u32, around: &Surroundings) -> Self {
        let (leases, ownership) = (Leases::default(), Ownership::default());
        let (repairs, asking) = Repairs::channel();
        let sink = leases.sink_with(late_writes(&repairs, &ownership));
        let sink = ViewSink::new(sink, SeenEpoch::default(), Traces::default());
        let bus = Bus::in_memory(around.log.clone());
        let publisher = bus.publisher().unwrap();
        let context = Context {
            service: "executor",
            replica,
            bus,
            clock: around.clock.clone(),
            health: Health::default(),
            shutdown: Default::default(),
            tls: None,
        };
        let (copy, owner) = (leases.clone(), ownership.clone());
        let repairing =
            Box::pin(async move { repair(&context, &copy, &owner, &publisher, asking).await });
        Running {
            freeze: OwnFreeze::new(leases.clone(), None, around.clock.now()),
            leases,
            ownership,
            follower: Follower::new(&[Topic::Leases, Topic::Controls], sink),
            repairs,
            repairing,
            lanes: Vec::new(),
            seen: Seen::default(),
            envoy: EnvoyPoint::new(replica, around.fuses.protected.clone()),
            waf: WafLoop::new(POINT),
            mirror: mirror::Mirror::new(format!("{replica}/{life}")),
            sweep_at: Millis::MIN,
        }
    }

    fn lane(&self, partition: i32, around: &Surroundings) -> Lane<FoldStage> {
        let fuses = around.fuses.clone();
        let (leases, ownership) = (self.leases.clone(), self.ownership.clone());
        let repairs = self.repairs.clone();
        Lane::new(GROUP, partition, &around.log, move |assigned: Assigned| {
            FoldStage::open(&assigned, fuses.clone(), leases.clone(), &ownership, &repairs)
        })
    }

    /// Lets the service's own repair loop run until it waits again; answers whether it published.
    fn repair(&mut self, log: &Log) -> bool {
        let before = log.end(Topic::Leases, 0);
        let mut waking = Waking::from_waker(futures::task::noop_waker_ref());
        assert!(self.repairing.as_mut().poll(&mut waking).is_pending(), "the repair loop ended");
        log.end(Topic::Leases, 0) != before
    }

    fn points(
        &mut self,
        replica: u32,
        around: &Surroundings,
        faults: &mut Faults,
    ) -> Result<(), Died> {
        let now = around.clock.now();
        let seen = self.leases.read_since(&mut self.seen, |reader, changed| {
            self.envoy.look(reader.view(), changed, now)
        });
        let mut acts = self.envoy.settle(&seen, now, usize::MAX);
        acts.extend(self.write_waf(around, now, faults)?);
        acts.extend(self.write_blocklist(replica, around, now, faults)?);
        // The view has no order of its own; the log of a run must have one.
        acts.sort_by_key(|act: &Enforcement| (act.enforcement_id, act.point.clone()));
        let messages: Vec<Message> = acts.iter().map(|act| Message::of(act).unwrap()).collect();
        faults.tell(&around.log, GROUP, &messages)
    }

    fn write_waf(
        &mut self,
        around: &Surroundings,
        now: Millis,
        faults: &mut Faults,
    ) -> Result<Vec<Enforcement>, Died> {
        let protected = &around.fuses.protected;
        let term = self.ownership.term();
        let sight = self
            .leases
            .read(|reader| Sight::of(reader.view(), reader.complete(), protected, term, now));
        for _ in 0..WAF_STEPS_MAX {
            match self.waf.next(&sight, |mark| self.leases.may_write(mark, now), now) {
                Step::Read(family) => {
                    self.waf.read(family, around.waf.read(family), now, 0.5);
                    faults.pass(GROUP, Site::WafRead)?;
                }
                Step::Write(write) => {
                    faults.pass(GROUP, Site::WafToBeWritten)?;
                    let written = around.waf.write(&write);
                    faults.pass(GROUP, Site::WafWritten)?;
                    self.waf.written(write.family, written, now, 0.5);
                }
                Step::Wait(_) => return Ok(self.waf.settle(&sight, now, usize::MAX)),
            }
        }
        panic!("the loop of the IP sets does not come to rest");
    }

    fn write_blocklist(
        &mut self,
        replica: u32,
        around: &Surroundings,
        now: Millis,
        faults: &mut Faults,
    ) -> Result<Vec<Enforcement>, Died> {
        let protected = &around.fuses.protected;
        let sight = self.leases.read(|reader| {
            let may_add = reader.complete().then(|| reader.hold().is_none());
            mirror::Sight::of(reader.view(), may_add, protected, now)
        });
        let sweep = now >= self.sweep_at;
        let writes = !self.mirror.changes(&sight, now).is_empty();
        if writes {
            faults.pass(GROUP, Site::BlocklistToBeWritten)?;
        }
        let writer = replica.to_string();
        let passed = mirror::pass(&mut self.mirror, &sight, &around.blocklist, &writer, sweep, now);
        block_on(passed).unwrap();
        if writes {
            faults.pass(GROUP, Site::BlocklistWritten)?;
        }
        if sweep {
            self.sweep_at = now + SWEEP_INTERVAL_MS;
        }
        let told = self.ownership.term().is_some();
        Ok(if told { self.mirror.settle(&sight, now, usize::MAX) } else { Vec::new() })
    }
}
