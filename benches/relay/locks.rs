//! Where the servers keep their lock files: in memory, as systemd has it on every machine. Some that
//! measure have no systemd, and a folder on a disk.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::geteuid;

/// Where ser2net and others look, with no setting to change it.
const FOLDER: &str = "/run/lock";

static IS_OURS: OnceLock<()> = OnceLock::new();

/// Puts a folder in memory there, for this process and those it starts. Without the privileges for that,
/// servers do without locks, or have them elsewhere. To be called before there are threads.
pub(crate) fn keep_in_memory() {
    let done = || -> nix::Result<()> {
        unshare(CloneFlags::CLONE_NEWNS)?;
        let none = None::<&str>;
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(none, "/", none, private, none)?;
        mount(
            Some("tmpfs"),
            FOLDER,
            Some("tmpfs"),
            MsFlags::empty(),
            Some("mode=1777"),
        )
    };
    if geteuid().is_root() && done().is_ok() {
        let _ = IS_OURS.set(());
    }
}

/// The folder, if it is in memory.
pub(crate) fn folder() -> Option<&'static Path> {
    IS_OURS.get().map(|()| Path::new(FOLDER))
}

/// Removes all lock files from a folder, and tells how many there were.
pub(crate) fn clear(folder: &Path) -> usize {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files
        .filter(|file| file.file_name().to_string_lossy().starts_with("LCK.."))
        .filter(|file| fs::remove_file(file.path()).is_ok())
        .count()
}
