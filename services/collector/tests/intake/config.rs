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
    assert!(config.logs.is_none() && config.intake.is_none());
}

#[test]
fn a_setting_that_is_missing_is_named() {
    for name in ["POLICY_FILE", KEY, "TLS_CA", "ENVOY_ALS_ADDR"] {
        Settings::envoy().without(name).check(&format!("COLLECTOR_{name} is not set"));
    }
    Settings::none().check("COLLECTOR_LOGS_FILE");
    Settings::envoy().file("POLICY_FILE", "ladddder = 3").check("ladddder");
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
    ] {
        let settings = Settings::envoy().file("INTAKE_FILE", &text);
        settings.check("COLLECTOR_INTAKE_FILE cannot be used: ");
        settings.check(words);
    }
}
