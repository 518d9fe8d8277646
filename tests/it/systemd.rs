//! systemd, played by the test: it hears what a service reports, keeps its descriptors, and starts it
//! with them.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use nix::sys::signal::Signal;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, UnixAddr, recvmsg, sendmsg};

use crate::support::{
    Modem, PATIENCE, Running, Scratch, connect, locks_in, modemd, proc_status, wait_until,
};

/// A descriptor in the store, and the name that it has there.
pub(crate) struct Stored {
    pub(crate) name: String,
    pub(crate) descriptor: OwnedFd,
}

/// Where a service reports to, and what it has had kept.
pub(crate) struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
    told: Receiver<Vec<String>>,
    store: Arc<Mutex<Vec<Stored>>>,
}

impl Manager {
    pub(crate) fn new(scratch: &Scratch) -> Self {
        let path = scratch.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let store = Arc::default();
        let (tell, told) = channel();
        let (from, into) = (socket.try_clone().unwrap(), Arc::clone(&store));
        // Nobody who reports may have to wait for the test.
        std::thread::spawn(move || hear(&from, &into, &tell));
        Manager {
            socket,
            path,
            told,
            store,
        }
    }

    /// Starts a program that is given nothing.
    pub(crate) fn watch(&self, mut command: Command) -> Running {
        command.env("NOTIFY_SOCKET", &self.path);
        Running::start(command)
    }

    /// Starts a program with these sockets and all that is stored (`sd_listen_fds(3)`), which is in
    /// no particular order there: here not in the one in which it came.
    pub(crate) fn activate(&self, program: &Command, sockets: &[(String, TcpListener)]) -> Running {
        /// Above all that the program will have.
        const ABOVE: i32 = 200;
        self.settle();
        let store = self.store();
        let stored = store.iter().rev();
        let stored = stored.map(|stored| (stored.name.as_str(), stored.descriptor.as_fd()));
        let sockets = sockets.iter().map(|(name, of)| (name.as_str(), of.as_fd()));
        let (names, descriptors): (Vec<_>, Vec<_>) = stored.chain(sockets).unzip();
        // The program's descriptors must not be among the numbers that it is given.
        let descriptors: Vec<_> = descriptors
            .iter()
            .map(|of| fcntl(of, FcntlArg::F_DUPFD_CLOEXEC(ABOVE)).unwrap())
            .collect();
        let mut command = Command::new("sh");
        let script = "LISTEN_PID=$$; export LISTEN_PID; exec \"$0\" \"$@\"";
        command.arg("-c").arg(script).arg(program.get_program());
        command.args(program.get_args());
        for (name, value) in program.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        command.env("NOTIFY_SOCKET", &self.path);
        command.env("LISTEN_FDS", names.len().to_string());
        command.env("LISTEN_FDNAMES", names.join(":"));
        let given = descriptors.clone();
        let give = move || {
            for (number, &descriptor) in (3..).zip(&given) {
                // SAFETY: a call of the system and nothing else, on numbers. What it replaces is not
                // used any more, but for where the library would tell that it cannot execute `sh`.
                #[allow(unsafe_code)]
                let done = unsafe { libc::dup2(descriptor, number) };
                if done < 0 {
                    return Err(io::Error::last_os_error());
                }
            }
            Ok(())
        };
        // SAFETY: between fork and exec it makes system calls that are allowed there, and allocates
        // nothing (`signal-safety(7)`).
        #[allow(unsafe_code)]
        unsafe {
            command.pre_exec(give);
        }
        let running = Running::start(command);
        for descriptor in descriptors {
            nix::unistd::close(descriptor).unwrap();
        }
        running
    }

    /// The next thing that was reported, as its lines. What is for the store is not among that.
    #[track_caller]
    pub(crate) fn next(&self) -> Vec<String> {
        self.told.recv_timeout(PATIENCE).unwrap()
    }

    /// Checks that the next thing reported is these lines.
    #[track_caller]
    pub(crate) fn expect(&self, lines: &[&str]) {
        assert_eq!(self.next(), lines);
    }

    /// Waits until all is done that was reported so far (`sd_notify_barrier(3)`).
    pub(crate) fn settle(&self) {
        let (mut ours, theirs) = io::pipe().unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        sendmsg(
            sender.as_raw_fd(),
            &[IoSlice::new(b"BARRIER=1")],
            &[ControlMessage::ScmRights(&[theirs.as_raw_fd()])],
            MsgFlags::empty(),
            Some(&UnixAddr::new(&self.path).unwrap()),
        )
        .unwrap();
        drop(theirs);
        ours.read_to_end(&mut Vec::new()).unwrap();
    }

    /// What is kept, in the order in which it came.
    pub(crate) fn store(&self) -> MutexGuard<'_, Vec<Stored>> {
        self.store.lock().unwrap()
    }

    /// Where reports go.
    pub(crate) fn path(&self) -> &std::path::Path {
        &self.path
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        // Ends the thread.
        let _ = self.socket.shutdown(Shutdown::Read);
    }
}

fn hear(socket: &UnixDatagram, store: &Mutex<Vec<Stored>>, tell: &Sender<Vec<String>>) {
    while let Ok((text, descriptors)) = receive(socket) {
        if text.is_empty() {
            return;
        }
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        let value = |name: &str| {
            let of = |line: &String| line.strip_prefix(name).map(str::to_owned);
            lines.iter().find_map(of)
        };
        let has = |line: &str| lines.iter().any(|has| has == line);
        if has("FDSTORE=1") {
            assert!(has("FDPOLL=0"), "what hangs up would be thrown away");
            let name = value("FDNAME=").unwrap();
            store
                .lock()
                .unwrap()
                .extend(descriptors.into_iter().map(|descriptor| Stored {
                    name: name.clone(),
                    descriptor,
                }));
        } else if has("FDSTOREREMOVE=1") {
            let name = value("FDNAME=").unwrap();
            store.lock().unwrap().retain(|stored| stored.name != name);
        } else if !has("BARRIER=1") {
            let _ = tell.send(lines);
        }
    }
}

/// One message. Its descriptors are nothing to any other program that this process starts.
fn receive(socket: &UnixDatagram) -> io::Result<(String, Vec<OwnedFd>)> {
    let mut text = [0; 4096];
    let mut room = nix::cmsg_space!([i32; 16]);
    let mut parts = [IoSliceMut::new(&mut text)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut room), flags)?;
    let mut descriptors = Vec::new();
    for part in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(numbers) = part {
            for number in numbers {
                // SAFETY: the kernel has just opened it for this message.
                #[allow(unsafe_code)]
                descriptors.push(unsafe { OwnedFd::from_raw_fd(number) });
            }
        }
    }
    let count = message.bytes;
    Ok((
        String::from_utf8_lossy(&text[..count]).into_owned(),
        descriptors,
    ))
}

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

impl Manager {
    /// Waits until a process that has just started is ready.
    #[track_caller]
    fn until_ready(&self, server: &Running) {
        while !self
            .told
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|_| panic!("not ready: {:#?}", server.log()))
            .contains(&"READY=1".to_owned())
        {}
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

    /// The record of what changes at every turn.
    pub(crate) fn body(&self) -> String {
        const BODIES: u64 = 16 * 1024;
        let packed = self.number(BODY_CHOICE + 1 + self.number(BODY_CHOICE));
        let mut text = vec![0; usize::try_from(packed & 0xffff_ffff).unwrap()];
        let at = BODIES + (packed >> 32);
        self.0.read_exact_at(&mut text, at).unwrap();
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// A port of a configuration, without addresses of its own.
pub(crate) fn port(name: &str, modems: &[&Modem], more: &str) -> String {
    let devices: Vec<_> = modems.iter().map(|modem| modem.device()).collect();
    format!("[ports.{name}]\nallow = [\"localhost\"]\ndevices = {devices:?}\n{more}\n")
}
