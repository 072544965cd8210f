//! Sessions that are killed, and what becomes of their logins.

use super::*;

/// A realm in which every session may kill, and whose orders to log clients out go to `logouts`.
fn killing_realm(logouts: Logouts) -> Realm {
    let rule = Permission { matching: UriMatch::Prefix, ..rule("wamp.session.") };
    let roles = Roles::Listed(vec![RoleOptions {
        name: crate::identity::Name::known("user"),
        permissions: vec![rule],
        authorizer: None,
    }]);
    Realm::start(RealmOptions { roles, ..options() }, Some(logouts), &RealmMetrics::default())
}

fn kill(authid: &str, reason: &str) -> ClientMessage {
    let (args, kwargs) = (format!("[\"{authid}\"]"), format!("{{\"reason\":\"{reason}\"}}"));
    ClientMessage::Call {
        request: 1,
        options: CallOptions::default(),
        procedure: uri("wamp.session.kill_by_authid"),
        payload: Payload {
            serializer: Serializer::Json,
            args: Some(args.into()),
            kwargs: Some(kwargs.into()),
        },
    }
}

#[tokio::test]
async fn a_logout_names_the_sessions_and_the_principal_and_spares_the_caller() {
    let orders = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&orders);
    let realm = killing_realm(Logouts::to(move |order| {
        kept.lock().unwrap().push(order);
        Ok(())
    }));
    let (alice, bob) = (Client::join(&realm, 1, PLENTY).await, Client::join(&realm, 2, PLENTY).await);
    alice.send(kill("public2", "wamp.close.killed")).await;
    alice.receive(1).await;
    assert_eq!(closing(&bob.outbox).await, Closing::After(CloseCode::Normal));
    assert_eq!(*orders.lock().unwrap(), [], "another reason leaves the cookies");

    let bob = Client::join(&realm, 2, PLENTY).await;
    alice.send(kill("public2", "wamp.close.logout")).await;
    alice.receive(1).await;
    assert_eq!(closing(&bob.outbox).await, Closing::After(CloseCode::Normal));
    let expected = Logout {
        sessions: vec![SessionId(2)],
        principal: Some((uri("realm1"), "public2".to_owned())),
        spared: Some(SessionId(1)),
    };
    assert_eq!(*orders.lock().unwrap(), [expected]);
}

#[tokio::test]
async fn a_logout_that_cannot_be_ordered_is_refused_and_ends_no_session() {
    let realm = killing_realm(Logouts::to(|_| Err(TooManyLogouts)));
    let (alice, bob) = (Client::join(&realm, 1, PLENTY).await, Client::join(&realm, 2, PLENTY).await);
    alice.send(kill("public2", "wamp.close.logout")).await;
    let mut frames = Vec::new();
    soon(alice.outbox.take(&mut frames, PLENTY)).await;
    let answer: serde_json::Value = serde_json::from_slice(&frames[0]).unwrap();
    assert_eq!((&answer[0], &answer[4]), (&8.into(), &"wamp.error.unavailable".into()), "{answer}");
    bob.send(kill("public3", "wamp.close.killed")).await;
    bob.receive(1).await;
    assert_eq!(realm.sessions(), 2);
}
