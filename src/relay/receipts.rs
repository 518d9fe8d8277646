//! Whether what was sent to a client arrives, and if not, whether anybody is there at all.
//!
//! While something is unacknowledged the probes of `SO_KEEPALIVE` stop (`tcp_keepalive_timer()` in
//! the kernel's `tcp_timer.c`), and the kernel gives up a client that has vanished after a quarter
//! of an hour. `TCP_USER_TIMEOUT` would shorten that, but it ends living connections as well:
//! `tcp_probe_timer()` counts from when the client's window was first closed and does not ask
//! whether the client answers the probes of it, nor always notice that the window was open in
//! between. RFC 1122, 4.2.2.17, says that such a connection must stay open. So the relay looks
//! itself, for as long as anything is owed, and an idle session has nothing to look at.

use std::io;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::getsockopt;
use nix::{getsockopt_impl, sockopt_impl};
use socket2::Socket;
use tokio::time::Instant;

/// How many times within the limit it is looked whether things arrive.
const LOOKS: u32 = 8;

/// What one client has still to acknowledge.
#[derive(Debug)]
pub(crate) struct Receipts {
    /// How long a client may be gone unnoticed.
    limit: Duration,
    owed: Option<Owed>,
}

#[derive(Debug)]
struct Owed {
    looked: Instant,
    /// What was sent last had no answer then.
    unanswered: bool,
}

impl Receipts {
    /// For a client that may be gone for `limit` until it is noticed.
    pub(crate) fn new(limit: Duration) -> Self {
        Receipts { limit, owed: None }
    }

    /// Something was sent.
    pub(crate) fn expect(&mut self, now: Instant) {
        self.owed.get_or_insert(Owed {
            looked: now,
            unanswered: false,
        });
    }

    /// When to look next; not at all while everything has arrived.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.owed
            .as_ref()
            .map(|owed| owed.looked + self.limit / LOOKS)
    }

    /// Looks whether what was sent to `client` has arrived; `ETIMEDOUT` if nobody is there.
    pub(crate) fn look(&mut self, client: &Socket, now: Instant) -> io::Result<()> {
        let Some(before) = self.owed.take() else {
            return Ok(());
        };
        // It fails on a unix socket, from which nobody vanishes.
        let Ok(seen) = getsockopt(client, TcpInfo) else {
            return Ok(());
        };
        if seen.everything_arrived() {
            return Ok(());
        }
        let unanswered = !seen.answered();
        // The answer to a question asked long after the one before may be on its way: two looks.
        if unanswered && before.unanswered && seen.silent_for() >= self.limit {
            return Err(Errno::ETIMEDOUT.into());
        }
        self.owed = Some(Owed {
            looked: now,
            unanswered,
        });
        Ok(())
    }
}

sockopt_impl!(
    /// `TCP_INFO` of `tcp(7)`.
    TcpInfo,
    GetOnly,
    libc::IPPROTO_TCP,
    libc::TCP_INFO,
    Seen
);

/// The first part of `struct tcp_info` (`include/uapi/linux/tcp.h`), which has grown with every
/// other kernel: as much as Linux 4.6 has.
#[repr(C)]
#[derive(Debug)]
#[expect(unreachable_pub, reason = "the macro makes a public type of it")]
pub struct Seen {
    _state_to_retransmits: [u8; 3],
    /// Probes sent since the last answer.
    probes: u8,
    _backoff_to_rcv_mss: [u32; 5],
    /// Segments sent and not acknowledged.
    unacked: u32,
    _sacked_to_fackets: [u32; 4],
    /// How many milliseconds ago.
    last_data_sent: u32,
    _last_ack_sent_to_last_data_recv: [u32; 2],
    /// How many milliseconds ago.
    last_ack_recv: u32,
    _pmtu_to_total_retrans: [u32; 11],
    _pacing_rate_to_max_pacing_rate: [u64; 2],
    _bytes_acked_to_segs_in: [u64; 3],
    notsent_bytes: u32,
    _min_rtt: u32,
}

impl Seen {
    fn everything_arrived(&self) -> bool {
        self.unacked == 0 && self.notsent_bytes == 0
    }

    fn silent_for(&self) -> Duration {
        Duration::from_millis(self.last_ack_recv.into())
    }

    /// Whether the peer was heard of after the last thing that was sent to it.
    fn answered(&self) -> bool {
        self.probes == 0 && self.last_ack_recv <= self.last_data_sent
    }
}
