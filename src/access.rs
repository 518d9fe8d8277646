//! Who may use a port.
//!
//! systemd's `IPAddressAllow=` has usually decided before; this is the exact list, per port, also
//! where that filter silently does nothing. Names can only be checked here: the client's address
//! must lead to a listed name, and that name back to the address, or anybody who runs the reverse
//! zone of his own network could call himself what he likes.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::client::Peer;
use crate::config::AllowList;

/// How long both lookups of a name together may take.
const LOOKUP_LIMIT: Duration = Duration::from_secs(5);

/// Whom a port lets in.
#[derive(Debug, Clone)]
pub enum Admission {
    /// Whoever handed in the socket has filtered already.
    Anyone,
    /// Those listed.
    Listed(AllowList),
}

/// Why somebody may not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The list has addresses only, and this is none of them.
    #[error("its address is not in the port's `allow`")]
    Address,
    /// The address has no name, or the lookup failed.
    #[error("its address is not in the port's `allow`, and it has no name there: {0}")]
    Nameless(String),
    /// The name is not listed.
    #[error("its name `{0}` is not in the port's `allow`")]
    Name(String),
    /// The name is listed, but belongs to other addresses.
    #[error("it calls itself `{0}`, but that name does not lead back to its address")]
    Pretended(String),
    /// No answer in time.
    #[error("its name could not be looked up within {}s", LOOKUP_LIMIT.as_secs())]
    TooSlow,
}

/// Decides whether `peer` may use a port. Waits for name lookups off the event loop, but never
/// longer than five seconds, and only where the list has names in it.
pub async fn admit(peer: Peer, admission: &Admission) -> Result<(), Denied> {
    let (Admission::Listed(list), Peer::Network(address)) = (admission, peer) else {
        // A unix socket is guarded by its file mode.
        return Ok(());
    };
    let address = address.ip();
    if list.permits_address(address) {
        return Ok(());
    }
    if !list.has_names() {
        return Err(Denied::Address);
    }
    let list = list.clone();
    timeout(
        LOOKUP_LIMIT,
        spawn_blocking(move || check_name(address, &list)),
    )
    .await
    .map_err(|_| Denied::TooSlow)?
    .unwrap_or_else(|panic| Err(Denied::Nameless(panic.to_string())))
}

fn check_name(address: IpAddr, list: &AllowList) -> Result<(), Denied> {
    let nameless =
        |error: dns_lookup::LookupError| Denied::Nameless(std::io::Error::from(error).to_string());
    let name = dns_lookup::getnameinfo(&SocketAddr::new(address, 0), nix::libc::NI_NAMEREQD)
        .map_err(nameless)?
        .0;
    // Whoever runs the reverse zone chose this name: nothing of it may forge a line of the log.
    let shown = name.escape_debug().to_string();
    if !list.permits_name(&name) {
        return Err(Denied::Name(shown));
    }
    let mut forward = dns_lookup::lookup_host(&name).map_err(nameless)?;
    if forward.any(|candidate| candidate.to_canonical() == address) {
        Ok(())
    } else {
        Err(Denied::Pretended(shown))
    }
}
