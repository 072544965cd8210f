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
        member.failed(now, 0.5, || "refused".to_owned());
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
    member.succeeded();
    assert!(member.is_out(later), "what clients get says nothing about probes");
    assert!(member.answers(later));
    assert!(!member.answers(later), "it is told once");
    assert_eq!((member.is_out(later), member.state(later).out), (false, None));
}

#[test]
fn clients_and_probes_find_faults_each_for_themselves() {
    let (member, now) = (member(), Instant::now());
    fails(&member, now);
    assert_eq!(member.state(now).out.unwrap().why, "refused");
    assert!(!member.answers(now));
    assert!(member.is_out(now), "a probe says nothing about what clients want");
    member.misses(1, now, "503");
    assert_eq!(member.state(now).out.unwrap().why, "refused", "it was out already");
    member.succeeded();
    assert!(member.is_out(now));
    member.is_not_probed();
    assert_eq!((member.is_out(now), member.state(now).out), (false, None));
    fails(&member, now);
    let later = now + Duration::from_secs(13);
    assert_eq!((member.is_out(later), member.state(later).out), (false, None), "a fault of clients passes");
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
