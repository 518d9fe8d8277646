//! `modemd-generator`: one configuration file in, systemd units out.
//!
//! systemd runs it at boot and at `daemon-reload`, before there is a network or a journal
//! (systemd.generator(7)); so it is quick, looks nothing up, and what is wrong goes to the kernel's
//! log. [`Plan::new`] does the thinking and touches nothing.

mod folder;
mod kernel_log;
mod plan;
mod sandbox;
mod socket;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub use plan::{Plan, Surroundings};

use crate::config::{Config, DEFAULT_PATH};
use crate::exit_code;
use kernel_log::KernelLog;

/// Where `modem@.service` may be, below the root, in the order in which systemd looks (systemd.unit(5)).
const UNIT_FOLDERS: [&str; 5] = [
    "etc/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
];

/// The folder that systemd gives us (systemd.generator(7)), below the root.
const MADE: &str = "run/systemd/generator";

/// Where systemd has the control groups of sockets that run, below the root, the unified hierarchy first.
const CONTROL_GROUPS: [&str; 2] = [
    "sys/fs/cgroup/system.slice",
    "sys/fs/cgroup/systemd/system.slice",
];

/// Writes units for the configuration into the first of the three folders in `arguments`.
pub fn run(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let mut log = KernelLog::open();
    let Some(folder) = arguments.next().map(PathBuf::from) else {
        log.write("usage: modemd-generator FOLDER [EARLY-FOLDER LATE-FOLDER]: systemd calls it");
        return ExitCode::from(exit_code::USAGE);
    };
    if !Path::new(DEFAULT_PATH).exists() {
        // Removed and not purged, or an initrd.
        return ExitCode::SUCCESS;
    }
    let config = Config::load(Path::new(DEFAULT_PATH));
    let root = Path::new("/");
    let plan = current_plan(&config, root, &running_sockets(root));
    for line in plan.log(&config) {
        log.write(&line);
    }
    if let Err(error) = plan.write(&folder) {
        log.write(&format!("{}: cannot be written: {error}", folder.display()));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// What there is to say about a configuration before it is applied.
pub struct Outlook {
    /// What ports that have no mistake will not get all the same, a line each.
    pub refusals: Vec<String>,
    /// Whether `modem.socket`, the one switch, is on.
    pub is_switched_on: bool,
    /// The units that the configuration asks for and systemd has not, or has differently.
    pub pending: Vec<String>,
    /// The sockets that run and that no port of the configuration has any more.
    pub former: Vec<String>,
}

impl Outlook {
    /// Looks at what systemd has now, on the system whose root directory is `root`.
    #[must_use]
    pub fn of(config: &Config, root: &Path) -> Self {
        let running = running_sockets(root);
        let plan = current_plan(config, root, &running);
        Self {
            is_switched_on: running.iter().any(|socket| socket == "modem.socket"),
            pending: plan.pending(&root.join(MADE)),
            former: plan.former.iter().cloned().collect(),
            refusals: plan.refusals,
        }
    }
}

fn current_plan(config: &Config, root: &Path, running: &[String]) -> Plan {
    let in_folders = |name: &str| {
        let mut paths = UNIT_FOLDERS
            .iter()
            .map(|folder| root.join(folder).join(name));
        paths.find(|path| path.exists())
    };
    let template = in_folders(plan::TEMPLATE).and_then(|path| fs::read_to_string(path).ok());
    let without_file = running.iter().filter(|socket| in_folders(socket).is_none());
    let surroundings = Surroundings {
        template,
        running: without_file.cloned().collect(),
        resolve: |device| fs::canonicalize(device).ok(),
    };
    Plan::new(config, &surroundings)
}

/// The sockets of ours that run: whoever was started from a unit that is not there any more has a
/// control group all the same.
fn running_sockets(root: &Path) -> Vec<String> {
    let mut running = BTreeSet::new();
    for folder in CONTROL_GROUPS {
        for entry in fs::read_dir(root.join(folder))
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with("modem") && name.ends_with(".socket") {
                running.insert(name);
            }
        }
    }
    running.into_iter().collect()
}
