//! From ports to units.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use super::sandbox;
use super::socket::{self, SHIPPED};
use crate::config::{Config, DEFAULT_PATH, Endpoint, Instance, Port, PortError};

/// The port that `modem.socket` is for.
const MODEM: &str = "modem";

/// The service for one client of that port, of which other ports get copies.
pub(super) const TEMPLATE: &str = "modem@.service";

/// How that service is told its port: systemd calls the descriptor `connection` whatever the socket.
const TEMPLATE_PORT: &str = "--port modem";

/// What `modem.socket` pulls in.
const WANTS: &str = "modem.socket.wants";

/// Shipped sockets that belong to no port: `control` and `metrics` are no ports' names.
const OTHERS: [&str; 2] = ["modem-control.socket", "modem-metrics.socket"];

/// What the shipped socket is changed by. `00-`, so that drop-ins of an administrator come later and
/// win (systemd.unit(5)).
const DROP_IN: &str = "modem.socket.d/00-modemd.conf";

/// What becomes of `modem.socket` without a port of its own.
const NOWHERE: &str = "\
# No [ports.modem]: this unit only pulls in the others. A socket has to listen somewhere.
ListenStream=
ListenStream=/run/modemd/modem
NoDelay=no
RemoveOnStop=yes
SocketMode=0600
";

/// What a plan depends on beside the configuration.
pub struct Surroundings {
    /// The text of the installed `modem@.service`.
    pub template: Option<String>,
    /// The names of socket units that run and have no other unit file than ours, if any.
    pub running: Vec<String>,
    /// The device that a path leads to, if there is one now.
    pub resolve: fn(&Path) -> Option<PathBuf>,
}

/// The units that a configuration asks for, and what it does not get.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The files with their text, by path below the generator's folder.
    pub files: BTreeMap<PathBuf, String>,
    /// The symbolic links with their targets, by path below the generator's folder.
    pub links: BTreeMap<PathBuf, PathBuf>,
    /// The socket units of ports other than `modem`.
    sockets: BTreeSet<String>,
    /// The socket units that run and that no port has any more.
    pub(super) former: BTreeSet<String>,
    /// What ports that have no mistake do not get all the same, a line each.
    pub refusals: Vec<String>,
}

impl Plan {
    /// Plans the units of all ports that are free of mistakes.
    #[must_use]
    pub fn new(config: &Config, surroundings: &Surroundings) -> Self {
        let mut plan = Plan::default();
        let taken = plan.modem(config);
        for port in config.ports.iter().filter(|port| port.name != MODEM) {
            if let Err(why) = plan.port(port, config, taken.as_ref(), surroundings) {
                plan.refusals.push(refusal(Some(&port.name), &why));
            }
        }
        plan.sandbox(config, surroundings);
        plan.let_go_of_former(&surroundings.running);
        plan
    }

    /// What is to be told about this plan for `config`, a line each.
    #[must_use]
    pub fn log(&self, config: &Config) -> Vec<String> {
        let mistakes = config.problems.iter().map(|problem| {
            let why = format!("{}: {}", problem.headline(), problem.remedy);
            refusal(problem.port.as_deref(), &why)
        });
        mistakes.chain(self.refusals.iter().cloned()).collect()
    }

    /// Sees to it that what runs and is in the configuration no more ends with the next restart of
    /// `modem.socket`: a unit that vanishes while it runs would stay, without a file and for ever.
    fn let_go_of_former(&mut self, running: &[String]) {
        for unit in running.iter().filter(|unit| unit.starts_with("modem-")) {
            if self.sockets.contains(unit) || OTHERS.contains(&unit.as_str()) {
                continue;
            }
            let text = format!(
                "{}\n[Unit]\nDescription=Former Modem Sharing Socket\n\
                 # Stopped with the next restart of modem.socket, and not started again.\n\
                 ConditionPathExists=!/\nPartOf=modem.socket\n\n\
                 [Socket]\nListenStream=/run/modemd/{unit}\nService=modem.service\n",
                header(unit),
            );
            self.files.insert(unit.into(), text);
            self.former.insert(unit.clone());
        }
    }

    /// `[ports.modem]` changes the shipped socket. Gives where that listens without having been told
    /// so by the file, which other ports must keep clear of.
    fn modem(&mut self, config: &Config) -> Option<Endpoint> {
        let port = match config.port(MODEM) {
            Ok(port) => port,
            // The one switch is also for those who have no port of this name.
            Err(PortError::Unknown {
                perhaps: None,
                known,
                ..
            }) if !known.is_empty() => {
                self.change(DROP_IN, Path::new(DEFAULT_PATH), "Socket", NOWHERE);
                return None;
            }
            Err(_) => return Some(SHIPPED),
        };
        let listen = match socket::listen(port) {
            Ok(listen) => listen,
            Err(endpoint) => {
                self.refusals
                    .push(refusal(Some(MODEM), &not_plain(endpoint)));
                return Some(SHIPPED);
            }
        };
        let instance = socket::instance(port, "");
        let filter = socket::filter(port);
        let reset = if listen.is_empty() {
            ""
        } else {
            "ListenStream=\n"
        };
        let text = format!("{instance}IPAddressAllow=\n{filter}{reset}{listen}");
        self.change(DROP_IN, origin(config, port), "Socket", &text);
        port.listen.is_empty().then_some(SHIPPED)
    }

    /// `[ports.NAME]` gets a socket of its own.
    fn port(
        &mut self,
        port: &Port,
        config: &Config,
        taken: Option<&Endpoint>,
        surroundings: &Surroundings,
    ) -> Result<(), String> {
        let name = &port.name;
        if port.listen.is_empty() {
            return Err("it does not say where to `listen`: write for example \
                        `listen = [\"2007\"]`, or make a socket unit yourself"
                .to_owned());
        }
        if let Some(taken) = taken
            && let Some(clash) = port.listen.iter().find(|at| at.overlaps(taken))
        {
            return Err(format!(
                "`{clash}` clashes with `{taken}`, where modem.socket listens unless [ports.modem] \
                 says otherwise: listen elsewhere"
            ));
        }
        let listen = socket::listen(port).map_err(not_plain)?;
        if port.instance == Instance::PerConnection {
            let text = template_for(port, surroundings.template.as_deref())?;
            self.files.insert(service(port).into(), text);
        }
        let unit = format!("modem-{name}.socket");
        let shared = format!("FileDescriptorName={name}\nService=modem.service\n");
        let text = format!(
            "{}\n[Unit]\nDescription=Modem Sharing Socket for {name}\n\
             Documentation=man:modemd(8) man:modemd.toml(5)\nPartOf=modem.socket\n{}\
             StartLimitIntervalSec=0\n\n[Socket]\n{}{}IPAddressDeny=any\nKeepAlive=yes\nNoDelay=yes\n\
             ReusePort=yes\nTriggerLimitIntervalSec=0\n{listen}",
            header(&unit),
            source(origin(config, port)),
            socket::instance(port, &shared),
            socket::filter(port),
        );
        self.links
            .insert(Path::new(WANTS).join(&unit), Path::new("..").join(&unit));
        self.sockets.insert(unit.clone());
        self.files.insert(unit.into(), text);
        Ok(())
    }

    /// What the services need beyond their sandbox, each only what is for its own ports.
    fn sandbox(&mut self, config: &Config, surroundings: &Surroundings) {
        let mut openings: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut told = BTreeSet::new();
        for port in &config.ports {
            let service = service(port);
            let openings = openings.entry(service.clone()).or_default();
            for device in &port.devices {
                let Some(rule) = sandbox::device_rule(device, surroundings) else {
                    continue;
                };
                if !socket::is_plain(Path::new(&rule)) {
                    let what = format!("port `{}`: {}", port.name, not_plain(device.display()));
                    self.refusals.push(what);
                    continue;
                }
                let line = format!("DeviceAllow={rule} rw\n");
                if told.insert((service.clone(), line.clone())) {
                    openings.push(line);
                }
            }
        }
        let locks = sandbox::lock_directory(config.server.lock_dir.as_ref());
        if let Some(locks) = locks.filter(|path| !socket::is_plain(path)) {
            let what = format!("server.lock_dir: {}", not_plain(locks.display()));
            self.refusals.push(what);
        } else if let Some(locks) = locks {
            for openings in openings.values_mut() {
                openings.push(format!("ReadWritePaths=-{}\n", locks.display()));
            }
        }
        for (service, openings) in openings.iter().filter(|(_, lines)| !lines.is_empty()) {
            let name = format!("{service}.d/00-modemd.conf");
            self.change(
                &name,
                Path::new(DEFAULT_PATH),
                "Service",
                &openings.concat(),
            );
        }
    }

    /// A drop-in for a unit that is there.
    fn change(&mut self, name: &str, origin: &Path, section: &str, text: &str) {
        let unit = name.split_once(".d/").map_or(name, |(unit, _)| unit);
        let text = format!(
            "{}\n[Unit]\n{}\n[{section}]\n{text}",
            header(unit),
            source(origin)
        );
        self.files.insert(name.into(), text);
    }
}

fn refusal(port: Option<&str>, why: &str) -> String {
    match port {
        Some(MODEM) => format!("modem.socket stays as it was shipped: {why}"),
        Some(port) => format!("no units for port `{port}`: {why}"),
        None => why.to_owned(),
    }
}

fn origin<'a>(config: &'a Config, port: &Port) -> &'a Path {
    let origin = config.origins.get(&port.name);
    origin.map_or(Path::new(DEFAULT_PATH), PathBuf::as_path)
}

fn header(unit: &str) -> String {
    format!(
        "# Made by modemd-generator(8), anew at each daemon-reload: not to be edited.\n\
         # `systemctl edit {unit}` makes a drop-in that wins.\n"
    )
}

/// With it, `systemctl status` says when the file has changed since (systemd.unit(5)).
fn source(path: &Path) -> String {
    if socket::is_plain(path) {
        format!("SourcePath={}\n", path.display())
    } else {
        String::new()
    }
}

fn not_plain(path: impl fmt::Display) -> String {
    format!("`{path}` cannot stand in a unit: use a path of letters, digits and `/._-+:@=,`")
}

/// The service that a port's clients get.
fn service(port: &Port) -> String {
    match port.instance {
        Instance::Shared => "modem.service".to_owned(),
        Instance::PerConnection if port.name == MODEM => TEMPLATE.to_owned(),
        Instance::PerConnection => format!("modem-{}@.service", port.name),
    }
}

/// The service for one client of `port`, made of the one for port `modem`.
fn template_for(port: &Port, template: Option<&str>) -> Result<String, String> {
    let template = template.ok_or_else(|| {
        format!("{TEMPLATE} is not installed: `instance = \"per-connection\"` needs it")
    })?;
    let is_start = |line: &&str| line.starts_with("ExecStart=") && line.contains(TEMPLATE_PORT);
    if template.lines().filter(is_start).count() != 1 {
        return Err(format!(
            "{TEMPLATE} has no ExecStart= with `{TEMPLATE_PORT}` to make another of"
        ));
    }
    let header = header(&service(port));
    let own = template.replace(TEMPLATE_PORT, &format!("--port {}", port.name));
    Ok(format!("{header}\n{own}"))
}
