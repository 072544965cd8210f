//! The commands on a store in memory, and the shape of the protocol.

use super::*;
use crate::{
    cookie::{MaxAge, TrackingId},
    store::{
        Authentication, CookieRecord, MemoryStore, StoreError,
        testing::{logged_in, login},
    },
    time::Timestamp,
    tracking::scripted::{ScriptedStore, StoreCall},
};

const NOW: Timestamp = Timestamp::from_millis(1_795_342_473_139);

fn id(number: usize) -> TrackingId {
    TrackingId::parse(&format!("secret-{number:06}")).unwrap()
}

fn store(plain: usize, joes: usize) -> ManagedStore {
    let opened = OpenedStore::local(Arc::new(MemoryStore::new(100_000)));
    for number in 0..plain + joes {
        let joe = Authentication { authextra: r#"{"n": 1.50}"#.into(), ..login("joe", NOW) };
        let record = CookieRecord::new(NOW, MaxAge::DEFAULT);
        let record = if number < plain { record } else { logged_in(record, joe) };
        opened.store.create(&id(number), record).wait().unwrap();
    }
    let options = StoreOptions::Memory { max_cookies: 100_000, max_per_principal: 0 };
    ManagedStore::new("test".into(), &options, &opened, Arc::new(PublicIdKey::random().unwrap()))
}

fn run(store: &ManagedStore, reveal: bool, command: Command) -> (Result<Summary, Failure>, Vec<String>) {
    let request = AdminRequest { v: VERSION, store: store.name.clone(), reveal, command };
    let mut replies = Vec::new();
    let outcome = perform(store, &request, &mut std::iter::empty(), NOW, &mut |reply| {
        replies.push(serde_json::to_string(&reply).unwrap());
        Ok(())
    });
    (outcome, replies)
}

#[test]
fn records_come_without_their_ids_unless_asked_for() {
    let store = store(1, 1);
    for command in
        [Command::List { authid: None, limit: None }, Command::Show(IdArgument(id(0).expose().into()))]
    {
        let (_, replies) = run(&store, false, command.clone());
        assert!(!replies.is_empty() && !replies.concat().contains("secret"), "{replies:?}");
        let (_, replies) = run(&store, true, command);
        assert!(replies.concat().contains("secret"), "{replies:?}");
    }
}

#[test]
fn a_record_is_found_by_either_of_its_ids_and_no_visit_is_noted() {
    let store = store(3, 0);
    let public_id = store.clients.key.public_id(&id(1)).to_string();
    for argument in [id(1).expose().to_owned(), public_id.clone()] {
        let (outcome, replies) = run(&store, false, Command::Show(IdArgument(argument)));
        assert_eq!(outcome.unwrap(), Summary::Listed { records: 1 });
        assert!(replies[0].contains(&public_id), "{replies:?}");
    }
    let (outcome, _) = run(&store, false, Command::Show(IdArgument("secret-9".into())));
    assert!(matches!(outcome, Err(Failure::NoSuchCookie)));
}

#[test]
fn revoking_by_authid_leaves_the_others_and_ends_connections() {
    let store = store(2, 2);
    let entered = [0, 2, 3, 3].map(|number| store.clients.connections.enter(&id(number)));
    let (outcome, _) = run(&store, false, Command::Revoke(Selection::Authid("joe".into())));
    assert_eq!(outcome.unwrap(), Summary::Revoked { records: 2, connections: 3 });
    let left = (0..4).filter(|n| store.clients.store.look_up(&id(*n), NOW).wait().unwrap().is_some());
    assert_eq!(left.collect::<Vec<_>>(), [0, 1]);
    drop(entered);
}

#[test]
fn revoking_all_of_many_reports_how_far_it_is() {
    let store = store(1100, 0);
    let (outcome, replies) = run(&store, false, Command::Revoke(Selection::All));
    assert_eq!(outcome.unwrap(), Summary::Revoked { records: 1100, connections: 0 });
    let expected = [512, 1024, 1100].map(|done| format!(r#"{{"progress":{{"done":{done},"total":1100}}}}"#));
    assert_eq!(replies, expected);
}

#[test]
fn a_command_ends_when_nobody_takes_its_replies() {
    let store = store(1100, 0);
    let request = AdminRequest {
        v: VERSION,
        store: "test".into(),
        reveal: false,
        command: Command::Revoke(Selection::All),
    };
    let outcome = perform(&store, &request, &mut std::iter::empty(), NOW, &mut |_| {
        Err(std::io::ErrorKind::BrokenPipe.into())
    });
    assert!(matches!(outcome, Err(Failure::Gone(_))));
}

#[test]
fn imports_keep_what_is_there_and_leave_out_what_does_not_fit() {
    let store = store(1, 0);
    let fresh = CookieRecord::new(NOW, MaxAge::DEFAULT);
    let old = CookieRecord::new(Timestamp::from_millis(0), MaxAge::DEFAULT);
    let huge = logged_in(fresh.clone(), login(&"a".repeat(70_000), NOW));
    let records = [(id(0), fresh.clone()), (id(1), fresh), (id(2), old), (id(3), huge)];
    let mut records = records.into_iter().map(Ok);
    let command = Command::Import { total: 4 };
    let request = AdminRequest { v: VERSION, store: "test".into(), reveal: false, command };
    let outcome = perform(&store, &request, &mut records, NOW, &mut |_| Ok(())).unwrap();
    assert_eq!(outcome, Summary::Imported { added: 1, existing: 1, expired: 1, unfit: 1 });
}

#[test]
fn only_a_file_is_compacted() {
    let (outcome, _) = run(&store(0, 0), false, Command::Compact);
    assert!(matches!(outcome, Err(Failure::NotCompactable)));
}

#[test]
fn an_entry_becomes_its_record_again() {
    let store = store(1, 1);
    for number in [0, 1] {
        let record = store.clients.store.look_up(&id(number), NOW).wait().unwrap().unwrap();
        let text = serde_json::to_string(&CookieEntry::new(&store, &id(number), &record, 0, true)).unwrap();
        let entry: CookieEntry = serde_json::from_str(&text).unwrap();
        assert_eq!(entry.into_record(), Some((id(number), record)));
    }
}

#[test]
fn requests_are_written_as_documented() {
    let command = Command::Revoke(Selection::Authid("joe".into()));
    let request = AdminRequest { v: 1, store: "/srv/node/cookies.dat".into(), reveal: false, command };
    let text =
        r#"{"v":1,"store":"/srv/node/cookies.dat","reveal":false,"command":{"revoke":{"authid":"joe"}}}"#;
    assert_eq!(serde_json::to_string(&request).unwrap(), text);
    assert_eq!(serde_json::from_str::<AdminRequest>(text).unwrap(), request);
}

#[test]
fn debug_shows_no_id() {
    let command = Command::Revoke(Selection::Id(IdArgument("secretsecret".into())));
    assert!(!format!("{command:?}").contains("secret"));
}

#[test]
fn a_store_elsewhere_is_not_waited_for_once_for_each_record() {
    let elsewhere = ScriptedStore::hanging();
    let opened = OpenedStore::local(Arc::clone(&elsewhere) as _);
    let options = StoreOptions::Memory { max_cookies: 1000, max_per_principal: 0 };
    let store = ManagedStore::new("test".into(), &options, &opened, Arc::new(PublicIdKey::random().unwrap()));
    for number in 0..100 {
        let record = logged_in(CookieRecord::new(NOW, MaxAge::DEFAULT), login("joe", NOW));
        opened.store.create(&id(number), record).wait().unwrap();
    }
    std::thread::scope(|scope| {
        let counting = scope
            .spawn(|| run(&store, false, Command::CountRevoked(Selection::Authid("joe".into()))).0.unwrap());
        let mut rounds = 0;
        while !counting.is_finished() {
            std::thread::sleep(std::time::Duration::from_millis(2));
            rounds += usize::from(elsewhere.answer_waiting() > 0);
        }
        assert_eq!(counting.join().unwrap(), Summary::Revocable { records: 100, connections: 0 });
        assert!(rounds < 50, "waited {rounds} times for the records of 100 IDs");
    });
}

#[test]
fn a_revocation_that_the_store_breaks_off_says_how_far_it_has_come() {
    let mut revoked = 0;
    let failing = ScriptedStore::new(move |_, call| {
        revoked += usize::from(matches!(call, StoreCall::Revoke));
        if revoked > 600 { Err(StoreError::Io("the disk is gone".into())) } else { Ok(()) }
    });
    let opened = OpenedStore::local(Arc::clone(&failing) as _);
    let options = StoreOptions::Memory { max_cookies: 1000, max_per_principal: 0 };
    let store = ManagedStore::new("test".into(), &options, &opened, Arc::new(PublicIdKey::random().unwrap()));
    for number in 0..700 {
        let record = CookieRecord::new(NOW, MaxAge::DEFAULT);
        opened.store.create(&id(number), record).wait().unwrap();
    }
    let (outcome, replies) = run(&store, false, Command::Revoke(Selection::All));
    let told = outcome.unwrap_err().to_string();
    assert!(told.contains("the disk is gone. 512 of 700 cookies were revoked before"), "{told}");
    assert!(told.contains("0 connections closed on this gateway: revoke again"), "{told}");
    assert_eq!(replies.len(), 1, "how far it was after each batch: {replies:?}");
}
