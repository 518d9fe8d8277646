//! From the command line to a running service: which sockets, which settings, and at which moment
//! the privileges go.

mod demonstration;
mod one_client;

use std::fmt::Display;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::task::{LocalSet, spawn_local};
use tracing::{error, warn};

use crate::access::Admission;
use crate::activation::{self, Handed, Listener, Stored};
use crate::command_line::{Command, CommandLine, Serve};
use crate::config::{self, AllowList, Config, Endpoint, Host};
use crate::exit_code;
use crate::journal;
use crate::listen;
use crate::notify;
use crate::privileges::{self, Privileges};
use crate::server::{self, Service};
use crate::state_dir::{SharedState, StateDir};
use demonstration::demonstrate;
use one_client::serve_one;

/// The name of the port that a command line makes.
const UNNAMED_PORT: &str = "modem";

const NOTHING_TO_SERVE: &str = "no socket was handed in, and none was asked for; try one of
  modemd demo                          an emulated modem on 127.0.0.1:2006
  modemd --listen 2006 /dev/ttyS1      share a line from a shell
  modemd --standalone                  listen where /etc/modemd/modemd.toml says
  systemctl enable --now modem.socket  let systemd listen and start modemd on demand
or give inetd the line
  modem stream tcp nowait root /usr/sbin/tcpd /usr/sbin/modemd /dev/ttyS1";

/// A failure that ends the program, told by whoever gets it.
struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    fn new(code: u8, message: impl Display) -> Self {
        Failure {
            code,
            message: message.to_string(),
        }
    }
}

fn unavailable(error: impl Display) -> Failure {
    Failure::new(exit_code::UNAVAILABLE, error)
}

fn not_permitted(error: impl Display) -> Failure {
    Failure::new(exit_code::NOT_PERMITTED, error)
}

/// Runs `modemd` until it is done.
///
/// Call it before there are threads: it takes descriptors by way of the environment, and
/// capabilities belong to threads.
#[must_use]
pub fn run(line: CommandLine) -> ExitCode {
    journal::start(line.verbose);
    // There may be sessions to take up, and whoever tells us to stop means them too: nothing of that
    // kind ends us before we listen for it.
    server::hold_signals();
    let done = match line.command {
        Some(Command::Demo { listen }) => demonstrate(&listen),
        None if line.serve.devices.is_empty() => serve_configuration(line.serve),
        None => serve_devices(line.serve),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            error!("{}", failure.message);
            ExitCode::from(failure.code)
        }
    }
}

/// Serves what a file says.
fn serve_configuration(options: Serve) -> Result<(), Failure> {
    let inherited = activation::from_systemd().map_err(unavailable)?;
    if let (Handed::Nothing, false) = (&inherited.handed, options.standalone) {
        return Err(Failure::new(exit_code::USAGE, NOTHING_TO_SERVE));
    }
    let config = Config::load(&options.config);
    let listeners = match inherited.handed {
        Handed::Client(socket) => {
            let port = match only_port(&config, options.port.as_deref()) {
                Ok(port) => port,
                Err(why) => {
                    refuse(options.port.as_deref(), &why);
                    return Ok(());
                }
            };
            let admission = Admission::Listed(port.allow.clone());
            return serve_one(socket, port, &config, admission, options.run_dir);
        }
        Handed::Listeners(listeners) if !options.standalone => listeners,
        _ => bind(&config)?,
    };
    let service = Service {
        exits_when_idle: !options.standalone,
        binds: options.standalone,
        admission: None,
        source: Some(options.config),
        config,
        shared: SharedState::default(),
        control: inherited.control,
    };
    serve_all(service, listeners, inherited.stored, options.run_dir)
}

/// Nothing failed that systemd should keep a record of: it may be that the port just left the
/// configuration, and its socket goes next.
fn refuse(port: Option<&str>, why: &str) {
    warn!(
        MESSAGE_ID = journal::PORT_DISABLED,
        MODEMD_PORT = port.unwrap_or_default(),
        "client refused: {why}"
    );
    // Who ends without having been ready has failed (`Type=notify`).
    notify::ready("client refused");
}

/// The port that a single client came to, or why it cannot be served.
fn only_port<'a>(config: &'a Config, name: Option<&str>) -> Result<&'a config::Port, String> {
    match (name, config.ports.as_slice()) {
        (Some(name), _) => config.port(name).map_err(|error| error.to_string()),
        (None, [port]) => Ok(port),
        (None, []) => Err("the configuration has no port that can be served".to_owned()),
        (None, _) => Err(
            "the configuration has several ports, and a connected socket does not tell to which its \
             client came; start modemd with `--port NAME`"
                .to_owned(),
        ),
    }
}

/// Binds what the configuration names. One address that is taken does not keep the others closed.
fn bind(config: &Config) -> Result<Vec<Listener>, Failure> {
    let endpoints = server::endpoints(config);
    if endpoints.is_empty() {
        for problem in &config.problems {
            error!(MESSAGE_ID = journal::BAD_CONFIGURATION, "{problem}");
        }
        return Err(Failure::new(
            exit_code::CONFIGURATION,
            "no port in the configuration says where to `listen`, which --standalone needs",
        ));
    }
    let mut listeners = Vec::new();
    for (port, endpoint) in endpoints {
        match listen::open(&port, &endpoint) {
            Ok(listener) => listeners.push(listener),
            Err(error) => error!(MODEMD_PORT = port, "{port}: {error}"),
        }
    }
    if listeners.is_empty() {
        return Err(unavailable(
            "none of the addresses in the configuration can be listened on",
        ));
    }
    Ok(listeners)
}

/// Serves what the command line says: to systemd's sockets, inetd's, or its own.
fn serve_devices(options: Serve) -> Result<(), Failure> {
    let mut port = config::Port::new(UNNAMED_PORT);
    port.devices = options.devices;
    port.line = options.line;
    port.protocol = options.protocol;
    let mut config = Config::default();
    if let Some(user) = options.user {
        config.server.user = user;
    }
    if let Some(group) = options.group {
        config.server.group = group;
    }
    if let Some(lock_dir) = options.lock_dir {
        config.server.lock_dir = Some(lock_dir);
    }
    let binds = !options.listen.is_empty();
    let inherited = activation::from_systemd().map_err(unavailable)?;
    let handed = if binds {
        let listen = |endpoint| listen::open(UNNAMED_PORT, endpoint).map_err(unavailable);
        Handed::Listeners(
            options
                .listen
                .iter()
                .map(listen)
                .collect::<Result<_, Failure>>()?,
        )
    } else if let Handed::Nothing = inherited.handed {
        activation::from_inetd(UNNAMED_PORT)
    } else {
        inherited.handed
    };
    let admission = if !options.allow.is_empty() {
        Admission::Listed(options.allow.into_iter().collect())
    } else if binds {
        Admission::Listed(AllowList::from_iter([Host::Localhost]))
    } else {
        // systemd or tcpd has looked at whoever comes through a socket that was handed in.
        Admission::Anyone
    };
    match handed {
        Handed::Nothing => Err(Failure::new(exit_code::USAGE, NOTHING_TO_SERVE)),
        Handed::Client(socket) => serve_one(socket, &port, &config, admission, options.run_dir),
        Handed::Listeners(mut listeners) => {
            for listener in &mut listeners {
                UNNAMED_PORT.clone_into(&mut listener.port);
            }
            let service = Service {
                exits_when_idle: !binds,
                binds: false,
                admission: Some(admission),
                source: None,
                config: Config {
                    ports: vec![port],
                    ..config
                },
                shared: SharedState::default(),
                control: inherited.control,
            };
            serve_all(service, listeners, inherited.stored, options.run_dir)
        }
    }
}

fn plan(server: &config::Server) -> Result<Privileges, Failure> {
    let privileges = privileges::plan(&server.user, Some(&server.group)).map_err(not_permitted)?;
    if privileges == Privileges::StayRoot {
        warn!(
            MESSAGE_ID = journal::STAYS_ROOT,
            "staying root, as `user` says; anything that goes wrong goes wrong with all privileges"
        );
    }
    Ok(privileges)
}

/// What is shared with other processes: in the directory that we were told, or that systemd has made.
fn shared_state(run_dir: Option<PathBuf>, privileges: &Privileges) -> Result<SharedState, Failure> {
    let directory = match run_dir {
        None => StateDir::of_systemd(),
        Some(path) => {
            let path = path.join("private");
            let made = StateDir::make(path.clone(), privileges.identity());
            Some(made.map_err(|error| unavailable(format!("{}: {error}", path.display())))?)
        }
    };
    Ok(directory.map_or_else(SharedState::default, SharedState::in_directory))
}

/// Binds the control socket by hand, for whoever starts us: group and others get nothing.
fn control_in(run_dir: &Path) -> Result<socket2::Socket, Failure> {
    let path = run_dir.join("io.modemd");
    let failed = |error: &dyn Display| unavailable(format!("{}: {error}", path.display()));
    fs::create_dir_all(run_dir).map_err(|error| failed(&error))?;
    let socket = listen::bind(&Endpoint::Path(path.clone())).map_err(unavailable)?;
    let ours = fs::Permissions::from_mode(0o600);
    fs::set_permissions(&path, ours).map_err(|error| failed(&error))?;
    Ok(socket)
}

/// The shared daemon: the privileges go before there is anybody to serve.
fn serve_all(
    mut service: Service,
    listeners: Vec<Listener>,
    stored: Vec<Stored>,
    run_dir: Option<PathBuf>,
) -> Result<(), Failure> {
    let privileges = plan(&service.config.server)?;
    raise_descriptor_limit();
    if let Some(run_dir) = &run_dir {
        service.control = Some(control_in(run_dir)?);
    }
    service.shared = shared_state(run_dir, &privileges)?;
    privileges.let_go().map_err(not_permitted)?;
    // In a task: what is blocked on is polled whenever any task is.
    let serving = async { spawn_local(server::serve(service, listeners, stored)).await };
    match block_on(serving)? {
        Ok(served) => served.map_err(unavailable),
        Err(failed) => resume_unwind(failed.into_panic()),
    }
}

/// One thread, one event loop: sessions share memory and never wait for each other.
fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    /// Threads for what may hang for seconds: name lookups, and closing a line that takes nothing.
    const THREADS: usize = 64;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(THREADS)
        // A thread that waited for more to do would have the privileges that we are to let go of.
        .thread_keep_alive(Duration::ZERO)
        .build()
        .map_err(unavailable)?;
    let done = LocalSet::new().block_on(&runtime, work);
    // One that hangs must not keep the process.
    runtime.shutdown_background();
    Ok(done)
}

/// A session takes two descriptors, and the usual soft limit of 1,024 is there for `select(2)`
/// (`systemd.exec(5)`, `LimitNOFILE=`). What cannot be had is done without.
fn raise_descriptor_limit() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
