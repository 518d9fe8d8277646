//! What a modem can still say to a client that has stopped reading: all of that is stale when the client
//! goes on.

use nix::poll::PollFlags;
use std::os::fd::AsRawFd;
use std::time::Duration;

use crate::bulk::{Ways, transfer};
use crate::modem::Modem;
use crate::server::{Kind, Server};
use crate::stream::{Client, Stream};
use crate::table::{Better, Figure};

nix::ioctl_read_bad!(
    /// `FIONREAD` of `tcp(7)`: how much can be read.
    fionread,
    nix::libc::FIONREAD,
    nix::libc::c_int
);

/// How long nothing more is taken until it is said that there is no room, in milliseconds.
const STILL: u16 = 500;

/// First as fast as it can, so that the kernel gives the connection large buffers.
pub(crate) fn measure(kind: Kind, time: Duration) -> Result<Vec<Figure>, String> {
    let modems = Modem::many(1).map_err(|error| error.to_string())?;
    let server = Server::start(kind, &modems)?;
    let mut client = Client::through(&server.addresses[0], kind.is_telnet(), &modems[0])?;
    transfer(&modems[0], &mut client, Ways::FromModem, Stream::Any, time)?;
    let mut said = 0_u64;
    let text = |error: std::io::Error| error.to_string();
    while modems[0].wait(PollFlags::POLLOUT, STILL).map_err(text)? {
        if let Ok(written) = modems[0].try_write(Stream::Any.chunk(said, 4096)) {
            said += written as u64;
        }
    }
    let mut arrived = 0;
    // SAFETY: the socket is open for the whole call, which writes one int to a valid place.
    #[allow(unsafe_code)]
    unsafe { fionread(client.socket.as_raw_fd(), &raw mut arrived) }
        .map_err(|errno| errno.to_string())?;
    let kib = |octets: f64| octets / 1024.0;
    Ok(vec![
        Figure::new("said in vain", "KiB", kib(said as f64), Better::Less),
        Figure::new(
            "of it not with the client",
            "KiB",
            kib(said as f64 - f64::from(arrived)),
            Better::Less,
        ),
    ])
}
