//! Looks at a system: its files, and what its programs say. Opens no line, for that would raise DTR.

mod locks;
mod processes;
mod programs;
mod ttys;
mod usb;

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::facts::{Access, Account, Facts, Line, LockDirectory, Seen, SetAside, Systemd};
use super::judge::{CONTROL, SERVICE, SWITCH, socket_of_port};
use super::said;
use crate::aside::AsideLines;
use crate::claim::usual_lock_directory;
use crate::config::{Config, DEFAULT_PATH};
use crate::generator::Outlook;
use crate::modemctl::lookups;
use crate::uptime::uptime;
use processes::Processes;
use programs::{ask, person, unknown_names};

/// What is asked about each unit.
const PROPERTIES: &str = "Id,LoadState,ActiveState,UnitFileState,Result,NeedDaemonReload,\
                          IPAddressDeny,User,Group,PrivateNetwork";

/// Where modem.service keeps which lines are set aside.
const ASIDE: &str = "/run/modemd/private/aside";

/// The time zone (localtime(5)); the service sees this file, and has no `TZ`.
const LOCAL_TIME: &str = "/etc/localtime";

/// A system, by its root directory.
pub(super) struct System {
    root: PathBuf,
}

impl System {
    pub(super) fn new(root: &Path) -> io::Result<Self> {
        let root = root.canonicalize()?;
        Ok(System { root })
    }

    /// The configuration at `file`, as if this system's root were ours.
    pub(super) fn configuration(&self, file: &Path) -> Config {
        let mut config = Config::load(&self.at(file));
        for origin in config.origins.values_mut() {
            *origin = self.named(origin);
        }
        config
    }

    /// Looks at all that the judgement asks for.
    pub(super) fn look(&self, file: &Path, config: &Config) -> Facts {
        let systemd = self.systemd(config);
        let processes = self.processes();
        let service = systemd
            .as_ref()
            .ok()
            .and_then(|systemd| systemd.units.get(SERVICE));
        let of_service = |name, otherwise: &String| {
            let given = service.and_then(|unit| unit.get(name));
            given
                .filter(|is| !is.is_empty())
                .unwrap_or(otherwise)
                .clone()
        };
        let user = of_service("User", &config.server.user);
        let group = of_service("Group", &config.server.group);
        let locks = config.server.lock_dir.clone();
        let locks = locks.unwrap_or_else(|| usual_lock_directory(&self.root));
        let devices: BTreeSet<&PathBuf> = config.ports.iter().flat_map(|p| &p.devices).collect();
        let braille = self.braille();
        Facts {
            file: file.to_owned(),
            is_served: file == Path::new(DEFAULT_PATH),
            has_filters: self.has_filters(),
            has_unified_hierarchy: self.is_there("/sys/fs/cgroup/cgroup.controllers")
                || self.is_there("/sys/fs/cgroup/unified/cgroup.controllers"),
            serial_group: ask("getent", &["group", &group])
                .map(|said| said.and_then(|line| said::group(&line)).map(|(_, gid)| gid)),
            caller: ask("id", &[]).and_then(|said| {
                said.and_then(|text| said::person(&text))
                    .ok_or_else(|| "`id` does not say".to_owned())
            }),
            service: Account {
                person: person(&user),
                user,
                group,
            },
            set_aside: self.set_aside(&devices),
            has_time_zone: self.is_there(LOCAL_TIME),
            lines: devices
                .into_iter()
                .map(|device| self.line(device, &locks, &processes))
                .collect(),
            locks: LockDirectory {
                access: self.access(&locks),
                path: locks,
            },
            by_id: self
                .names("/dev/serial/by-id")
                .into_iter()
                .map(|name| format!("/dev/serial/by-id/{name}"))
                .filter(|path| self.is_there(path))
                .collect(),
            modem_manager: processes
                .names
                .iter()
                .find(|(_, name)| *name == "ModemManager")
                .map(|(pid, _)| *pid),
            bare_usb: if braille.is_empty() {
                Vec::new()
            } else {
                self.bare_usb()
            },
            braille,
            lookups: lookups::obstacle(&self.root),
            unknown_names: unknown_names(config),
            systemd,
        }
    }

    /// Where a file of this system is for us.
    fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// What this system calls the file that for us is at `path`.
    fn named(&self, path: &Path) -> PathBuf {
        let below = path.strip_prefix(&self.root);
        below.map_or_else(|_| path.to_owned(), |below| Path::new("/").join(below))
    }

    fn is_there(&self, path: &str) -> bool {
        self.at(path).exists()
    }

    fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        let bytes = fs::read(self.at(path)).ok()?;
        Some(String::from_utf8_lossy(&bytes).trim_end().to_owned())
    }

    /// The names in a folder, in order; none if it cannot be read.
    fn names(&self, folder: impl AsRef<Path>) -> BTreeSet<String> {
        let entries = fs::read_dir(self.at(folder))
            .into_iter()
            .flatten()
            .flatten();
        entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect()
    }

    fn systemd(&self, config: &Config) -> Seen<Systemd> {
        // sd_booted(3)
        if !self.at("/run/systemd/system").is_dir() {
            return Err("systemd does not run here".to_owned());
        }
        let sockets = config.ports.iter().map(|port| socket_of_port(&port.name));
        let units: BTreeSet<_> = sockets
            .chain([SWITCH, SERVICE, CONTROL].map(str::to_owned))
            .collect();
        let property = format!("--property={PROPERTIES}");
        let mut arguments = vec!["show", property.as_str(), "--"];
        arguments.extend(units.iter().map(String::as_str));
        let said = ask("systemctl", &arguments)?;
        let said = said.ok_or_else(|| "systemctl cannot ask systemd".to_owned())?;
        let outlook = Outlook::of(config, &self.root);
        Ok(Systemd {
            units: said::units(&said),
            pending: outlook.pending,
            former: outlook.former,
            refusals: outlook.refusals,
        })
    }

    /// Those of these lines.
    fn set_aside(&self, devices: &BTreeSet<&PathBuf>) -> Seen<Vec<SetAside>> {
        let text = match fs::read(self.at(ASIDE)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(format!("{ASIDE}: {error}")),
        };
        // As modemd does: what cannot be understood sets no line aside.
        let lines: AsideLines = serde_json::from_slice(&text).unwrap_or_default();
        let now = uptime();
        let paused = devices.iter().filter_map(|device| {
            let pause = lines.get(device, now)?;
            Some(SetAside {
                device: (*device).clone(),
                why: pause.why.clone(),
            })
        });
        Ok(paused.collect())
    }

    /// systemd keeps the filters that it has loaded open.
    fn has_filters(&self) -> Seen<bool> {
        let folder = fs::read_dir(self.at("/proc/1/fdinfo"))
            .map_err(|_| "only root sees what systemd has loaded".to_owned())?;
        let mut texts = folder
            .flatten()
            .filter_map(|entry| fs::read_to_string(entry.path()).ok());
        Ok(texts.any(|text| said::is_filter(&text)))
    }

    fn access(&self, path: &Path) -> Seen<Option<Access>> {
        match fs::metadata(self.at(path)) {
            Ok(of) => Ok(Some(access(&of))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("cannot be looked at: {error}")),
        }
    }

    fn line(&self, device: &Path, locks: &Path, processes: &Processes) -> Line {
        Line {
            device: device.to_owned(),
            node: self.node(device, processes),
            locks: self.locks(device, locks),
        }
    }
}

fn access(of: &Metadata) -> Access {
    let gid = of.gid();
    let said = ask("getent", &["group", &gid.to_string()]);
    let group = said.ok().flatten().and_then(|line| said::group(&line));
    Access {
        uid: of.uid(),
        gid,
        mode: of.mode(),
        group: group.map(|(name, _)| name),
    }
}
