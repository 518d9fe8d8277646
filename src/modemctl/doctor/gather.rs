//! Looks at a system: its files, and what its programs say. Opens no line, for that would raise DTR.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::stat::{major, minor};

use super::braille::{self, RulesFile, UsbDevice};
use super::facts::{
    Access, Account, Facts, Line, Lock, LockDirectory, Node, Person, Process, Seen, Systemd, Tty,
};
use super::judge::{CONTROL, SERVICE, SWITCH, socket_of_port};
use super::said;
use crate::claim::{self, flock_owner, is_pseudo_terminal, pid_in, usual_lock_directory};
use crate::config::{Config, DEFAULT_PATH, Host};
use crate::generator::Outlook;
use crate::modemctl::lookups;

/// What is asked about each unit.
const PROPERTIES: &str = "Id,LoadState,ActiveState,UnitFileState,Result,NeedDaemonReload,\
                          IPAddressDeny,User,Group,PrivateNetwork";

/// Where udev reads its rules, the first file of a name alone (udev(7)).
const RULES_FOLDERS: [&str; 5] = [
    "/etc/udev/rules.d",
    "/run/udev/rules.d",
    "/usr/local/lib/udev/rules.d",
    "/usr/lib/udev/rules.d",
    "/lib/udev/rules.d",
];

/// The attributes of USB devices that rules ask for.
const ATTRIBUTES: [&str; 5] = ["idVendor", "idProduct", "manufacturer", "product", "serial"];

/// A lock without a pid in it may be one that is just being made.
const UNFINISHED_FOR: Duration = Duration::from_secs(5);

/// A system, by its root directory.
pub(super) struct System {
    root: PathBuf,
}

/// Who runs, and what they have open.
#[derive(Default)]
struct Processes {
    names: BTreeMap<i32, String>,
    open: BTreeMap<PathBuf, BTreeSet<Process>>,
    /// Whether somebody's open files were not to be seen.
    some_are_hidden: bool,
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

    /// systemd keeps the filters that it has loaded open.
    fn has_filters(&self) -> Seen<bool> {
        let folder = fs::read_dir(self.at("/proc/1/fdinfo"))
            .map_err(|_| "only root sees what systemd has loaded".to_owned())?;
        let mut texts = folder
            .flatten()
            .filter_map(|entry| fs::read_to_string(entry.path()).ok());
        Ok(texts.any(|text| said::is_filter(&text)))
    }

    fn processes(&self) -> Processes {
        let mut processes = Processes::default();
        let pids = self.names("/proc").into_iter();
        let pids = pids.filter_map(|name| name.parse::<i32>().ok());
        for pid in pids {
            let Some(program) = self.program(pid) else {
                continue;
            };
            processes.names.insert(pid, program.clone());
            let Ok(open) = fs::read_dir(self.at(format!("/proc/{pid}/fd"))) else {
                processes.some_are_hidden |= self.is_there(&format!("/proc/{pid}"));
                continue;
            };
            for target in open
                .flatten()
                .filter_map(|fd| fs::read_link(fd.path()).ok())
            {
                if target.starts_with("/dev") {
                    let process = Process {
                        pid,
                        program: program.clone(),
                    };
                    processes.open.entry(target).or_default().insert(process);
                }
            }
        }
        processes
    }

    /// The name of a running program, which its process may choose freely.
    fn program(&self, pid: i32) -> Option<String> {
        let name = self.text(format!("/proc/{pid}/comm"))?;
        Some(name.escape_debug().to_string())
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

    fn node(&self, device: &Path, processes: &Processes) -> Node {
        let path = self.at(device);
        let Ok(of) = fs::metadata(&path) else {
            return fs::read_link(&path).map_or(Node::Missing, Node::Broken);
        };
        let Ok(real) = path.canonicalize() else {
            return Node::Missing;
        };
        let is_pseudo = is_pseudo_terminal(of.rdev());
        let name = self.name_in_kernel(&of);
        if !of.file_type().is_char_device() || !(is_pseudo || name.is_some()) {
            return Node::NoTty;
        }
        let real = self.named(&real);
        let name = name.unwrap_or_default();
        let names = [
            name.as_str(),
            real.file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default(),
        ];
        // Documentation/ABI/testing/sysfs-tty: names of the consoles, separated by blanks.
        let consoles = self
            .text("/sys/class/tty/console/active")
            .unwrap_or_default();
        Node::Tty(Box::new(Tty {
            access: access(&of),
            is_pseudo,
            is_console: consoles
                .split_ascii_whitespace()
                .any(|console| names.contains(&console)),
            getty: names.iter().find_map(|name| self.getty(name)),
            udev: udev(&real),
            usb: self.usb_of(&name),
            latency: self
                .text(format!("/sys/bus/usb-serial/devices/{name}/latency_timer"))
                .and_then(|ms| ms.parse().ok()),
            users: if processes.some_are_hidden {
                Err("only root sees the open files of others".to_owned())
            } else {
                let users = processes.open.get(&real).into_iter().flatten();
                Ok(users.cloned().collect())
            },
            flock: self.flock(&of),
            real,
        }))
    }

    /// What the kernel calls a device, if that is a terminal.
    fn name_in_kernel(&self, of: &Metadata) -> Option<String> {
        let number = format!("/sys/dev/char/{}:{}", major(of.rdev()), minor(of.rdev()));
        let device = self.at(number).canonicalize().ok()?;
        let name = device.file_name()?.to_str()?.to_owned();
        self.is_there(&format!("/sys/class/tty/{name}"))
            .then_some(name)
    }

    /// The unit that runs a login on the line `name`: systemd has a link for every unit that runs.
    fn getty(&self, name: &str) -> Option<String> {
        let units = ["serial-getty", "getty"].map(|kind| format!("{kind}@{name}.service"));
        units.into_iter().find(|unit| {
            let link = self.at(format!("/run/systemd/units/invocation:{unit}"));
            fs::symlink_metadata(link).is_ok()
        })
    }

    fn usb_of(&self, name: &str) -> Option<UsbDevice> {
        let device = self.at(format!("/sys/class/tty/{name}/device"));
        self.usb(&device.canonicalize().ok()?)
    }

    /// The USB device that has `path` or is above it.
    fn usb(&self, path: &Path) -> Option<UsbDevice> {
        let above = path
            .ancestors()
            .take_while(|path| path.starts_with(self.at("/sys")));
        let mut devices = above
            .filter(|path| path.join("idVendor").exists())
            .peekable();
        let uevent = fs::read_to_string(devices.peek()?.join("uevent")).ok()?;
        let product = said::properties(&uevent).remove("PRODUCT")?;
        let attributes = |device: &Path| {
            let read = |name: &str| fs::read_to_string(device.join(name)).unwrap_or_default();
            let of = |name: &str| (name.to_owned(), read(name).trim_end().to_owned());
            ATTRIBUTES.into_iter().map(of).collect()
        };
        Some(UsbDevice {
            product,
            chain: devices.map(attributes).collect(),
        })
    }

    fn bare_usb(&self) -> Vec<UsbDevice> {
        let folder = "/sys/bus/usb/devices";
        let has_line = |device: &Path| {
            let parts = fs::read_dir(device).into_iter().flatten().flatten();
            let mut parts = parts.map(|part| part.path()).filter(|part| part.is_dir());
            parts.any(|part| {
                let inside = fs::read_dir(part).into_iter().flatten().flatten();
                inside
                    .map(|entry| entry.file_name())
                    .any(|name| name.to_string_lossy().starts_with("tty"))
            })
        };
        // The parts of a device have a colon in their names.
        let names = self
            .names(folder)
            .into_iter()
            .filter(|name| !name.contains(':'));
        let devices = names.filter_map(|name| self.at(folder).join(name).canonicalize().ok());
        let bare = devices.filter(|device| !has_line(device));
        bare.filter_map(|device| self.usb(&device)).collect()
    }

    fn braille(&self) -> Vec<RulesFile> {
        let is_rules = |name: &str| Path::new(name).extension() == Some(OsStr::new("rules"));
        let is_wanted = |name: &str| name.contains("brltty") && is_rules(name);
        let mut files: BTreeMap<String, PathBuf> = BTreeMap::new();
        for folder in RULES_FOLDERS {
            for name in self
                .names(folder)
                .into_iter()
                .filter(|name| is_wanted(name))
            {
                let path = Path::new(folder).join(&name);
                files.entry(name).or_insert(path);
            }
        }
        let read = files.into_values().map(|path| RulesFile {
            rules: braille::parse(&self.text(&path).unwrap_or_default()),
            path,
        });
        read.filter(|file| !file.rules.is_empty()).collect()
    }

    fn flock(&self, of: &Metadata) -> Option<Process> {
        let pid = flock_owner(&self.text("/proc/locks")?, of.dev(), of.ino())?;
        let program = self.program(pid)?;
        Some(Process { pid, program })
    }

    fn locks(&self, device: &Path, folder: &Path) -> Vec<Lock> {
        let directory = claim::LockDirectory::new(Some(self.at(folder)), None);
        let real = self.at(device).canonicalize().ok();
        let names = real.map(|real| self.named(&real)).into_iter();
        let files = names
            .chain([device.to_owned()])
            .flat_map(|name| directory.files_for(&name));
        let files: BTreeSet<_> = files.collect();
        files
            .into_iter()
            .filter_map(|file| self.lock(&file))
            .collect()
    }

    fn lock(&self, file: &Path) -> Option<Lock> {
        const ENOUGH: u64 = 128;
        let of = fs::symlink_metadata(file).ok().filter(Metadata::is_file)?;
        let mut content = Vec::new();
        File::open(file)
            .ok()?
            .take(ENOUGH)
            .read_to_end(&mut content)
            .ok()?;
        let pid = pid_in(&content);
        let is_young = of
            .modified()
            .ok()?
            .elapsed()
            .is_ok_and(|age| age < UNFINISHED_FOR);
        if pid.is_none() && is_young {
            return None;
        }
        // Where processes are hidden (proc(5), hidepid), nobody is known to be gone.
        let may_be_hidden = !self.is_there("/proc/1/comm");
        let holder = pid.and_then(|pid| {
            let program = self.program(pid);
            let program = program.or_else(|| may_be_hidden.then(|| "?".to_owned()))?;
            Some(Process { pid, program })
        });
        Some(Lock {
            path: self.named(file),
            owner: of.uid(),
            pid,
            holder,
        })
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

fn person(user: &str) -> Seen<Option<Person>> {
    let said = ask("id", &["--", user])?;
    said.map(|text| said::person(&text).ok_or_else(|| "`id` does not say".to_owned()))
        .transpose()
}

fn udev(device: &Path) -> Seen<BTreeMap<String, String>> {
    let name = format!("--name={}", device.display());
    let said = ask("udevadm", &["info", "--query=property", &name])?;
    let said = said.ok_or_else(|| "udev does not know it".to_owned())?;
    Ok(said::properties(&said))
}

/// Those names in `allow` that the name service of this system does not know.
fn unknown_names(config: &Config) -> Seen<Vec<String>> {
    let hosts = config.ports.iter().flat_map(|port| port.allow.hosts());
    let names: BTreeSet<_> = hosts
        .filter_map(|host| match host {
            Host::Name(name) => Some(name),
            _ => None,
        })
        .collect();
    let mut unknown = Vec::new();
    for name in names {
        if ask("getent", &["ahosts", name])?.is_none() {
            unknown.push(name.clone());
        }
    }
    Ok(unknown)
}

/// What a program says in the language of programs; `None` if it fails.
fn ask(program: &str, arguments: &[&str]) -> Seen<Option<String>> {
    let done = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .output()
        .map_err(|error| format!("`{program}` cannot be run: {error}"))?;
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    Ok(done.status.success().then_some(said))
}
