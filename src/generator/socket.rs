//! The socket unit of one port: where it listens and whom the kernel lets through.

use std::fmt::Write;
use std::path::Path;

use crate::config::{Endpoint, Instance, Port};

/// Where `modem.socket` listens as it ships.
pub(super) const SHIPPED: Endpoint = Endpoint::Port(2006);

/// How many clients a port has processes for beside those that have a line: they are told BUSY or
/// wait. As many as systemd has by default in all (`MaxConnections=`, systemd.socket(5)).
const WITHOUT_A_LINE: usize = 64;

/// The kernel's filter for `port`: one `IPAddressAllow=` for each of its hosts.
///
/// Names are not for the kernel: with one of them it lets everybody through to modemd, which looks
/// at each.
pub(super) fn filter(port: &Port) -> String {
    if port.allow.has_names() {
        return "# modemd looks up the names in `allow`; the kernel cannot.\nIPAddressAllow=any\n"
            .to_owned();
    }
    let mut text = String::new();
    for host in port.allow.hosts() {
        writeln!(text, "IPAddressAllow={host}").expect("a String takes everything");
    }
    text
}

/// Where `port` listens, and what these kinds of addresses need. An endpoint that cannot stand in a
/// unit is the error.
pub(super) fn listen(port: &Port) -> Result<String, &Endpoint> {
    let mut text = String::new();
    for endpoint in &port.listen {
        match endpoint {
            Endpoint::Path(path) if !is_plain(path) => return Err(endpoint),
            _ => writeln!(text, "ListenStream={endpoint}").expect("a String takes everything"),
        }
    }
    if port.listen.iter().any(is_of_an_interface) {
        text.push_str("# The address may come after us at boot.\nFreeBind=yes\n");
    }
    if port.listen.iter().any(|at| matches!(at, Endpoint::Path(_))) {
        text.push_str(
            "# `allow` is about the network: a file has an owner and a mode, and this one those of \
             a serial line.\nNoDelay=no\nRemoveOnStop=yes\nSocketGroup=dialout\nSocketMode=0660\n",
        );
    }
    Ok(text)
}

/// `Accept=` and what belongs to it. `shared` is what a port of the shared daemon needs.
pub(super) fn instance(port: &Port, shared: &str) -> String {
    match port.instance {
        Instance::Shared => shared.to_owned(),
        Instance::PerConnection => format!(
            "Accept=yes\nMaxConnections={}\n",
            port.devices.len() + WITHOUT_A_LINE
        ),
    }
}

/// Whether an address can be bound only while an interface has it.
fn is_of_an_interface(endpoint: &Endpoint) -> bool {
    match endpoint {
        Endpoint::Address(at) => !at.ip().is_unspecified() && !at.ip().to_canonical().is_loopback(),
        Endpoint::Port(_) | Endpoint::Path(_) => false,
    }
}

/// Whether a path means itself in a unit file: no specifier, escape, quote or space.
pub(super) fn is_plain(path: &Path) -> bool {
    let fine = |b: &u8| b.is_ascii_alphanumeric() || b"/._-+:@=,".contains(b);
    path.as_os_str().as_encoded_bytes().iter().all(fine)
}
