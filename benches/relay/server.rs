//! The servers that are measured, each as its own manual has it.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cost::descendants;
use crate::locks;
use crate::modem::Modem;
use crate::processors::put;
use crate::systemd::Systemd;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The minimal loop: what all others are compared with.
    Minimal,
    Modemd,
    /// As most people have it: 64 octets at a time, and a pause for more to come.
    Ser2net,
    /// As fast as it can be made.
    Ser2netTuned,
    Socat,
    ModemdTelnet,
    /// With a guard before the modem, in a call.
    ModemdGuarded,
    /// Telnet with RFC 2217.
    Ser2netTelnet,
}

impl Kind {
    pub(crate) const ALL: [Kind; 7] = [
        Kind::Minimal,
        Kind::Modemd,
        Kind::ModemdTelnet,
        Kind::Ser2net,
        Kind::Ser2netTuned,
        Kind::Ser2netTelnet,
        Kind::Socat,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Minimal => "minimal loop",
            Kind::Modemd => "modemd",
            Kind::Ser2net => "ser2net",
            Kind::Ser2netTuned => "ser2net, tuned",
            Kind::Socat => "socat -b65536",
            Kind::ModemdTelnet => "modemd, RFC 2217",
            Kind::ModemdGuarded => "modemd, guarded",
            Kind::Ser2netTelnet => "ser2net, RFC 2217, tuned",
        }
    }

    pub(crate) fn is_telnet(self) -> bool {
        matches!(self, Kind::ModemdTelnet | Kind::Ser2netTelnet)
    }

    pub(crate) fn is_peer(self) -> bool {
        self.program().is_some()
    }

    pub(crate) fn is_ours(self) -> bool {
        matches!(
            self,
            Kind::Modemd | Kind::ModemdTelnet | Kind::ModemdGuarded
        )
    }

    /// Of somebody else, to be installed.
    pub(crate) fn program(self) -> Option<&'static str> {
        match self {
            Kind::Minimal | Kind::Modemd | Kind::ModemdTelnet | Kind::ModemdGuarded => None,
            Kind::Ser2net | Kind::Ser2netTuned | Kind::Ser2netTelnet => Some("ser2net"),
            Kind::Socat => Some("socat"),
        }
    }

    pub(crate) fn is_installed(self) -> bool {
        self.program().is_none_or(is_installed)
    }
}

pub(crate) fn is_installed(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
    })
}

/// What is dialled where there is a guard.
pub(crate) const NUMBER: &str = "117";

/// The modemd that was built with this.
pub(crate) const MODEMD: &str = env!("CARGO_BIN_EXE_modemd");

/// One that runs, with one port for each modem.
pub(crate) struct Server {
    pub(crate) kind: Kind,
    pub(crate) addresses: Vec<String>,
    /// The one that serves, or one process for each port.
    processes: Vec<Child>,
    folder: PathBuf,
    systemd: Option<Systemd>,
}

impl Server {
    /// Starts it, and waits until it listens.
    pub(crate) fn start(kind: Kind, modems: &[Modem]) -> Result<Server, String> {
        let folder = scratch()?;
        let addresses: Vec<String> = free_addresses(modems.len())?;
        let mut server = Server {
            kind,
            addresses,
            processes: Vec::new(),
            folder,
            systemd: None,
        };
        let text = |error: std::io::Error| error.to_string();
        let ports = || server.addresses.iter().zip(modems);
        let mut commands = Vec::new();
        match kind {
            Kind::Minimal => {
                let mut command = minimal()?;
                for (address, modem) in ports() {
                    command.arg(address).arg(modem.device());
                }
                commands.push(command);
            }
            Kind::Modemd | Kind::ModemdTelnet | Kind::ModemdGuarded => {
                let config = server.folder.join("modemd.toml");
                let settings = modemd_settings(kind, &server.folder, ports());
                fs::write(&config, settings).map_err(text)?;
                let systemd = Systemd::new(&server.folder.join("notify")).map_err(text)?;
                let mut command = Command::new(MODEMD);
                command.arg("--standalone").arg("--config").arg(config);
                command.env("NOTIFY_SOCKET", systemd.path());
                let common = server.folder.join("private");
                fs::create_dir_all(&common).map_err(text)?;
                command.env("RUNTIME_DIRECTORY", common);
                commands.push(command);
                server.systemd = Some(systemd);
            }
            Kind::Ser2net | Kind::Ser2netTuned | Kind::Ser2netTelnet => {
                let config = server.folder.join("ser2net.yaml");
                fs::write(&config, ser2net_settings(kind, ports())).map_err(text)?;
                let mut command = Command::new("ser2net");
                command.args(["-n", "-d", "-c"]).arg(config);
                if locks::folder().is_none() {
                    // Without locks.
                    command.arg("-u");
                }
                commands.push(command);
            }
            Kind::Socat => {
                for (address, modem) in ports() {
                    let (host, port) = address.rsplit_once(':').expect("an address");
                    let mut command = Command::new("socat");
                    command.arg("-b65536");
                    command.arg(format!(
                        "TCP-LISTEN:{port},bind={host},reuseaddr,fork,nodelay"
                    ));
                    command.arg(format!("FILE:{},raw,echo=0", modem.device().display()));
                    commands.push(command);
                }
            }
        }
        let log = File::create(server.folder.join("log")).map_err(text)?;
        for mut command in commands {
            let log = log.try_clone().map_err(text)?;
            command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log);
            let child = command
                .spawn()
                .map_err(|error| format!("{}: {error}", kind.name()))?;
            put(&child).map_err(|errno| errno.to_string())?;
            server.processes.push(child);
        }
        server.wait_until_it_listens()?;
        Ok(server)
    }

    fn wait_until_it_listens(&mut self) -> Result<(), String> {
        if let Some(systemd) = &self.systemd {
            return systemd.wait_until_ready().map_err(|why| self.died(&why));
        }
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let listening = listening()?;
            if self
                .addresses
                .iter()
                .all(|address| listening.contains(address))
            {
                return Ok(());
            }
            for process in &mut self.processes {
                if let Ok(Some(status)) = process.try_wait() {
                    return Err(self.died(&format!("ended with {status}")));
                }
            }
            if Instant::now() > deadline {
                return Err(self.died("it does not listen"));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn died(&self, why: &str) -> String {
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let last: Vec<_> = log.lines().rev().take(3).collect();
        format!("{}: {why}: {}", self.kind.name(), last.join(" / "))
    }

    /// All its processes.
    pub(crate) fn processes(&self) -> Vec<Pid> {
        let own = |child: &Child| Pid::from_raw(i32::try_from(child.id()).unwrap_or(0));
        descendants(&self.processes.iter().map(own).collect::<Vec<_>>())
    }

    /// Whether all of it still runs, as far as we started it.
    pub(crate) fn runs(&mut self) -> bool {
        let runs = |child: &mut Child| matches!(child.try_wait(), Ok(None));
        self.processes.iter_mut().all(runs)
    }

    /// How many lock files it has left; they are removed.
    pub(crate) fn locks_left(&self) -> usize {
        locks::clear(locks::folder().unwrap_or(&self.folder))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for process in self.processes() {
            let _ = kill(process, Signal::SIGKILL);
        }
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
        // Killed, it has left those it had.
        self.locks_left();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// This program again, as the minimal loop.
pub(crate) fn minimal() -> Result<Command, String> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(this);
    command.arg("minimal-loop");
    Ok(command)
}

/// A folder of its own; whoever asks removes it.
pub(crate) fn scratch() -> Result<PathBuf, String> {
    static NUMBER: AtomicU16 = AtomicU16::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("modemd-bench-{}-{number}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}

pub(crate) fn modemd_settings<'m>(
    kind: Kind,
    folder: &Path,
    ports: impl Iterator<Item = (&'m String, &'m Modem)>,
) -> String {
    let mut text = format!(
        "[server]\nuser = \"root\"\nlock_dir = \"{}\"\n",
        locks::folder().unwrap_or(folder).display()
    );
    let protocol = if kind.is_telnet() { "telnet" } else { "raw" };
    for (number, (address, modem)) in ports.enumerate() {
        let device = modem.device().display();
        // The peers do without a half-close; a client that closes is one that has left.
        let _ = write!(
            text,
            "[ports.p{number}]\nlisten = [\"{address}\"]\ndevices = [\"{device}\"]\n\
             allow = [\"localhost\"]\nprotocol = \"{protocol}\"\nlinger = \"0s\"\n"
        );
        if kind == Kind::ModemdGuarded {
            let _ = writeln!(text, "[ports.p{number}.dial]\nallow = [\"{NUMBER}\"]");
        }
    }
    text
}

fn ser2net_settings<'m>(
    kind: Kind,
    ports: impl Iterator<Item = (&'m String, &'m Modem)>,
) -> String {
    let mut text = "%YAML 1.1\n---\n".to_owned();
    for (number, (address, modem)) in ports.enumerate() {
        let (host, port) = address.rsplit_once(':').expect("an address");
        let accepter = match kind {
            Kind::Ser2netTelnet => format!("telnet(rfc2217),tcp(nodelay),{host},{port}"),
            Kind::Ser2netTuned => format!("tcp(nodelay),{host},{port}"),
            _ => format!("tcp,{host},{port}"),
        };
        let device = modem.device().display();
        let _ = write!(
            text,
            "connection: &p{number}\n  accepter: {accepter}\n  connector: serialdev,{device},115200n81,local\n"
        );
        if kind != Kind::Ser2net {
            text.push_str(
                "  options:\n    chardelay: false\n    dev-to-net-bufsize: 65536\n    net-to-dev-bufsize: 65536\n",
            );
        }
    }
    text
}

/// Addresses that nobody listens on, below those that the kernel gives to clients.
pub(crate) fn free_addresses(count: usize) -> Result<Vec<String>, String> {
    const FIRST: u16 = 12_000;
    const LAST: u16 = 32_000;
    // Another run on this machine begins elsewhere.
    static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| {
        let place = std::process::id().wrapping_mul(997) % u32::from(LAST - FIRST);
        AtomicU16::new(FIRST + u16::try_from(place).unwrap_or(0))
    });
    let mut found = Vec::with_capacity(count);
    for _ in FIRST..LAST {
        if found.len() == count {
            break;
        }
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        if port >= LAST {
            NEXT.store(FIRST, Ordering::Relaxed);
            continue;
        }
        let address = format!("127.0.0.1:{port}");
        if TcpListener::bind(&address).is_ok() {
            found.push(address);
        }
    }
    if found.len() < count {
        return Err(format!("there are not {count} free ports on 127.0.0.1"));
    }
    Ok(found)
}

/// Where on 127.0.0.1 anybody listens. Looked up, not tried: a connection would open the line.
pub(crate) fn listening() -> Result<HashSet<String>, String> {
    const LISTEN: &str = "0A";
    let table = fs::read_to_string("/proc/net/tcp").map_err(|error| error.to_string())?;
    let local = |line: &str| {
        let mut fields = line.split_whitespace().skip(1);
        let port = fields.next()?.strip_prefix("0100007F:")?;
        let port = u16::from_str_radix(port, 16).ok()?;
        (fields.nth(1)? == LISTEN).then(|| format!("127.0.0.1:{port}"))
    };
    Ok(table.lines().filter_map(local).collect())
}

/// Whoever closes so sends a reset (`socket(7)`, `SO_LINGER`).
pub(crate) fn reset(socket: TcpStream) {
    let _ = socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO));
    drop(socket);
}
