//! What was seen of a system: all that the judgement rests on, beside the configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::braille::{RulesFile, UsbDevice};

/// What was seen, or why it could not be looked at.
pub(super) type Seen<T> = Result<T, String>;

/// The properties of a unit, as `systemctl show` names them.
pub(super) type Unit = BTreeMap<String, String>;

#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// The configuration file.
    pub(super) file: PathBuf,
    /// Whether it is the one that the units serve.
    pub(super) is_served: bool,
    pub(super) systemd: Seen<Systemd>,
    /// Whether systemd holds programs of the kernel's that filter addresses.
    pub(super) has_filters: Seen<bool>,
    /// Whether systemd can filter addresses at all: not in the control groups of the first version.
    pub(super) has_unified_hierarchy: bool,
    /// The one whom modemd runs as.
    pub(super) service: Account,
    /// The group that owns serial lines: its number, if there is such a group.
    pub(super) serial_group: Seen<Option<u32>>,
    pub(super) caller: Seen<Person>,
    pub(super) locks: LockDirectory,
    pub(super) lines: Vec<Line>,
    /// The names below `/dev/serial/by-id`.
    pub(super) by_id: Vec<String>,
    /// The process id of ModemManager, if it runs.
    pub(super) modem_manager: Option<i32>,
    /// The rules with which brltty takes USB devices.
    pub(super) braille: Vec<RulesFile>,
    /// USB devices without a line, which may be those that brltty has taken.
    pub(super) bare_usb: Vec<UsbDevice>,
    /// The lines whose modems do not do what they are told.
    pub(super) set_aside: Seen<Vec<SetAside>>,
    /// Whether it is said in which time zone this machine is.
    pub(super) has_time_zone: bool,
    /// What keeps names from being looked up in the services' sandbox.
    pub(super) lookups: Option<&'static str>,
    /// The names in `allow` and `hosts` that the name service does not know here.
    pub(super) unknown_names: Seen<Vec<String>>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Systemd {
    pub(super) units: BTreeMap<String, Unit>,
    /// See [`crate::generator::Outlook`].
    pub(super) pending: Vec<String>,
    pub(super) former: Vec<String>,
    pub(super) refusals: Vec<String>,
}

/// Whom modemd runs as, by name, and who that is.
#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) user: String,
    pub(super) group: String,
    /// `None`: there is no such user.
    pub(super) person: Seen<Option<Person>>,
}

/// What `id` says of somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) uid: u32,
    pub(super) name: String,
    /// Number and name; the name is empty where there is none.
    pub(super) groups: BTreeSet<(u32, String)>,
}

#[derive(Debug, Clone)]
pub(super) struct LockDirectory {
    pub(super) path: PathBuf,
    /// `None`: it is not there.
    pub(super) access: Seen<Option<Access>>,
}

/// Who may do what with a file.
#[derive(Debug, Clone)]
pub(super) struct Access {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mode: u32,
    /// The name of the group, if it has one.
    pub(super) group: Option<String>,
}

/// A configured line.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// As it is configured.
    pub(super) device: PathBuf,
    pub(super) node: Node,
    pub(super) locks: Vec<Lock>,
}

#[derive(Debug, Clone)]
pub(super) enum Node {
    /// Nothing is there.
    Missing,
    /// A link that leads nowhere, and where to.
    Broken(PathBuf),
    /// It is something else.
    NoTty,
    Tty(Box<Tty>),
}

#[derive(Debug, Clone)]
pub(super) struct Tty {
    /// The path of the device itself.
    pub(super) real: PathBuf,
    pub(super) access: Access,
    pub(super) is_pseudo: bool,
    pub(super) is_console: bool,
    /// The unit that runs a login on it.
    pub(super) getty: Option<String>,
    /// What udev knows of it.
    pub(super) udev: Seen<BTreeMap<String, String>>,
    pub(super) usb: Option<UsbDevice>,
    /// FTDI: for how many milliseconds it collects what it received.
    pub(super) latency: Option<u32>,
    /// Who has it open.
    pub(super) users: Seen<Vec<Process>>,
    /// Who has its flock, by `/proc/locks`.
    pub(super) flock: Option<Process>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Process {
    pub(super) pid: i32,
    pub(super) program: String,
}

/// A line that no client gets for a while.
#[derive(Debug, Clone)]
pub(super) struct SetAside {
    pub(super) device: PathBuf,
    pub(super) why: String,
}

/// A UUCP lock file.
#[derive(Debug, Clone)]
pub(super) struct Lock {
    pub(super) path: PathBuf,
    pub(super) owner: u32,
    /// The pid in it; `None`: it has none.
    pub(super) pid: Option<i32>,
    /// Who that is; `None`: he is gone.
    pub(super) holder: Option<Process>,
}
