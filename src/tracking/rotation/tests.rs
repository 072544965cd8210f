use std::sync::{
    Arc, Mutex, OnceLock, Weak,
    atomic::{AtomicBool, Ordering},
};

use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderValue, header::COOKIE};

use super::*;
use crate::{
    cookie::{CookieOptions, MaxAge, PublicIdKey},
    store::{CookieStore, MemoryStore, OpenedStore, Reach, block_on, testing::login},
    tracking::{
        Clients, LoginOptions,
        scripted::{self, ScriptedStore},
    },
    wamp::SessionId,
};

/// A moment in seconds.
const fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000).plus_seconds(seconds)
}

fn tracker() -> Tracker {
    scripted::tracker(&Arc::new(MemoryStore::new(1000))).with_logins(Some(LoginOptions::default()))
}

/// Comes with an ID, or with none.
async fn visit(tracker: &Tracker, id: Option<&TrackingId>, now: Timestamp) -> Tracked {
    let mut headers = HeaderMap::new();
    if let Some(id) = id {
        headers.insert(COOKIE, HeaderValue::try_from(format!("cbtid={}", id.expose())).unwrap());
    }
    let tracked = tracker.admit(&headers, false, now).await.unwrap();
    let is_told = tracked.set_cookie.is_some();
    assert_eq!(is_told, id != Some(&tracked.id), "a client is told its ID exactly if it has another one");
    tracked
}

/// A session on a connection, of a principal that has logged in to it, or of none.
fn joins(tracker: &Tracker, tracked: &Tracked, authid: Option<&str>) {
    tracked.presence.has_session(SessionId(1), authid.map(|authid| tracker.mark("realm1", authid)));
}

async fn log_in(tracker: &Tracker, tracked: &Tracked, authid: &str, now: Timestamp) {
    joins(tracker, tracked, Some(authid));
    tracker.remember(tracked, login(authid, now), now).await.unwrap();
}

/// The authid that stands on a client's record.
fn name(tracked: &Tracked) -> Option<&str> {
    tracked.record.authentication.as_ref().map(|authentication| authentication.authid.as_str())
}

fn is_known(tracker: &Tracker, id: &TrackingId, now: Timestamp) -> bool {
    tracker.clients.store.look_up(id, now).wait().unwrap().is_some()
}

fn is_told_to_end(tracked: &Tracked) -> Option<Parting> {
    tracked.presence.closed().wait().now_or_never()
}

#[tokio::test]
async fn after_a_login_the_next_handshake_gets_another_id() {
    let tracker = tracker();
    let first = visit(&tracker, None, at(0)).await;
    log_in(&tracker, &first, "joe", at(1)).await;
    let second = visit(&tracker, Some(&first.id), at(2)).await;
    assert_ne!(second.id, first.id);
    assert_eq!((name(&second), second.is_new), (Some("joe"), false));
    assert_eq!(second.record.authentication.as_ref().unwrap().at, at(1), "rotating renews no authentication");
    assert_eq!(second.connections, 2, "the one of the old ID is the client's as well");
    assert_eq!(second.public_id, first.public_id, "others know it by the same name");
    let third = visit(&tracker, Some(&second.id), at(100)).await;
    assert_eq!((&third.id, name(&third)), (&second.id, Some("joe")), "once for each login");
    log_in(&tracker, &third, "joe", at(101)).await;
    let fourth = visit(&tracker, Some(&second.id), at(102)).await;
    assert_eq!((fourth.id != second.id, name(&fourth)), (true, Some("joe")));
    assert_eq!(fourth.public_id, first.public_id);
}

#[tokio::test]
async fn store_that_answers_later_serves_the_same() {
    let tracker = scripted::tracker(&ScriptedStore::remote()).with_logins(Some(LoginOptions::default()));
    let first = visit(&tracker, None, at(0)).await;
    log_in(&tracker, &first, "joe", at(1)).await;
    assert!(tracker.authentication(&first, at(1)).await.unwrap().is_some());
    let second = visit(&tracker, Some(&first.id), at(2)).await;
    let tab = visit(&tracker, Some(&first.id), at(3)).await;
    assert_eq!((&tab.id, name(&second), name(&tab)), (&second.id, Some("joe"), Some("joe")));
    tracker.log_out(&second, at(4)).await.unwrap();
    for tracked in [&first, &second, &tab] {
        assert_eq!(is_told_to_end(tracked), Some(Parting::LoggedOut));
        assert!(visit(&tracker, Some(&tracked.id), at(5)).await.is_new);
    }
}

#[tokio::test]
async fn logout_reaches_the_connections_of_every_gateway_that_has_the_store() {
    // Two gateways, as a store that both have would bring them together: its records, and its revocations.
    let opened = OpenedStore::local(Arc::new(MemoryStore::new(1000)));
    let key = Arc::new(PublicIdKey::random().unwrap());
    let gateway = || {
        let clients = Clients::new(&opened, Arc::clone(&key));
        Tracker::new(CookieOptions::default(), clients).with_logins(Some(LoginOptions::default()))
    };
    let (one, other) = (gateway(), gateway());
    let first = visit(&one, None, at(0)).await;
    log_in(&one, &first, "joe", at(1)).await;
    let second = visit(&other, Some(&first.id), at(2)).await;
    let bystander = visit(&other, None, at(2)).await;
    assert_eq!((name(&second), &second.public_id), (Some("joe"), &first.public_id));
    one.log_out(&first, at(3)).await.unwrap();
    for tracked in [&first, &second] {
        assert_eq!(is_told_to_end(tracked), Some(Parting::LoggedOut));
        assert!(visit(&other, Some(&tracked.id), at(4)).await.is_new);
    }
    assert_eq!(is_told_to_end(&bystander), None);
}

#[tokio::test]
async fn a_new_id_makes_no_client_seen_that_was_away() {
    let tracker = tracker();
    let first = visit(&tracker, None, at(0)).await;
    log_in(&tracker, &first, "joe", at(1)).await;
    let presented = first.id.clone();
    drop(first);
    let second = visit(&tracker, Some(&presented), at(200)).await;
    assert_eq!((second.record.last_seen, second.connections), (at(1), 1));
}

#[tokio::test]
async fn replaced_id_works_for_parallel_tabs_and_no_longer() {
    let tracker = tracker();
    let first = visit(&tracker, None, at(0)).await;
    log_in(&tracker, &first, "joe", at(0)).await;
    let tab = visit(&tracker, Some(&first.id), at(10)).await;
    tracker.confirm(&tab, at(10)).await.unwrap();
    let other = visit(&tracker, Some(&first.id), at(39)).await;
    assert_eq!((&other.id, name(&other)), (&tab.id, Some("joe")), "the same one");
    tracker.confirm(&other, at(39)).await.unwrap();
    assert!(visit(&tracker, Some(&first.id), at(40)).await.is_new, "the first use counts");
}

#[tokio::test]
async fn a_lost_answer_logs_nobody_out_however_late_its_client_comes_back() {
    for store in [Arc::new(MemoryStore::new(1000)) as Arc<dyn CookieStore>, ScriptedStore::remote()] {
        let key = Arc::new(PublicIdKey::random().unwrap());
        let clients = Clients::new(&OpenedStore::local(store), key);
        let tracker =
            Tracker::new(CookieOptions::default(), clients).with_logins(Some(LoginOptions::default()));
        let first = visit(&tracker, None, at(0)).await;
        log_in(&tracker, &first, "joe", at(0)).await;
        // The client resets each connection before it has read the 101.
        let mut next = None;
        for seconds in [1, 32, 3600, 80_000] {
            let lost = visit(&tracker, Some(&first.id), at(seconds)).await;
            assert_eq!((name(&lost), lost.is_new), (Some("joe"), false), "after {seconds} s");
            assert_eq!(&lost.id, next.get_or_insert_with(|| lost.id.clone()), "always the same one");
        }
        // At last one arrives: the client comes with the new ID, and the time of the old one begins to run out.
        let next = next.unwrap();
        assert_eq!(name(&visit(&tracker, Some(&next), at(80_100)).await), Some("joe"));
        assert_eq!(name(&visit(&tracker, Some(&first.id), at(80_129)).await), Some("joe"));
        assert_eq!(
            name(&visit(&tracker, Some(&next), at(80_129)).await),
            Some("joe"),
            "another use changes nothing"
        );
        let thief = visit(&tracker, Some(&first.id), at(80_130)).await;
        assert_eq!((name(&thief), thief.is_new), (None, true));
        assert!(visit(&tracker, Some(&next), at(80_131)).await.is_new);
    }
}

#[tokio::test]
async fn replay_of_a_replaced_id_revokes_its_whole_line() {
    let tracker = tracker();
    let first = visit(&tracker, None, at(0)).await;
    log_in(&tracker, &first, "joe", at(0)).await;
    let second = visit(&tracker, Some(&first.id), at(1)).await;
    tracker.confirm(&second, at(2)).await.unwrap();
    log_in(&tracker, &second, "joe", at(2)).await;
    let third = visit(&tracker, Some(&second.id), at(3)).await;
    let bystander = visit(&tracker, None, at(3)).await;

    let thief = visit(&tracker, Some(&first.id), at(60)).await;
    assert_eq!((thief.is_new, name(&thief)), (true, None));
    for id in [&first.id, &second.id, &third.id] {
        assert!(!is_known(&tracker, id, at(60)));
    }
    for tracked in [&first, &second, &third] {
        assert_eq!(is_told_to_end(tracked), Some(Parting::Killed));
    }
    assert_eq!((is_told_to_end(&thief), is_told_to_end(&bystander)), (None, None));
    assert!(is_known(&tracker, &bystander.id, at(60)));
    assert!(visit(&tracker, Some(&third.id), at(61)).await.is_new);
}

#[tokio::test]
async fn planted_id_is_never_logged_in_whoever_comes_first() {
    let tracker = tracker();
    let planted = visit(&tracker, None, at(0)).await;
    let victim = visit(&tracker, Some(&planted.id), at(1)).await;
    assert_ne!(victim.id, planted.id);
    let early = visit(&tracker, Some(&planted.id), at(2)).await;
    log_in(&tracker, &victim, "joe", at(3)).await;
    let late = visit(&tracker, Some(&planted.id), at(4)).await;
    for attacker in [&early, &late] {
        assert_eq!(name(attacker), None);
        assert_eq!(name(&visit(&tracker, Some(&attacker.id), at(5)).await), None);
    }
    // Also the attacker's own connection, open since before.
    log_in(&tracker, &planted, "mallory", at(6)).await;
    assert_eq!(name(&visit(&tracker, Some(&victim.id), at(7)).await), Some("joe"));
}

#[tokio::test]
async fn planted_id_of_somebody_who_is_logged_in_is_not_taken_over_either() {
    let tracker = tracker();
    let mallory = visit(&tracker, None, at(0)).await;
    log_in(&tracker, &mallory, "mallory", at(0)).await;
    let planted = visit(&tracker, Some(&mallory.id), at(1)).await;
    let victim = visit(&tracker, Some(&planted.id), at(100)).await;
    assert_eq!((&victim.id, victim.is_exclusive), (&planted.id, false));
    log_in(&tracker, &victim, "joe", at(101)).await;
    let next = visit(&tracker, Some(&planted.id), at(102)).await;
    assert_eq!((name(&next), next.is_exclusive), (None, true), "joe's next connection has an ID of its own");
    log_in(&tracker, &next, "joe", at(103)).await;
    assert_eq!(name(&visit(&tracker, Some(&next.id), at(104)).await), Some("joe"));
    assert_eq!(name(&visit(&tracker, Some(&planted.id), at(105)).await), None);
}

#[tokio::test]
async fn a_planted_id_that_logs_out_ends_no_login_of_another_principal() {
    // The attacker is anonymous, or has an account of its own.
    for (attacker, rotate) in [(None, true), (Some("mallory"), true), (None, false), (Some("mallory"), false)]
    {
        let logins = LoginOptions { rotate, ..LoginOptions::default() };
        let tracker = scripted::tracker(&Arc::new(MemoryStore::new(1000))).with_logins(Some(logins));
        let planted = visit(&tracker, None, at(0)).await;
        joins(&tracker, &planted, attacker);
        let victim = visit(&tracker, Some(&planted.id), at(1)).await;
        log_in(&tracker, &victim, "joe", at(1)).await;
        let tab = visit(&tracker, Some(&victim.id), at(2)).await;
        joins(&tracker, &tab, Some("joe"));
        if let Some(mallory) = attacker {
            log_in(&tracker, &planted, mallory, at(3)).await;
        }
        tracker.log_out(&planted, at(4)).await.unwrap();
        assert_eq!(is_told_to_end(&planted), Some(Parting::LoggedOut));
        for tracked in [&victim, &tab] {
            assert_eq!(is_told_to_end(tracked), None, "{attacker:?}, rotate: {rotate}");
        }
        if rotate {
            let next = visit(&tracker, Some(&tab.id), at(5)).await;
            assert_eq!(name(&next), Some("joe"), "{attacker:?}");
            // The victim's own logout still ends all of its own.
            tracker.log_out(&victim, at(6)).await.unwrap();
            for tracked in [&victim, &tab] {
                assert_eq!(is_told_to_end(tracked), Some(Parting::LoggedOut));
                assert!(visit(&tracker, Some(&tracked.id), at(7)).await.is_new);
            }
        }
    }
}

#[tokio::test]
async fn a_replay_ends_no_session_of_another_principal_that_only_shares_the_cookie() {
    let tracker = tracker();
    let mallory = visit(&tracker, None, at(0)).await;
    log_in(&tracker, &mallory, "mallory", at(0)).await;
    let planted = visit(&tracker, Some(&mallory.id), at(1)).await;
    joins(&tracker, &planted, Some("mallory"));
    let victim = visit(&tracker, Some(&planted.id), at(2)).await;
    joins(&tracker, &victim, Some("joe"));
    assert!(visit(&tracker, Some(&mallory.id), at(60)).await.is_new);
    assert_eq!((is_told_to_end(&planted), is_told_to_end(&victim)), (Some(Parting::Killed), None));
}

#[tokio::test]
async fn anonymous_client_keeps_its_public_name_and_leaves_no_records_behind() {
    let tracker = tracker();
    let first = visit(&tracker, None, at(0)).await;
    let mut last = first.id.clone();
    for seconds in 1..20 {
        let again = visit(&tracker, Some(&last), at(seconds)).await;
        assert_eq!((again.is_new, &again.public_id), (false, &first.public_id));
        last = again.id.clone();
    }
    let mut records = 0;
    tracker.clients.store.scan(at(20), &mut |_, _| records += 1).unwrap();
    assert_eq!(records, 2, "the last one, and the one before it in case its answer was lost");
}

#[tokio::test]
async fn logout_with_any_id_of_a_line_ends_all_of_it() {
    for from in 0..3 {
        let tracker = tracker();
        let first = visit(&tracker, None, at(0)).await;
        log_in(&tracker, &first, "joe", at(0)).await;
        let second = visit(&tracker, Some(&first.id), at(1)).await;
        log_in(&tracker, &second, "joe", at(2)).await;
        let third = visit(&tracker, Some(&second.id), at(3)).await;
        let line = [&first, &second, &third];
        tracker.log_out(line[from], at(4)).await.unwrap();
        for tracked in line {
            assert_eq!(is_told_to_end(tracked), Some(Parting::LoggedOut));
            let again = visit(&tracker, Some(&tracked.id), at(5)).await;
            assert_eq!((again.is_new, name(&again)), (true, None));
        }
        log_in(&tracker, &third, "joe", at(6)).await;
        assert!(!is_known(&tracker, &third.id, at(6)), "no later login brings a revoked record back");
    }
}

/// A tracker, and a cell. Once the tracker is in the cell, something happens at the `n`th call of the store; the flag says
/// whether it has.
fn interrupted(
    n: usize,
    mut what: impl FnMut(&Tracker) + Send + 'static,
) -> (Arc<Tracker>, Arc<OnceLock<Weak<Tracker>>>, Arc<AtomicBool>) {
    let (cell, happened): (Arc<OnceLock<Weak<Tracker>>>, Arc<AtomicBool>) = Default::default();
    let (their_cell, theirs) = (Arc::clone(&cell), Arc::clone(&happened));
    let mut calls = 0;
    let store = ScriptedStore::new(move |_, _| {
        if let Some(tracker) = their_cell.get().and_then(Weak::upgrade) {
            if calls == n {
                what(&tracker);
                theirs.store(true, Ordering::Relaxed);
            }
            calls += 1;
        }
        Ok(())
    });
    let tracker = scripted::tracker(&store).with_logins(Some(LoginOptions::default()));
    (Arc::new(tracker), cell, happened)
}

#[tokio::test]
async fn logout_at_any_moment_of_the_next_handshake_leaves_nobody_logged_in() {
    // Met before the handshake, as by a logout that has looked its IDs up a moment ago; or at that very moment.
    for is_met_before in [true, false] {
        for n in 0.. {
            let line: Arc<Mutex<Vec<TrackingId>>> = Arc::default();
            let theirs = Arc::clone(&line);
            let (tracker, cell, happened) = interrupted(n, move |tracker| {
                let mut ids = theirs.lock().unwrap().clone();
                if !is_met_before {
                    ids = block_on(tracker.clients.lines(&ids[..1], at(2)));
                }
                block_on(tracker.clients.revoke(ids, Parting::LoggedOut, Reach::All, at(2))).unwrap();
            });
            let first = visit(&tracker, None, at(0)).await;
            log_in(&tracker, &first, "joe", at(1)).await;
            *line.lock().unwrap() = tracker.clients.line(&first.id, at(2)).await;
            let ids = line.lock().unwrap().clone();
            assert_eq!((ids.len(), &ids[0]), (2, &first.id), "the next ID is drawn and has no record");
            cell.set(Arc::downgrade(&tracker)).unwrap();

            let second = visit(&tracker, Some(&first.id), at(2)).await;
            if !happened.load(Ordering::Relaxed) {
                assert!(n > 3, "a handshake that replaces an ID makes more than {n} calls");
                break;
            }
            let is_out = name(&second).is_none() || is_told_to_end(&second).is_some();
            assert!(is_out, "logged out at call {n}");
            assert!(ids.iter().all(|id| !is_known(&tracker, id, at(2))), "call {n}");
        }
    }
}

#[tokio::test]
async fn handshake_at_any_moment_of_another_one_is_given_the_same_id() {
    for n in 0.. {
        let (presented, other): (Arc<OnceLock<TrackingId>>, Arc<OnceLock<Tracked>>) = Default::default();
        let (theirs, met) = (Arc::clone(&presented), Arc::clone(&other));
        let (tracker, cell, happened) = interrupted(n, move |tracker| {
            met.set(block_on(visit(tracker, theirs.get(), at(2)))).unwrap();
        });
        let first = visit(&tracker, None, at(0)).await;
        log_in(&tracker, &first, "joe", at(1)).await;
        presented.set(first.id.clone()).unwrap();
        cell.set(Arc::downgrade(&tracker)).unwrap();
        let one = visit(&tracker, Some(&first.id), at(2)).await;
        if !happened.load(Ordering::Relaxed) {
            assert!(n > 3, "a handshake that replaces an ID makes more than {n} calls");
            break;
        }
        let other = other.get().unwrap();
        assert_eq!((&other.id, name(other)), (&one.id, Some("joe")), "call {n}");
        assert_eq!(name(&one), Some("joe"), "call {n}");
    }
}

#[tokio::test]
async fn login_that_ends_at_any_moment_of_a_handshake_does_not_go_on_with_the_next_id() {
    for n in 0.. {
        let presented: Arc<OnceLock<TrackingId>> = Arc::default();
        let theirs = Arc::clone(&presented);
        let (tracker, cell, happened) = interrupted(n, move |tracker| {
            // As where the principal's role is gone.
            tracker.clients.store.authenticate(theirs.get().unwrap(), None, at(2)).wait().unwrap();
        });
        let first = visit(&tracker, None, at(0)).await;
        log_in(&tracker, &first, "joe", at(1)).await;
        presented.set(first.id.clone()).unwrap();
        cell.set(Arc::downgrade(&tracker)).unwrap();
        let second = visit(&tracker, Some(&first.id), at(2)).await;
        if !happened.load(Ordering::Relaxed) {
            break;
        }
        // Once the ID is replaced, the login is the next one's.
        let is_replaced = second.record.authentication.is_some();
        let found = tracker.authentication(&second, at(2)).await.unwrap();
        assert_eq!(found.is_some(), is_replaced, "call {n}");
        let again = visit(&tracker, Some(&first.id), at(3)).await;
        assert!(is_replaced || name(&again).is_none(), "a login that has ended came back, call {n}");
    }
}

#[tokio::test]
async fn next_id_that_another_client_has_by_now_is_not_handed_out() {
    let tracker = tracker();
    let first = visit(&tracker, None, at(0)).await;
    log_in(&tracker, &first, "joe", at(1)).await;
    let line = tracker.clients.line(&first.id, at(2)).await;
    tracker.clients.store.create(&line[1], CookieRecord::new(at(2), MaxAge::DEFAULT)).wait().unwrap();
    let second = visit(&tracker, Some(&first.id), at(3)).await;
    assert!(second.id != line[1] && name(&second).is_none());
    assert_eq!((second.is_new, &second.public_id), (false, &first.public_id), "only the login is lost");
}

#[tokio::test]
async fn logout_reaches_what_tabs_beside_it_have_logged_in() {
    // Two tabs that came with the same cookie, or the one with the other's.
    for together in [true, false] {
        for leaving in 0..2 {
            let tracker = tracker();
            let first = visit(&tracker, None, at(0)).await;
            let one = visit(&tracker, Some(&first.id), at(1)).await;
            let other = visit(&tracker, Some(if together { &first.id } else { &one.id }), at(1)).await;
            drop(first);
            let stranger = visit(&tracker, None, at(1)).await;
            for tab in [&one, &other, &stranger] {
                log_in(&tracker, tab, "joe", at(2)).await;
            }
            let tabs = [&one, &other];
            tracker.log_out(tabs[leaving], at(3)).await.unwrap();
            for tab in tabs {
                assert_eq!(is_told_to_end(tab), Some(Parting::LoggedOut));
                assert_eq!(name(&visit(&tracker, Some(&tab.id), at(4)).await), None);
            }
            assert_eq!(
                name(&visit(&tracker, Some(&stranger.id), at(4)).await),
                Some("joe"),
                "another device"
            );
        }
    }
}

#[tokio::test]
async fn logout_reaches_what_a_tab_has_logged_in_that_is_closed_by_now() {
    let tracker = tracker();
    let stays = visit(&tracker, None, at(0)).await;
    let closes = visit(&tracker, Some(&stays.id), at(1)).await;
    let browsers = closes.id.clone();
    log_in(&tracker, &closes, "joe", at(2)).await;
    drop(closes);
    log_in(&tracker, &stays, "joe", at(3)).await;
    tracker.log_out(&stays, at(4)).await.unwrap();
    assert_eq!(name(&visit(&tracker, Some(&browsers), at(5)).await), None);
}

#[tokio::test]
async fn without_rotation_an_id_stays_whatever_happens() {
    let tracker = tracker().with_logins(None);
    let first = visit(&tracker, None, at(0)).await;
    assert_eq!(visit(&tracker, Some(&first.id), at(1)).await.id, first.id);
    log_in(&tracker, &first, "joe", at(2)).await;
    let again = visit(&tracker, Some(&first.id), at(100)).await;
    assert_eq!((&again.id, name(&again)), (&first.id, Some("joe")));
}
