//! Where something listens.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::config::{Endpoint, Services};

/// Which kinds of addresses are meant where none is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Both,
    V4,
    V6,
}

/// `listen` for a TCP port, which may be a service's name, of one machine's address or of all.
pub(super) fn endpoints(
    family: Family,
    host: Option<&str>,
    port: &str,
    services: &Services,
) -> Result<Vec<String>, String> {
    let number = match Endpoint::parse(port, services) {
        Ok(Endpoint::Port(number)) => number,
        Ok(_) => return Err(format!("`{port}` is no TCP port")),
        Err(mistake) => return Err(mistake.to_string()),
    };
    let at = |address: IpAddr| SocketAddr::new(address, number).to_string();
    let v4 = |address: Ipv4Addr| at(address.into());
    let v6 = |address: Ipv6Addr| at(address.into());
    let host = host.map(|host| host.trim_start_matches('[').trim_end_matches(']'));
    Ok(match (host, family) {
        (None, Family::Both) => vec![number.to_string()],
        (None, Family::V4) => vec![v4(Ipv4Addr::UNSPECIFIED)],
        (None, Family::V6) => vec![v6(Ipv6Addr::UNSPECIFIED)],
        (Some(host), _) if host.eq_ignore_ascii_case("localhost") => match family {
            Family::Both => vec![v4(Ipv4Addr::LOCALHOST), v6(Ipv6Addr::LOCALHOST)],
            Family::V4 => vec![v4(Ipv4Addr::LOCALHOST)],
            Family::V6 => vec![v6(Ipv6Addr::LOCALHOST)],
        },
        (Some(host), _) => match host.parse() {
            Ok(address) => vec![at(address)],
            Err(_) => {
                return Err(format!(
                    "names are not looked up in `listen`: write the address of `{host}` there"
                ));
            }
        },
    })
}

/// `[ipv4,|ipv6,][tcp,][host,]port`, as ser2net writes addresses.
pub(super) fn of_ser2net(text: &str, services: &Services) -> Result<Vec<String>, String> {
    let mut parts: Vec<_> = text.split(',').map(str::trim).collect();
    let mut family = Family::Both;
    while parts.len() > 1 {
        match parts[0].to_ascii_lowercase().as_str() {
            "ipv4" => family = Family::V4,
            "ipv6" => family = Family::V6,
            "tcp" => {}
            "udp" => return Err("modemd serves TCP and unix sockets, not UDP".to_owned()),
            _ => break,
        }
        parts.remove(0);
    }
    match parts[..] {
        [port] => endpoints(family, None, port, services),
        [host, port] => endpoints(family, Some(host), port, services),
        _ => Err(format!("`{text}` is no address and port")),
    }
}

/// Whether this machine alone can reach any of these.
pub(super) fn only_from_here(listen: &[String]) -> bool {
    let is_here = |text: &String| {
        text.starts_with('/')
            || text
                .parse::<SocketAddr>()
                .is_ok_and(|at| at.ip().to_canonical().is_loopback())
    };
    !listen.is_empty() && listen.iter().all(is_here)
}
