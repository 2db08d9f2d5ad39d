//! What a program used, summed over its restarts: processor time and the peak of its memory, from `/proc`.

use serde::Serialize;

/// `/proc` counts processor time in this many ticks a second on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a program used so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Usage {
    pub cpu_seconds: f64,
    pub peak_rss_bytes: u64,
}

/// Sums one program's use over its lives.
#[derive(Debug, Default)]
pub struct Meter {
    ticks_of_earlier_lives: u64,
    ticks_of_this_life: u64,
    peak_rss_bytes: u64,
}

impl Meter {
    /// Takes a sample of the life that has this process id.
    pub fn sample(&mut self, pid: u32) {
        let read =
            |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
        self.record(ticks(&read("stat")), peak_rss(&read("status")));
    }

    /// The life ended; the next sample is of another one.
    pub fn ended(&mut self) {
        self.ticks_of_earlier_lives += std::mem::take(&mut self.ticks_of_this_life);
    }

    /// What was used until the last sample.
    pub fn usage(&self) -> Usage {
        #[allow(
            clippy::cast_precision_loss,
            reason = "a run of years has fewer ticks than a double has digits"
        )]
        let ticks = (self.ticks_of_earlier_lives + self.ticks_of_this_life) as f64;
        Usage { cpu_seconds: ticks / TICKS_PER_SECOND, peak_rss_bytes: self.peak_rss_bytes }
    }

    fn record(&mut self, ticks: Option<u64>, peak_rss: Option<u64>) {
        // A process that is just gone has no numbers; its last ones stand.
        self.ticks_of_this_life = self.ticks_of_this_life.max(ticks.unwrap_or(0));
        self.peak_rss_bytes = self.peak_rss_bytes.max(peak_rss.unwrap_or(0));
    }
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

    #[test]
    fn time_is_read_whatever_the_program_is_called() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194304 100 0 0 0 150 25 0 0 20 0 1 0 99 0 0";
        assert_eq!(ticks(stat), Some(175));
        assert_eq!(ticks(""), None);
    }

    #[test]
    fn peak_memory_is_in_bytes() {
        assert_eq!(peak_rss("Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t 10 kB\n"), Some(2_097_152));
    }

    #[test]
    fn a_restart_adds_and_a_vanished_process_subtracts_nothing() {
        let mut meter = Meter::default();
        meter.record(Some(300), Some(50));
        meter.record(None, None);
        meter.ended();
        meter.record(Some(20), Some(40));
        assert_eq!(meter.usage(), Usage { cpu_seconds: 3.2, peak_rss_bytes: 50 });
    }

    #[test]
    fn this_very_process_can_be_measured() {
        let mut meter = Meter::default();
        meter.sample(std::process::id());
        assert!(meter.usage().peak_rss_bytes > 0);
    }
}
