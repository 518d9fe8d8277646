//! The sockets that modemd was started with: by systemd under names, by inetd on standard input.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};

use listenfd::ListenFd;
use nix::sys::stat::{SFlag, fstat};
use socket2::{Domain, Socket, Type};

use crate::config::Endpoint;
use crate::store::{self, session_of};

/// What was handed in.
#[derive(Debug)]
pub enum Handed {
    /// Listening sockets, each under the name of its port.
    Listeners(Vec<Listener>),
    /// One client, already accepted.
    Client(Socket),
    /// Nothing.
    Nothing,
}

/// All that systemd handed in.
#[derive(Debug)]
pub struct Inheritance {
    /// Where clients come from.
    pub handed: Handed,
    /// Where those come from who look, and steer.
    pub control: Option<Socket>,
    /// What was kept of sessions.
    pub stored: Vec<Stored>,
}

/// `FileDescriptorName=` of `modem-control.socket`; no port has such a name.
const CONTROL: &str = "@control";

/// A listening socket and the port it belongs to.
#[derive(Debug)]
pub struct Listener {
    /// The port's name.
    pub port: String,
    /// A listening stream socket.
    pub socket: Socket,
    /// What we bound it to, where it was not handed in.
    pub bound: Option<Endpoint>,
}

/// What systemd kept of a session for another process of this service.
#[derive(Debug)]
pub struct Stored {
    /// The session's number.
    pub session: u64,
    /// How many descriptors there are of it.
    pub count: usize,
    /// Its client.
    pub client: Option<Socket>,
    /// Its line.
    pub line: Option<File>,
    /// Its ledger.
    pub ledger: Option<File>,
    /// What there is beside these, or twice, and should not be.
    pub surplus: Option<&'static str>,
}

impl Stored {
    fn nothing_of(session: u64) -> Self {
        Stored {
            session,
            count: 0,
            client: None,
            line: None,
            ledger: None,
            surplus: None,
        }
    }

    /// What it is says what it is for: systemd gives descriptors of one name in any order.
    fn take(&mut self, descriptor: OwnedFd) {
        self.count += 1;
        let is_second = match kind_of(&descriptor) {
            SFlag::S_IFSOCK => self.client.replace(descriptor.into()).is_some(),
            SFlag::S_IFCHR => self.line.replace(descriptor.into()).is_some(),
            SFlag::S_IFREG => self.ledger.replace(descriptor.into()).is_some(),
            _ => {
                self.surplus = Some("a descriptor that is none of its own");
                return;
            }
        };
        if is_second {
            self.surplus = Some("two descriptors of a kind");
        }
    }
}

fn kind_of(descriptor: &OwnedFd) -> SFlag {
    fstat(descriptor).map_or(SFlag::empty(), |of| {
        SFlag::from_bits_truncate(of.st_mode & SFlag::S_IFMT.bits())
    })
}

/// Why what was handed in cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ActivationError {
    /// A descriptor is something else.
    #[error(
        "socket {number} (`{name}`) from systemd: {error}; modemd takes TCP and unix stream sockets"
    )]
    Unfit {
        /// Counted from 1.
        number: usize,
        /// By `LISTEN_FDNAMES`.
        name: String,
        /// What it is not.
        error: io::Error,
    },
    /// Both kinds at once.
    #[error("systemd handed in a connected socket together with others; use `Accept=yes` alone")]
    Mixed,
}

/// Takes the sockets that systemd handed in (`sd_listen_fds(3)`), and what it kept of sessions that
/// another process has left. Names decide what is what.
///
/// Changes the environment, so it must run before there are threads.
pub fn from_systemd() -> Result<Inheritance, ActivationError> {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let names: Vec<&str> = names.split(':').collect();
    let mut handed = ListenFd::from_env();
    let mut listeners = Vec::new();
    let mut clients = Vec::new();
    let mut control = None;
    let mut sessions: BTreeMap<u64, Stored> = BTreeMap::new();
    for index in 0..handed.len() {
        let name = names.get(index).copied().unwrap_or_default();
        let unfit = |error| ActivationError::Unfit {
            number: index + 1,
            name: name.to_owned(),
            error,
        };
        let Some(descriptor) = handed.take_raw_fd(index).map_err(unfit)? else {
            continue;
        };
        // SAFETY: systemd has opened it for this process, and `listenfd` gives each once.
        #[allow(unsafe_code)]
        let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
        if let Some(session) = session_of(name) {
            let stored = sessions.entry(session);
            let stored = stored.or_insert_with(|| Stored::nothing_of(session));
            stored.take(descriptor);
            continue;
        }
        if kind_of(&descriptor) != SFlag::S_IFSOCK {
            store::let_go(name);
            continue;
        }
        let socket = Socket::from(descriptor);
        if !is_stream(&socket).map_err(unfit)? {
            return Err(unfit(io::Error::other("it is another kind of socket")));
        }
        if name == CONTROL {
            control = Some(socket);
        } else if socket.is_listener().map_err(unfit)? {
            listeners.push(Listener {
                port: name.to_owned(),
                socket,
                bound: None,
            });
        } else {
            clients.push((name, socket));
        }
    }
    if !listeners.is_empty() || control.is_some() {
        // systemd accepts no client for who gets the listening sockets.
        for (name, _unknown) in clients.drain(..) {
            store::let_go(name);
        }
    }
    let handed = match (listeners.is_empty(), clients.pop()) {
        (true, None) if sessions.is_empty() && control.is_none() => Handed::Nothing,
        (_, None) => Handed::Listeners(listeners),
        (true, Some((_, client))) if clients.is_empty() => Handed::Client(client),
        _ => return Err(ActivationError::Mixed),
    };
    Ok(Inheritance {
        handed,
        control,
        stored: sessions.into_values().collect(),
    })
}

/// Takes the socket that inetd put on standard input: a client with `nowait`, a listening socket
/// with `wait` (`inetd(8)`). A terminal or a pipe is neither.
#[must_use]
pub fn from_inetd(port: &str) -> Handed {
    let Some(socket) = stdin_socket() else {
        return Handed::Nothing;
    };
    match socket.is_listener() {
        Ok(true) => Handed::Listeners(vec![Listener {
            port: port.to_owned(),
            socket,
            bound: None,
        }]),
        Ok(false) => Handed::Client(socket),
        Err(_) => Handed::Nothing,
    }
}

fn stdin_socket() -> Option<Socket> {
    let socket = Socket::from(io::stdin().as_fd().try_clone_to_owned().ok()?);
    is_stream(&socket).ok()?.then_some(socket)
}

/// Whether a client can be on such a socket, or come through it.
fn is_stream(socket: &Socket) -> io::Result<bool> {
    let is_known = [Domain::IPV4, Domain::IPV6, Domain::UNIX].contains(&socket.domain()?);
    Ok(is_known && socket.r#type()? == Type::STREAM)
}
