//! What a logout reaches.

use super::*;
use crate::{
    cookie::{CookieOptions, PublicIdKey},
    store::OpenedStore,
    tracking::Clients,
};

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
    let first = logged_in(&one, "joe", at(0)).await;
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
async fn logout_with_any_id_of_a_line_ends_all_of_it() {
    for from in 0..3 {
        let tracker = tracker();
        let first = logged_in(&tracker, "joe", at(0)).await;
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
