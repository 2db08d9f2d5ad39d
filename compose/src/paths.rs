//! Where things lie: the workspace, its programs, and the folder of the world.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// A file that only this workspace has; it tells the root from any other folder.
const LANDMARK: &str = "compose/kafka/pom.xml";
/// Where Linux keeps files in memory.
const MEMORY: &str = "/dev/shm";
/// What must be free there before the world's data may lie there.
const MEMORY_BYTES_MIN: u64 = 2 * 1024 * 1024 * 1024;
/// What a build of everything with its tests takes on the disk, and a world that ran: 8 to 12 GiB were seen, by how much
/// is kept for the next build. With less than this no build ends.
const BUILD_BYTES: u64 = 8 * 1024 * 1024 * 1024;
/// Names another folder for the world's data.
const DATA_SETTING: &str = "PERIMETER_WORLD_DATA";

/// The folders that everything else is found from.
#[derive(Debug, Clone)]
pub struct Paths {
    /// The workspace.
    pub root: PathBuf,
    /// `target/world`: whatever the world installs, writes and logs.
    pub world: PathBuf,
    /// What Kafka and Redis write, thrown away at every start. In memory where there is room: a disk that is still busy
    /// with a build stalls both for seconds, and the world would show that instead of the loop.
    pub data: PathBuf,
    /// Where cargo puts our programs, in the profile that this process was built in.
    pub programs: PathBuf,
}

impl Paths {
    /// Finds the workspace above this program, or above the current folder.
    pub fn find() -> Result<Self> {
        let program = std::env::current_exe().context("could not find this program's own path")?;
        let here = std::env::current_dir().context("could not find the current folder")?;
        let Some(root) = program
            .ancestors()
            .chain(here.ancestors())
            .find(|folder| folder.join(LANDMARK).is_file())
        else {
            bail!(
                "could not find the workspace; start this inside the folder that holds {LANDMARK}"
            );
        };
        let programs = program.parent().context("could not find the folder of our programs")?;
        let chosen = std::env::var_os(DATA_SETTING).map(PathBuf::from);
        Ok(Paths {
            root: root.to_owned(),
            world: root.join("target/world"),
            data: chosen.unwrap_or_else(|| data(root, free_bytes(Path::new(MEMORY)))),
            programs: programs.to_owned(),
        })
    }

    /// One of our programs.
    pub fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// The folder of logs.
    pub fn log(&self, name: &str) -> PathBuf {
        self.world.join("log").join(format!("{name}.log"))
    }

    /// The folder of certificates and keys.
    pub fn certificates(&self) -> PathBuf {
        self.world.join("certificates")
    }

    /// Every folder in which data of a world may lie. One that was killed removed nothing, and the next may choose another.
    pub fn data_folders(&self) -> [PathBuf; 3] {
        [self.data.clone(), in_memory(&self.root), on_disk(&self.root)]
    }

    /// The file that freezes one executor while it exists.
    pub fn freeze_file(&self, replica: usize) -> PathBuf {
        self.world.join(format!("executor-{replica}.freeze"))
    }

    /// Fails where a build of everything would fill the disk: said now, not by a linker half an hour later.
    pub fn room_to_build(&self) -> Result<()> {
        enough_room(&self.programs, free_bytes(&self.programs), bytes_in(&self.programs))
    }

    /// Whether this process was built in the release profile.
    pub fn release(&self) -> bool {
        self.programs.file_name().is_some_and(|folder| folder == "release")
    }
}

/// The folder of the world's data: one per workspace and user, in memory if enough of it is free.
fn data(root: &Path, memory_bytes_free: u64) -> PathBuf {
    if memory_bytes_free < MEMORY_BYTES_MIN { on_disk(root) } else { in_memory(root) }
}

fn on_disk(root: &Path) -> PathBuf {
    root.join("target/world/data")
}

fn in_memory(root: &Path) -> PathBuf {
    let user = nix::unistd::geteuid();
    let workspace = root.display().to_string().replace('/', "-");
    Path::new(MEMORY).join(format!("perimeter-{user}{workspace}"))
}

fn free_bytes(folder: &Path) -> u64 {
    nix::sys::statvfs::statvfs(folder)
        .map_or(0, |stat| stat.blocks_available() * stat.fragment_size())
}

fn enough_room(folder: &Path, free: u64, built: u64) -> Result<()> {
    const GIB: f64 = (1024 * 1024 * 1024) as f64;
    if free + built >= BUILD_BYTES {
        return Ok(());
    }
    bail!(
        "{:.1} GiB are free where {} lies, and {:.1} more are needed to build everything; free some, for example by `cargo clean` in checkouts that are no longer used",
        free as f64 / GIB,
        folder.display(),
        (BUILD_BYTES - built - free) as f64 / GIB
    )
}

/// How much the files in a folder take; what cannot be read counts nothing.
fn bytes_in(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_in(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.map(bytes).sum()
}

/// Takes the world's folder for this process; held until dropped, released by the kernel whatever happens.
pub fn lock(world: &Path) -> Result<File> {
    std::fs::create_dir_all(world)
        .with_context(|| format!("could not make {}", world.display()))?;
    let path = world.join("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .with_context(|| format!("could not open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(
            "another world is running from this folder; stop it (Ctrl-C where it was started), or use another checkout"
        ),
        Err(TryLockError::Error(error)) => Err(error).context("could not lock the world's folder"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_lies_in_memory_only_where_there_is_room() {
        let root = Path::new("/home/me/perimeter");
        assert_eq!(data(root, 64 * 1024 * 1024), root.join("target/world/data"));
        let roomy = data(root, MEMORY_BYTES_MIN);
        assert!(roomy.starts_with(MEMORY), "{}", roomy.display());
        assert!(roomy.display().to_string().ends_with("-home-me-perimeter"));
        assert_ne!(roomy, data(Path::new("/home/me/another"), MEMORY_BYTES_MIN));
        assert_eq!(free_bytes(Path::new("/there/is/no/such/folder")), 0);
    }

    #[test]
    fn what_a_killed_world_left_is_found_wherever_the_next_one_writes() {
        let root = Path::new("/home/me/perimeter");
        let all = [data(root, 0), data(root, MEMORY_BYTES_MIN), PathBuf::from("/mnt/data")];
        let (world, programs) = (root.join("target/world"), root.join("target/debug"));
        let data = all[2].clone();
        let paths = Paths { root: root.to_owned(), world, data, programs };
        let folders = paths.data_folders();
        assert!(all.iter().all(|folder| folders.contains(folder)), "{folders:?}");
    }

    #[test]
    fn what_is_built_already_counts_as_room() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("deps")).unwrap();
        std::fs::write(folder.path().join("deps/one"), [0; 700]).unwrap();
        std::fs::write(folder.path().join("two"), [0; 300]).unwrap();
        assert_eq!(bytes_in(folder.path()), 1_000);
        let told = |free, built| enough_room(folder.path(), free, built).map_err(|e| e.to_string());
        assert_eq!(told(BUILD_BYTES - 10, 10), Ok(()));
        assert!(told(BUILD_BYTES - 10, 9).unwrap_err().contains("more are needed"));
    }

    #[test]
    fn one_folder_holds_one_world() {
        let folder = tempfile::tempdir().unwrap();
        let held = lock(folder.path()).unwrap();
        assert!(
            lock(folder.path()).unwrap_err().to_string().starts_with("another world is running")
        );
        drop(held);
        lock(folder.path()).unwrap();
    }
}
