//! A connection to the socket of modemd, or of an attached port, from the side of those who ask.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;
use serde::de::DeserializeOwned;
use socket2::{Domain, SockAddr, Socket, Type};

use super::trouble::{Peer, Place, Trouble};
use crate::varlink::{Call, Frames, Parameters, Reply, frame};

/// Where modemd is to be asked, unless `--socket` says otherwise.
pub(super) const DEFAULT_SOCKET: &str = "/run/modemd/io.modemd";

/// How long an answer may take, or somebody to take a question. modemd gives a session ten seconds to end.
const PATIENCE: Duration = Duration::from_secs(15);

/// What has no parameters.
#[derive(Debug, Serialize)]
pub(super) struct Nothing {}

/// A connection on which one question follows another.
pub(super) struct Connection {
    stream: UnixStream,
    peer: Peer,
    path: PathBuf,
    frames: Frames,
}

impl Connection {
    /// Connects to modemd, which may have to be started for it.
    pub(super) fn open(path: &Path) -> Result<Connection, Trouble> {
        Connection::to(Peer::Modemd, path)
    }

    /// Connects.
    pub(super) fn to(peer: Peer, path: &Path) -> Result<Connection, Trouble> {
        let connect = || {
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            // Also what connecting waits for when the queue there is full (unix(7)).
            socket.set_write_timeout(Some(PATIENCE))?;
            socket.set_read_timeout(Some(PATIENCE))?;
            socket.connect(&SockAddr::unix(path)?)?;
            Ok(socket)
        };
        let socket = connect().map_err(|error| Place { peer, path }.unreachable(&error))?;
        Ok(Connection {
            stream: UnixStream::from(OwnedFd::from(socket)),
            peer,
            path: path.to_owned(),
            frames: Frames::default(),
        })
    }

    /// Calls a method that has one reply.
    pub(super) fn call<R: DeserializeOwned>(
        &mut self,
        method: &str,
        parameters: &impl Serialize,
    ) -> Result<R, Trouble> {
        self.send(method, parameters, false)?;
        let reply = self.receive()?;
        self.understand(method, reply)
    }

    /// Calls a method that has replies until it ends, however long each takes. They end also when nobody
    /// takes in what is written to `output` any more.
    pub(super) fn watch<'a, R: DeserializeOwned>(
        mut self,
        method: &'static str,
        parameters: &impl Serialize,
        output: BorrowedFd<'a>,
    ) -> Result<Replies<'a, R>, Trouble> {
        self.send(method, parameters, true)?;
        // The first one comes at once.
        let reply = self.receive()?;
        let is_last = !reply.continues;
        let first = self.understand(method, reply)?;
        let unlimited = self.stream.set_read_timeout(None);
        unlimited.map_err(|error| self.place().unreachable(&error))?;
        Ok(Replies {
            connection: self,
            method,
            output,
            first: Some(first),
            is_over: is_last,
            is_unwanted: false,
        })
    }

    fn place(&self) -> Place<'_> {
        Place {
            peer: self.peer,
            path: &self.path,
        }
    }

    fn send(
        &mut self,
        method: &str,
        parameters: &impl Serialize,
        more: bool,
    ) -> Result<(), Trouble> {
        let parameters = match serde_json::to_value(parameters) {
            Ok(serde_json::Value::Object(parameters)) => parameters,
            _ => Parameters::new(),
        };
        let call = Call {
            method: format!("{}.{method}", self.peer.interface()),
            parameters,
            more,
            ..Call::default()
        };
        let sent = self.stream.write_all(&frame(&call));
        sent.map_err(|error| self.place().unreachable(&error))
    }

    fn receive(&mut self) -> Result<Reply, Trouble> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            if let Some(message) = self.frames.next() {
                let message = message.map_err(|error| self.place().nonsense(&error))?;
                let reply = serde_json::from_slice(&message);
                return reply.map_err(|error| self.place().nonsense(&error));
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(self.place().closed()),
                Ok(count) => self.frames.feed(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.place().unreachable(&error)),
            }
        }
    }

    fn understand<R: DeserializeOwned>(&self, method: &str, reply: Reply) -> Result<R, Trouble> {
        if let Some(error) = &reply.error {
            return Err(self.place().refused(method, error, &reply.parameters));
        }
        serde_json::from_value(serde_json::Value::Object(reply.parameters))
            .map_err(|error| self.place().nonsense(&error))
    }
}

/// What comes in reply to one call, one after the other.
pub(super) struct Replies<'a, R> {
    connection: Connection,
    method: &'static str,
    output: BorrowedFd<'a>,
    first: Option<R>,
    is_over: bool,
    is_unwanted: bool,
}

impl<R> Replies<'_, R> {
    /// Whether they have ended because nobody reads the output any more.
    pub(super) fn is_unwanted(&self) -> bool {
        self.is_unwanted
    }

    /// Waits until there is something to read; false if nobody reads the output any more.
    fn is_wanted(&self) -> bool {
        let mut fds = [
            PollFd::new(self.connection.stream.as_fd(), PollFlags::POLLIN),
            // A pipe without a reader is an error, a terminal that is gone hung up (poll(2)).
            PollFd::new(self.output, PollFlags::empty()),
        ];
        let _ = poll(&mut fds, PollTimeout::NONE);
        fds[1].any() != Some(true)
    }
}

impl<R: DeserializeOwned> Iterator for Replies<'_, R> {
    type Item = Result<R, Trouble>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(first) = self.first.take() {
            return Some(Ok(first));
        }
        if !self.is_over && self.connection.frames.held() == 0 {
            self.is_unwanted = !self.is_wanted();
        }
        if self.is_over || self.is_unwanted {
            return None;
        }
        let reply = self.connection.receive();
        let reply = reply.and_then(|reply| {
            self.is_over = !reply.continues;
            self.connection.understand(self.method, reply)
        });
        self.is_over |= reply.is_err();
        Some(reply)
    }
}
