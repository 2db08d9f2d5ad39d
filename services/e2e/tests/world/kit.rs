//! The world as a test sees it: its description, HTTP through Envoy, Redis, the WAF, the command line, and signals.
//!
//! A test takes the world [`World::calm`], beside others, or [`World::alone`], when it kills, flushes or freezes.

use std::io::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use observe::Policy;
use schemas::Millis;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// An attack that one request completes.
pub(crate) const SQL_INJECTION: &str = "/products?id=1%27%20OR%20%271%27%3D%271";
/// Every process of ours.
pub(crate) const SERVICES: [&str; 6] =
    ["collector", "scorer", "decider", "executor-0", "executor-1", "verifier"];
const EXECUTORS: usize = 2;
/// From a kill until the process answers again.
pub(crate) const BACK_WITHIN: Duration = Duration::from_secs(15);
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

static WORLD: RwLock<()> = RwLock::const_new(());

/// The running world, for as long as a test holds it.
pub(crate) struct World {
    file: PathBuf,
    _hold: Hold,
}

enum Hold {
    Calm { _guard: RwLockReadGuard<'static, ()> },
    Alone { _guard: RwLockWriteGuard<'static, ()> },
}

/// An answer to one HTTP request; status 0 is none.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

impl World {
    /// The world beside other tests: nobody kills anything meanwhile.
    pub(crate) async fn calm() -> World {
        World::held(Hold::Calm { _guard: WORLD.read().await }).await
    }

    /// The world for this test alone.
    pub(crate) async fn alone() -> World {
        World::held(Hold::Alone { _guard: WORLD.write().await }).await
    }

    async fn held(hold: Hold) -> World {
        let Some(file) = std::env::var_os("PERIMETER_WORLD") else {
            panic!(
                "PERIMETER_WORLD is not set: these tests need the real world (Kafka, Redis, WAF, Envoy); run `cargo verify`, which starts it"
            );
        };
        let world = World { file: PathBuf::from(file), _hold: hold };
        for service in SERVICES {
            world.ready(service).await;
        }
        world.executors_healthy().await;
        world
    }

    /// `world.json` as it is now.
    pub(crate) fn description(&self) -> Value {
        let text = std::fs::read_to_string(&self.file).unwrap_or_else(|error| {
            panic!("could not read {}: {error}; run `cargo verify`", self.file.display())
        });
        serde_json::from_str(&text).unwrap()
    }

    /// The folder of the world's own files.
    pub(crate) fn folder(&self) -> &Path {
        self.file.parent().unwrap()
    }

    /// The checkout that the world runs from.
    pub(crate) fn checkout(&self) -> &Path {
        self.file.ancestors().nth(3).unwrap()
    }

    /// One text of the description, by JSON pointer.
    pub(crate) fn at(&self, pointer: &str) -> String {
        let description = self.description();
        let found = description.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_else(|| panic!("world.json has no {pointer}")).to_owned()
    }

    pub(crate) fn policy(&self) -> Policy {
        Policy::parse(&std::fs::read_to_string(self.at("/policy")).unwrap()).unwrap()
    }

    /// A plain GET through Envoy, as `client`.
    pub(crate) async fn get(&self, client: IpAddr, target: &str) -> Answer {
        self.ask(target, &[("x-forwarded-for", client.to_string())]).await
    }

    /// A GET through Envoy with these headers.
    pub(crate) async fn ask(&self, target: &str, headers: &[(&str, String)]) -> Answer {
        exchange(&self.at("/envoy/listener"), "GET", target, headers, "").await
    }

    /// The sum of one metric of a service over its labels; 0 when it was never counted.
    pub(crate) async fn metric(&self, service: &str, name: &str) -> f64 {
        let admin = self.at(&format!("/services/{service}/admin"));
        let text = exchange(&admin, "GET", "/metrics", &[], "").await.body;
        let samples = text.lines().filter_map(|line| line.rsplit_once(' '));
        samples
            .filter(|(sample, _)| sample.split('{').next() == Some(name))
            .filter_map(|(_, value)| value.parse::<f64>().ok())
            .sum()
    }

    /// The process id of a service or component; `None` while it is being started again.
    pub(crate) fn pid(&self, name: &str) -> Option<i32> {
        let description = self.description();
        let of = |pointer: String| description.pointer(&pointer).and_then(Value::as_i64);
        of(format!("/services/{name}/pid"))
            .or_else(|| of(format!("/{name}/pid")))
            .and_then(|pid| i32::try_from(pid).ok())
    }

    /// Kills one process; the supervisor starts it again.
    pub(crate) fn kill(&self, name: &str) {
        if let Some(pid) = self.pid(name).filter(|pid| *pid > 1) {
            // It may just have died by itself.
            kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
        }
    }

    /// Waits until another process than `before` is there under this name.
    pub(crate) async fn replaced(&self, name: &str, before: Option<i32>) {
        eventually(&format!("{name} is started again"), BACK_WITHIN, async || {
            self.pid(name).filter(|pid| Some(*pid) != before)
        })
        .await;
    }

    /// Kills a service and waits until it is ready again.
    pub(crate) async fn restart(&self, service: &str) {
        let before = self.pid(service);
        self.kill(service);
        self.replaced(service, before).await;
        self.ready(service).await;
    }

    /// Waits until a service says that it is ready, and the decider takes requests of operators.
    pub(crate) async fn ready(&self, service: &str) {
        eventually(&format!("{service} is ready"), BACK_WITHIN, async || {
            let admin = self.at(&format!("/services/{service}/admin"));
            let answer = exchange(&admin, "GET", "/readyz", &[], "").await;
            (answer.status == 200).then_some(())
        })
        .await;
        if service != "decider" {
            return;
        }
        eventually("the decider takes requests", BACK_WITHIN, async || {
            // Refused by a fuse, and not because it is not known yet what was decided before.
            let asked = ["block", "127.0.0.1", "--for", "1s", "--reason", "is it asked for"];
            (self.perimeter(&asked).await.status.code() == Some(3)).then_some(())
        })
        .await;
    }

    /// Waits until Envoy holds both executors for healthy.
    pub(crate) async fn executors_healthy(&self) {
        let admin = self.at("/envoy/admin");
        eventually("Envoy holds both executors for healthy", BACK_WITHIN, async || {
            let clusters = exchange(&admin, "GET", "/clusters", &[], "").await.body;
            let executors = clusters.lines().filter(|line| line.starts_with("perimeter-authz::"));
            let healthy = executors.filter(|line| line.ends_with("health_flags::healthy")).count();
            (healthy == EXECUTORS).then_some(())
        })
        .await;
    }

    /// How many requests Envoy let pass because nobody answered whether it may.
    pub(crate) async fn failed_open(&self) -> u64 {
        let target = "/stats?filter=ext_authz.failure_mode_allowed";
        let text = exchange(&self.at("/envoy/admin"), "GET", target, &[], "").await.body;
        text.lines().filter_map(|line| line.rsplit_once(": ")?.1.trim().parse::<u64>().ok()).sum()
    }

    /// Resident memory of a service, in MiB.
    pub(crate) fn memory_mib(&self, service: &str) -> u64 {
        let pid = self.pid(service).unwrap();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1_024
    }

    /// Runs `perimeter` from a folder below the checkout, so that it finds the world by itself.
    pub(crate) async fn perimeter(&self, arguments: &[&str]) -> Output {
        tokio::time::timeout(Duration::from_secs(15), self.command(arguments).output())
            .await
            .expect("`perimeter` answers in time")
            .unwrap()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(program("perimeter"));
        command
            .args(arguments)
            .current_dir(self.checkout().join("services/e2e"))
            .kill_on_drop(true);
        for name in ["ENDPOINT", "EXECUTORS", "CA", "CERT", "KEY"] {
            command.env_remove(format!("PERIMETER_{name}"));
        }
        command
    }

    /// As [`World::perimeter`], for what must succeed; answers the JSON document.
    pub(crate) async fn json(&self, arguments: &[&str]) -> Value {
        let output = self.perimeter(&[arguments, &["--output", "json"]].concat()).await;
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// One Redis command; answers every text of the reply.
    pub(crate) async fn redis(&self, command: &[&str]) -> Option<Vec<String>> {
        let url = self.at("/redis/url");
        let address = url.trim_start_matches("redis://").trim_end_matches('/').to_owned();
        let mut request = format!("*{}\r\n", command.len());
        for word in command {
            request += &format!("${}\r\n{word}\r\n", word.len());
        }
        request += "*1\r\n$4\r\nQUIT\r\n";
        let answer = exchange_raw(&address, request.as_bytes()).await?;
        let reply = answer.strip_suffix("+OK\r\n")?;
        let texts =
            reply.split("\r\n").filter(|line| !line.starts_with(['*', '$']) && !line.is_empty());
        Some(texts.map(str::to_owned).collect())
    }
}

/// Every lease that Redis shows, as text; `None` while Redis is away.
pub(crate) async fn shown(world: &World) -> Option<Vec<String>> {
    let keys = world.redis(&["KEYS", "lease:*"]).await?;
    let mut keys: Vec<String> =
        keys.iter().filter_map(|key| key.strip_prefix("lease:")).map(str::to_owned).collect();
    keys.sort();
    Some(keys)
}

/// A program of ours, as cargo put it beside this test.
pub(crate) fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().and_then(Path::parent).unwrap().join(name);
    assert!(program.is_file(), "{} is not built; run `cargo verify`", program.display());
    program
}

/// What a command said, both ways.
pub(crate) fn said(output: &Output) -> String {
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{out}{err}")
}

/// Whether this is `cargo verify --deep`.
pub(crate) fn deep() -> bool {
    std::env::var("PERIMETER_DEEP").is_ok_and(|deep| deep == "1")
}

/// Shows a row's figure, past the capture of the test's output.
pub(crate) fn figure(text: &str) {
    std::io::stderr().write_all(format!("figure  {text}\n").as_bytes()).unwrap();
}

/// Milliseconds since the Unix epoch.
pub(crate) fn now() -> Millis {
    pipeline::Clock::system().now()
}

/// Asks again and again until there is an answer.
pub(crate) async fn eventually<T>(
    what: &str,
    within: Duration,
    ask: impl AsyncFn() -> Option<T>,
) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(begun.elapsed() < within, "not within {within:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// One HTTP request on a connection of its own.
pub(crate) async fn exchange(
    address: &str,
    method: &str,
    target: &str,
    headers: &[(&str, String)],
    body: &str,
) -> Answer {
    let mut request =
        format!("{method} {target} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        request += &format!("content-length: {}\r\n", body.len());
    }
    request += "\r\n";
    request += body;
    let answer = exchange_raw(address, request.as_bytes()).await.unwrap_or_default();
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return Answer::default() };
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

async fn exchange_raw(address: &str, request: &[u8]) -> Option<String> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        stream.write_all(request).await.ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok()?;
        Some(String::from_utf8_lossy(&answer).into_owned())
    };
    tokio::time::timeout(ANSWER_WITHIN, exchange).await.ok()?
}
