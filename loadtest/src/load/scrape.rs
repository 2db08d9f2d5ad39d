//! One counter of a service's Prometheus metrics, asked for over plain HTTP on loopback.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result};

const TIMEOUT: Duration = Duration::from_secs(2);
const ANSWER_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The value of `series`, written with its labels as the service writes it.
pub fn counter(address: &str, series: &str) -> Result<u64> {
    let asking = || format!("could not read http://{address}/metrics");
    let text = get(address).with_context(asking)?;
    value(&text, series).with_context(|| format!("http://{address}/metrics has no {series}"))
}

fn get(address: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(stream, "GET /metrics HTTP/1.0\r\nhost: {address}\r\n\r\n")?;
    let mut text = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

fn value(text: &str, series: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_found_by_its_whole_name() {
        let text =
            "# TYPE a_total counter\na_total{source=\"logs_old\"} 3\na_total{source=\"logs\"} 42\n";
        assert_eq!(value(text, "a_total{source=\"logs\"}"), Some(42));
        assert_eq!(value(text, "a_total"), None);
    }
}
