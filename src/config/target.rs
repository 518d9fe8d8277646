//! `HOST:PORT`: where a server is to be found.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::Services;
use super::endpoint::without_brackets;
use super::host::host_name;
use super::problem::{Mistake, quoted};

/// What stands for a port, and examples of all of it.
const WANTED: (&str, &str) = (
    "TCP port",
    "`modemhost:2007`, `192.0.2.1:2007` or `[2001:db8::1]:2007`",
);

/// Where a server is to be found: `HOST:PORT`, an IPv6 address in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name or address, without brackets.
    pub host: String,
    /// The TCP port, not 0.
    pub port: u16,
}

impl Target {
    /// Reads `name:port`, `192.0.2.1:port` or `[2001:db8::1]:port`; a port may be the name that
    /// `services` has for it. Whether there is a machine of that name is known when it is needed.
    pub fn parse(text: &str, services: &Services) -> Result<Self, Mistake> {
        Self::read(text, services).map_err(|mistake| {
            let meant = as_others_write_it(text);
            match Self::read(&meant, services) {
                Ok(_) => Mistake::new(
                    format!("{} is no HOST:PORT", quoted(text)),
                    format!("write `{meant}`"),
                ),
                Err(_) => mistake,
            }
        })
    }

    fn read(text: &str, services: &Services) -> Result<Self, Mistake> {
        if let Some(mistake) = without_brackets(text, 2007) {
            return Err(mistake);
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.is_empty() => (host, port),
            other => return Err(without_port(other.map_or(text, |(host, _)| host))),
        };
        let in_brackets = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let address = in_brackets.and_then(|host| host.parse::<Ipv6Addr>().ok());
        let host = match address {
            Some(address) => address.to_string(),
            None if is_name_or_v4(host) => host.to_owned(),
            None => return Err(no_host(host, in_brackets, port)),
        };
        match services.port(port, WANTED)? {
            0 => Err(Mistake::new(
                "`0` is no port that a server could be found at",
                format!("write for example {}", WANTED.1),
            )),
            port => Ok(Self { host, port }),
        }
    }
}

fn is_name_or_v4(text: &str) -> bool {
    text.parse::<Ipv4Addr>().is_ok() || host_name(text).is_some()
}

/// What `text` is here if it is a URL (`rfc2217://modemhost:2007`), or has its two parts as telnet's
/// command line or ser2net's file have them.
fn as_others_write_it(text: &str) -> String {
    let bare = text.rsplit_once("://").map_or(text, |(_, rest)| rest);
    let bare = bare.trim_matches([' ', '/']);
    match bare.split_once([' ', ',']) {
        Some((host, port)) => format!("{host}:{}", port.trim_start()),
        None => bare.to_owned(),
    }
}

fn without_port(text: &str) -> Mistake {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Mistake::new(
            format!("{} has no host", quoted(text)),
            format!("write for example `modemhost:{text}`"),
        );
    }
    if is_name_or_v4(text) {
        return Mistake::new(
            format!("{} has no port", quoted(text)),
            format!("write for example `{text}:2007`"),
        );
    }
    Mistake::new(
        format!("{} is no HOST:PORT", quoted(text)),
        format!("write for example {}", WANTED.1),
    )
}

/// What is wrong with the `host` of `host:port`.
fn no_host(host: &str, in_brackets: Option<&str>, port: &str) -> Mistake {
    let no_host = |why: &str, remedy| Mistake::new(format!("{} {why}", quoted(host)), remedy);
    if matches!(host, "" | "*") {
        return Mistake::new(
            format!("{} has no host", quoted(&format!("{host}:{port}"))),
            format!("write for example `modemhost:{port}`, or `localhost:{port}`"),
        );
    }
    let bare = in_brackets.unwrap_or(host);
    if is_name_or_v4(bare) {
        let remedy = format!("write `{bare}:{port}`");
        return no_host("has brackets, which only IPv6 addresses have", remedy);
    }
    // getaddrinfo(3) would take the zone of a link-local address, but it is another one on each machine.
    if let Some((address, _)) = bare.split_once('%')
        && address.parse::<Ipv6Addr>().is_ok()
    {
        let remedy = "write another address of that machine, or its name".to_owned();
        return no_host("has a zone", remedy);
    }
    let remedy = format!("write for example {}", WANTED.1);
    no_host("is no host name or address", remedy)
}

/// As it is read.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Target, Mistake> {
        Target::parse(text, &Services::parse("modem 2006/tcp fax\n"))
    }

    proptest! {
        #[test]
        fn what_is_displayed_reads_back_the_same(
            text in "\\PC*|[a-zA-Z0-9.-]{1,12}:[0-9]{1,6}|[0-9.]{7}:[0-9]{1,5}|\\[[0-9a-f:]{2,20}\\]:[0-9]{1,5}"
        ) {
            if let Ok(target) = parse(&text) {
                prop_assert_ne!(target.port, 0);
                let again = Target::parse(&target.to_string(), &Services::default());
                prop_assert_eq!(again, Ok(target));
            }
        }

        #[test]
        fn every_address_and_port_is_read(address: SocketAddr) {
            let SocketAddr::V6(v6) = address else {
                let target = parse(&address.to_string());
                prop_assert_eq!(target.is_ok(), address.port() != 0);
                return Ok(());
            };
            let text = format!("[{}]:{}", v6.ip(), v6.port());
            let read = parse(&text).map(|target| target.to_string());
            prop_assert_eq!(read.ok(), (v6.port() != 0).then_some(text));
        }

        #[test]
        fn what_is_proposed_is_right(text in "[a-f0-9:.,/ \\[\\]%]{0,12}") {
            if let Err(mistake) = parse(&text)
                && let Some(meant) = mistake.remedy.strip_prefix("write `")
            {
                let meant = meant.split('`').next().unwrap();
                if let Err(again) = parse(meant) {
                    // The port may be wrong as well, and that is told when the host is right.
                    let first = text.rsplit_once(':').map_or("", |(_, port)| port);
                    prop_assert!(again.message.contains(first), "{}: {}: {}", text, mistake, again);
                }
            }
        }
    }

    #[test]
    fn each_form_is_read() {
        for (text, host, port) in [
            ("modemhost:2007", "modemhost", 2007),
            ("Modem-1.example.org.:1", "Modem-1.example.org.", 1),
            ("192.0.2.1:65535", "192.0.2.1", 65535),
            ("[2001:DB8:0::1]:2007", "2001:db8::1", 2007),
            ("localhost:modem", "localhost", 2006),
            ("[::1]:fax", "::1", 2006),
        ] {
            let host = host.to_owned();
            assert_eq!(parse(text), Ok(Target { host, port }), "{text}");
        }
    }

    /// More of them are in `tests/config/attach-server-bad-values`.
    #[test]
    fn what_is_written_otherwise_is_told_how_to_be_written() {
        for (text, message, remedy) in [
            (
                "telnet://[::1]:2007/",
                "is no HOST:PORT",
                "write `[::1]:2007`",
            ),
            (
                "modemhost,2007",
                "is no HOST:PORT",
                "write `modemhost:2007`",
            ),
            (
                " modemhost:2007",
                "is no HOST:PORT",
                "write `modemhost:2007`",
            ),
            (
                "modemhost:02007",
                "`02007` is not a TCP port",
                "`modemhost:2007`",
            ),
            ("modemhost:+7", "`+7` is no TCP port", "`modemhost:2007`"),
            (
                "modemhost:modme",
                "`modme` is not in /etc/services",
                "number",
            ),
            ("*:2007", "`*:2007` has no host", "`localhost:2007`"),
            ("[192.0.2.1]:7", "has brackets", "write `192.0.2.1:7`"),
            (
                "-modem:2007",
                "`-modem` is no host name",
                "`modemhost:2007`",
            ),
            ("a:b:c", "`a:b` is no host name", "`modemhost:2007`"),
        ] {
            let mistake = parse(text).unwrap_err();
            assert!(mistake.message.contains(message), "{text}: {mistake}");
            assert!(mistake.remedy.contains(remedy), "{text}: {mistake}");
        }
    }

    #[test]
    fn services_are_read_for_a_name_and_for_nothing_else() {
        let unread = Services::read_by(|| panic!("read"));
        for text in ["modemhost:2007", "[::1]:2007"] {
            Target::parse(text, &unread).unwrap();
        }
    }
}
