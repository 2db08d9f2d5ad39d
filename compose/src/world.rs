//! The world's life: everything started side by side, ready or not at all, and gone when it ends.

use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::description::Description;
use crate::install::remove;
use crate::paths::{self, Paths};
use crate::process::{self, Program};
use crate::services::{self, Places, Plan, Ports};
use crate::supervisor::{Kind, Member, Supervisor};
use crate::terminal::warn;
use crate::{certificates, envoy, http, kafka, redis, waf};

/// Where the collector remembers what it read; thrown away at every start, as Kafka's logs are.
const LOGS_STATE: &str = "logs-state.json";
const BOOTSTRAP_DEADLINE: Duration = Duration::from_secs(60);
const READY_DEADLINE: Duration = Duration::from_secs(60);
const ASK_EVERY: Duration = Duration::from_millis(50);
/// Longer than a service's own drain deadline of 8 s.
const SERVICE_GRACE: Duration = Duration::from_secs(10);
const SERVICE_RESTART_AFTER: Duration = Duration::from_millis(50);
const COMPONENT_GRACE: Duration = Duration::from_secs(2);
/// A broker or a Redis that died is away for a second, so that a restart is felt.
const COMPONENT_RESTART_AFTER: Duration = Duration::from_secs(1);

/// What the world is made of.
#[derive(Debug, Clone)]
pub struct Options {
    /// The user's own brokers, instead of Kafka started here.
    pub brokers: Option<String>,
    pub redis: Option<String>,
    pub waf_endpoint: Option<String>,
    pub policy: PathBuf,
    /// Whether the services send their traces to an address, told in `world.json`, at which a test may listen.
    pub traced: bool,
    /// An access log that the collector follows.
    pub logs: Option<PathBuf>,
    /// The services to start, of [`services::STAGES`].
    pub stages: Vec<String>,
}

impl Options {
    /// Refuses what cannot be meant, before anything is installed or started.
    pub fn check(&self) -> Result<()> {
        if let Some(brokers) = &self.brokers {
            let addressed = |broker: &str| {
                broker
                    .trim()
                    .rsplit_once(':')
                    .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
            };
            if !brokers.split(',').all(addressed) {
                bail!("--brokers {brokers} is no list of brokers; write HOST:PORT[,HOST:PORT…]");
            }
        }
        if let Some(url) = &self.redis {
            redis::address_of(url)?;
        }
        if let Some(endpoint) = &self.waf_endpoint {
            waf::address_of(endpoint)?;
        }
        if !self.policy.is_file() {
            bail!("there is no policy file {}", self.policy.display());
        }
        Ok(())
    }
}

impl Options {
    /// Looks whether the user's own components are there, before minutes are spent on building.
    pub async fn reachable(&self) -> Result<()> {
        if let Some(brokers) = &self.brokers {
            kafka::reachable(brokers).await?;
        }
        if let Some(url) = &self.redis {
            redis::reachable(url).await?;
        }
        if let Some(endpoint) = &self.waf_endpoint {
            waf::reachable(endpoint).await?;
        }
        Ok(())
    }
}

/// A running world. End it with [`World::stop`]; if this process dies instead, the kernel ends it.
pub struct World {
    pub description: Arc<Mutex<Description>>,
    pub supervisor: Arc<Supervisor>,
    paths: Paths,
    options: Options,
    places: Places,
    writer: Mutex<Option<JoinHandle<()>>>,
    _lock: File,
}

impl World {
    /// Starts everything and waits until it is ready. When it fails or is interrupted, nothing is left running.
    pub async fn start(
        paths: &Paths,
        options: Options,
        interrupted: &CancellationToken,
    ) -> Result<World> {
        let lock = paths::lock(&paths.world)?;
        let world = World::plan(paths, options, lock)?;
        let started = tokio::select! {
            started = world.bring_up() => started,
            () = interrupted.cancelled() => Err(anyhow::anyhow!("interrupted")),
        };
        if let Err(error) = started {
            world.stop().await;
            return Err(error);
        }
        Ok(world)
    }

    /// Ends everything, our own services first.
    pub async fn stop(&self) {
        if let Some(writer) = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take() {
            writer.abort();
        }
        // A world that is not there must not be found.
        remove(&self.file()).ok();
        self.supervisor.stop().await;
        if let Err(error) = remove_data(&self.paths) {
            warn(format!("{error:#}"));
        }
    }

    /// `world.json`.
    pub fn file(&self) -> PathBuf {
        self.paths.world.join("world.json")
    }

    /// A copy of where everything is now.
    pub fn description(&self) -> Description {
        self.description.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One program of the world.
    pub fn member(&self, name: &str) -> Option<Arc<Member>> {
        self.supervisor.members().into_iter().find(|member| member.name() == name)
    }

    fn plan(paths: &Paths, options: Options, lock: File) -> Result<World> {
        for left in ["world.json", "log", "certificates", LOGS_STATE] {
            remove(&paths.world.join(left))?;
        }
        remove_data(paths)?;
        for replica in 0..2 {
            remove(&paths.freeze_file(replica))?;
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&paths.data).with_context(|| {
            format!(
                "could not make {}; name another folder with PERIMETER_WORLD_DATA",
                paths.data.display()
            )
        })?;
        certificates::make(&paths.certificates())?;
        let policy = options.policy.canonicalize();
        let policy = policy.with_context(|| {
            format!("could not find the policy file {}", options.policy.display())
        })?;
        let ports = Ports::choose()?;
        let here = |port: u16| format!("127.0.0.1:{port}");
        let mut own = Vec::new();
        if options.brokers.is_some() {
            own.extend(std::env::vars().filter(|(name, _)| {
                name.starts_with("KAFKA_") && name != "KAFKA_BOOTSTRAP_SERVERS"
            }));
        }
        if options.waf_endpoint.is_some() {
            own.extend(std::env::vars().filter(|(name, _)| name.starts_with("AWS_")));
        }
        let places = Places {
            brokers: options.brokers.clone().unwrap_or_else(|| here(ports.kafka)),
            redis_url: options
                .redis
                .clone()
                .unwrap_or_else(|| format!("redis://{}/", here(ports.redis))),
            waf_endpoint: options
                .waf_endpoint
                .clone()
                .unwrap_or_else(|| format!("http://{}", here(ports.waf))),
            policy: policy.display().to_string(),
            traces: options.traced.then(|| here(ports.otlp)),
            logs: options.logs.as_deref().map(|log| follow(paths, log)).transpose()?,
            stages: options.stages.clone(),
            own,
            ports,
        };
        let description = Description::plan(paths, &options, &places, policy);
        Ok(World {
            description: Arc::new(Mutex::new(description)),
            supervisor: Arc::default(),
            paths: paths.clone(),
            options,
            places,
            writer: Mutex::default(),
            _lock: lock,
        })
    }

    async fn bring_up(&self) -> Result<()> {
        tokio::try_join!(self.kafka(), self.redis(), self.waf(), self.application(), self.envoy())?;
        let plans = services::plans(&self.paths, &self.places);
        let starting = plans.iter().map(|plan| {
            let program = plan.program.clone();
            self.supervisor.keep(program, Kind::Service, SERVICE_RESTART_AFTER, SERVICE_GRACE)
        });
        let members: Vec<Arc<Member>> = starting.collect();
        services_ready(&plans, &members).await?;
        if members.iter().any(|member| member.name().starts_with("executor")) {
            envoy::executors_healthy(&self.address(self.places.ports.envoy_admin)).await?;
        }
        self.publish()
    }

    async fn kafka(&self) -> Result<()> {
        let ports = &self.places.ports;
        if self.options.brokers.is_none() {
            let program = kafka::prepare(&self.paths, ports.kafka, ports.kafka_controller).await?;
            // Its logs are thrown away at the next start, so nothing is gained by an orderly end.
            let member = self.component(program, Duration::ZERO);
            alive(&member, kafka::ready(&self.places.brokers)).await?;
            self.description.lock().unwrap_or_else(PoisonError::into_inner).kafka.version =
                Some(kafka::version(&self.paths)?);
        }
        self.bootstrap("kafka", ["--brokers", &self.places.brokers]).await
    }

    async fn redis(&self) -> Result<()> {
        if self.options.redis.is_some() {
            return Ok(());
        }
        let program = redis::prepare(&self.paths, self.places.ports.redis)?;
        let member = self.component(program, COMPONENT_GRACE);
        alive(&member, redis::ready(&self.address(self.places.ports.redis))).await
    }

    async fn waf(&self) -> Result<()> {
        if self.options.waf_endpoint.is_none() {
            let member =
                self.component(waf::prepare(&self.paths, self.places.ports.waf), COMPONENT_GRACE);
            alive(&member, waf::ready(&self.address(self.places.ports.waf))).await?;
        }
        self.bootstrap("aws", ["--endpoint", &self.places.waf_endpoint]).await
    }

    async fn application(&self) -> Result<()> {
        let address = self.address(self.places.ports.application);
        let program = Program {
            name: "application".to_owned(),
            path: self.paths.program("sample-application"),
            arguments: vec![address.clone()],
            environment: Vec::new(),
            folder: self.paths.world.clone(),
            log: self.paths.log("application"),
        };
        let member = self.component(program, COMPONENT_GRACE);
        let asking = async {
            while !matches!(http::get(&address, "/").await, Ok((200, _))) {
                tokio::time::sleep(ASK_EVERY).await;
            }
            Ok(())
        };
        alive(&member, asking).await
    }

    async fn envoy(&self) -> Result<()> {
        let ports = &self.places.ports;
        let settings = envoy::Settings {
            listener: ports.listener,
            admin: ports.envoy_admin,
            application: ports.application,
            authz: ports.authz,
            collector: ports.als,
            verifier: ports.verifier_als,
            certificates: self.paths.certificates(),
        };
        let member = self.component(envoy::prepare(&self.paths, &settings)?, COMPONENT_GRACE);
        alive(&member, envoy::ready(&self.address(ports.envoy_admin))).await
    }

    async fn bootstrap(&self, what: &str, target: [&str; 2]) -> Result<()> {
        services::bootstrap(&self.paths, &self.places, what, target)
            .finish(BOOTSTRAP_DEADLINE)
            .await
    }

    fn component(&self, program: Program, grace: Duration) -> Arc<Member> {
        self.supervisor.keep(program, Kind::Component, COMPONENT_RESTART_AFTER, grace)
    }

    fn address(&self, port: u16) -> String {
        format!("127.0.0.1:{port}")
    }

    /// Writes `world.json` now, and again whenever a process id changes.
    fn publish(&self) -> Result<()> {
        let (supervisor, description, file) =
            (self.supervisor.clone(), self.description.clone(), self.file());
        let write = move || {
            let mut description = description.lock().unwrap_or_else(PoisonError::into_inner);
            for member in supervisor.members() {
                description.note(member.name(), member.pid());
            }
            description.write(&file)
        };
        write()?;
        let changed = self.supervisor.changed();
        let writer = tokio::spawn(async move {
            loop {
                changed.notified().await;
                if let Err(error) = write() {
                    warn(format!("{error:#}"));
                }
            }
        });
        *self.writer.lock().unwrap_or_else(PoisonError::into_inner) = Some(writer);
        Ok(())
    }
}

/// Writes the settings by which the collector follows `log`, and makes the log where there is none.
fn follow(paths: &Paths, log: &Path) -> Result<String> {
    let making = || format!("could not make the log {}; does its folder exist", log.display());
    let opened = File::options().create(true).append(true).open(log);
    drop(opened.with_context(making)?);
    let (log, settings) = (log.canonicalize().with_context(making)?, paths.world.join("logs.toml"));
    let state = paths.world.join(LOGS_STATE);
    let text = format!("state = {state:?}\n[[file]]\npath = {log:?}\nformat = \"combined\"\n");
    std::fs::write(&settings, text)
        .with_context(|| format!("could not write {}", settings.display()))?;
    Ok(settings.display().to_string())
}

/// Removes what Kafka and Redis wrote, and only that: the folder may be one that the user named.
fn remove_data(paths: &Paths) -> Result<()> {
    for folder in paths.data_folders() {
        for written in ["kafka", "redis"] {
            remove(&folder.join(written))?;
        }
        // Stays where something else lies in it.
        std::fs::remove_dir(&folder).ok();
    }
    Ok(())
}

/// Waits for a component, unless it ends before it was ready: starting it again would not help.
async fn alive(member: &Member, ready: impl Future<Output = Result<()>>) -> Result<()> {
    let ended = async {
        while member.restarts() == 0 && member.refused().is_none() {
            tokio::time::sleep(ASK_EVERY).await;
        }
    };
    tokio::select! {
        ready = ready => ready,
        () = ended => match member.refused() {
            Some(reason) => bail!("{reason}"),
            None => bail!("{} ended at its start:\n{}", member.name(), process::tail(&member.program.log)),
        },
    }
}

async fn services_ready(plans: &[Plan], members: &[Arc<Member>]) -> Result<()> {
    let deadline = tokio::time::Instant::now() + READY_DEADLINE;
    for (plan, member) in plans.iter().zip(members) {
        let address = plan.addresses.get("admin").map(String::as_str).unwrap_or_default();
        loop {
            let answer = http::get(address, "/readyz").await;
            if matches!(answer, Ok((200, _))) {
                break;
            }
            if let Some(reason) = members.iter().find_map(|member| member.refused()) {
                bail!("{reason}");
            }
            if tokio::time::Instant::now() > deadline {
                let said = answer.map_or_else(|error| format!("{error:#}"), |(_, text)| text);
                bail!(
                    "{} was not ready within {} s ({said}):\n{}",
                    member.name(),
                    READY_DEADLINE.as_secs(),
                    process::tail(&member.program.log)
                );
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }
    Ok(())
}
