//! Whoever is at the other end of an accepted socket.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::sockopt::PeerCredentials;
use nix::sys::socket::{getsockopt, setsockopt};
use nix::{setsockopt_impl, sockopt_impl};
use serde::{Deserialize, Serialize};
use socket2::{Domain, Socket, TcpKeepalive};
use tokio::io::unix::AsyncFd;
use tokio::time::timeout;

use crate::watched::watch;

/// How long a client that is told to go may take to hear why.
const FAREWELL_LIMIT: Duration = Duration::from_secs(2);

/// The longest time `TCP_KEEPIDLE` and `TCP_KEEPINTVL` take, in seconds (`MAX_TCP_KEEPIDLE` in the
/// kernel's `tcp.h`).
const KEEPALIVE_MAX: u64 = 32_767;

/// The most probes that `TCP_KEEPCNT` takes (`MAX_TCP_KEEPCNT` there).
const PROBES_MAX: u64 = 127;

/// The range of `TCP_RTO_MAX_MS`, in milliseconds.
const RTO_MAX_MIN: u128 = 1_000;
const RTO_MAX_MAX: u128 = 120_000;

sockopt_impl!(
    /// `TCP_RTO_MAX_MS` (`include/uapi/linux/tcp.h`): the longest pause before something is sent
    /// once more, or a closed window probed once more.
    RtoMax,
    SetOnly,
    libc::IPPROTO_TCP,
    TCP_RTO_MAX_MS,
    u32
);
const TCP_RTO_MAX_MS: libc::c_int = 44;

/// Where a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Peer {
    /// On the network, at this address; an IPv4 client of an IPv6 socket has its IPv4 address.
    Network(SocketAddr),
    /// On this machine, through a unix socket, whose file mode decides who may.
    Local {
        /// The process that connected, where the kernel tells.
        pid: Option<i32>,
    },
}

impl Peer {
    fn of(socket: &Socket) -> io::Result<Peer> {
        if socket.domain()? == Domain::UNIX {
            let pid = getsockopt(socket, PeerCredentials).map(|of| of.pid()).ok();
            return Ok(Peer::Local {
                pid: pid.filter(|&pid| pid > 0),
            });
        }
        let address = socket
            .peer_addr()?
            .as_socket()
            .ok_or_else(|| io::Error::other("neither a TCP nor a unix stream socket"))?;
        Ok(Peer::Network(SocketAddr::new(
            address.ip().to_canonical(),
            address.port(),
        )))
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Network(address) => write!(f, "{address}"),
            Peer::Local { pid: Some(pid) } => write!(f, "local pid {pid}"),
            Peer::Local { pid: None } => write!(f, "a local process"),
        }
    }
}

/// A connected client.
#[derive(Debug)]
pub struct Client {
    socket: AsyncFd<Socket>,
    peer: Peer,
}

impl Client {
    /// Takes over a connected stream socket. Must be called in a tokio runtime.
    pub fn new(socket: Socket) -> io::Result<Client> {
        let peer = Peer::of(&socket)?;
        socket.set_nonblocking(true)?;
        Ok(Client {
            socket: watch(socket)?,
            peer,
        })
    }

    /// Takes over a client that another process has left, who was this.
    pub fn resume(socket: Socket, peer: Peer) -> io::Result<Client> {
        socket.set_nonblocking(true)?;
        let socket = watch(socket)?;
        Ok(Client { socket, peer })
    }

    /// Sets the socket up for a session: urgent data comes in its place among the rest, what is
    /// written leaves at once, little more than `max_unsent` octets wait for a client that does not
    /// read, and one that vanished is noticed within `keepalive` (whole seconds, two at least); while
    /// something is unacknowledged the relay looks after that.
    pub fn prepare(&self, keepalive: Duration, max_unsent: u32) -> io::Result<()> {
        let socket = self.socket.get_ref();
        if let Peer::Local { .. } = self.peer {
            let room = usize::try_from(max_unsent).unwrap_or(usize::MAX);
            // The kernel doubles this, and lets the last write go beyond it by half of that
            // (`unix_stream_sendmsg()` in af_unix.c).
            return socket.set_send_buffer_size(room / 3);
        }
        prepare(socket, keepalive, max_unsent)
    }

    /// Who this is.
    #[must_use]
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// The descriptor to read from and to write to.
    #[must_use]
    pub fn socket(&self) -> &AsyncFd<Socket> {
        &self.socket
    }

    /// Waits until the client has closed its sending side or is gone, reading nothing.
    ///
    /// Uses up readiness: what comes after needs [`Client::watched_anew`].
    pub async fn gone(&self) {
        loop {
            match self.socket.readable().await {
                Ok(mut ready) if !ready.ready().is_read_closed() => ready.clear_ready(),
                _ => return,
            }
        }
    }

    /// The same client, with readiness as the kernel sees it now.
    pub fn watched_anew(self) -> io::Result<Client> {
        let peer = self.peer;
        let socket = watch(self.socket.into_inner())?;
        Ok(Client { socket, peer })
    }

    /// Says `words` to a client that waits. One who does not listen misses them.
    pub fn mention(&self, words: &str) {
        let _ = self.socket.get_ref().send(words.as_bytes());
    }

    /// Says `words`, then closes so that they arrive: a socket closed with unread input resets the
    /// connection, and the reset overtakes the words (RFC 1122, 4.2.2.13).
    pub async fn part_with(self, words: &[u8]) {
        let _ = timeout(FAREWELL_LIMIT, async {
            let mut rest = words;
            while !rest.is_empty() {
                let mut ready = self.socket.writable().await?;
                match ready.try_io(|socket| socket.get_ref().send(rest)) {
                    Ok(written) => rest = &rest[written?..],
                    Err(_would_block) => {}
                }
            }
            self.socket.get_ref().shutdown(std::net::Shutdown::Write)?;
            let mut unread = [std::mem::MaybeUninit::uninit(); 512];
            loop {
                let mut ready = self.socket.readable().await?;
                match ready.try_io(|socket| socket.get_ref().recv(&mut unread)) {
                    Ok(Ok(0)) => return Ok::<(), io::Error>(()),
                    Ok(read) => drop(read?),
                    Err(_would_block) => {}
                }
            }
        })
        .await;
    }
}

/// Whether urgent data of TCP has come and was not read yet.
#[must_use]
pub fn has_urgent_data(socket: &Socket) -> bool {
    let mut look = [PollFd::new(socket.as_fd(), PollFlags::POLLPRI)];
    let found = poll(&mut look, PollTimeout::ZERO);
    found.is_ok_and(|found| found > 0)
        && look[0]
            .revents()
            .is_some_and(|events| events.contains(PollFlags::POLLPRI))
}

/// Sets up a TCP connection: urgent data comes in its place among the rest, what is written leaves at once,
/// little more than `max_unsent` octets wait for a peer that does not read, and one that vanished is noticed within
/// `keepalive` (whole seconds, two at least) while nothing is unacknowledged.
pub(crate) fn prepare(socket: &Socket, keepalive: Duration, max_unsent: u32) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    socket.set_out_of_band_inline(true)?;
    // For a client whose window is closed. Only a new segment is held against it
    // (`tcp_sendmsg_locked()` in tcp.c): the last one may still grow, to 64 KiB at most.
    socket.set_tcp_notsent_lowat(max_unsent)?;
    // For a client whose machine does not answer: what was sent to it is kept, and that is up
    // to `tcp_wmem`'s 4 MiB unless there is a size, of which the kernel makes the double.
    socket.set_send_buffer_size(usize::try_from(max_unsent).unwrap_or(usize::MAX))?;
    // A client that does not read is asked often enough whether it is there. Before Linux 6.15
    // the kernel's pauses between such probes grow to two minutes, and nothing can be done.
    let pause = (keepalive / 4).as_millis().clamp(RTO_MAX_MIN, RTO_MAX_MAX);
    let _ = setsockopt(socket, RtoMax, &u32::try_from(pause).unwrap_or(u32::MAX));
    // Quiet for a third, then probes until the time is up.
    let part = |part: u64| (keepalive.as_secs() / part).clamp(1, KEEPALIVE_MAX);
    let (quiet, interval) = (part(3), part(6));
    let probes = (keepalive.as_secs().saturating_sub(quiet) / interval).clamp(1, PROBES_MAX);
    socket.set_tcp_keepalive(
        &TcpKeepalive::new()
            .with_time(Duration::from_secs(quiet))
            .with_interval(Duration::from_secs(interval))
            .with_retries(u32::try_from(probes).unwrap_or(1)),
    )
}
