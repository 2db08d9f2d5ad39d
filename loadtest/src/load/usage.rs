//! What each process uses, processor time and the peak of its memory, and what the machine's host withheld, from `/proc`.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::{Deserialize, Serialize};

/// `/proc` counts processor time in this many ticks a second on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;
/// Steps of the arithmetic that tells how fast a core is: 13 ms in good minutes.
const YARDSTICK_STEPS: u64 = 10_000_000;
/// What this program is called among the others.
pub const OURSELVES: &str = "loadtest";

/// One process over a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Process {
    pub name: String,
    /// User and system time of the run.
    pub cpu_seconds: f64,
    /// Of what all used together.
    pub cpu_share: f64,
    /// Since the process began.
    pub peak_rss_bytes: u64,
    /// It ended meanwhile: what it used is not whole.
    pub restarted: bool,
}

/// A reading of every process.
#[derive(Debug, Clone, Default)]
pub struct Readings(BTreeMap<String, Reading>);

#[derive(Debug, Clone, Copy, Default)]
struct Reading {
    pid: u32,
    ticks: Option<u64>,
    peak_rss_bytes: u64,
}

impl Readings {
    /// Reads the processes of the world, and this one.
    pub fn take(pids: &[(String, u32)]) -> Self {
        let ours = (OURSELVES.to_owned(), std::process::id());
        let read = |pid: u32| {
            let file = |name: &str| {
                std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default()
            };
            Reading {
                pid,
                ticks: ticks(&file("stat")),
                peak_rss_bytes: peak_rss(&file("status")).unwrap_or(0),
            }
        };
        Readings(pids.iter().chain([&ours]).map(|(name, pid)| (name.clone(), read(*pid))).collect())
    }

    /// What was used since an earlier reading, most first.
    pub fn since(&self, before: &Readings) -> Vec<Process> {
        let seconds = |ticks: u64| ticks as f64 / TICKS_PER_SECOND;
        let mut processes: Vec<Process> = before
            .0
            .iter()
            .map(|(name, begun)| {
                let now = self.0.get(name).copied().unwrap_or_default();
                let same = now.pid == begun.pid && now.ticks.is_some();
                let used = now.ticks.unwrap_or(0).saturating_sub(begun.ticks.unwrap_or(0));
                Process {
                    name: name.clone(),
                    cpu_seconds: if same { seconds(used) } else { 0.0 },
                    cpu_share: 0.0,
                    peak_rss_bytes: now.peak_rss_bytes.max(begun.peak_rss_bytes),
                    restarted: !same,
                }
            })
            .collect();
        let all: f64 = processes.iter().map(|process| process.cpu_seconds).sum();
        for process in &mut processes {
            process.cpu_share = if all > 0.0 { process.cpu_seconds / all } else { 0.0 };
        }
        processes.sort_by(|a, b| b.cpu_seconds.total_cmp(&a.cpu_seconds));
        processes
    }
}

/// Ticks of all cores together since the machine began, the idle ones too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cores {
    all: u64,
    /// Somebody was ready to run, and the host of this virtual machine ran another one.
    stolen: u64,
}

impl Cores {
    /// Nothing where there is no `/proc`.
    pub fn read() -> Option<Self> {
        cores(&std::fs::read_to_string("/proc/stat").ok()?)
    }

    /// The share that was stolen since an earlier reading, from 0 to 1.
    pub fn stolen_since(self, before: Cores) -> f64 {
        let all = self.all.saturating_sub(before.all);
        let stolen = self.stolen.saturating_sub(before.stolen);
        if all > 0 { stolen as f64 / all as f64 } else { 0.0 }
    }
}

/// Milliseconds that the same arithmetic takes on one core, the least of three: by which factor the machine is slower than
/// at another time, for a host may withhold nothing and yet be slow. Blocks for some 40 ms.
pub fn yardstick_ms() -> f64 {
    let times = (0..3).map(|_| {
        let begun = Instant::now();
        let spun = (0..YARDSTICK_STEPS).fold(1_u64, |state, step| {
            std::hint::black_box(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(step))
        });
        std::hint::black_box(spun);
        begun.elapsed().as_secs_f64() * 1_000.0
    });
    times.fold(f64::INFINITY, f64::min)
}

/// The first line sums the cores up: user, nice, system, idle, iowait, irq, softirq and steal. What guests used follows
/// and is in the first two already.
fn cores(stat: &str) -> Option<Cores> {
    let fields = stat.lines().next()?.strip_prefix("cpu ")?.split_whitespace().take(8);
    let ticks: Vec<u64> = fields.map(|field| field.parse().ok()).collect::<Option<_>>()?;
    Some(Cores { all: ticks.iter().sum(), stolen: *ticks.get(7)? })
}

/// User and system time. The second field, the name, may hold spaces and brackets, so fields count from its end.
fn ticks(stat: &str) -> Option<u64> {
    let after_name = stat.rsplit_once(") ")?.1;
    let mut fields = after_name.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

fn peak_rss(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(of: &[(&str, u32, Option<u64>)]) -> Readings {
        let reading = |pid, ticks| Reading { pid, ticks, peak_rss_bytes: 9 };
        Readings(
            of.iter()
                .map(|(name, pid, ticks)| ((*name).to_owned(), reading(*pid, *ticks)))
                .collect(),
        )
    }

    #[test]
    fn shares_are_of_what_all_used_and_a_restart_shows() {
        let before =
            readings(&[("kafka", 1, Some(100)), ("scorer", 2, Some(50)), ("redis", 3, Some(7))]);
        let after =
            readings(&[("kafka", 1, Some(400)), ("scorer", 2, Some(150)), ("redis", 4, Some(1))]);
        let told: Vec<_> = after
            .since(&before)
            .into_iter()
            .map(|process| {
                (process.name, process.cpu_seconds, process.cpu_share, process.restarted)
            })
            .collect();
        let expected =
            [("kafka", 3.0, 0.75, false), ("scorer", 1.0, 0.25, false), ("redis", 0.0, 0.0, true)];
        assert_eq!(
            told,
            expected.map(|(name, cpu, share, restarted)| (name.to_owned(), cpu, share, restarted))
        );
    }

    #[test]
    fn what_the_host_took_is_a_share_of_all_cores() {
        let at = |stat: &str| cores(stat).unwrap();
        let before = at("cpu  100 0 50 800 0 0 0 10 70 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n");
        let after = at("cpu  160 0 70 880 0 0 0 50 99 0\n");
        assert_eq!(after.stolen_since(before), 0.2);
        assert_eq!(before.stolen_since(before), 0.0);
        assert_eq!((cores(""), cores("cpu  1 2 3\n"), cores("cpu  a b\n")), (None, None, None));
    }

    #[test]
    fn the_yardstick_takes_time() {
        // So much arithmetic fits into no millisecond: it was not done away with by the compiler.
        let ms = yardstick_ms();
        assert!(ms > 1.0 && ms.is_finite(), "{ms} ms");
    }

    #[test]
    fn time_is_read_whatever_the_program_is_called() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194304 100 0 0 0 150 25 0 0 20 0 1 0 99 0 0";
        assert_eq!((ticks(stat), ticks("")), (Some(175), None));
        assert_eq!(peak_rss("Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t 10 kB\n"), Some(2_097_152));
        assert!(Readings::take(&[]).since(&Readings::take(&[]))[0].peak_rss_bytes > 0);
    }
}
