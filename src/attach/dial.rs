//! The way to a server: name lookups and connecting take their time, in a thread of their own.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::client;
use crate::config::Target;

/// How long one address of a server may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a server may be gone unnoticed.
pub(super) const KEEPALIVE: Duration = Duration::from_secs(60);

/// How many octets may wait here for a server that does not read.
const MAX_UNSENT: u32 = 16 * 1024;

/// A server that is being called. Who drops it gets no connection.
#[derive(Debug)]
pub(super) struct Dial {
    result: Receiver<Result<Socket, String>>,
    /// The thread has the other end, and closes it with its own.
    end: UnixStream,
}

impl Dial {
    /// Calls a server.
    pub(super) fn begin(target: &Target) -> io::Result<Dial> {
        let (end, of_thread) = UnixStream::pair()?;
        let (sender, result) = mpsc::channel();
        let target = target.clone();
        thread::Builder::new().spawn(move || {
            let _ = sender.send(connect(&target));
            drop(of_thread);
        })?;
        Ok(Dial { result, end })
    }

    /// Readable when there is a result.
    pub(super) fn end(&self) -> BorrowedFd<'_> {
        self.end.as_fd()
    }

    /// The connection, or why there is none; nothing while the server is being called.
    pub(super) fn result(&self) -> Option<Result<Socket, String>> {
        match self.result.try_recv() {
            Ok(result) => Some(result),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err("the call was lost".to_owned())),
        }
    }
}

fn connect(target: &Target) -> Result<Socket, String> {
    let host = &target.host;
    let addresses = (host.as_str(), target.port).to_socket_addrs();
    let addresses = addresses.map_err(|error| format!("{host} cannot be looked up: {error}"))?;
    let mut why = format!("{host} has no address");
    for address in addresses {
        match call(address) {
            Ok(socket) => return Ok(socket),
            Err(error) => why = format!("{address} cannot be reached: {error}"),
        }
    }
    Err(why)
}

fn call(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.connect_timeout(&address.into(), PATIENCE)?;
    socket.set_nonblocking(true)?;
    client::prepare(&socket, KEEPALIVE, MAX_UNSENT)?;
    Ok(socket)
}

/// How long to wait before a server is called again: longer from one time to the next.
#[derive(Debug)]
pub(super) struct BackOff {
    next: Duration,
}

impl BackOff {
    const SHORTEST: Duration = Duration::from_secs(1);
    pub(super) const LONGEST: Duration = Duration::from_secs(30);

    /// Begins anew.
    pub(super) fn new() -> BackOff {
        BackOff {
            next: BackOff::SHORTEST,
        }
    }

    /// How long to wait this time.
    pub(super) fn wait(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(BackOff::LONGEST);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_called_less_and_less_often_and_never_less_than_twice_a_minute() {
        let mut back_off = BackOff::new();
        let waits: Vec<_> = (0..7).map(|_| back_off.wait().as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
    }
}
