//! How limits count addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The part of an address that one client cannot change at will, by which limits count it: IPv6 hands out 64 bits at a time.
///
/// None for 127.0.0.1 and `::1`, where a proxy may speak for all of its clients: there one hostile client would shut out the
/// others. (`trusted_proxies` lets such a proxy tell who the client is.)
pub(crate) fn network(address: IpAddr) -> Option<IpAddr> {
    match address.to_canonical() {
        IpAddr::V4(Ipv4Addr::LOCALHOST) | IpAddr::V6(Ipv6Addr::LOCALHOST) => None,
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            Some(IpAddr::V6(Ipv6Addr::from_bits(network)))
        }
        address @ IpAddr::V4(_) => Some(address),
    }
}

#[cfg(test)]
mod tests {
    use super::network;

    #[test]
    fn limits_count_networks_and_not_what_a_proxy_may_speak_for() {
        let counted = |address: &str| network(address.parse().unwrap()).map(|network| network.to_string());
        for (address, expected) in [
            ("203.0.113.9", "203.0.113.9"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("127.0.0.2", "127.0.0.2"),
            ("::ffff:127.0.0.2", "127.0.0.2"),
        ] {
            assert_eq!(counted(address).as_deref(), Some(expected), "{address}");
        }
        for address in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(counted(address), None, "{address}");
        }
    }
}
