//! The sockets that modemd was started with: by systemd under names, by inetd on standard input.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};

use listenfd::ListenFd;
use nix::sys::stat::{SFlag, fstat};
use socket2::{Domain, Socket, Type};

use crate::config::Endpoint;
use crate::store::session_of;

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
    /// Its client.
    pub client: Option<Socket>,
    /// Its line.
    pub line: Option<File>,
    /// Its ledger.
    pub ledger: Option<File>,
}

impl Stored {
    fn nothing_of(session: u64) -> Self {
        Stored {
            session,
            client: None,
            line: None,
            ledger: None,
        }
    }

    /// What it is says what it is for: systemd gives descriptors of one name in any order.
    fn take(&mut self, descriptor: OwnedFd) {
        let kind = fstat(&descriptor).map_or(SFlag::empty(), |of| {
            SFlag::from_bits_truncate(of.st_mode & SFlag::S_IFMT.bits())
        });
        match kind {
            SFlag::S_IFSOCK => self.client = Some(descriptor.into()),
            SFlag::S_IFCHR => self.line = Some(descriptor.into()),
            SFlag::S_IFREG => self.ledger = Some(descriptor.into()),
            // It is not ours, and closed.
            _ => {}
        }
    }
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
pub fn from_systemd() -> Result<(Handed, Vec<Stored>), ActivationError> {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let names: Vec<&str> = names.split(':').collect();
    let mut handed = ListenFd::from_env();
    let mut listeners = Vec::new();
    let mut clients = Vec::new();
    let mut sessions: BTreeMap<u64, Stored> = BTreeMap::new();
    for index in 0..handed.len() {
        let name = names.get(index).copied().unwrap_or_default();
        let unfit = |error| ActivationError::Unfit {
            number: index + 1,
            name: name.to_owned(),
            error,
        };
        if let Some(session) = session_of(name) {
            if let Some(descriptor) = handed.take_raw_fd(index).map_err(unfit)? {
                // SAFETY: systemd has opened it for this process, and `listenfd` gives each once.
                #[allow(unsafe_code)]
                let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
                let stored = sessions.entry(session);
                let stored = stored.or_insert_with(|| Stored::nothing_of(session));
                stored.take(descriptor);
            }
            continue;
        }
        // The types say "listener", the check behind them only "stream socket of this family".
        let socket = match handed.take_tcp_listener(index) {
            Ok(socket) => socket.map(Socket::from),
            Err(_not_tcp) => handed
                .take_unix_listener(index)
                .map_err(unfit)?
                .map(Socket::from),
        };
        let Some(socket) = socket else { continue };
        if socket.is_listener().map_err(unfit)? {
            listeners.push(Listener {
                port: name.to_owned(),
                socket,
                bound: None,
            });
        } else {
            clients.push(socket);
        }
    }
    let handed = match (listeners.is_empty(), clients.pop()) {
        (true, None) if sessions.is_empty() => Handed::Nothing,
        (_, None) => Handed::Listeners(listeners),
        (true, Some(client)) if clients.is_empty() => Handed::Client(client),
        _ => return Err(ActivationError::Mixed),
    };
    Ok((handed, sessions.into_values().collect()))
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
    let is_stream = socket.r#type().ok()? == Type::STREAM;
    let is_known = [Domain::IPV4, Domain::IPV6, Domain::UNIX].contains(&socket.domain().ok()?);
    (is_stream && is_known).then_some(socket)
}
