//! `[ports.NAME]`

use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::clashes::clashes;
use super::duration::{DAY, MILLISECOND, SECOND, parse_within};
use super::endpoint::absolute_path;
use super::name::check_letters;
use super::problem::{Mistake, quoted};
use super::read::hint;
use super::section::{Entry, Key, Section, repeats, set};
use super::{AllowList, ClientSettings, Dial, Endpoint, LineSettings, MAX_BAUD, Modem, Services};

pub(super) const KEYS: &[Key] = &[
    ("listen", r#"listen = ["2006"]"#),
    ("devices", r#"devices = ["/dev/ttyS1"]"#),
    ("line", r#"line = "115200,8,N,1""#),
    ("allow", r#"allow = ["localhost"]"#),
    ("protocol", r#"protocol = "raw""#),
    ("client_settings", r#"client_settings = ["baud", "parity"]"#),
    ("max_baud", "max_baud = 115200"),
    ("instance", r#"instance = "shared""#),
    ("busy", r#"busy = "refuse""#),
    ("wait", r#"wait = "60s""#),
    ("idle_timeout", r#"idle_timeout = "30min""#),
    ("linger", r#"linger = "10s""#),
    ("keepalive", r#"keepalive = "60s""#),
    ("max_unsent", "max_unsent = 16384"),
    ("modem", "[ports.NAME.modem]"),
    ("dial", "[ports.NAME.dial]"),
];

/// How long `busy = "wait"` waits unless `wait` says otherwise.
const DEFAULT_WAIT: Duration = Duration::from_secs(60);

/// The most that the kernel takes for `TCP_KEEPIDLE` (`MAX_TCP_KEEPIDLE`, include/net/tcp.h).
const LONGEST_KEEPALIVE: Duration = Duration::from_secs(32767);

/// With less a unix socket would hold more than it may: its limit has a least value
/// (`SOCK_MIN_SNDBUF`, include/net/sock.h). With more it would be no limit.
const UNSENT: RangeInclusive<u32> = 8 * 1024..=1024 * 1024;

/// What systemd calls descriptors that nobody named (`sd_listen_fds_with_names(3)`): a port of
/// such a name could be given a socket that was meant for another.
const NAMES_OF_SYSTEMD: [&str; 3] = ["connection", "stored", "unknown"];

/// A port of such a name would have a unit, `modem-NAME.socket` or `modem-NAME@.service`, which is one of ours.
const NAMES_OF_OURS: [(&str, &str); 3] = [
    ("attach", "modem-attach@.service"),
    ("control", "modem-control.socket"),
    ("metrics", "modem-metrics.socket"),
];

/// `[ports.NAME]`: what clients connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Letters, digits, `_`, `.` and `-`, at most 64 of them: part of the names of units, and the
    /// `FileDescriptorName=` of the port's sockets.
    pub name: String,
    /// Where the port listens; empty: wherever the socket unit says.
    pub listen: Vec<Endpoint>,
    /// The pool: absolute paths, each once, never none in a port that was read from a file.
    pub devices: Vec<PathBuf>,
    /// The line's settings at the start of each session.
    pub line: LineSettings,
    /// Who may connect; empty: nobody.
    pub allow: AllowList,
    /// What clients speak.
    pub protocol: Protocol,
    /// What telnet clients may change about their line.
    pub client_settings: ClientSettings,
    /// The highest speed that a telnet client may set: 1 to [`MAX_BAUD`], and no less than that of
    /// `line`; none: as fast as the hardware goes.
    pub max_baud: Option<u32>,
    /// Which process serves the port's clients, under systemd.
    pub instance: Instance,
    /// What a client gets when all lines are in use.
    pub busy: Busy,
    /// No byte either way for so long ends the session.
    pub idle_timeout: Option<Duration>,
    /// How long, since its last byte, the modem may go on talking after the client's half-close.
    pub linger: Duration,
    /// A client that vanished without a word is noticed within this time: 1 s to 32767 s.
    pub keepalive: Duration,
    /// How many octets of the modem's may wait here for a client that does not read: 8 KiB to 1 MiB.
    pub max_unsent: u32,
    /// `[ports.NAME.modem]`: that there are modems on the lines, and what is done with them; with
    /// `dial` always.
    pub modem: Option<Modem>,
    /// `[ports.NAME.dial]`: which numbers may be dialled; none: no guard.
    pub dial: Option<Dial>,
}

impl Port {
    /// Whether it listens at unix sockets alone, which have an owner and a mode in place of `allow`.
    #[must_use]
    pub fn is_local(&self) -> bool {
        let is_path = |at: &Endpoint| matches!(at, Endpoint::Path(_));
        !self.listen.is_empty() && self.listen.iter().all(is_path)
    }

    /// Every list of hosts: who may connect, and who may dial by other rules.
    pub fn hosts(&self) -> impl Iterator<Item = &AllowList> {
        let clients = self.dial.iter().flat_map(|dial| &dial.clients);
        std::iter::once(&self.allow).chain(clients.map(|clients| &clients.hosts))
    }

    /// A port of this name with every other setting at its default: no devices, nobody allowed.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            listen: Vec::new(),
            devices: Vec::new(),
            line: LineSettings::default(),
            allow: AllowList::default(),
            protocol: Protocol::default(),
            client_settings: ClientSettings::default(),
            max_baud: None,
            instance: Instance::default(),
            busy: Busy::default(),
            idle_timeout: None,
            linger: Duration::from_secs(10),
            keepalive: Duration::from_secs(60),
            // Keeps a fast transfer going, and is less than two seconds at 115,200 baud.
            max_unsent: 16 * 1024,
            modem: None,
            dial: None,
        }
    }
}

/// What a port's clients speak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protocol {
    /// The modem's bytes as they are.
    #[default]
    Raw,
    /// RFC 854 with COM port control (RFC 2217).
    Telnet,
}

impl FromStr for Protocol {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        match text {
            "raw" => Ok(Self::Raw),
            "telnet" => Ok(Self::Telnet),
            _ => Err(Mistake::new(
                format!("{} is no protocol", quoted(text)),
                "write `raw`, or `telnet` for COM port control (RFC 2217)",
            )),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Raw => f.write_str("raw"),
            Self::Telnet => f.write_str("telnet"),
        }
    }
}

/// Which process serves a port's clients, where systemd listens for it.
///
/// Only modemd-generator asks for it: a process that was started knows what it was started with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Instance {
    /// The one `modem.service` for all ports (`Accept=no`).
    #[default]
    Shared,
    /// A service for each client (`Accept=yes`).
    PerConnection,
}

impl FromStr for Instance {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        match text {
            "shared" => Ok(Self::Shared),
            "per-connection" => Ok(Self::PerConnection),
            _ => Err(Mistake::new(
                format!("{} is no kind of instance", quoted(text)),
                "write `shared` for one process, or `per-connection` for one a client",
            )),
        }
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shared => f.write_str("shared"),
            Self::PerConnection => f.write_str("per-connection"),
        }
    }
}

/// What a client gets when all lines of a port are in use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Busy {
    /// The modem's own `BUSY`, then the end of the connection.
    #[default]
    Refuse,
    /// A place in the queue, for at most this time.
    Wait(Duration),
}

impl Port {
    /// Reads the keys of a `[ports.NAME]`; with each endpoint in `listen` comes its place.
    ///
    /// `header` is where the name is.
    pub(super) fn read(
        section: &mut Section<'_>,
        name: &str,
        header: Range<usize>,
        entries: Vec<Entry<'_, '_>>,
        services: &Services,
    ) -> (Self, Vec<Range<usize>>) {
        let mut port = Self::new(name);
        let mut endpoints = Vec::new();
        let mut wait = DEFAULT_WAIT;
        let mut pool = false;
        let guarded = entries.iter().any(|(key, _)| key.get_ref() == "dial");
        // None: nobody can say what is meant.
        let (mut line, mut protocol) = (Some(port.line), Some(port.protocol));
        for &(key, value) in &entries {
            let name = key.get_ref().as_ref();
            let section = &mut *section;
            match name {
                "listen" => {
                    (port.listen, endpoints) = section.distinct_list(
                        name,
                        value,
                        |text| Endpoint::parse(text, services),
                        |listed| clashes(listed.iter().zip(0..)),
                        "leave one of them out: `2006` or `[::]:2006` is every address, of IPv4 too",
                    );
                }
                "devices" => {
                    pool = true;
                    (port.devices, _) = section.distinct_list(
                        name,
                        value,
                        absolute_path,
                        repeats,
                        "leave one of them out",
                    );
                }
                "line" => line = section.string(name, value, str::parse),
                "allow" => {
                    let hosts = section.list(name, value, str::parse);
                    port.allow = hosts.into_iter().flatten().map(|(host, _)| host).collect();
                }
                "protocol" => protocol = section.string(name, value, str::parse),
                "client_settings" => {
                    let read = ClientSettings::read(section, name, value);
                    set(&mut port.client_settings, read);
                }
                "max_baud" => {
                    port.max_baud = section.number(name, value, "a baud rate", 1..=MAX_BAUD);
                }
                "instance" => set(&mut port.instance, section.string(name, value, str::parse)),
                "busy" => set(&mut port.busy, section.string(name, value, busy)),
                "wait" => set(
                    &mut wait,
                    section.string(name, value, |text| parse_within(text, MILLISECOND..=DAY)),
                ),
                "idle_timeout" => {
                    port.idle_timeout =
                        section.string(name, value, |text| parse_within(text, SECOND..=365 * DAY));
                }
                "linger" => set(
                    &mut port.linger,
                    section.string(name, value, |text| parse_within(text, Duration::ZERO..=DAY)),
                ),
                "keepalive" => set(
                    &mut port.keepalive,
                    section.string(name, value, |text| {
                        parse_within(text, SECOND..=LONGEST_KEEPALIVE)
                    }),
                ),
                "max_unsent" => set(
                    &mut port.max_unsent,
                    section.number(name, value, "a number of bytes", UNSENT),
                ),
                "modem" => port.modem = Some(Modem::read(section, value, guarded)),
                "dial" => port.dial = Some(Dial::read(section, key.span(), value)),
                // That is not missing which is only misspelt.
                _ => match section.unknown(key, hint(name, value.get_ref())) {
                    Some("devices") => pool = true,
                    Some("line") => line = None,
                    Some("protocol") => protocol = None,
                    _ => {}
                },
            }
        }
        if !pool {
            section.missing("devices", header);
        }
        if let Busy::Wait(time) = &mut port.busy {
            *time = wait;
        }
        if guarded {
            port.modem.get_or_insert_default();
        }
        set(&mut port.line, line);
        set(&mut port.protocol, protocol);
        for (key, value) in entries {
            let name = key.get_ref().as_ref();
            if ["client_settings", "max_baud"].contains(&name) && protocol == Some(Protocol::Raw) {
                section.report(name, key.span(), not_on_a_raw_port());
            }
            if let ("max_baud", Some(most), Some(line)) = (name, port.max_baud, line)
                && most < line.baud
            {
                section.report(name, value.span(), below_the_line(most, line));
            }
        }
        (port, endpoints)
    }
}

fn not_on_a_raw_port() -> Mistake {
    Mistake::new(
        "clients of a `raw` port cannot change settings",
        "write `protocol = \"telnet\"` too, or leave this out",
    )
}

fn below_the_line(most: u32, line: LineSettings) -> Mistake {
    let baud = line.baud;
    let slower = LineSettings { baud: most, ..line };
    Mistake::new(
        format!("`{most}` is below the {baud} of `line`, with which each session begins"),
        format!("write at least `max_baud = {baud}`, or `line = \"{slower}\"`"),
    )
}

/// Whether a port can have this name.
pub(super) fn check_name(name: &str) -> Result<(), Mistake> {
    let refuse =
        |why: &str, remedy: &str| Err(Mistake::new(format!("{} {why}", quoted(name)), remedy));
    if NAMES_OF_SYSTEMD.contains(&name) {
        return refuse(
            "is what systemd calls descriptors without a name",
            "write another name",
        );
    }
    if let Some((_, unit)) = NAMES_OF_OURS.iter().find(|(ours, _)| *ours == name) {
        return refuse(
            &format!("cannot be the name of a port, for {unit} is a unit of modemd itself"),
            "write another name",
        );
    }
    check_letters(name, "a port")
}

fn busy(text: &str) -> Result<Busy, Mistake> {
    match text {
        "refuse" => Ok(Busy::Refuse),
        "wait" => Ok(Busy::Wait(DEFAULT_WAIT)),
        _ => Err(Mistake::new(
            format!("{} is not what a busy port can do", quoted(text)),
            "write `refuse`, or `wait` for a place in the queue",
        )),
    }
}
