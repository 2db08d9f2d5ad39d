//! How each of our services is started: its environment, and nothing else. Pure; the world does the starting.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::certificates;
use crate::paths::Paths;
use crate::ports;
use crate::process::Program;

/// Prefix of the IP sets' names at the WAF.
const WAF_SET_PREFIX: &str = "perimeter-block";
const WAF_SCOPE: &str = "REGIONAL";

/// Every port of a world.
#[derive(Debug, Clone)]
pub struct Ports {
    pub kafka: u16,
    pub kafka_controller: u16,
    pub redis: u16,
    pub waf: u16,
    pub listener: u16,
    pub envoy_admin: u16,
    pub application: u16,
    pub als: u16,
    pub verifier_als: u16,
    pub api: u16,
    pub plaintext: u16,
    pub authz: [u16; 2],
    /// Health and metrics of collector, scorer, decider, executor 0, executor 1, verifier.
    pub admin: [u16; 6],
    /// Nobody's: a test may receive traces there.
    pub otlp: u16,
}

impl Ports {
    /// Chooses free ones.
    pub fn choose() -> anyhow::Result<Self> {
        let ports = ports::free(20)?;
        Ok(Ports {
            kafka: ports[0],
            kafka_controller: ports[1],
            redis: ports[2],
            waf: ports[3],
            listener: ports[4],
            envoy_admin: ports[5],
            application: ports[6],
            als: ports[7],
            verifier_als: ports[8],
            api: ports[9],
            plaintext: ports[10],
            authz: [ports[11], ports[12]],
            admin: [ports[13], ports[14], ports[15], ports[16], ports[17], ports[18]],
            otlp: ports[19],
        })
    }
}

/// Where the services find what they need.
#[derive(Debug, Clone)]
pub struct Places {
    pub ports: Ports,
    pub brokers: String,
    pub redis_url: String,
    pub waf_endpoint: String,
    pub policy: String,
    /// Where the services send their traces, if not where our own environment says.
    pub traces: Option<String>,
    /// The file that tells the collector which logs to follow, if any.
    pub logs: Option<String>,
    /// The services to start, of [`STAGES`].
    pub stages: Vec<String>,
    /// The user's own settings of Kafka's client and of AWS, when Kafka or the WAF are the user's.
    pub own: Vec<(String, String)>,
}

/// One service: how to start it, and where it listens.
#[derive(Debug, Clone)]
pub struct Plan {
    pub program: Program,
    pub addresses: BTreeMap<String, String>,
    /// What freezes it while it exists.
    pub freeze_file: Option<PathBuf>,
}

/// The services of the loop, in the order in which an event passes them.
pub const STAGES: [&str; 5] = ["collector", "scorer", "decider", "executor", "verifier"];

/// The services that the world is to have.
pub fn plans(paths: &Paths, places: &Places) -> Vec<Plan> {
    let ports = &places.ports;
    let folder = paths.certificates();
    let (private, public) = certificates::probe_key_paths(&folder);
    let redis = [("REDIS_URL", places.redis_url.clone())];
    let executor = |replica: usize| {
        let mut plan =
            Plan::new(paths, places, "executor", Some(replica), ports.admin[3 + replica]);
        plan.serve("authz", "AUTHZ_ADDR", ports.authz[replica]);
        plan.set(redis.clone());
        plan.waf(places);
        let freeze_file = paths.freeze_file(replica);
        plan.set([("FREEZE_FILE", freeze_file.display().to_string())]);
        plan.freeze_file = Some(freeze_file);
        plan
    };
    let mut collector = Plan::new(paths, places, "collector", None, ports.admin[0]);
    collector.serve("als", "ENVOY_ALS_ADDR", ports.als);
    collector.set([("PROBE_PUBLIC_KEY", public.display().to_string())]);
    collector.set(places.logs.iter().map(|file| ("LOGS_FILE", file.clone())));
    let scorer = Plan::new(paths, places, "scorer", None, ports.admin[1]);
    let mut decider = Plan::new(paths, places, "decider", None, ports.admin[2]);
    decider.serve("api", "API_ADDR", ports.api);
    decider.serve("plaintext", "PLAINTEXT_ADDR", ports.plaintext);
    let mut verifier = Plan::new(paths, places, "verifier", None, ports.admin[5]);
    verifier.serve("als", "ENVOY_ALS_ADDR", ports.verifier_als);
    verifier.set([
        ("ENVOY_ADMIN_URL", format!("http://127.0.0.1:{}", ports.envoy_admin)),
        ("PROBE_URL", format!("http://127.0.0.1:{}", ports.listener)),
        ("PROBE_PRIVATE_KEY", private.display().to_string()),
        ("OCSF", "on".to_owned()),
    ]);
    verifier.waf(places);
    let all = [collector, scorer, decider, executor(0), executor(1), verifier];
    all.into_iter().filter(|plan| plan.is_of(&places.stages)).collect()
}

/// `perimeter bootstrap …`: makes what the services expect to find.
pub fn bootstrap(paths: &Paths, places: &Places, what: &str, target: [&str; 2]) -> Program {
    let name = format!("bootstrap-{what}");
    let mut environment = shared(places);
    environment.extend(aws(places));
    Program {
        path: paths.program("perimeter"),
        arguments: ["bootstrap", what, target[0], target[1]].map(str::to_owned).to_vec(),
        environment,
        folder: paths.world.clone(),
        log: paths.log(&name),
        name,
    }
}

impl Plan {
    fn new(
        paths: &Paths,
        places: &Places,
        service: &str,
        replica: Option<usize>,
        admin: u16,
    ) -> Self {
        let name = replica.map_or(service.to_owned(), |replica| format!("{service}-{replica}"));
        let folder = paths.certificates();
        let program = Program {
            path: paths.program(service),
            arguments: Vec::new(),
            environment: shared(places),
            folder: paths.world.clone(),
            log: paths.log(&name),
            name,
        };
        let mut plan = Plan { program, addresses: BTreeMap::new(), freeze_file: None };
        plan.serve("admin", "ADMIN_ADDR", admin);
        plan.set([
            ("REPLICA", replica.unwrap_or(0).to_string()),
            ("POLICY_FILE", places.policy.clone()),
            ("TLS_CA", folder.join("ca.pem").display().to_string()),
            ("TLS_CERT", folder.join(format!("{service}.pem")).display().to_string()),
            ("TLS_KEY", folder.join(format!("{service}.key")).display().to_string()),
        ]);
        plan
    }

    fn is_of(&self, stages: &[String]) -> bool {
        let service = self.program.path.file_name().unwrap_or_default();
        stages.iter().any(|stage| service == stage.as_str())
    }

    fn serve(&mut self, what: &str, setting: &str, port: u16) {
        let address = format!("127.0.0.1:{port}");
        self.set([(setting, address.clone())]);
        self.addresses.insert(what.to_owned(), address);
    }

    fn set<'a>(&mut self, settings: impl IntoIterator<Item = (&'a str, String)>) {
        let service =
            self.program.path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        let named = settings.into_iter().map(|(name, value)| (format!("{service}_{name}"), value));
        self.program.environment.extend(named);
    }

    fn waf(&mut self, places: &Places) {
        self.set([
            ("WAF_SET_PREFIX", WAF_SET_PREFIX.to_owned()),
            ("WAF_SCOPE", WAF_SCOPE.to_owned()),
        ]);
        self.program.environment.extend(aws(places));
    }
}

fn shared(places: &Places) -> Vec<(String, String)> {
    let kafka = places.own.iter().filter(|(name, _)| name.starts_with("KAFKA_")).cloned();
    std::iter::once(("KAFKA_BOOTSTRAP_SERVERS".to_owned(), places.brokers.clone()))
        .chain(kafka)
        .chain(places.traces.iter().flat_map(|address| otlp(address)))
        .collect()
}

/// A test waits for the spans: they leave at once.
fn otlp(address: &str) -> [(String, String); 2] {
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), format!("http://{address}")),
        ("OTEL_BSP_SCHEDULE_DELAY".to_owned(), "200".to_owned()),
    ]
}

/// The emulator asks for no credentials, but the SDK signs every request with some.
fn aws(places: &Places) -> Vec<(String, String)> {
    let mut settings: BTreeMap<String, String> = [
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let own: BTreeMap<String, String> =
        places.own.iter().filter(|(name, _)| name.starts_with("AWS_")).cloned().collect();
    if own.contains_key("AWS_ACCESS_KEY_ID") || own.contains_key("AWS_PROFILE") {
        settings.retain(|name, _| name == "AWS_REGION");
    }
    settings.extend(own);
    settings.insert("AWS_ENDPOINT_URL_WAFV2".to_owned(), places.waf_endpoint.clone());
    settings.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The processes that are started of these services.
    fn started(stages: &[&str]) -> Vec<String> {
        let paths = Paths {
            root: PathBuf::from("/workspace"),
            world: PathBuf::from("/workspace/target/world"),
            data: PathBuf::from("/workspace/target/world/data"),
            programs: PathBuf::from("/workspace/target/debug"),
        };
        let places = Places {
            ports: Ports::choose().unwrap(),
            brokers: "127.0.0.1:9092".to_owned(),
            redis_url: "redis://127.0.0.1:6379/".to_owned(),
            waf_endpoint: "http://127.0.0.1:4566".to_owned(),
            policy: "policy.toml".to_owned(),
            traces: None,
            logs: None,
            stages: stages.iter().map(|stage| (*stage).to_owned()).collect(),
            own: Vec::new(),
        };
        plans(&paths, &places).into_iter().map(|plan| plan.program.name).collect()
    }

    #[test]
    fn of_the_services_that_are_named_every_process_is_started_and_no_other() {
        let all = ["collector", "scorer", "decider", "executor-0", "executor-1", "verifier"];
        assert_eq!(started(&STAGES), all);
        // In the order of the loop, whatever that of the names.
        assert_eq!(started(&["scorer", "collector"]), ["collector", "scorer"]);
        assert_eq!(started(&["executor"]), ["executor-0", "executor-1"]);
    }
}
