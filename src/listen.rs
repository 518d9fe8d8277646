//! Listening without systemd: binding what the configuration or the command line names.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use nix::errno::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::activation::Listener;
use crate::config::Endpoint;

/// The longest queue of connections not yet accepted; the kernel cuts it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Why an endpoint cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on `{endpoint}`: {error}{remedy}")]
pub struct ListenError {
    endpoint: Endpoint,
    error: io::Error,
    remedy: &'static str,
}

/// Binds `endpoint` for the clients of `port`.
pub fn open(port: &str, endpoint: &Endpoint) -> Result<Listener, ListenError> {
    Ok(Listener {
        port: port.to_owned(),
        socket: bind(endpoint)?,
        bound: Some(endpoint.clone()),
    })
}

/// Binds `endpoint` and listens on it.
pub fn bind(endpoint: &Endpoint) -> Result<Socket, ListenError> {
    let bound = match endpoint {
        Endpoint::Path(path) => bind_path(path),
        Endpoint::Address(address) => bind_address(*address),
        Endpoint::Port(port) => match bind_address((Ipv6Addr::UNSPECIFIED, *port).into()) {
            // A machine without IPv6.
            Err(error) if error.raw_os_error() == Some(Errno::EAFNOSUPPORT as i32) => {
                bind_address((Ipv4Addr::UNSPECIFIED, *port).into())
            }
            bound => bound,
        },
    };
    bound.map_err(|error| ListenError {
        endpoint: endpoint.clone(),
        remedy: match error.kind() {
            io::ErrorKind::AddrInUse => "; something else listens there, see `ss -ltnp`",
            io::ErrorKind::PermissionDenied => "; ports below 1024 are for root to bind",
            io::ErrorKind::AddrNotAvailable => "; no interface of this machine has that address",
            _ => "",
        },
        error,
    })
}

fn bind_address(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        // As systemd does it (`BindIPv6Only=default`): one socket for both.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

fn bind_path(path: &Path) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    let address = SockAddr::unix(path)?;
    if let Err(error) = socket.bind(&address) {
        // A socket file that nobody listens on was left by somebody who was killed.
        let is_socket = fs::symlink_metadata(path).is_ok_and(|of| of.file_type().is_socket());
        let in_use = error.kind() == io::ErrorKind::AddrInUse;
        let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        let left = probe
            .connect(&address)
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
        if !(in_use && is_socket && left) {
            return Err(error);
        }
        fs::remove_file(path)?;
        socket.bind(&address)?;
    }
    socket.listen(BACKLOG)?;
    Ok(socket)
}
