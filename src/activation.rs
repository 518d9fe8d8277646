//! The sockets that modemd was started with: by systemd under names, by inetd on standard input.

use std::io;
use std::os::fd::AsFd;

use listenfd::ListenFd;
use socket2::{Domain, Socket, Type};

use crate::config::Endpoint;

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

/// Takes the sockets that systemd handed in (`sd_listen_fds(3)`).
///
/// Changes the environment, so it must run before there are threads.
pub fn from_systemd() -> Result<Handed, ActivationError> {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let names: Vec<&str> = names.split(':').collect();
    let mut handed = ListenFd::from_env();
    let mut listeners = Vec::new();
    let mut clients = Vec::new();
    for index in 0..handed.len() {
        let name = names.get(index).copied().unwrap_or_default();
        let unfit = |error| ActivationError::Unfit {
            number: index + 1,
            name: name.to_owned(),
            error,
        };
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
    match (listeners.is_empty(), clients.pop()) {
        (true, None) => Ok(Handed::Nothing),
        (false, None) => Ok(Handed::Listeners(listeners)),
        (true, Some(client)) if clients.is_empty() => Ok(Handed::Client(client)),
        _ => Err(ActivationError::Mixed),
    }
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
