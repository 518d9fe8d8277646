//! Who wants to listen where somebody else does already.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use super::Endpoint;

/// For each of these endpoints the first one before it that it [`overlaps`](Endpoint::overlaps), if
/// there is one that belongs to somebody else.
pub(super) fn clashes<'e, O: PartialEq>(
    endpoints: impl IntoIterator<Item = (&'e Endpoint, O)>,
) -> Vec<Option<usize>> {
    // By place: who has it first, and the first of all others who have it.
    let mut had: HashMap<Spot<'e>, (usize, Option<usize>)> = HashMap::new();
    let mut owners: Vec<O> = Vec::new();
    let mut clashes = Vec::new();
    for (number, (endpoint, owner)) in endpoints.into_iter().enumerate() {
        let of_somebody_else = |spot| {
            let (first, other) = had.get(&spot)?;
            if owners[*first] == owner {
                *other
            } else {
                Some(*first)
            }
        };
        let clash = endpoint.excludes().into_iter().flatten();
        clashes.push(clash.filter_map(of_somebody_else).min());
        for spot in endpoint.takes().into_iter().flatten() {
            let (first, other) = had.entry(spot).or_insert((number, None));
            if *first != number && other.is_none() && owners[*first] != owner {
                *other = Some(number);
            }
        }
        owners.push(owner);
    }
    clashes
}

/// What an endpoint takes of the places to listen at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Spot<'e> {
    Path(&'e Path),
    /// Something at this TCP port.
    Port(u16),
    /// Something of IPv4 (or of IPv6) there.
    Family(u16, bool),
    /// Exactly this; none is every address of both families.
    Address(u16, Option<IpAddr>),
}

impl Endpoint {
    fn takes(&self) -> [Option<Spot<'_>>; 3] {
        match (self, self.tcp()) {
            (Self::Path(path), _) => [Some(Spot::Path(path)), None, None],
            (_, (_, None | Some(0))) => [None; 3],
            (_, (ip, Some(port))) => [
                Some(Spot::Port(port)),
                ip.map(|ip| Spot::Family(port, ip.is_ipv4())),
                Some(Spot::Address(port, ip)),
            ],
        }
    }

    /// What nobody else can have taken for this to be free.
    fn excludes(&self) -> [Option<Spot<'_>>; 3] {
        match (self, self.tcp()) {
            (Self::Path(path), _) => [Some(Spot::Path(path)), None, None],
            (_, (_, None | Some(0))) => [None; 3],
            (_, (None, Some(port))) => [Some(Spot::Port(port)), None, None],
            (_, (Some(ip), Some(port))) => {
                let all = Spot::Address(port, None);
                if ip.is_unspecified() {
                    return [Some(Spot::Family(port, ip.is_ipv4())), Some(all), None];
                }
                let every_ipv4 = IpAddr::from(Ipv4Addr::UNSPECIFIED);
                let family = ip
                    .is_ipv4()
                    .then_some(Spot::Address(port, Some(every_ipv4)));
                [Some(Spot::Address(port, Some(ip))), family, Some(all)]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Services;
    use super::*;
    use proptest::prelude::*;

    /// Of few kinds, so that many overlap.
    fn some_endpoint() -> impl Strategy<Value = Endpoint> {
        let texts = vec![
            "1",
            "2",
            "[::]:1",
            "[::]:0",
            "0.0.0.0:1",
            "0.0.0.0:2",
            "127.0.0.1:1",
            "127.0.0.1:0",
            "127.0.0.2:1",
            "[::1]:1",
            "[::2]:1",
            "[::ffff:127.0.0.1]:1",
            "/a",
            "//a",
            "/b",
        ];
        prop::sample::select(texts)
            .prop_map(|text| Endpoint::parse(text, &Services::default()).unwrap())
    }

    proptest! {
        #[test]
        fn a_clash_is_with_the_first_that_overlaps_and_is_somebody_elses(
            listed in prop::collection::vec((some_endpoint(), 0..3_u8), 0..20)
        ) {
            let naive = listed.iter().enumerate().map(|(n, (endpoint, owner))| {
                let clashes = |(other, whose): &(Endpoint, u8)| {
                    whose != owner && endpoint.overlaps(other)
                };
                listed[..n].iter().position(clashes)
            });
            let listed = || listed.iter().map(|(endpoint, owner)| (endpoint, *owner));
            prop_assert_eq!(clashes(listed()), naive.collect::<Vec<_>>());
        }
    }
}
