//! The settings: what the old ones alone mean, and that each mistake is told in one sentence.

use std::fs;

use collector::Config;
use pipeline::{Config as _, ConfigError, Env};
use tempfile::TempDir;

const KEY: &str = "PROBE_PUBLIC_KEY";

/// The settings of a collector of Envoy's log, with their files.
struct Settings {
    folder: TempDir,
    values: Vec<(String, String)>,
}

impl Settings {
    fn none() -> Self {
        Settings { folder: TempDir::new().unwrap(), values: Vec::new() }
            .file("POLICY_FILE", "mode = \"simulated\"")
    }

    fn envoy() -> Self {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        Settings::none()
            .file(KEY, &key.public_key_pem())
            .file("TLS_CA", "")
            .value("ENVOY_ALS_ADDR", "127.0.0.1:9201")
    }

    fn value(mut self, name: &str, value: &str) -> Self {
        self.values.push((format!("COLLECTOR_{name}"), value.to_owned()));
        self
    }

    fn file(self, name: &str, text: &str) -> Self {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        self.value(name, &path.display().to_string())
    }

    /// A setting that all services share.
    fn shared(mut self, name: &str, value: &str) -> Self {
        self.values.push((name.to_owned(), value.to_owned()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.values.retain(|(set, _)| *set != format!("COLLECTOR_{name}"));
        self
    }

    /// Reads them as the program does.
    fn read(&self) -> Result<Config, ConfigError> {
        let mut env = Env::new("collector", self.values.clone());
        let config = Config::from_env(&mut env)?;
        env.finish()?;
        Ok(config)
    }

    #[track_caller]
    fn check(&self, words: &str) {
        let error = self.read().unwrap_err().to_string();
        assert!(error.contains(words), "'{words}' is not in: {error}");
        assert_eq!(error.trim().lines().count(), 1, "more than a sentence: {error}");
    }
}

#[test]
fn the_old_settings_alone_collect_from_envoy_and_from_nothing_else() {
    let config = Settings::envoy().read().unwrap();
    assert_eq!(config.envoy.unwrap().address.to_string(), "127.0.0.1:9201");
    assert!(config.logs.is_none() && config.intake.is_none() && config.syslog.is_none());
}

#[test]
fn a_setting_that_is_missing_is_named() {
    for name in ["POLICY_FILE", KEY, "TLS_CA", "ENVOY_ALS_ADDR"] {
        Settings::envoy().without(name).check(&format!("COLLECTOR_{name} is not set"));
    }
    Settings::none().check("COLLECTOR_LOGS_FILE");
    Settings::envoy().file("POLICY_FILE", "ladddder = 3").check("ladddder");
    let unusable = Settings::envoy().without(KEY).file(KEY, "a key");
    unusable.check(&format!("/{KEY} cannot be used: it is not an Ed25519 public key"));
    Settings::envoy().value("LOG_FILE", "x").check("COLLECTOR_LOG_FILE");
    let intake = "address = \"127.0.0.1:0\"\n[[sender]]\nname = \"a\"\nidentity = \"spiffe://a/b\"";
    Settings::none().file("INTAKE_FILE", intake).check("COLLECTOR_TLS_CA is not set");
    Settings::none().value("LOGS_FILE", "/nowhere/logs.toml").check("/nowhere/logs.toml");
}

#[test]
fn a_mistake_about_log_files_says_what_to_write() {
    let file = "[[file]]\npath = \"/var/log/a.log\"";
    for (text, words) in [
        ("once = true".to_owned(), "it has 0 [[file]] entries; write 1 to 256"),
        (format!("onse = true\n{file}"), "line 1: unknown field `onse`"),
        (format!("once = true\n{file}\n= 3"), "line 4: "),
        (file.to_owned(), "state is not set"),
        (format!("state = \"/nowhere/at/all/logs.json\"\n{file}"), "no folder for state"),
        ("once = true\n[[file]]\npath = \"a.log\"".to_owned(), "must begin with /"),
        ("once = true\n[[file]]\npath = \"/a/[\"".to_owned(), "path = \"/a/[\""),
        (format!("once = true\nhost = \"a/b\"\n{file}"), "host must be a name"),
        (format!("once = true\n{file}\nformat = \"apache\""), "format of /var/log/a.log"),
        (format!("once = true\n{file}\nutc_offset_minutes = 841"), "between -840 and 840"),
        (format!("once = true\n{file}\nfrom = \"end\""), "leaves nothing to read once"),
        (format!("once = true\n{file}\nfrom = \"now\""), "unknown variant `now`"),
    ] {
        let settings = Settings::none().file("LOGS_FILE", &text);
        settings.check("COLLECTOR_LOGS_FILE cannot be used: ");
        settings.check(words);
    }
}

#[test]
fn a_mistake_about_senders_says_what_to_write() {
    let digest = "a".repeat(64);
    let address = "address = \"127.0.0.1:0\"";
    let sender = format!("[[sender]]\nname = \"app\"\ntoken_sha256 = \"{digest}\"");
    let named = "[[sender]]\nname = \"app\"\nidentity = \"spiffe://a/b\"";
    for (text, words) in [
        (address.to_owned(), "it has 0 [[sender]] entries"),
        (sender.clone(), "missing field `address`"),
        (format!("address = \"everywhere\"\n{sender}"), "line 1: "),
        (format!("{address}\n{sender}\ntokn = 1"), "unknown field `tokn`"),
        (format!("{address}\n{sender}\n{sender}"), "the name app stands twice"),
        (format!("{address}\n[[sender]]\nname = \"app\""), "needs a token_sha256 or an identity"),
        (format!("{address}\n[[sender]]\nname = \"a/b\"\ntoken_sha256 = \"{digest}\""), "'a/b'"),
        (format!("{address}\n[[sender]]\nname = \"app\"\ntoken_sha256 = \"secret\""), "sha256sum"),
        (format!("{address}\n[[sender]]\nname = \"app\"\nidentity = \"gateway\""), "SPIFFE URI"),
        (format!("{address}\n{sender}\nprovenance = \"sworn\""), "unknown variant `sworn`"),
        (
            format!("{address}\n{sender}\n{}", sender.replace("app", "other")),
            "the senders app and other have the same token_sha256",
        ),
        (
            format!("{address}\n{named}\n{}", named.replace("app", "other")),
            "the senders app and other have the same identity",
        ),
    ] {
        let settings = Settings::envoy().file("INTAKE_FILE", &text);
        settings.check("COLLECTOR_INTAKE_FILE cannot be used: ");
        settings.check(words);
    }
}

#[test]
fn a_mistake_about_syslog_says_what_to_write() {
    let tcp = "[[listener]]\ntransport = \"tcp\"\naddress = \"127.0.0.1:0\"\n";
    let tls = tcp.replace("tcp", "tls");
    let sender = "[[sender]]\nname = \"web\"\n";
    let web = format!("{sender}network = \"10.0.0.0/8\"\n");
    let named = format!("{sender}identity = \"spiffe://a/b\"\n");
    for (text, words) in [
        (web.clone(), "it has 0 [[listener]] entries; write 1 to 16"),
        (tcp.to_owned(), "it has 0 [[sender]] entries; write 1 to 1024"),
        (format!("{tcp}{sender}"), "the sender web needs a network or an identity"),
        (format!("{tcp}{web}identity = \"spiffe://a/b\""), "and not both"),
        (format!("{tcp}{web}{}", web.replace("10.0.0.0/8", "10.1.0.0/16")), "web stands twice"),
        (
            format!("{tcp}{web}{}", web.replace("web", "edge")),
            "two senders have the network 10.0.0.0/8",
        ),
        (format!("{tcp}{}", web.replace("/8", "/80")), "'10.0.0.0/80' is no network"),
        (
            format!("{tcp}{}", web.replace("10.0.0.0/8", "127.0.0.1/8")),
            "'127.0.0.1/8' has bits set after its prefix; write 127.0.0.0/8",
        ),
        (format!("{tcp}{named}"), "which only a [[listener]] with transport = \"tls\" sees"),
        (format!("{tls}{}", named.replace("spiffe", "https")), "SPIFFE URI"),
        (format!("{tcp}{web}format = \"apache\""), "format of web"),
        (format!("{tcp}{web}utc_offset_minutes = 841"), "between -840 and 840"),
        (format!("{tcp}{web}year = 2026"), "unknown field `year`"),
        (tcp.replace("tcp", "sctp"), "unknown variant `sctp`"),
    ] {
        let settings = Settings::none().file("SYSLOG_FILE", &text);
        settings.check("COLLECTOR_SYSLOG_FILE cannot be used: ");
        settings.check(words);
    }
    let settings = Settings::none().file("SYSLOG_FILE", &format!("{tls}{named}"));
    settings.check("COLLECTOR_TLS_CA is not set");
    Settings::none().file("SYSLOG_FILE", &format!("{tcp}{web}")).read().unwrap();
}

#[test]
fn a_mistake_about_topics_says_what_to_write() {
    let topic = "[[topic]]\nname = \"logs\"\n";
    let logs = format!("{topic}format = \"documents\"\n");
    for (text, words) in [
        (String::new(), "it has 0 [[topic]] entries; write 1 to 32"),
        (topic.to_owned(), "missing field `format`"),
        (format!("{topic}format = \"auto\""), "auto is for files"),
        (format!("{topic}format = \"apache\""), "format of logs"),
        (format!("{logs}{logs}"), "the topic logs stands twice"),
        (logs.replace("logs", "a/b"), "'a/b' is no name of a topic"),
        (logs.replace("logs", "events"), "events is a topic of ours"),
        (format!("{logs}group = \"\""), "group of logs must not be empty"),
        (format!("[properties]\n\"no.such.thing\" = \"1\"\n{logs}"), "no.such.thing"),
        (
            format!(
                "[properties]\n\"security.protocol\" = \"ssl\"\n\"ssl.ca.location\" = \"/nowhere/ca.pem\"\n{logs}"
            ),
            "ssl.ca.location=/nowhere/ca.pem",
        ),
        (format!("[properties]\n\"fetch.min.bytes\" = 1\n{logs}"), "expected a string"),
    ] {
        let settings =
            Settings::none().shared("KAFKA_BOOTSTRAP_SERVERS", "b:9092").file("KAFKA_FILE", &text);
        settings.check("COLLECTOR_KAFKA_FILE cannot be used: ");
        settings.check(words);
    }
}

#[test]
fn the_properties_of_a_topic_are_ours_unless_its_brokers_are_not() {
    let topic = "[[topic]]\nname = \"logs\"\nformat = \"documents\"\n";
    let elsewhere = "[properties]\n\"bootstrap.servers\" = \"theirs:9092\"\n";
    for (text, expected) in [
        (
            topic.to_owned(),
            "client.id=perimeter-collector bootstrap.servers=ours:9092 client.rack=a sasl.password=secret",
        ),
        (format!("{elsewhere}{topic}"), "bootstrap.servers=theirs:9092 sasl.password=secret"),
    ] {
        let settings = Settings::none()
            .shared("KAFKA_BOOTSTRAP_SERVERS", "ours:9092")
            .shared("KAFKA_CLIENT_RACK", "a")
            .value("KAFKA_SASL_PASSWORD", "secret")
            .file("KAFKA_FILE", &text);
        let kafka = settings.read().unwrap().kafka.unwrap();
        let properties: Vec<_> =
            kafka.properties.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(properties.join(" "), expected);
        assert_eq!(kafka.topics[0].group, "perimeter-logs");
        assert!(!format!("{kafka:?}").contains("secret"), "a password is shown");
    }
}
