use std::time::Duration;

use super::*;
use crate::{
    stream::PeerAddr,
    upstream::{UpstreamAddress, member::Members, rendezvous::Seed},
};

fn addresses(count: usize) -> Vec<UpstreamAddress> {
    (0..count).map(|number| UpstreamAddress::parse(&format!("ws://10.0.0.{number}:3000")).unwrap()).collect()
}

fn choice(choosing: Choosing, count: usize) -> Choice {
    Choice::new(choosing, Members::default().of("web", "app", &addresses(count)))
}

fn by_turns(count: usize) -> Choice {
    choice(Choosing::RoundRobin, count)
}

fn client(number: usize) -> Affinity {
    Affinity::of(Some(&format!("client-{number}")), PeerAddr::Unix)
}

#[test]
fn each_address_has_its_turn() {
    let (choice, now) = (by_turns(3), Instant::now());
    let firsts: Vec<_> = (0..6).map(|_| choice.order(Affinity::NONE, now)[0]).collect();
    assert_eq!(firsts, [0, 1, 2, 0, 1, 2]);
    assert_eq!(choice.order(Affinity::NONE, now), [0, 1, 2], "the others are dialed if the first one fails");
}

#[test]
fn an_address_that_fails_again_and_again_comes_last_for_a_while() {
    let (choice, now) = (by_turns(2), Instant::now());
    let second = Duration::from_secs(1);
    assert!(!choice.failed(0, Failure::Connection, now, 0.5, String::new));
    assert!(
        !choice.failed(0, Failure::Connection, now + 11 * second, 0.5, String::new),
        "the first failure is long ago"
    );
    assert!(!choice.failed(0, Failure::Connection, now + 12 * second, 0.5, String::new));
    assert!(choice.failed(0, Failure::Connection, now + 13 * second, 0.5, String::new));
    assert!(!choice.failed(0, Failure::Connection, now + 14 * second, 0.5, String::new), "it is told once");
    for _ in 0..4 {
        assert_eq!(choice.order(Affinity::NONE, now + 15 * second), [1, 0]);
    }
    let firsts: Vec<_> = (0..2).map(|_| choice.order(Affinity::NONE, now + 24 * second)[0]).collect();
    assert_eq!(firsts.iter().sum::<usize>(), 1, "both again: {firsts:?}");
}

#[test]
fn the_share_of_an_address_that_is_out_is_spread_over_all_others() {
    let (choice, now) = (by_turns(4), Instant::now());
    for _ in 0..3 {
        choice.failed(1, Failure::Connection, now, 0.5, String::new);
    }
    let firsts: Vec<_> = (0..9).map(|_| choice.order(Affinity::NONE, now)[0]).collect();
    for place in [0, 2, 3] {
        assert_eq!(firsts.iter().filter(|first| **first == place).count(), 3, "{firsts:?}");
    }
    assert_eq!(choice.order(Affinity::NONE, now)[3], 1);
    assert!(choice.succeeded(1, now), "it is back");
    assert!(!choice.succeeded(1, now), "it is told once");
}

#[test]
fn an_answer_makes_up_for_failures() {
    let (choice, now) = (by_turns(1), Instant::now());
    for _ in 0..2 {
        assert!(!choice.failed(0, Failure::Connection, now, 0.0, String::new));
    }
    choice.succeeded(0, now);
    for _ in 0..2 {
        assert!(!choice.failed(0, Failure::Connection, now, 0.0, String::new));
    }
    assert!(choice.failed(0, Failure::Connection, now, 0.0, String::new));
    assert_eq!(choice.order(Affinity::NONE, now), [0], "an upstream with one address is dialed all the same");
}

#[test]
fn the_least_busy_address_comes_first_and_the_busiest_last() {
    let (choice, now) = (choice(Choosing::LeastConnections, 3), Instant::now());
    let busy = [choice.enter(0), choice.enter(0), choice.enter(1)];
    assert_eq!(choice.order(Affinity::NONE, now), [2, 1, 0]);
    drop(busy);
    let mut firsts: Vec<_> = (0..3).map(|_| choice.order(Affinity::NONE, now)[0]).collect();
    firsts.sort_unstable();
    assert_eq!(firsts, [0, 1, 2], "those that are as busy as each other have their turns");
    let held: Vec<_> = (0..9).map(|_| choice.enter(choice.order(Affinity::NONE, now)[0])).collect();
    assert!(choice.members.iter().all(|member| member.under_way() == 3), "{:?}", choice.members);
    drop(held);
    for _ in 0..3 {
        choice.failed(1, Failure::Connection, now, 0.5, String::new);
    }
    let _busy = [choice.enter(0), choice.enter(2)];
    assert_eq!(
        choice.order(Affinity::NONE, now)[2],
        1,
        "an address that fails comes last, however idle it is"
    );
}

#[test]
fn what_an_address_serves_is_known_after_a_reload() {
    let (members, now) = (Members::default(), Instant::now());
    let before = Choice::new(Choosing::LeastConnections, members.of("web", "app", &addresses(2)));
    let busy = before.enter(0);
    for _ in 0..3 {
        before.failed(1, Failure::Connection, now, 0.5, String::new);
    }
    let of = |path, count| {
        let choice = Choice::new(Choosing::LeastConnections, members.of("web", path, &addresses(count)));
        (choice.order(Affinity::NONE, now), choice)
    };
    assert_eq!(of("other", 2).0, [0, 1], "another path counts for itself");
    let (order, after) = of("app", 3);
    assert_eq!((order, after.members[0].under_way()), (vec![2, 0, 1], 1));
    drop((before, after));
    let (order, after) = of("app", 2);
    assert_eq!(order, [1, 0], "an address that nothing used was forgotten");
    drop(busy);
    assert_eq!(after.members[0].under_way(), 0);
}

#[test]
fn a_client_comes_to_its_address_and_goes_elsewhere_only_while_that_is_out() {
    let (choice, now) = (choice(Choosing::Sticky, 4), Instant::now());
    let homes: Vec<_> = (0..400).map(|number| choice.order(client(number), now)).collect();
    for place in 0..4 {
        let share = homes.iter().filter(|order| order[0] == place).count();
        assert!((60..140).contains(&share), "address {place} has {share} of 400 clients");
    }
    for _ in 0..3 {
        choice.failed(2, Failure::Connection, now, 0.5, String::new);
    }
    for (number, home) in homes.iter().enumerate() {
        let expected = *home.iter().find(|place| **place != 2).unwrap();
        assert_eq!(choice.order(client(number), now)[0], expected);
    }
    choice.succeeded(2, now);
    for (number, home) in homes.iter().enumerate() {
        assert_eq!(&choice.order(client(number), now), home, "it comes back");
    }
}

#[test]
fn an_address_that_is_added_takes_its_share_and_moves_no_other_client() {
    let (before, after, now) = (choice(Choosing::Sticky, 4), choice(Choosing::Sticky, 5), Instant::now());
    let homes =
        (0..500).map(|number| (before.order(client(number), now)[0], after.order(client(number), now)[0]));
    let moved: Vec<_> = homes.filter(|(before, after)| before != after).collect();
    assert!(moved.iter().all(|(_, after)| *after == 4), "{moved:?}");
    assert!((60..140).contains(&moved.len()), "{} of 500 clients have moved", moved.len());
}

#[test]
fn an_order_of_addresses_or_another_gateway_changes_nothing() {
    let mut turned = addresses(4);
    turned.reverse();
    let turned = Choice::new(Choosing::Sticky, Members::default().of("other", "path", &turned));
    let (choice, now) = (choice(Choosing::Sticky, 4), Instant::now());
    for number in 0..100 {
        assert_eq!(choice.order(client(number), now)[0], 3 - turned.order(client(number), now)[0]);
    }
    // Versions of the gateway that run beside each other must find the same addresses.
    let firsts: Vec<_> = (0..12).map(|number| choice.order(client(number), now)[0]).collect();
    assert_eq!(firsts, [3, 2, 3, 0, 1, 2, 0, 0, 1, 1, 1, 2]);
}

#[test]
fn a_client_without_a_cookie_belongs_to_where_it_comes_from() {
    let at = |address: &str| Affinity::of(None, PeerAddr::Tcp(address.parse().unwrap()));
    assert_eq!(at("192.0.2.1:1"), at("192.0.2.1:2"));
    assert_eq!(at("192.0.2.1:1"), at("[::ffff:192.0.2.1]:1"));
    assert_ne!(at("192.0.2.1:1"), at("192.0.2.2:1"));
    assert_eq!(at("[2001:db8::1]:1"), at("[2001:db8::2]:1"), "hosts change their own half");
    assert_ne!(at("[2001:db8::1]:1"), at("[2001:db8:0:1::1]:1"));
    let seed = Seed::of(&addresses(1)[0]);
    let id = |id, address: &str| Affinity::of(Some(id), PeerAddr::Tcp(address.parse().unwrap()));
    assert_eq!(id("a", "192.0.2.1:1").score(seed), id("a", "192.0.2.2:1").score(seed));
    assert_ne!(id("a", "192.0.2.1:1"), id("b", "192.0.2.1:1"));
    assert_eq!(Affinity::of(None, PeerAddr::Unix), Affinity::NONE);
    let (choice, now) = (choice(Choosing::Sticky, 2), Instant::now());
    let firsts: Vec<_> = (0..4).map(|_| choice.order(Affinity::NONE, now)[0]).collect();
    assert_eq!(firsts, [0, 1, 0, 1], "by turns");
}
