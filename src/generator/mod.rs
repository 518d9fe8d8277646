//! `modemd-generator`: one configuration file in, systemd units out.
//!
//! systemd runs it at boot and at `daemon-reload`, before there is a network or a journal
//! (systemd.generator(7)); so it is quick, looks nothing up, and what is wrong goes to the kernel's
//! log. [`Plan`] does the thinking and touches nothing.

mod kernel_log;
mod plan;
mod sandbox;
mod socket;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub use plan::{Plan, Surroundings};

use crate::config::{Config, DEFAULT_PATH};
use kernel_log::KernelLog;

/// `sysexits.h`: the command was called in a way it cannot serve.
const EX_USAGE: u8 = 64;

/// Where systemd has a generator's first folder (systemd.generator(7)).
const FOLDER: &str = "/run/systemd/generator";

/// Where `modem@.service` may be, in the order in which systemd looks (systemd.unit(5)).
const UNIT_FOLDERS: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// Writes units for the configuration into the first of the three folders in `arguments`.
pub fn run(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let mut log = KernelLog::open();
    let Some(folder) = arguments.next().map(PathBuf::from) else {
        log.write("usage: modemd-generator FOLDER [EARLY-FOLDER LATE-FOLDER]: systemd calls it");
        return ExitCode::from(EX_USAGE);
    };
    if !Path::new(DEFAULT_PATH).exists() {
        // Removed and not purged, or an initrd.
        return ExitCode::SUCCESS;
    }
    let plan = current_plan();
    for refusal in &plan.refusals {
        log.write(refusal);
    }
    if let Err(error) = plan.write(&folder) {
        log.write(&format!("{}: cannot be written: {error}", folder.display()));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Whether systemd has what the configuration asks for now, as far as its units go.
#[must_use]
pub fn is_up_to_date() -> bool {
    current_plan().is_in(Path::new(FOLDER))
}

fn current_plan() -> Plan {
    let template = UNIT_FOLDERS
        .iter()
        .find_map(|folder| fs::read_to_string(Path::new(folder).join(plan::TEMPLATE)).ok());
    let surroundings = Surroundings {
        template,
        resolve: |device| fs::canonicalize(device).ok(),
    };
    Plan::new(&Config::load(Path::new(DEFAULT_PATH)), &surroundings)
}

impl Plan {
    /// Writes the units below `folder`.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        for (name, text) in &self.files {
            fs::write(prepared(folder, name)?, text)?;
        }
        for (name, target) in &self.links {
            std::os::unix::fs::symlink(target, prepared(folder, name)?)?;
        }
        Ok(())
    }

    /// Whether `folder` has these units and no others of ours.
    #[must_use]
    pub fn is_in(&self, folder: &Path) -> bool {
        let has = |(name, text): (&PathBuf, &String)| {
            fs::read_to_string(folder.join(name)).is_ok_and(|is| is == *text)
        };
        let wants = fs::read_dir(folder.join(plan::WANTS));
        let wanted = wants.into_iter().flatten().flatten();
        let fixed = plan::DROP_INS.map(PathBuf::from);
        let is_left_over =
            |name: &PathBuf| folder.join(name).exists() && !self.files.contains_key(name);
        self.files.iter().all(has)
            && !fixed.iter().any(is_left_over)
            && wanted
                .map(|entry| Path::new(plan::WANTS).join(entry.file_name()))
                .all(|name| self.links.contains_key(&name))
    }
}

/// The path of `name` below `folder`, with the folders that lead there made.
fn prepared(folder: &Path, name: &Path) -> io::Result<PathBuf> {
    let path = folder.join(name);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    Ok(path)
}
