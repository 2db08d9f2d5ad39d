//! The peer as a process of its own: `loadtest/peers/modsecurity.c`, built here, asked over its pipes.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use detect::Request;

/// Paranoia levels that are asked.
pub(crate) const LEVELS: [u8; 2] = [1, 2];
/// The inbound anomaly score at which the rules deny a request, as they ship.
pub(crate) const THRESHOLD: f64 = 5.0;

const HEADER: &str = "/usr/include/modsecurity/modsecurity.h";
const SETUP: &str = "/etc/modsecurity/crs/crs-setup.conf";
const RULES: &str = "/usr/share/modsecurity-crs/rules";
/// Requests asked at once: their answers must fit into a pipe, or both sides would wait for each other.
const BATCH: usize = 64;

/// What a run needs and this machine lacks, if anything.
pub(crate) fn missing() -> Option<&'static str> {
    [HEADER, SETUP, RULES].into_iter().find(|path| !Path::new(path).exists())
}

/// Builds the program beside this one.
pub(crate) fn build() -> Result<PathBuf, Box<dyn Error>> {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../loadtest/peers/modsecurity.c");
    let program = std::env::current_exe()?.with_file_name("modsecurity");
    let status = Command::new("cc")
        .args(["-std=c11", "-O2", "-Wall", "-Wextra", "-D_POSIX_C_SOURCE=200809L", "-o"])
        .args([program.as_os_str(), source.as_ref(), "-lmodsecurity".as_ref()])
        .status()?;
    if status.success() { Ok(program) } else { Err("cc could not build the peer".into()) }
}

/// What the peer says of one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    /// The inbound anomaly score; 0 below the threshold.
    pub(crate) score: f64,
    /// Processor time of the whole transaction.
    pub(crate) took: Duration,
}

/// The peer with its rules loaded, at one paranoia level.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) level: u8,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Engine {
    pub(crate) fn start(program: &Path, level: u8) -> Result<Self, Box<dyn Error>> {
        let mut child = Command::new(program)
            .args([&level.to_string(), SETUP, RULES])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take().ok_or("the peer has no input")?;
        let output = BufReader::new(child.stdout.take().ok_or("the peer has no output")?);
        Ok(Self { level, child, input, output })
    }

    /// Asks about requests, one after the other.
    pub(crate) fn ask(&mut self, requests: &[Vec<u8>]) -> Result<Vec<Answer>, Box<dyn Error>> {
        let mut answers = Vec::with_capacity(requests.len());
        let mut line = String::new();
        for batch in requests.chunks(BATCH) {
            for request in batch {
                self.input.write_all(request)?;
            }
            // A field of no bytes where a method would stand asks for the answers.
            self.input.write_all(&0_u32.to_le_bytes())?;
            for _ in batch {
                line.clear();
                self.output.read_line(&mut line)?;
                let (score, took) = line.trim().split_once(' ').ok_or("the peer ended")?;
                answers.push(Answer {
                    score: score.parse()?,
                    took: Duration::from_nanos(took.parse()?),
                });
            }
        }
        Ok(answers)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // It may have ended by itself; what it did is told by the answers.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A request as the peer reads it. A client says how long its body is, so this does where the row does not.
pub(crate) fn framed(request: &Request<'_>) -> Vec<u8> {
    let body = request.body.unwrap_or_default();
    let length = body.len().to_string();
    let own = [("User-Agent", request.agent), ("Referer", request.referer)];
    let mut headers: Vec<(&[u8], &[u8])> = own
        .into_iter()
        .filter_map(|(name, value)| Some((name.as_bytes(), value?)))
        .chain(request.headers.iter().map(|header| (header.name, header.value)))
        .collect();
    let told = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(b"content-length"));
    if !told && (!body.is_empty() || request.method == b"POST") {
        headers.push((b"Content-Length", length.as_bytes()));
    }
    let mut frame = Vec::new();
    put(&mut frame, request.method);
    put(&mut frame, request.uri);
    frame.extend((headers.len() as u32).to_le_bytes());
    for (name, value) in headers {
        put(&mut frame, name);
        put(&mut frame, value);
    }
    put(&mut frame, body);
    frame
}

fn put(frame: &mut Vec<u8>, field: &[u8]) {
    frame.extend((field.len() as u32).to_le_bytes());
    frame.extend(field);
}
