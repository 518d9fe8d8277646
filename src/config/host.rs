//! Who may use a port: addresses, networks, host names, `*.domain`.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net};

use super::problem::{Mistake, quoted};

/// One entry of `allow`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// `any`: everybody, as in systemd's `IPAddressAllow=any`.
    Any,
    /// `localhost`: 127.0.0.0/8 and `::1`, as in systemd's `IPAddressAllow=localhost`; never a
    /// question to the name service.
    Localhost,
    /// An address or a network. IPv4-mapped IPv6 is kept as the IPv4 that it means.
    Network(IpNet),
    /// A host name, in lower case and without a dot at the end.
    Name(String),
    /// The `foo.org` of `*.foo.org`, written as host names are.
    Domain(String),
}

impl FromStr for Host {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        let word = text.strip_suffix('.').unwrap_or(text);
        match word.to_ascii_lowercase().as_str() {
            "any" => return Ok(Self::Any),
            "localhost" => return Ok(Self::Localhost),
            _ => {}
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Network(address.to_canonical().into()));
        }
        if let Ok(network) = text.parse::<IpNet>() {
            if network != network.trunc() {
                return Err(Mistake::new(
                    format!("{} is neither one machine nor a network", quoted(text)),
                    format!(
                        "write `{}` for the network, `{}` for the one machine",
                        network.trunc(),
                        network.addr()
                    ),
                ));
            }
            return Ok(Self::Network(canonical(network)));
        }
        if let Some(domain) = text.strip_prefix("*.")
            && let Some(domain) = host_name(domain)
        {
            return Ok(Self::Domain(domain));
        }
        if let Some(name) = host_name(text) {
            return Ok(Self::Name(name));
        }
        Err(Mistake::new(
            format!(
                "{} is no address, network, host name or `*.domain`",
                quoted(text)
            ),
            remedy(text),
        ))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Localhost => f.write_str("localhost"),
            Self::Network(network) if network.prefix_len() == network.max_prefix_len() => {
                write!(f, "{}", network.addr())
            }
            Self::Network(network) => write!(f, "{network}"),
            Self::Name(name) => f.write_str(name),
            Self::Domain(domain) => write!(f, "*.{domain}"),
        }
    }
}

/// Clients come as IPv4 or IPv6, never as `::ffff:…`, see [`AllowList::permits_address`]; nor may
/// the networks that they are compared with.
fn canonical(network: IpNet) -> IpNet {
    if let IpNet::V6(v6) = network
        && let Some(v4) = v6.addr().to_ipv4_mapped()
        && let Some(prefix) = v6.prefix_len().checked_sub(96)
        && let Ok(v4) = Ipv4Net::new(v4, prefix)
    {
        return v4.into();
    }
    network
}

/// `text` as a host name in lower case, if it is one (RFC 1123, section 2.1; underscores are
/// let pass because networks have them).
///
/// All digits after the last dot is a mistyped address: no top-level domain is a number.
pub(super) fn host_name(text: &str) -> Option<String> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let label_is_fine = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let last = name.rsplit('.').next()?;
    let fine = name.len() <= 253
        && name.split('.').all(label_is_fine)
        && !last.bytes().all(|b| b.is_ascii_digit());
    fine.then(|| name.to_ascii_lowercase())
}

/// What may have been meant: most often a notation of another program.
fn remedy(text: &str) -> String {
    if text == "*" {
        return "write `any` for everybody".to_owned();
    }
    if let Some(domain) = text.strip_prefix('.').and_then(host_name) {
        return format!("write `*.{domain}` for every machine of a domain");
    }
    let bare = text.trim_start_matches('[').split(['%', ']']).next();
    if let Some(address) = bare.and_then(|bare| bare.parse::<Ipv6Addr>().ok()) {
        return format!("write the address alone: `{address}`");
    }
    if let Some((address, _)) = text.rsplit_once(':')
        && address.parse::<Host>().is_ok()
    {
        return format!("write it without a port: `{address}`");
    }
    "write for example `192.168.1.5`, `192.168.1.0/24`, `fd00::/8`, `desk.example.org` \
     or `*.example.org`"
        .to_owned()
}

/// Who may use a port. Empty, as it is by default: nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowList(Arc<[Host]>);

impl AllowList {
    /// The entries in the order they were written.
    #[must_use]
    pub fn hosts(&self) -> &[Host] {
        &self.0
    }

    /// Whether a client is let in by its address alone.
    ///
    /// An IPv4 client of an IPv6 socket (`::ffff:192.168.1.5`) counts as IPv4.
    #[must_use]
    pub fn permits_address(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|host| match host {
            Host::Any => true,
            Host::Localhost => address.is_loopback(),
            Host::Network(network) => network.contains(&address),
            Host::Name(_) | Host::Domain(_) => false,
        })
    }

    /// Whether it is of any use to look up a client's name.
    #[must_use]
    pub fn has_names(&self) -> bool {
        let is_name = |host: &Host| matches!(host, Host::Name(_) | Host::Domain(_));
        self.0.iter().any(is_name)
    }

    /// Whether a machine of this name is let in. That the client is that machine must be known
    /// before: its address has the name, *and* the name has its address.
    ///
    /// Upper and lower case are the same, a dot at the end counts for nothing, and `*.foo.org` is
    /// `a.foo.org` and `a.b.foo.org` but not `foo.org` itself.
    #[must_use]
    pub fn permits_name(&self, name: &str) -> bool {
        let Some(name) = host_name(name) else {
            return false;
        };
        self.0.iter().any(|host| match host {
            Host::Name(allowed) => name == *allowed,
            Host::Domain(domain) => name
                .strip_suffix(domain.as_str())
                .is_some_and(|machine| machine.ends_with('.')),
            Host::Any | Host::Localhost | Host::Network(_) => false,
        })
    }
}

impl FromIterator<Host> for AllowList {
    fn from_iter<I: IntoIterator<Item = Host>>(hosts: I) -> Self {
        Self(hosts.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn allow(hosts: &[&str]) -> AllowList {
        hosts.iter().map(|host| host.parse().unwrap()).collect()
    }

    fn permits(hosts: &[&str], address: &str) -> bool {
        allow(hosts).permits_address(address.parse().unwrap())
    }

    proptest! {
        #[test]
        fn a_host_is_displayed_as_it_reads_back(
            text in "\\PC*|[*.a-z0-9:/-]{0,30}|[0-9a-f:]{1,12}/[0-9]{1,3}|[0-9.]{7}/[0-9]{1,2}"
        ) {
            if let Ok(host) = text.parse::<Host>() {
                prop_assert_eq!(host.to_string().parse(), Ok(host));
            }
        }

        #[test]
        fn every_address_permits_itself_and_its_mapped_form(bits: u32) {
            let v4 = std::net::Ipv4Addr::from(bits);
            let list = allow(&[&v4.to_string()]);
            prop_assert!(list.permits_address(v4.into()));
            prop_assert!(list.permits_address(v4.to_ipv6_mapped().into()));
        }

        #[test]
        fn a_network_permits_what_shares_its_prefix(bits: u32, other: u32, prefix in 0_u32..=32) {
            let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
            let network = format!("{}/{prefix}", std::net::Ipv4Addr::from(bits & mask));
            let client = IpAddr::from(std::net::Ipv4Addr::from(other));
            let shares = bits & mask == other & mask;
            prop_assert_eq!(allow(&[&network]).permits_address(client), shares);
        }

        #[test]
        fn no_name_is_too_strange(name in "\\PC*") {
            let _ = allow(&["*.foo.org", "desk"]).permits_name(&name);
        }
    }

    #[test]
    fn an_empty_list_permits_nobody() {
        let nobody = AllowList::default();
        assert!(!nobody.permits_address("127.0.0.1".parse().unwrap()));
        assert!(!nobody.permits_name("localhost"));
        assert!(!nobody.has_names());
    }

    #[test]
    fn any_permits_everybody() {
        assert!(permits(&["any"], "203.0.113.9"));
        assert!(permits(&["ANY"], "2001:db8::1"));
    }

    #[test]
    fn localhost_is_this_machine_and_not_a_name() {
        for address in ["127.0.0.1", "127.3.2.1", "::1", "::ffff:127.0.0.1"] {
            assert!(permits(&["localhost"], address), "{address}");
            assert!(permits(&["Localhost."], address), "{address}");
        }
        assert!(!permits(&["localhost"], "192.168.1.1"));
        assert!(!allow(&["localhost"]).has_names());
        assert!(!allow(&["localhost"]).permits_name("localhost"));
    }

    #[test]
    fn a_mapped_network_is_the_ipv4_network_that_it_means() {
        assert!(permits(&["::ffff:192.168.1.0/120"], "192.168.1.77"));
        assert!(permits(&["192.168.1.0/24"], "::ffff:192.168.1.77"));
        assert!(permits(&["::ffff:192.168.1.5"], "192.168.1.5"));
        assert!(!permits(&["192.168.1.0/24"], "192.168.2.1"));
    }

    #[test]
    fn all_of_ipv6_is_not_all_of_ipv4() {
        assert!(permits(&["::/0"], "2001:db8::1"));
        assert!(!permits(&["::/0"], "192.168.1.5"));
        assert!(!permits(&["0.0.0.0/0"], "2001:db8::1"));
    }

    #[test]
    fn names_match_whatever_their_case_and_final_dot() {
        let list = allow(&["Desk.Example.ORG."]);
        assert!(list.has_names());
        assert!(list.permits_name("desk.example.org"));
        assert!(list.permits_name("DESK.example.org."));
        assert!(!list.permits_name("esk.example.org"));
        assert!(!list.permits_name("a.desk.example.org"));
    }

    #[test]
    fn a_domain_is_its_machines_at_any_depth_but_not_itself() {
        let list = allow(&["*.foo.org"]);
        assert!(list.permits_name("a.foo.org"));
        assert!(list.permits_name("a.b.FOO.org."));
        for other in [
            "foo.org",
            "barfoo.org",
            ".foo.org",
            "foo.org.evil.net",
            "*.foo.org",
        ] {
            assert!(!list.permits_name(other), "{other}");
        }
    }

    #[test]
    fn notations_of_other_programs_are_told_how_to_be_written() {
        for (text, remedy) in [
            ("192.168.1.5/24", "`192.168.1.0/24` for the network"),
            (".foo.org", "`*.foo.org`"),
            ("*", "`any`"),
            ("[::1]", "`::1`"),
            ("[::1]:2006", "`::1`"),
            ("fe80::1%eth0", "`fe80::1`"),
            ("192.168.1.5:2006", "without a port: `192.168.1.5`"),
            ("desk.foo.org:2006", "without a port: `desk.foo.org`"),
            ("192.168.1.", "`192.168.1.0/24`"),
            ("192.168.1.*", "`192.168.1.0/24`"),
            ("256.1.1.1", "for example"),
            ("10.0.0.0/33", "for example"),
            ("*.", "for example"),
            ("a*.foo.org", "for example"),
            ("foo bar", "for example"),
            ("-foo.org", "for example"),
            ("", "for example"),
        ] {
            let mistake = text.parse::<Host>().unwrap_err();
            assert!(mistake.remedy.contains(remedy), "{text}: {mistake}");
        }
    }
}
