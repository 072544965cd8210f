use std::collections::HashSet;

use super::*;
use crate::{
    identity::Name,
    realm::{Client, Roles, permissions::Permissions, router::testing::identity},
    wamp::Serializer,
    wire::Outbox,
};

fn member(session: u64, role: &'static str) -> Member {
    let mut identity = identity(session % 7);
    Arc::make_mut(&mut identity).authrole = Name::known(role);
    let role = Permissions::new(&Roles::Open).role(role);
    let outbox = Arc::new(Outbox::new(Serializer::Json, 1024));
    Member { number: session, identity, outbox, role, client: Client::default() }
}

/// What the lists say must be what the sessions say, whatever has come and gone.
fn check(members: &Members) {
    let mut listed = 0;
    for (role, sessions) in &members.by_role {
        assert!(!sessions.is_empty(), "{role} has no session and is not forgotten");
        listed += sessions.len();
        for (place, session) in sessions.iter().enumerate() {
            let placed = &members.placed[session];
            assert_eq!((&*placed.member.identity.authrole, placed.in_role), (&**role, place));
        }
    }
    assert_eq!(listed, members.len());
    let mut listed = 0;
    for (authid, sessions) in &members.by_authid {
        assert!(!sessions.is_empty(), "{authid} has no session and is not forgotten");
        listed += sessions.len();
        for (place, session) in sessions.iter().enumerate() {
            let placed = &members.placed[session];
            assert_eq!((placed.member.identity.authid.public(), placed.in_authid), (&**authid, place));
        }
    }
    assert_eq!(listed, members.len());
}

#[test]
fn lists_follow_what_comes_and_goes() {
    let mut members = Members::default();
    let roles = ["a", "b", "c"];
    for session in 0..100_u64 {
        let role = roles[usize::try_from(session % 3).unwrap()];
        assert!(members.insert(SessionId(session), member(session, role)).is_ok());
        if session % 2 == 1 {
            members.remove(SessionId(session / 3 * 2));
        }
        check(&members);
    }
    let everyone: HashSet<_> = members.sessions().collect();
    assert_eq!(everyone.len(), members.len());
    let with_a: HashSet<_> = members.with_role("a").iter().copied().collect();
    let expected = everyone.iter().filter(|session| session.0 % 3 == 0).copied().collect();
    assert_eq!(with_a, expected);
    assert_eq!(members.with_role("nobody"), []);
    assert_eq!(members.drain().count(), everyone.len());
    check(&members);
}

#[test]
fn an_identifier_that_is_taken_stays_with_its_session() {
    let mut members = Members::default();
    assert!(members.insert(SessionId(1), member(1, "a")).is_ok());
    let refused = members.insert(SessionId(1), member(2, "b")).unwrap_err();
    assert_eq!(refused.number, 2);
    assert_eq!(members.get(SessionId(1)).unwrap().number, 1);
    check(&members);
}
