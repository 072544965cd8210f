use super::*;

const TCP: &str = "ws://10.0.0.1:3000/a";

fn address(text: &str) -> UpstreamAddress {
    UpstreamAddress::parse(text).unwrap()
}

fn member() -> Arc<Member> {
    Members::default().of("web", "app", &[address(TCP)]).into_iter().next().unwrap()
}

fn fails(member: &Member, now: Instant) {
    for _ in 0..FAILURES {
        member.failed(Failure::Connection, now, 0.5, || "refused".to_owned());
    }
}

#[test]
fn an_address_is_out_until_it_answers_a_probe() {
    let (member, now) = (member(), Instant::now());
    let later = now + Duration::from_hours(1);
    assert!(!member.misses(2, now, "503"));
    assert!(!member.answers(now), "one failure is none");
    assert!(!member.misses(2, now, "503"));
    assert!(member.misses(2, now, "504"));
    assert!(!member.misses(2, later, "505"), "it is told once");
    assert!(member.is_out(later));
    assert_eq!(member.state(later).out.unwrap().why, "504");
    assert!(!member.succeeded(now), "its probes put it out");
    assert!(member.is_out(later), "what clients get says nothing about probes");
    assert!(member.answers(later));
    assert!(!member.answers(later), "it is told once");
    assert_eq!((member.is_out(later), member.state(later).out), (false, None));
}

#[test]
fn clients_and_probes_find_faults_each_for_themselves() {
    let (member, now) = (member(), Instant::now());
    let probed = member.probed();
    fails(&member, now);
    assert_eq!(member.state(now).out.unwrap().why, "refused");
    assert!(!member.answers(now));
    assert!(member.is_out(now), "a probe says nothing about what clients want");
    member.misses(1, now, "503");
    assert_eq!(member.state(now).out.unwrap().why, "refused", "it was out already");
    assert!(!member.succeeded(now), "its probes miss it");
    assert!(member.is_out(now));
    let still = member.probed();
    drop(probed);
    assert!(member.is_out(now), "another configuration asks it as well");
    drop(still);
    assert_eq!((member.is_out(now), member.state(now).out), (false, None), "nothing asks it any more");
    fails(&member, now);
    let later = now + Duration::from_secs(13);
    assert_eq!((member.is_out(later), member.state(later).out), (false, None), "a fault of clients passes");
}

#[test]
fn one_client_alone_puts_no_address_out_and_none_puts_one_out_that_answers() {
    let (member, now, second) = (member(), Instant::now(), Duration::from_secs(1));
    let fails = |origin: u64, seconds: u32| {
        member.failed(Failure::Request(Some(origin)), now + seconds * second, 0.5, || "silent".to_owned())
    };
    for seconds in 0..60 {
        assert!(!fails(1, seconds), "one client");
        assert!(!fails(2, seconds), "two clients");
    }
    let begin = 100;
    for client in 0..9 {
        assert!(!member.succeeded(now + begin * second), "it was not out");
        assert!(!fails(client, begin), "it answers others");
        assert!(!fails(client, begin + 9), "it has answered lately");
    }
    // It hangs: clients of three addresses find that out.
    assert!(!fails(1, begin + 10) && !fails(1, begin + 11) && !fails(2, begin + 11));
    assert!(!member.is_out(now + (begin + 11) * second));
    assert!(fails(3, begin + 12));
    assert!(!fails(4, begin + 12) && !fails(5, begin + 12) && !fails(6, begin + 12), "it is told once");
    assert!(member.is_out(now + (begin + 21) * second));
    assert!(!member.is_out(now + (begin + 23) * second));
    assert!(member.health().origins.len() <= FAILURES);
}

#[test]
fn addresses_have_names_of_their_own() {
    let members = Members::default();
    let texts = [TCP, "ws://10.0.0.1:3000/b", "unix:/run/app.sock:/x"];
    let names = || {
        let found = members.of("web", "app", &texts.map(address));
        let names: Vec<_> = found.iter().map(|member| member.state(Instant::now()).name).collect();
        (names, found)
    };
    let (first, _found) = names();
    assert_eq!(first, ["ws://10.0.0.1:3000", "ws://10.0.0.1:3000/b", "unix:/run/app.sock"]);
    assert_eq!(names().0, first, "the same after a reload");
}

#[test]
fn addresses_that_differ_only_in_their_paths_have_names_of_their_own() {
    for texts in [
        &["ws://h:1/a", "ws://h:1", "ws://h:1/b"][..],
        &["ws://h:1", "ws://h:1/a"],
        &["unix:/s:/x", "unix:/s", "unix:/s:/y"],
    ] {
        let addresses: Vec<_> = texts.iter().map(|text| address(text)).collect();
        let members = Members::default().of("web", "app", &addresses);
        let mut names: Vec<_> = members.iter().map(|member| member.name.clone()).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), texts.len(), "{names:?}");
    }
}
