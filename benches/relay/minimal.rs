//! The practical limit: a relay that does nothing but copy. One thread, one epoll, one buffer for all;
//! no locks, no log, no configuration, no protocol, no half-close.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use listenfd::ListenFd;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};

/// As much as one read takes; the others in the field take as much.
const BUFFER: usize = 64 * 1024;

struct Port {
    listener: Option<TcpListener>,
    device: PathBuf,
    session: Option<Session>,
}

/// Its two sides, and what the other one would not take of each.
struct Session {
    sides: [File; 2],
    kept: [Vec<u8>; 2],
}

const CLIENT: usize = 0;
const LINE: usize = 1;
const LISTENER: usize = 2;

fn token(port: usize, what: usize) -> u64 {
    (port * 3 + what) as u64
}

/// Serves pairs of an address and a device; or one device, on the socket that was handed in.
pub(crate) fn run(arguments: &[String]) -> io::Result<()> {
    let epoll = Epoll::new(EpollCreateFlags::empty())?;
    let mut ports = Vec::new();
    if let [device] = arguments {
        let socket = handed_in()?;
        let listens = nix::sys::socket::getsockopt(&socket, nix::sys::socket::sockopt::AcceptConn)?;
        let mut port = Port {
            listener: None,
            device: device.into(),
            session: None,
        };
        if listens {
            port.listener = Some(TcpListener::from(socket));
        } else {
            port.open(&epoll, 0, TcpStream::from(socket))?;
        }
        ports.push(port);
    } else {
        for pair in arguments.chunks_exact(2) {
            ports.push(Port {
                listener: Some(TcpListener::bind(&pair[0])?),
                device: pair[1].clone().into(),
                session: None,
            });
        }
    }
    for (number, port) in ports.iter().enumerate() {
        if let Some(listener) = &port.listener {
            listener.set_nonblocking(true)?;
            let event = EpollEvent::new(EpollFlags::EPOLLIN, token(number, LISTENER));
            epoll.add(listener, event)?;
        }
    }
    let mut buffer = vec![0; BUFFER];
    let mut events = [EpollEvent::empty(); 64];
    loop {
        let count = match epoll.wait(&mut events, EpollTimeout::NONE) {
            Err(nix::errno::Errno::EINTR) => continue,
            count => count?,
        };
        for event in &events[..count] {
            let token = usize::try_from(event.data()).expect("it was a usize");
            let (number, what) = (token / 3, token % 3);
            let port = &mut ports[number];
            if what == LISTENER {
                port.accept(&epoll, number)?;
            } else if !port.turn(&epoll, number, what, event.events(), &mut buffer) {
                port.session = None;
                if port.listener.is_none() {
                    return Ok(());
                }
            }
        }
    }
}

fn handed_in() -> io::Result<OwnedFd> {
    let socket = ListenFd::from_env().take_raw_fd(0)?;
    let socket = socket.ok_or_else(|| io::Error::other("no socket was handed in"))?;
    // SAFETY: it was handed in for us alone, and taken once.
    #[allow(unsafe_code)]
    Ok(unsafe { std::os::fd::FromRawFd::from_raw_fd(socket) })
}

impl Port {
    fn accept(&mut self, epoll: &Epoll, number: usize) -> io::Result<()> {
        let Some(listener) = &self.listener else {
            return Ok(());
        };
        match listener.accept() {
            // One client at a time; the others are turned away.
            Ok(_) if self.session.is_some() => Ok(()),
            Ok((client, _)) => self.open(epoll, number, client),
            Err(_) => Ok(()),
        }
    }

    fn open(&mut self, epoll: &Epoll, number: usize, client: TcpStream) -> io::Result<()> {
        client.set_nonblocking(true)?;
        client.set_nodelay(true)?;
        let line = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(&self.device)?;
        let mut settings = tcgetattr(&line)?;
        cfmakeraw(&mut settings);
        tcsetattr(&line, SetArg::TCSANOW, &settings)?;
        for (what, side) in [(CLIENT, client.as_fd()), (LINE, line.as_fd())] {
            fcntl(side, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
            epoll.add(
                side,
                EpollEvent::new(EpollFlags::EPOLLIN, token(number, what)),
            )?;
        }
        self.session = Some(Session {
            sides: [File::from(OwnedFd::from(client)), line],
            kept: [Vec::new(), Vec::new()],
        });
        Ok(())
    }

    /// Tells whether the session goes on.
    fn turn(
        &mut self,
        epoll: &Epoll,
        number: usize,
        what: usize,
        events: EpollFlags,
        buffer: &mut [u8],
    ) -> bool {
        let Some(session) = &mut self.session else {
            // Its other side has just closed.
            return true;
        };
        let other = 1 - what;
        if events.contains(EpollFlags::EPOLLOUT) && !session.kept[what].is_empty() {
            match write(&mut session.sides[what], &session.kept[what]) {
                Ok(written) => drop(session.kept[what].drain(..written)),
                Err(_) => return false,
            }
            if session.kept[what].is_empty() {
                session.watch(epoll, number);
            }
        }
        let hung_up = events.intersects(EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR);
        if events.contains(EpollFlags::EPOLLIN) && session.kept[other].is_empty() {
            let read = match session.sides[what].read(buffer) {
                Ok(0) => return false,
                Ok(read) => read,
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock && !hung_up,
            };
            let Ok(written) = write(&mut session.sides[other], &buffer[..read]) else {
                return false;
            };
            if written < read {
                session.kept[other].extend_from_slice(&buffer[written..read]);
                session.watch(epoll, number);
            }
            return true;
        }
        !hung_up
    }
}

impl Session {
    fn watch(&self, epoll: &Epoll, number: usize) {
        for what in [CLIENT, LINE] {
            let mut flags = EpollFlags::empty();
            flags.set(EpollFlags::EPOLLIN, self.kept[1 - what].is_empty());
            flags.set(EpollFlags::EPOLLOUT, !self.kept[what].is_empty());
            let _ = epoll.modify(
                &self.sides[what],
                &mut EpollEvent::new(flags, token(number, what)),
            );
        }
    }
}

fn write(to: &mut File, bytes: &[u8]) -> io::Result<usize> {
    match to.write(bytes) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        written => written,
    }
}
