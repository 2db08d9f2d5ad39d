//! As much of an HTTP client as health checks and metrics need: one GET, one answer, a deadline.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const DEADLINE: Duration = Duration::from_secs(2);
const ANSWER_BYTES_MAX: u64 = 8 << 20;

/// Asks `http://address/path` and answers its status and body.
pub async fn get(address: &str, path: &str) -> Result<(u16, String)> {
    tokio::time::timeout(DEADLINE, exchange(address, path))
        .await
        .with_context(|| {
            format!("http://{address}{path} did not answer within {} s", DEADLINE.as_secs())
        })?
        .with_context(|| format!("could not get http://{address}{path}"))
}

async fn exchange(address: &str, path: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
    parse(&answer)
}

fn parse(answer: &[u8]) -> Result<(u16, String)> {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        bail!("the answer has no end of headers")
    };
    let status = head.split_whitespace().nth(1).and_then(|status| status.parse().ok());
    let status = status.context("the answer has no status")?;
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    Ok((status, if chunked { dechunk(body) } else { body.to_owned() }))
}

fn dechunk(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let Ok(size) = usize::from_str_radix(size.trim(), 16) else { break };
        let Some(chunk) = rest.get(..size).filter(|chunk| !chunk.is_empty()) else { break };
        whole.push_str(chunk);
        body = rest.get(size + 2..).unwrap_or_default();
    }
    whole
}

/// The sum of all samples of one metric in Prometheus text, over its labels.
pub fn metric(text: &str, name: &str) -> Option<f64> {
    let samples = text.lines().filter_map(|line| {
        let (sample, value) = line.rsplit_once(' ')?;
        let of = sample.split('{').next()?;
        (of == name).then(|| value.parse::<f64>().ok())?
    });
    samples.reduce(|sum, value| sum + value)
}

/// One counter in the text of Envoy's `/stats`.
pub fn envoy_counter(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::{envoy_counter, metric, parse};

    #[test]
    fn plain_and_chunked_answers_read_the_same() {
        let plain = parse(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nready").unwrap();
        let chunked =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nrea\r\n2\r\ndy\r\n0\r\n\r\n".as_slice();
        assert_eq!(plain, (200, "ready".to_owned()));
        assert_eq!(parse(chunked).unwrap(), plain);
        assert!(parse(b"HTTP/1.1 200").is_err());
    }

    #[test]
    fn a_metric_is_summed_over_its_labels() {
        let text = "# HELP forged\nforged_total{reason=\"a\"} 2\nforged_total{reason=\"b\"} 3\nforged_totals 9\n";
        assert_eq!(metric(text, "forged_total"), Some(5.0));
        assert_eq!(metric(text, "absent_total"), None);
    }

    #[test]
    fn an_envoy_counter_is_found_by_its_whole_name() {
        let text = "http.admin.rq: 1\nhttp.ingress.rq: 12\n";
        assert_eq!(envoy_counter(text, "http.ingress.rq"), Some(12));
        assert_eq!(envoy_counter(text, "http.ingress"), None);
    }
}
