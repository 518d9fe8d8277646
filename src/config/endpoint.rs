//! Where a port listens, as systemd's `ListenStream=` takes it.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::problem::{Mistake, quoted};

/// The bytes that `sockaddr_un.sun_path` has, one of them for the final NUL (unix(7)).
const SUN_PATH: usize = 108;

/// What to write, and examples of it.
const WANTED: (&str, &str) = (
    "port, address:port or /path",
    "`2006`, `127.0.0.1:2006` or `/run/modem.sock`",
);

/// One entry of `listen`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `2006`: this TCP port of every address, IPv4 and IPv6. Never 0.
    Port(u16),
    /// `127.0.0.1:2006`, `[::1]:2006`. Port 0 is whichever is free, for tests.
    Address(SocketAddr),
    /// `/run/modem.sock`: a unix stream socket.
    Path(PathBuf),
}

impl Endpoint {
    /// Reads `port`, `address:port`, `[v6]:port` or `/path`; a port may be the name that
    /// `services` has for it.
    pub fn parse(text: &str, services: &Services) -> Result<Self, Mistake> {
        if text.starts_with('/') {
            return absolute_path(text).and_then(|path| {
                if text.len() >= SUN_PATH || text.ends_with('/') {
                    let message = format!("{} cannot be a socket's path", quoted(text));
                    let remedy = format!("write the path of a file, of less than {SUN_PATH} bytes");
                    return Err(Mistake::new(message, remedy));
                }
                Ok(Self::Path(path))
            });
        }
        let Some((host, port)) = text.rsplit_once(':') else {
            return match services.port(text, WANTED)? {
                0 => Err(Mistake::new(
                    "`0` is no port that a client could find",
                    "write for example `2006`, or `127.0.0.1:0` for whichever is free",
                )),
                port => Ok(Self::Port(port)),
            };
        };
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let bracketed = bare.is_some();
        let address = match bare.unwrap_or(host).parse::<IpAddr>() {
            Ok(address) if address.is_ipv6() == bracketed => address,
            _ => return Err(no_address(text, host, port)),
        };
        Ok(Self::Address(SocketAddr::new(
            address,
            services.port(port, WANTED)?,
        )))
    }

    /// Whether the kernel would refuse to listen at both.
    ///
    /// `2006` and `[::]:2006` are every address of IPv4 too, since `BindIPv6Only=` and
    /// `net.ipv6.bindv6only` are off unless somebody turned them on; and a listening socket of
    /// every address excludes one of a single address (`inet_csk_bind_conflict`).
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Path(a), Self::Path(b)) => a == b,
            (Self::Path(_), _) | (_, Self::Path(_)) => false,
            _ => {
                let (a, b) = (self.tcp(), other.tcp());
                a.1 == b.1 && a.1 != Some(0) && covers(a.0, b.0)
            }
        }
    }

    /// The address, none for all of both families; and the port, none for a path.
    pub(super) fn tcp(&self) -> (Option<IpAddr>, Option<u16>) {
        match self {
            Self::Port(port) => (None, Some(*port)),
            Self::Address(address) => match address.ip().to_canonical() {
                IpAddr::V6(v6) if v6.is_unspecified() => (None, Some(address.port())),
                ip => (Some(ip), Some(address.port())),
            },
            Self::Path(_) => (None, None),
        }
    }
}

/// Whether one of two addresses to listen at has the other in it; none is all of both families.
fn covers(a: Option<IpAddr>, b: Option<IpAddr>) -> bool {
    let (Some(a), Some(b)) = (a, b) else {
        return true;
    };
    a == b || a.is_ipv4() == b.is_ipv4() && (a.is_unspecified() || b.is_unspecified())
}

/// As `ListenStream=` takes it.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(port) => write!(f, "{port}"),
            Self::Address(address) => write!(f, "{address}"),
            Self::Path(path) => write!(f, "{}", path.display()),
        }
    }
}

/// What is wrong with the `host` of `host:port`.
fn no_address(text: &str, host: &str, port: &str) -> Mistake {
    let no_address = |remedy| Mistake::new(format!("{} is no address", quoted(host)), remedy);
    if matches!(host, "" | "*") {
        return no_address(format!("write `{port}` alone for every address"));
    }
    if host.eq_ignore_ascii_case("localhost") {
        return no_address(format!("write `127.0.0.1:{port}` or `[::1]:{port}`"));
    }
    if let Some(mistake) = without_brackets(text, 2006) {
        return mistake;
    }
    no_address(
        "write a number, for example `192.168.1.1:2006` or `[fd00::1]:2006`: names are not \
         looked up"
            .to_owned(),
    )
}

/// What is wrong with an IPv6 address that should have brackets and a port, for example `port`; none:
/// it is no such thing.
pub(super) fn without_brackets(text: &str, port: u16) -> Option<Mistake> {
    let is_v6 = |text: &str| text.parse::<Ipv6Addr>().is_ok();
    if let Some((host, port)) = text.rsplit_once(':')
        && is_v6(host)
    {
        let message = format!("{} is an IPv6 address without brackets", quoted(text));
        return Some(Mistake::new(message, format!("write `[{host}]:{port}`")));
    }
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    let bare = bare.unwrap_or(text);
    is_v6(bare).then(|| {
        let message = format!("{} has no port", quoted(text));
        Mistake::new(message, format!("write for example `[{bare}]:{port}`"))
    })
}

/// A path that means the same wherever the program was started, and that is fit for a unit file.
pub(super) fn absolute_path(text: &str) -> Result<PathBuf, Mistake> {
    if !text.starts_with('/') || text.contains(char::is_control) {
        return Err(Mistake::new(
            format!("{} is no absolute path", quoted(text)),
            "write it from the root on, it begins with `/`",
        ));
    }
    Ok(Path::new(text).to_owned())
}

/// The TCP services that have a name, as in `/etc/services`.
#[derive(Debug, Clone)]
pub struct Services {
    ports: OnceCell<BTreeMap<String, u16>>,
    /// Where they are from. Hardly any configuration has a name in it, and reading hundreds takes
    /// longer than all the rest of it.
    read: fn() -> String,
}

impl Default for Services {
    fn default() -> Self {
        Self::parse("")
    }
}

impl Services {
    /// Reads services(5): `name port/protocol [alias …] [# comment]`. Lines that say something
    /// else are skipped, and the first to use a name has it, both as getservbyname(3) does.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self {
            ports: ports_in(text).into(),
            read: String::new,
        }
    }

    /// The same, of a text that is read when a name is looked up for the first time.
    pub(super) fn read_by(read: fn() -> String) -> Self {
        Self {
            ports: OnceCell::new(),
            read,
        }
    }

    /// A number, or what stands for one; where that is a part of something, `wanted` is what all of
    /// it should be, and examples.
    pub(super) fn port(&self, text: &str, wanted: (&str, &str)) -> Result<u16, Mistake> {
        let (wanted, examples) = wanted;
        let refuse = |why: &str, remedy: String| {
            Err(Mistake::new(format!("{} {why}", quoted(text)), remedy))
        };
        let example = || format!("write for example {examples}");
        if text.bytes().all(|b| b.is_ascii_digit()) {
            return match text.parse() {
                // systemd takes no zeros in front: they would be octal elsewhere in its files.
                Ok(port) if text == "0" || !text.starts_with('0') => Ok(port),
                _ => refuse("is not a TCP port from 1 to 65535", example()),
            };
        }
        let ports = self.ports.get_or_init(|| ports_in(&(self.read)()));
        if let Some(port) = ports.get(text) {
            return Ok(*port);
        }
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-_.+".contains(&b);
        if !text.bytes().all(is_name) || !text.bytes().any(|b| b.is_ascii_alphabetic()) {
            return refuse(&format!("is no {wanted}"), example());
        }
        refuse(
            "is not in /etc/services",
            format!("write the port's number, or add a line like `{text} 2006/tcp` there"),
        )
    }
}

fn ports_in(services: &str) -> BTreeMap<String, u16> {
    let mut ports = BTreeMap::new();
    for line in services.lines() {
        let mut words = line.split('#').next().unwrap_or("").split_whitespace();
        let (Some(name), Some(place)) = (words.next(), words.next()) else {
            continue;
        };
        let Some(Ok(port)) = place.strip_suffix("/tcp").map(str::parse) else {
            continue;
        };
        for name in std::iter::once(name).chain(words) {
            ports.entry(name.to_owned()).or_insert(port);
        }
    }
    ports
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn services() -> Services {
        Services::parse(
            "# services\n\
             telnet\t23/tcp\n\
             syslog 514/udp\n\
             modem  2006/tcp  fax data # the modem\n\
             modem  9999/tcp\n\
             broken tcp/1\n\
             huge 99999/tcp\n\
             lonely\n",
        )
    }

    fn endpoint(text: &str) -> Endpoint {
        Endpoint::parse(text, &services()).unwrap_or_else(|mistake| panic!("{text}: {mistake}"))
    }

    proptest! {
        #[test]
        fn what_is_displayed_reads_back_the_same(
            text in "\\PC*|[0-9]{1,6}|[0-9.]{7}:[0-9]{1,5}|\\[[0-9a-f:]{2,20}\\]:[0-9]{1,5}|/\\PC*"
        ) {
            if let Ok(endpoint) = Endpoint::parse(&text, &services()) {
                prop_assert_eq!(
                    Endpoint::parse(&endpoint.to_string(), &Services::default()),
                    Ok(endpoint)
                );
            }
        }

        #[test]
        fn an_address_reads_back_the_same(address: SocketAddr) {
            let SocketAddr::V4(_) = address else { return Ok(()); };
            prop_assert_eq!(endpoint(&address.to_string()), Endpoint::Address(address));
        }

        #[test]
        fn no_services_file_is_too_strange(text in "(\\PC|[ \t\n#/])*") {
            let _ = Services::parse(&text);
        }
    }

    #[test]
    fn each_form_is_read_and_displayed() {
        for text in [
            "2006",
            "127.0.0.1:2006",
            "[::1]:2006",
            "/run/modem.sock",
            "127.0.0.1:0",
        ] {
            assert_eq!(endpoint(text).to_string(), text);
        }
    }

    #[test]
    fn a_port_may_be_a_name_or_an_alias_of_a_tcp_service() {
        assert_eq!(endpoint("modem"), Endpoint::Port(2006));
        assert_eq!(endpoint("fax"), Endpoint::Port(2006));
        assert_eq!(endpoint("[::1]:telnet").to_string(), "[::1]:23");
        for name in ["syslog", "broken", "huge", "lonely", "the"] {
            assert!(Endpoint::parse(name, &services()).is_err(), "{name}");
        }
    }

    #[test]
    fn services_are_read_for_a_name_and_for_nothing_else() {
        let unread = Services::read_by(|| panic!("read"));
        for text in ["2006", "127.0.0.1:2006", "[::1]:0", "/run/modem.sock"] {
            Endpoint::parse(text, &unread).unwrap();
        }
        let read = Services::read_by(|| "modem 2006/tcp".to_owned());
        assert_eq!(Endpoint::parse("modem", &read), Ok(Endpoint::Port(2006)));
    }

    #[test]
    fn what_systemd_would_not_take_is_told_how_to_be_written() {
        let long = format!("/run/{}", "x".repeat(103));
        for (text, remedy) in [
            ("", "`2006`"),
            ("0", "`2006`"),
            ("02006", "`2006`"),
            ("+2006", "`2006`"),
            ("65536", "`2006`"),
            ("2006/tcp", "`2006`"),
            ("modme", "`modme 2006/tcp`"),
            ("*:2006", "`2006` alone"),
            (":2006", "`2006` alone"),
            ("localhost:2006", "`127.0.0.1:2006`"),
            ("::1", "`[::1]:2006`"),
            ("fd00::1:2006", "`[fd00::1]:2006`"),
            ("[127.0.0.1]:2006", "`192.168.1.1:2006`"),
            ("desk.example.org:2006", "names are not looked up"),
            ("127.0.0.1:", "`2006`"),
            ("127.0.0.1", "`127.0.0.1:2006`"),
            ("@abstract", "`2006`"),
            ("run/modem.sock", "`2006`"),
            ("/run/", "path of a file"),
            ("/run/a\nb", "begins with `/`"),
            (&long, "less than 108 bytes"),
        ] {
            let mistake = Endpoint::parse(text, &services()).unwrap_err();
            assert!(mistake.remedy.contains(remedy), "{text}: {mistake}");
        }
    }

    #[test]
    fn endpoints_overlap_where_the_kernel_would_refuse_the_second() {
        for (a, b, overlap) in [
            ("2006", "2006", true),
            ("2006", "2007", false),
            ("2006", "127.0.0.1:2006", true),
            ("2006", "[::1]:2006", true),
            ("[::]:2006", "0.0.0.0:2006", true),
            ("[::]:2006", "2006", true),
            ("0.0.0.0:2006", "127.0.0.1:2006", true),
            ("0.0.0.0:2006", "[::1]:2006", false),
            ("127.0.0.1:2006", "127.0.0.2:2006", false),
            ("[::ffff:127.0.0.1]:2006", "127.0.0.1:2006", true),
            ("127.0.0.1:0", "127.0.0.1:0", false),
            ("/run/a", "/run//a", true),
            ("/run/a", "/run/b", false),
            ("/run/a", "2006", false),
        ] {
            let (a, b) = (endpoint(a), endpoint(b));
            assert_eq!(a.overlaps(&b), overlap, "{a} {b}");
            assert_eq!(b.overlaps(&a), overlap, "{b} {a}");
        }
    }
}
