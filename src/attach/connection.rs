//! One connection to the server: octets both ways, through telnet or as they are.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};

use socket2::Socket;
use tokio::time::Instant;

use super::dial::KEEPALIVE;
use super::far::{Control, Far};
use crate::com_port::{Told, Wanted};
use crate::config::Protocol;
use crate::relay::receipts::Receipts;

/// As much is read at once, and kept for a program that does not read.
pub(super) const CHUNK: usize = 4096;

/// As many octets for a server that does not read are too many to listen to it any further.
const TOO_MUCH: usize = 64 * 1024;

/// A connection, until dropped.
#[derive(Debug)]
pub(super) struct Connection {
    socket: Socket,
    peer: String,
    /// None: the octets as they are.
    far: Option<Far>,
    to_server: Vec<u8>,
    to_program: Vec<u8>,
    receipts: Receipts,
    /// What is still to be sent is the last.
    is_last: bool,
    /// The server has closed its side.
    is_over: bool,
}

impl Connection {
    pub(super) fn new(socket: Socket, protocol: Protocol) -> Connection {
        let mut to_server = Vec::new();
        let far = (protocol == Protocol::Telnet).then(|| Far::new(&mut to_server));
        let peer = socket.peer_addr().ok().and_then(|peer| peer.as_socket());
        Connection {
            socket,
            peer: peer.map(|peer| peer.to_string()).unwrap_or_default(),
            far,
            to_server,
            to_program: Vec::new(),
            receipts: Receipts::new(KEEPALIVE),
            is_last: false,
            is_over: false,
        }
    }

    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// The server's address.
    pub(super) fn peer(&self) -> &str {
        &self.peer
    }

    /// Whether the server has given a line, as far as that can be known.
    pub(super) fn has_line(&self) -> bool {
        let asked = |far: &Far| far.control() == Control::Asked;
        !self.far.as_ref().is_some_and(asked)
    }

    /// Whether the line can be set up from here.
    pub(super) fn control(&self) -> Option<Control> {
        self.far.as_ref().map(Far::control)
    }

    /// Whether it has said anything that one who speaks telnet says.
    pub(super) fn speaks(&self) -> bool {
        self.far.as_ref().is_none_or(Far::speaks)
    }

    /// Whether it should have answered something.
    pub(super) fn owes_an_answer(&self) -> bool {
        self.far.as_ref().is_some_and(Far::owes_an_answer)
    }

    /// What the server says instead of giving a line.
    pub(super) fn words(&self) -> Option<String> {
        let far = self.far.as_ref().filter(|_| !self.has_line())?;
        Some(far.words()).filter(|words| !words.is_empty())
    }

    /// Whether the server takes data behind what waits for it.
    pub(super) fn takes_data_behind(&self) -> bool {
        self.far.as_ref().is_none_or(Far::takes_data) && !self.is_last
    }

    /// Whether there is room for data, and the server takes some.
    pub(super) fn takes_data(&self) -> bool {
        self.takes_data_behind() && self.to_server.is_empty()
    }

    /// Whether the server shall be listened to.
    pub(super) fn listens(&self) -> bool {
        !self.is_over && self.to_program.is_empty() && self.to_server.len() < TOO_MUCH
    }

    /// What waits for the server.
    pub(super) fn unsent(&self) -> usize {
        self.to_server.len()
    }

    /// Whether something waits for a program.
    pub(super) fn has_unread(&self) -> bool {
        !self.to_program.is_empty()
    }

    /// What waits for a program.
    pub(super) fn unread(&mut self) -> &mut Vec<u8> {
        &mut self.to_program
    }

    /// Data for the line.
    pub(super) fn say(&mut self, data: &[u8]) {
        match &mut self.far {
            Some(far) => far.say(data, &mut self.to_server),
            None => self.to_server.extend_from_slice(data),
        }
    }

    /// Has something done by the far end of a telnet connection.
    pub(super) fn tell(&mut self, what: impl FnOnce(&mut Far, &mut Vec<u8>)) {
        if let Some(far) = &mut self.far {
            what(far, &mut self.to_server);
        }
    }

    /// Has the line set up, and asks for the rest.
    pub(super) fn set_up(&mut self, wanted: Wanted) {
        self.tell(|far, out| {
            far.want(wanted, out);
            far.ask(out);
        });
    }

    /// Takes what has come from the server; what its line is told to be is returned.
    ///
    /// Fails with `UnexpectedEof` when the server has closed the connection.
    pub(super) fn hear(&mut self) -> io::Result<Vec<Told>> {
        let mut octets = [0; CHUNK];
        let count = match (&self.socket).read(&mut octets) {
            Ok(0) => {
                self.is_over = true;
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Err(error) if is_for_later(&error) => return Ok(Vec::new()),
            read => read?,
        };
        let octets = &octets[..count];
        Ok(if let Some(far) = &mut self.far {
            far.hear(octets, &mut self.to_program, &mut self.to_server)
        } else {
            self.to_program.extend_from_slice(octets);
            Vec::new()
        })
    }

    /// Sends what the network takes; gives how much that was.
    pub(super) fn send(&mut self) -> io::Result<usize> {
        let mut count = 0;
        if !self.to_server.is_empty() {
            count = match (&self.socket).write(&self.to_server) {
                Err(error) if is_for_later(&error) => 0,
                written => written?,
            };
            self.to_server.drain(..count);
            self.receipts.expect(Instant::now());
        }
        if self.is_last && self.to_server.is_empty() && !self.can_tell() {
            self.socket.shutdown(Shutdown::Write)?;
        }
        Ok(count)
    }

    /// Everything was said. Whoever takes COM port commands tells when it has taken all of it; of others one can
    /// only wait until they close the connection, too.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.tell(Far::ask_last);
        self.is_last = true;
        self.send().map(drop)
    }

    /// Whether the server can tell when it has taken all.
    pub(super) fn can_tell(&self) -> bool {
        self.control() == Some(Control::Agreed)
    }

    /// Whether everything that was said has been taken, after [`Connection::finish`].
    pub(super) fn is_finished(&self) -> bool {
        let answered = self.far.as_ref().is_some_and(Far::is_answered);
        self.is_over || (self.can_tell() && self.to_server.is_empty() && answered)
    }

    /// When to look whether what was sent has arrived.
    pub(super) fn due(&self) -> Option<Instant> {
        self.receipts.due()
    }

    /// Looks whether what was sent has arrived; fails if nobody is there any more.
    pub(super) fn look(&mut self, now: Instant) -> io::Result<()> {
        match self.receipts.due() {
            Some(due) if due <= now => self.receipts.look(&self.socket, now),
            _ => Ok(()),
        }
    }
}

fn is_for_later(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, WouldBlock};
    matches!(error.kind(), Interrupted | WouldBlock)
}
