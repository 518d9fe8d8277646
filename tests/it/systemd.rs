//! systemd, played by the test: it hears what a service reports, keeps its descriptors, and starts it
//! with them.

use std::io::{self, IoSlice, IoSliceMut, Read};
use std::net::{Shutdown, TcpListener};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, UnixAddr, recvmsg, sendmsg};

use crate::support::{PATIENCE, Running, Scratch};

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

    /// Waits until a process that has just started is ready.
    #[track_caller]
    pub(crate) fn until_ready(&self, server: &Running) {
        while !self
            .told
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|_| panic!("not ready: {:#?}", server.log()))
            .contains(&"READY=1".to_owned())
        {}
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
