//! `modem.service` as the test runs it, and what is kept of its sessions.

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::process::{Command, ExitStatus};

use nix::sys::signal::Signal;

use crate::support::{Modem, Running, Scratch, connect, locks_in, modemd, proc_status, wait_until};
use crate::systemd::Manager;

/// `modem.service` with its sockets: one process after the other.
pub(crate) struct Service {
    server: Option<Running>,
    pub(crate) manager: Manager,
    sockets: Vec<(String, TcpListener)>,
    program: Command,
    pub(crate) scratch: Scratch,
}

impl Service {
    /// A running service with a configuration of `ports`, each with a socket of 127.0.0.1.
    pub(crate) fn new(names: &[&str], ports: &str) -> Self {
        Service::staged(names, ports, |program| program)
    }

    /// A running service that is made of this program in a way of its own.
    pub(crate) fn staged(
        names: &[&str],
        ports: &str,
        stage: impl FnOnce(Command) -> Command,
    ) -> Self {
        let scratch = Scratch::new();
        let mut program = modemd();
        program
            .arg("--config")
            .arg(scratch.path().join("modemd.toml"));
        let sockets = names.iter().map(|name| {
            let socket = TcpListener::bind("127.0.0.1:0").unwrap();
            ((*name).to_owned(), socket)
        });
        let mut service = Service {
            server: None,
            manager: Manager::new(&scratch),
            sockets: sockets.collect(),
            program: stage(program),
            scratch,
        };
        service.configure(ports);
        service.begin();
        service
    }

    /// Another configuration, for the next process.
    pub(crate) fn configure(&self, ports: &str) {
        let locks = self.scratch.path().display();
        let server = format!(
            "[server]\nuser = \"root\"\nlock_dir = \"{locks}\"\nidle_exit = \"1h\"\n{ports}"
        );
        self.scratch.file("modemd.toml", server);
    }

    /// Starts a process, and waits until it is ready.
    #[track_caller]
    pub(crate) fn begin(&mut self) {
        assert!(self.server.is_none());
        self.server = Some(self.manager.activate(&self.program, &self.sockets));
        self.manager.until_ready(self.server());
    }

    /// Ends the process by a signal, and waits until all is done that it reported.
    #[track_caller]
    pub(crate) fn end(&mut self, signal: Signal) -> (ExitStatus, Vec<String>) {
        let mut server = self.server.take().unwrap();
        server.signal(signal);
        let status = server.wait();
        self.manager.settle();
        let is_told = signal != Signal::SIGKILL;
        assert_eq!(status.success(), is_told, "{status}: {:#?}", server.log());
        (status, server.log())
    }

    /// One process after the other.
    #[track_caller]
    pub(crate) fn restart(&mut self, signal: Signal) {
        self.end(signal);
        self.begin();
    }

    /// The process that runs.
    #[track_caller]
    pub(crate) fn server(&self) -> &Running {
        self.server.as_ref().unwrap()
    }

    /// A new client of the first socket.
    pub(crate) fn connect(&self) -> TcpStream {
        self.connect_to(0)
    }

    /// A new client of this socket.
    pub(crate) fn connect_to(&self, socket: usize) -> TcpStream {
        connect(self.sockets[socket].1.local_addr().unwrap())
    }

    /// The pids in all lock files.
    pub(crate) fn lock_pids(&self) -> Vec<i32> {
        let locks = self.scratch.path();
        let read = |name: &String| std::fs::read_to_string(locks.join(name)).unwrap();
        let names = locks_in(locks);
        let pids = names.iter().map(|name| read(name).trim().parse().unwrap());
        pids.collect()
    }

    /// Whether all lock files name this process, and there are some.
    #[track_caller]
    pub(crate) fn assert_locked_by(&self, pid: i32) {
        let pids = self.lock_pids();
        assert!(!pids.is_empty());
        assert!(pids.iter().all(|&named| named == pid), "{pid}: {pids:?}");
    }

    /// Waits until nothing is left of any session: no lock, nothing in the store.
    #[track_caller]
    pub(crate) fn assert_empty(&self) {
        wait_until("the store to be empty", || self.manager.store().is_empty());
        wait_until("the lock files to go", || {
            locks_in(self.scratch.path()).is_empty()
        });
    }

    /// The names in the store, each once, in the order in which they came.
    pub(crate) fn sessions(&self) -> Vec<String> {
        let mut names: Vec<_> = Vec::new();
        for stored in self.manager.store().iter() {
            if !names.contains(&stored.name) {
                names.push(stored.name.clone());
            }
        }
        names
    }

    /// Waits until so many sessions are kept, and gives the name of the last.
    #[track_caller]
    pub(crate) fn keeps(&self, count: usize) -> String {
        wait_until(&format!("{count} sessions in the store"), || {
            self.sessions().len() == count
        });
        self.sessions().pop().unwrap()
    }

    /// The ledger of a session, by the name that it has in the store.
    #[track_caller]
    pub(crate) fn ledger(&self, session: &str) -> Ledger {
        let store = self.manager.store();
        let of_it = store.iter().filter(|stored| stored.name == session);
        let files = of_it.map(|of| File::from(of.descriptor.try_clone().unwrap()));
        let mut ledgers = files.filter(|file| file.metadata().unwrap().is_file());
        Ledger(ledgers.next().expect("a ledger in the store"))
    }

    /// Waits until the process has nothing more to do by itself, with all that has come by now.
    #[track_caller]
    pub(crate) fn rests(&self) {
        let pid = self.server().pid();
        let ledgers: Vec<_> = self.sessions().iter().map(|of| self.ledger(of)).collect();
        wait_until("modemd to sleep", || {
            let state = proc_status(pid, "State");
            let sleeps = state.is_some_and(|state| state.starts_with('S'));
            sleeps && ledgers.iter().all(|ledger| ledger.number(TURN) == WAITING)
        });
    }
}

/// A session's memory file, as who keeps it can see it (`src/ledger/layout.rs`).
pub(crate) struct Ledger(File);

/// Numbers of a ledger, by their place.
pub(crate) const VERSION: u64 = 1;
pub(crate) const TURN: u64 = 2;
pub(crate) const CRASHES: u64 = 3;
pub(crate) const LOST: u64 = 4;
pub(crate) const MOVED_TO_LINE: u64 = 5;
pub(crate) const MOVED_TO_CLIENT: u64 = 6;
const BODY_CHOICE: u64 = 14;

/// Kinds of turns.
const WAITING: u64 = 0;
pub(crate) const TO_LINE: u64 = 2;
pub(crate) const ACTING: u64 = 4;
pub(crate) const TAKING_UP: u64 = 5;

impl Ledger {
    /// All that is in it.
    pub(crate) fn read(&self) -> Vec<u8> {
        let size = self.0.metadata().unwrap().len();
        let mut octets = vec![0; usize::try_from(size).unwrap()];
        self.0.read_exact_at(&mut octets, 0).unwrap();
        octets
    }

    pub(crate) fn write(&self, at: u64, octets: &[u8]) {
        self.0.write_all_at(octets, at).unwrap();
    }

    pub(crate) fn number(&self, place: u64) -> u64 {
        let mut octets = [0; 8];
        self.0.read_exact_at(&mut octets, place * 8).unwrap();
        u64::from_le_bytes(octets)
    }

    pub(crate) fn set_number(&self, place: u64, value: u64) {
        self.0
            .write_all_at(&value.to_le_bytes(), place * 8)
            .unwrap();
    }

    /// Where the record of what changes at every turn is, and how long.
    pub(crate) fn body_place(&self) -> (u64, usize) {
        let packed = self.number(BODY_CHOICE + 1 + self.number(BODY_CHOICE));
        let length = usize::try_from(packed & 0xffff_ffff).unwrap();
        (packed >> 32, length)
    }

    /// That record.
    pub(crate) fn body(&self) -> String {
        let (at, length) = self.body_place();
        let mut text = vec![0; length];
        self.0.read_exact_at(&mut text, at).unwrap();
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// A port of a configuration, without addresses of its own.
pub(crate) fn port(name: &str, modems: &[&Modem], more: &str) -> String {
    let devices: Vec<_> = modems.iter().map(|modem| modem.device()).collect();
    format!("[ports.{name}]\nallow = [\"localhost\"]\ndevices = {devices:?}\n{more}\n")
}
