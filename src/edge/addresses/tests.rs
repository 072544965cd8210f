use std::net::{Ipv4Addr, Ipv6Addr};

use super::*;

fn addresses(options: AddressOptions) -> Arc<Addresses> {
    Arc::new(Addresses::new(&options))
}

fn options() -> AddressOptions {
    AddressOptions { max_connections: 2, handshakes_per_second: 1, new_records_per_second: 1 }
}

const ONE: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)));
const OTHER: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 10)));

#[test]
fn connections_of_an_address_are_bounded_and_end() {
    let addresses = addresses(options());
    let first = addresses.enter(ONE).unwrap();
    let _second = addresses.enter(ONE).unwrap();
    let refused = addresses.enter(ONE).unwrap_err();
    assert_eq!(refused, TooMany { limit: Limit::Connections, wait: WAIT_FOR_CONNECTIONS });
    assert!(addresses.enter(OTHER).unwrap().is_some());
    drop(first);
    let third = addresses.enter(ONE).unwrap();
    assert!(addresses.enter(ONE).is_err());
    drop(third);
    assert!(addresses.enter(None).unwrap().is_none());
    assert!(
        !addresses.lock().open.contains_key(&OTHER.unwrap()),
        "an address without connections is forgotten"
    );
}

#[test]
fn handshakes_and_records_have_rates_of_their_own() {
    let (addresses, now) = (addresses(options()), Instant::now());
    for _ in 0..SAVED_HANDSHAKES {
        addresses.handshake(ONE, now).unwrap();
    }
    let refused = addresses.handshake(ONE, now).unwrap_err();
    assert_eq!(refused, TooMany { limit: Limit::Handshakes, wait: Duration::from_secs(1) });
    addresses.handshake(OTHER, now).unwrap();
    addresses.handshake(ONE, now + Duration::from_secs(1)).unwrap();
    for _ in 0..SAVED_HANDSHAKES {
        addresses.tls_handshake(ONE, now).unwrap();
    }
    assert_eq!(addresses.tls_handshake(ONE, now).unwrap_err(), refused);
    for _ in 0..SAVED_RECORDS {
        addresses.new_record(ONE, now).unwrap();
    }
    let refused = addresses.new_record(ONE, now).unwrap_err();
    assert_eq!(refused, TooMany { limit: Limit::NewRecords, wait: Duration::from_secs(1) });
    addresses.new_record(OTHER, now).unwrap();
}

#[test]
fn a_client_that_needs_no_record_gives_it_back() {
    let (addresses, now) = (addresses(options()), Instant::now());
    for _ in 0..3 * SAVED_RECORDS {
        addresses.new_record(ONE, now).unwrap().give_back();
    }
    addresses.new_record(ONE, now).unwrap();
}

#[test]
fn zero_switches_a_limit_off() {
    let off = AddressOptions { max_connections: 0, handshakes_per_second: 0, new_records_per_second: 0 };
    let (addresses, now) = (addresses(off), Instant::now());
    for _ in 0..1000 {
        assert!(addresses.enter(ONE).unwrap().is_none());
        addresses.handshake(ONE, now).unwrap();
        addresses.new_record(ONE, now).unwrap();
    }
    assert_eq!(addresses.lock().used.len(), 0);
}

#[test]
fn no_more_addresses_than_that_are_remembered() {
    let (addresses, now) = (addresses(options()), Instant::now());
    for number in 0..2 * u32::try_from(REMEMBERED).unwrap() {
        let address = IpAddr::V6(Ipv6Addr::from_bits(u128::from(number) << 64));
        addresses.handshake(Some(address), now).unwrap();
    }
    let state = addresses.lock();
    assert!(state.used.len() + state.older.len() <= REMEMBERED, "{} {}", state.used.len(), state.older.len());
}

#[test]
fn an_address_that_comes_again_and_again_is_not_forgotten() {
    let (addresses, now) = (addresses(options()), Instant::now());
    for _ in 0..SAVED_HANDSHAKES {
        addresses.handshake(ONE, now).unwrap();
    }
    for number in 0..2 * u32::try_from(REMEMBERED).unwrap() {
        let address = IpAddr::V6(Ipv6Addr::from_bits(u128::from(number) << 64));
        addresses.handshake(Some(address), now).unwrap();
        if number % 1000 == 0 {
            assert!(addresses.handshake(ONE, now).is_err(), "{number}");
        }
    }
}

#[test]
fn a_peer_without_limits_takes_no_lock() {
    let (addresses, now) = (addresses(options()), Instant::now());
    // A second holder would wait forever.
    let held = addresses.lock();
    assert!(addresses.enter(None).unwrap().is_none());
    addresses.handshake(None, now).unwrap();
    addresses.new_record(None, now).unwrap().give_back();
    drop(held);
}
