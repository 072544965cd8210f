//! Sessions whose ground has changed.

use super::*;

#[tokio::test]
async fn a_session_stays_as_long_as_what_it_stands_on_whichever_comes_first() {
    let (stays, goes) = (Standing::of_place("stays"), Standing::of_place("goes"));
    let standing = |session, standing| {
        let identity = Identity { standing: Some(standing), ..(*identity(session)).clone() };
        (SessionId(session), Arc::new(identity), Arc::new(Outbox::new(Serializer::Json, PLENTY)))
    };
    let realm = start(options());
    let mut clients = Vec::new();
    for (session, ground) in [(1, stays), (2, goes), (3, stays), (4, goes)] {
        if session == 3 {
            let mut standings = Standings::default();
            standings.extend([stays]);
            // The owner has not had a turn yet: the first two may come before the change or with it.
            let ended = realm.reconfigure(&options(), Arc::new(standings));
            assert_eq!(ended.await.unwrap(), 1);
        }
        let (session, identity, outbox) = standing(session, ground);
        let client = crate::realm::Client::default();
        let attached = realm.attach(session, identity, Arc::clone(&outbox), client).await.unwrap();
        clients.push((attached, outbox));
    }
    for ((_, outbox), is_ended) in clients.iter().zip([false, true, false, true]) {
        let mut said = Vec::new();
        let taking = outbox.take(&mut said, PLENTY);
        if is_ended {
            soon(taking).await;
            assert!(String::from_utf8_lossy(&said[0]).contains("wamp.close.killed"), "{said:?}");
        } else {
            let taken = tokio::time::timeout(Duration::from_millis(50), taking).await;
            assert!(taken.is_err(), "{taken:?} for a session that stays");
        }
    }
}

#[tokio::test]
async fn a_session_whose_role_got_its_first_authorizer_while_it_joined_comes_back_to_it() {
    let role = |authorizer| RoleOptions {
        name: crate::identity::Name::known("user"),
        permissions: Vec::new(),
        authorizer,
    };
    let listed = |authorizer| RealmOptions { roles: Roles::Listed(vec![role(authorizer)]), ..options() };
    let realm = start(listed(None));
    let file = crate::policy::PolicyFile::new("authorizer.wasm");
    let asked = listed(Some(crate::realm::AuthorizerOptions::Component(file)));
    let mut standings = Standings::default();
    let standing = Standing::of_place("stays");
    standings.extend([standing]);
    drop(realm.reconfigure(&asked, Arc::new(standings)));
    let mut outboxes = Vec::new();
    let mut attached = Vec::new();
    for (session, asks) in [(1, false), (2, true)] {
        let outbox = Arc::new(Outbox::new(Serializer::Json, PLENTY));
        let client = crate::realm::Client { asks, ..Default::default() };
        let identity = Arc::new(Identity { standing: Some(standing), ..(*identity(session)).clone() });
        attached.push(realm.attach(SessionId(session), identity, Arc::clone(&outbox), client).await.unwrap());
        outboxes.push(outbox);
    }
    let mut said = Vec::new();
    soon(outboxes[0].take(&mut said, PLENTY)).await;
    assert!(String::from_utf8_lossy(&said[0]).contains("wamp.close.killed"), "{said:?}");
    let listing = soon(realm.list("", 10)).await.unwrap();
    assert_eq!(listing.all, 1, "the one that asks stays");
}
