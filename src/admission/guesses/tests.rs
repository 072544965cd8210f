use super::*;

const FREE: u32 = 10;

fn tcp(address: &str) -> PeerAddr {
    PeerAddr::Tcp(format!("{address}:4711").parse().unwrap())
}

/// A peer at an address that has no other.
fn peer(number: u32) -> PeerAddr {
    let [_, a, b, c] = number.to_be_bytes();
    tcp(&format!("10.{a}.{b}.{c}"))
}

/// How many wrong secrets a peer can try for a principal in a time if it never rests.
fn guessed(guesses: &Guesses, peer: PeerAddr, claimed: &str, time: std::ops::Range<u64>) -> usize {
    let guess = guesses.guess(peer, claimed, FREE).unwrap();
    let mut looked_at = 0;
    for second in time {
        for _ in 0..20 {
            let now = guesses.begun + Duration::from_secs(second);
            looked_at += usize::from(guesses.attempt(&guess, now).is_ok());
        }
    }
    looked_at
}

#[test]
fn waits_double_with_each_failure_and_a_day_sees_a_hundred_guesses() {
    let guesses = Guesses::default();
    let guess = guesses.guess(peer(1), "joe", FREE).unwrap();
    for _ in 0..FREE {
        assert_eq!(guesses.attempt(&guess, guesses.begun), Ok(()));
    }
    let mut now = guesses.begun;
    for seconds in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
        assert_eq!(guesses.attempt(&guess, now), Err(Duration::from_secs(seconds)));
        assert_eq!(guesses.wait(&guess, now), Some(Duration::from_secs(seconds)));
        now += Duration::from_secs(seconds);
        assert_eq!(guesses.wait(&guess, now), None);
        assert_eq!(guesses.attempt(&guess, now), Ok(()));
    }
    let day = guessed(&Guesses::default(), peer(1), "joe", 0..24 * 3600);
    assert!((100..130).contains(&day), "{day}");
}

#[test]
fn an_attempt_that_was_not_judged_counts_neither_as_wrong_nor_as_right() {
    let guesses = Guesses::default();
    let guess = guesses.guess(peer(1), "joe", FREE).unwrap();
    for _ in 0..1000 {
        assert_eq!(guesses.attempt(&guess, guesses.begun), Ok(()));
        guesses.withdraw(&guess);
    }
    // Wrong ones between them count as ever.
    for _ in 0..FREE {
        assert_eq!(guesses.attempt(&guess, guesses.begun), Ok(()));
        guesses.fail(&guess);
    }
    assert_eq!(guesses.wait(&guess, guesses.begun), Some(Duration::from_secs(1)));
    let later = guesses.begun + Duration::from_secs(1);
    assert_eq!(guesses.attempt(&guess, later), Ok(()));
    guesses.withdraw(&guess);
    assert_eq!(
        guesses.wait(&guess, later),
        Some(Duration::from_secs(1)),
        "it ends no count, and no wait grows"
    );
}

#[test]
fn the_right_secret_ends_the_count_and_others_wait_for_themselves() {
    let guesses = Guesses::default();
    assert_eq!(guessed(&guesses, peer(1), "joe", 0..1), 10);
    assert_eq!(guessed(&guesses, peer(2), "joe", 0..1), 10, "another address");
    assert_eq!(guessed(&guesses, peer(1), "ann", 0..1), 10, "another principal");
    let guess = guesses.guess(peer(1), "joe", FREE).unwrap();
    let later = guesses.begun + Duration::from_secs(1);
    guesses.attempt(&guess, later).unwrap();
    guesses.settle(&guess, later);
    assert_eq!(guessed(&guesses, peer(1), "joe", 1..2), 10);
}

#[test]
fn right_secrets_do_not_count() {
    let guesses = Guesses::default();
    let guess = guesses.guess(peer(1), "joe", FREE).unwrap();
    for _ in 0..10_000 {
        guesses.attempt(&guess, guesses.begun).unwrap();
        guesses.settle(&guess, guesses.begun);
    }
}

#[test]
fn one_address_cannot_try_all_names() {
    let guesses = Guesses::default();
    let tried = |second: std::ops::Range<u64>| {
        let names = (0..1000).map(|name| guessed(&guesses, peer(1), &format!("user{name}"), second.clone()));
        names.sum::<usize>()
    };
    assert_eq!(tried(0..1), 100);
    assert_eq!(tried(60..61), 10, "one each six seconds");
    assert_eq!(guessed(&guesses, peer(2), "user1", 60..61), 10, "another address is free");
}

#[test]
fn many_addresses_cannot_try_one_name_and_its_owner_comes_from_where_it_came_before() {
    let guesses = Guesses::default();
    let joe = guesses.guess(peer(1_000_000), "joe", FREE).unwrap();
    guesses.attempt(&joe, guesses.begun).unwrap();
    guesses.settle(&joe, guesses.begun);
    let tried = (0..1000).map(|number| guessed(&guesses, peer(number), "joe", 0..1)).sum::<usize>();
    assert_eq!(tried, 100);
    let tried = (1000..2000).map(|number| guessed(&guesses, peer(number), "joe", 600..601)).sum::<usize>();
    assert_eq!(tried, 10, "one each minute");
    let now = guesses.begun + Duration::from_mins(10);
    assert_eq!(guesses.attempt(&joe, now), Ok(()));
    assert_eq!(
        guessed(&guesses, peer(2001), "ann", 600..601),
        10,
        "other principals have nothing to do with it"
    );
}

#[test]
fn a_network_of_ipv6_is_one_address_and_a_proxy_on_this_machine_waits_half_a_minute_at_most() {
    let guesses = Guesses::default();
    assert_eq!(guessed(&guesses, tcp("[2001:db8::1]"), "joe", 0..1), 10);
    assert_eq!(guessed(&guesses, tcp("[2001:db8::2]"), "joe", 0..1), 0);
    assert_eq!(guessed(&guesses, tcp("[2001:db8:0:1::2]"), "joe", 0..1), 10);
    for (here, name) in [(tcp("127.0.0.1"), "a"), (tcp("[::1]"), "b"), (PeerAddr::Unix, "c")] {
        assert_eq!(guessed(&guesses, here, name, 0..1), 10, "{here}");
        let guess = guesses.guess(here, name, FREE).unwrap();
        for minute in 1..200 {
            let now = guesses.begun + Duration::from_mins(minute);
            assert_eq!(guesses.attempt(&guess, now), Ok(()), "{here}, minute {minute}");
            assert!(guesses.attempt(&guess, now).is_err());
        }
    }
    // Another address of this machine is a client like any other.
    assert_eq!(guessed(&guesses, tcp("127.0.0.2"), "joe", 0..1), 10);
}

#[test]
fn what_is_kept_is_bounded_and_a_flood_of_names_does_not_wash_away_who_guesses() {
    let guesses = Guesses::default();
    assert_eq!(guessed(&guesses, peer(1), "joe", 0..1), 10);
    for number in 0..100_000_u32 {
        let guess = guesses.guess(peer(2 + number), &format!("user{number}"), FREE).unwrap();
        let _ = guesses.attempt(&guess, guesses.begun);
    }
    assert_eq!(guesses.counts.lock().unwrap().len(), SETS * WAYS);
    assert_eq!(guessed(&guesses, peer(1), "joe", 0..1), 0);
}

#[test]
fn a_service_may_switch_it_off() {
    assert!(Guesses::default().guess(peer(1), "joe", 0).is_none());
}

#[test]
fn what_is_kept_names_no_client() {
    let guesses = Guesses::default();
    guessed(&guesses, peer(1), "my-secret-as-authid", 0..1);
    assert!(!format!("{guesses:?}").contains("my-secret"));
}

/// Tells the other gateway at once.
#[derive(Debug, Default)]
struct Line {
    told: Mutex<Vec<Attempt>>,
    others: Mutex<Vec<Weak<Guesses>>>,
}

impl SharedAttempts for Line {
    fn tell(&self, attempt: Attempt) {
        self.told.lock().unwrap().push(attempt);
        for other in self.others.lock().unwrap().iter().filter_map(Weak::upgrade) {
            other.hear(&[attempt]);
        }
    }

    fn subscribe(&self, _listener: Weak<dyn HearsAttempts>) {}

    fn is_over(&self) -> bool {
        false
    }
}

/// Two gateways with one store.
fn two() -> ([Arc<Guesses>; 2], [Arc<Line>; 2]) {
    let key = Arc::new(PublicIdKey::random().unwrap());
    let gateways = [Arc::<Guesses>::default(), Arc::default()];
    let lines = [&gateways[1], &gateways[0]]
        .map(|other| Arc::new(Line { others: vec![Arc::downgrade(other)].into(), ..Line::default() }));
    for (gateway, line) in gateways.iter().zip(&lines) {
        let line: Arc<dyn SharedAttempts> = Arc::clone(line) as _;
        gateway.share(&key, &line);
    }
    (gateways, lines)
}

impl Guesses {
    /// Tries a secret; whether the gateway looked at it.
    fn tries(&self, from: PeerAddr, claimed: &str, is_right: bool) -> bool {
        let guess = self.guess(from, claimed, FREE).unwrap();
        // No wait ends meanwhile.
        let now = self.begun;
        let is_looked_at = self.attempt(&guess, now).is_ok();
        match (is_looked_at, is_right) {
            (true, true) => self.settle(&guess, now),
            (true, false) => self.fail(&guess),
            (false, _) => {}
        }
        is_looked_at
    }
}

#[test]
fn gateways_with_one_store_count_together() {
    let ([a, b], _) = two();
    let looked_at = (0..40).filter(|n| [&a, &b][n % 2].tries(peer(1), "joe", false)).count();
    assert_eq!(looked_at, 10);
    assert!(!b.tries(peer(1), "joe", true), "right or wrong");
    assert!(b.tries(peer(2), "joe", true) && b.tries(peer(1), "ann", false));
    // All addresses together, for one principal.
    let looked_at = (10..500).filter(|n| [&a, &b][*n as usize % 2].tries(peer(*n), "joe", false)).count();
    assert_eq!(looked_at, 90);
}

#[test]
fn right_secret_ends_the_count_on_all_gateways_and_costs_no_message_without_one() {
    let ([a, b], [told, _]) = two();
    for _ in 0..100 {
        assert!(a.tries(peer(1), "joe", true));
    }
    assert_eq!(told.told.lock().unwrap().len(), 0);
    for _ in 0..9 {
        assert!(a.tries(peer(1), "joe", false));
    }
    assert!(a.tries(peer(1), "joe", true));
    assert_eq!((0..20).filter(|_| b.tries(peer(1), "joe", false)).count(), 10);
}

#[test]
fn peers_on_a_machine_count_for_that_machine() {
    let ([a, b], [told, _]) = two();
    for _ in 0..10 {
        assert!(a.tries(tcp("127.0.0.1"), "joe", false));
    }
    assert!(!a.tries(tcp("127.0.0.1"), "joe", false) && b.tries(tcp("127.0.0.1"), "joe", false));
    assert_eq!(told.told.lock().unwrap().len(), 0);
}
