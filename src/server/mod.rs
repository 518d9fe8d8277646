//! The shared daemon: accepts clients on all ports and gives each a task, until it is told to stop
//! or nobody has come for a while. Nothing that a client or a file does makes it leave.

mod doors;
mod ports;
mod signals;

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::ready;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use nix::sys::signal::Signal;
use socket2::Socket;
use tokio::sync::{Notify, watch};
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep};
use tracing::{debug, error, info, warn};

use crate::access::Admission;
use crate::account::Accounts;
use crate::activation::{Listener, Stored};
use crate::board::Board;
use crate::client::Client;
use crate::config::{Config, Endpoint};
use crate::control::Control;
use crate::journal;
use crate::notify;
use crate::session::{self, Farewell, Process, Revived};
use crate::state_dir::SharedState;
use crate::store::Store;
use crate::tally::Tally;
use doors::Doors;
use ports::Ports;
pub use signals::{Signals, hold_signals};

/// How long sessions may take to end when the service stops: their own limits are shorter.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// How much later than the sessions themselves their number is told: no client waits for that, and where
/// they come and go by the hundred, systemd need not hear of each.
const STATUS_LAG: Duration = Duration::from_millis(20);

/// What the daemon serves, and where that came from.
pub struct Service {
    /// The ports, and what is wrong with others.
    pub config: Config,
    /// Whom each port lets in, if not those it lists.
    pub admission: Option<Admission>,
    /// Reads the configuration anew, for `SIGHUP`; nothing where it was a command line.
    pub source: Option<PathBuf>,
    /// Whether this process binds the configuration's `listen` addresses, and does so again on
    /// `SIGHUP`.
    pub binds: bool,
    /// What it shares with other processes.
    pub shared: SharedState,
    /// Where those come from who look, and steer.
    pub control: Option<Socket>,
    /// Whether to exit when nobody has come for `idle_exit`, because somebody will start us again.
    pub exits_when_idle: bool,
}

struct Server {
    source: Option<PathBuf>,
    binds: bool,
    exits_when_idle: bool,
    /// What is served.
    config: Rc<RefCell<Config>>,
    ports: Ports,
    board: Rc<Board>,
    tally: Rc<Tally>,
    accounts: Rc<Accounts>,
    control: Rc<Control>,
    clients: Clients,
    store: Option<Store>,
    farewell: watch::Sender<Option<Farewell>>,
}

/// The tasks that serve somebody.
#[derive(Default)]
struct Clients {
    count: Cell<usize>,
    changed: Notify,
}

/// One of them, until dropped.
struct Served(Rc<Server>);

impl Served {
    fn new(server: &Rc<Server>) -> Self {
        let clients = &server.clients;
        clients.count.set(clients.count.get() + 1);
        clients.changed.notify_one();
        Served(Rc::clone(server))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let clients = &self.0.clients;
        clients.count.set(clients.count.get() - 1);
        clients.changed.notify_one();
    }
}

/// Serves `listeners` until `SIGTERM`, `SIGINT`, or long idleness, or leaves its sessions to the next
/// process on `SIGUSR1`; what the process before has `stored` is taken up first. Must run in a
/// [`tokio::task::LocalSet`] and under a tokio runtime of one thread.
pub async fn serve(
    service: Service,
    listeners: Vec<Listener>,
    stored: Vec<Stored>,
) -> io::Result<()> {
    let signals = Signals::take(&[
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGUSR1,
    ])?;
    let SharedState {
        directory,
        tally,
        drained,
        aside,
        accounts,
    } = service.shared;
    let (board, config) = (Rc::<Board>::default(), Rc::<RefCell<Config>>::default());
    let control = Rc::new(Control::new(
        Rc::clone(&board),
        Rc::clone(&tally),
        Rc::clone(&drained),
        Rc::clone(&aside),
        Rc::clone(&config),
        directory,
    ));
    let server = Rc::new(Server {
        ports: Ports::new(service.admission, Rc::clone(&config), drained, aside),
        config,
        board,
        tally,
        accounts,
        control,
        clients: Clients::default(),
        store: Store::of_systemd(),
        farewell: watch::Sender::new(None),
        source: service.source,
        binds: service.binds,
        exits_when_idle: service.exits_when_idle,
    });
    server.adopt(service.config);
    server.take_up(stored);
    let doors = Doors::new(&server, listeners)?;
    if let Some(socket) = service.control {
        server.control.serve(socket)?;
    }
    give_memory_back();
    spawn_local(notify::watchdog());
    notify::ready(&server.status());
    let (farewell, why) = server.until_told(&doors, &signals).await;
    notify::stopping(why);
    drop(doors);
    server.farewell.send_replace(Some(farewell));
    let all_gone = async {
        while server.clients.count.get() > 0 {
            server.clients.changed.notified().await;
        }
    };
    if tokio::time::timeout(STOP_LIMIT, all_gone).await.is_err() {
        warn!(
            "stopping although {} clients are still served",
            server.clients.count.get()
        );
    }
    Ok(())
}

impl Server {
    async fn until_told(
        self: &Rc<Self>,
        doors: &Doors,
        signals: &Signals,
    ) -> (Farewell, &'static str) {
        let lag = sleep(STATUS_LAG);
        tokio::pin!(lag);
        let mut is_behind = false;
        loop {
            let is_idle =
                self.exits_when_idle && self.clients.count.get() == 0 && !self.control.is_open();
            let idle_exit = self.config.borrow().server.idle_exit;
            tokio::select! {
                signal = signals.next() => match signal {
                    Signal::SIGHUP => self.reload(doors),
                    Signal::SIGUSR1 => {
                        return (Farewell::HandOver, "leaving all sessions to the next process");
                    }
                    _ => return (Farewell::Stop, "stopping: told to"),
                },
                () = self.board.changed(), if !is_behind => {
                    is_behind = true;
                    lag.as_mut().reset(Instant::now() + STATUS_LAG);
                }
                () = &mut lag, if is_behind => {
                    is_behind = false;
                    // Whatever has changed until now is told with this.
                    tokio::select! {
                        biased;
                        () = self.board.changed() => {}
                        () = ready(()) => {}
                    }
                    notify::status(&self.status());
                }
                () = self.clients.changed.notified() => {}
                () = self.control.changed() => {}
                () = sleep(idle_exit), if is_idle => {
                    if self.clients.count.get() > 0 || self.control.is_open() {
                        // One came in the very moment.
                        continue;
                    }
                    debug!("nobody has come for a while, leaving until somebody does");
                    return (Farewell::Stop, "stopping: nobody has come for a while");
                }
            }
        }
    }

    /// Goes on with what the process before has left. When this returns, all its lines are held by
    /// this one, and nobody was accepted yet.
    fn take_up(self: &Rc<Self>, stored: Vec<Stored>) {
        let Some(store) = &self.store else { return };
        let locks = self.ports.locks();
        let mut revived: Vec<_> = stored
            .into_iter()
            .filter_map(|stored| {
                session::revive(stored, store, &locks)
                    .inspect_err(|error| error!("a session cannot be taken up: {error}"))
                    .ok()
            })
            .collect();
        for port in &self.config.borrow().ports {
            for device in &port.devices {
                locks.sweep(device);
            }
        }
        revived.sort_by_key(Revived::since);
        for revived in revived {
            let port = match (self.ports.find(revived.port()), &revived) {
                (Ok(port), _) => port,
                (Err(reason), Revived::Guest(_)) => {
                    refuse(revived.port(), &reason);
                    continue;
                }
                (Err(_), _) => Rc::new(self.ports.former(&revived)),
            };
            let served = Served::new(self);
            spawn_local(async move {
                let Served(of) = &served;
                revived.resume(&port, &of.process()).await;
            });
        }
    }

    /// Puts a configuration into service; sessions keep what they started with in any case.
    fn adopt(&self, config: Config) {
        for problem in &config.problems {
            error!(MESSAGE_ID = journal::BAD_CONFIGURATION, "{problem}");
        }
        self.board
            .configure(config.ports.iter().flat_map(|port| &port.devices));
        self.ports.adopt(config);
    }

    fn process(&self) -> Process<'_> {
        Process {
            board: &self.board,
            tally: &self.tally,
            accounts: &self.accounts,
            store: self.store.as_ref(),
            farewell: self.farewell.subscribe(),
        }
    }

    fn reload(&self, doors: &Doors) {
        let Some(source) = &self.source else {
            info!("there is no configuration file to read anew");
            return;
        };
        notify::reloading();
        self.adopt(Config::load(source));
        if self.binds {
            doors.follow(&self.config.borrow());
        }
        give_memory_back();
        let status = self.status();
        info!("configuration read anew: {status}");
        notify::ready(&status);
    }

    /// In plain words: what is going on, and what is wrong.
    fn status(&self) -> String {
        let mut status = self.board.text();
        if let Some(problem) = self.config.borrow().problems.first() {
            status.push_str("; the configuration has a mistake: ");
            status.push_str(&problem.headline());
        }
        status
    }

    fn welcome(self: &Rc<Self>, socket: Socket, name: &str) {
        let port = match self.ports.find(name) {
            Ok(port) => port,
            Err(reason) => {
                refuse(name, &reason);
                return;
            }
        };
        let client = match Client::new(socket) {
            Ok(client) => client,
            Err(error) => {
                debug!("{name}: a client left at once: {error}");
                return;
            }
        };
        let served = Served::new(self);
        spawn_local(async move {
            let Served(of) = &served;
            // The privileges went before there was anybody to serve.
            let nothing_left = || Ok::<_, Infallible>(());
            let number = session::new_number();
            let Ok(()) = session::run(number, client, &port, &of.process(), nothing_left).await;
        });
    }
}

/// Reading a configuration takes several times the memory of what is in it, in so many pieces that
/// glibc does not give it back by itself.
fn give_memory_back() {
    // SAFETY: it takes no pointers, and nobody's memory but what is free already.
    #[cfg(target_env = "gnu")]
    #[allow(unsafe_code)]
    unsafe {
        nix::libc::malloc_trim(0);
    }
}

fn refuse(port: &str, reason: &str) {
    warn!(
        MESSAGE_ID = journal::PORT_DISABLED,
        MODEMD_PORT = port,
        "client refused: {reason}"
    );
}

/// Where the ports of a configuration listen, by their own account.
#[must_use]
pub fn endpoints(config: &Config) -> Vec<(String, Endpoint)> {
    let ports = config.ports.iter();
    ports
        .flat_map(|port| port.listen.iter().map(|at| (port.name.clone(), at.clone())))
        .collect()
}
