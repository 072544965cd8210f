//! Cookies that an attacker has planted or copied.

use super::*;

#[tokio::test]
async fn replay_of_a_replaced_id_revokes_its_whole_line() {
    let tracker = tracker();
    let first = logged_in(&tracker, "joe", at(0)).await;
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
async fn planted_id_is_never_logged_in_in_whatever_order_its_clients_come() {
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
async fn planted_id_of_a_client_that_is_logged_in_is_not_taken_over_either() {
    let tracker = tracker();
    let mallory = logged_in(&tracker, "mallory", at(0)).await;
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
    let mallory = logged_in(&tracker, "mallory", at(0)).await;
    let planted = visit(&tracker, Some(&mallory.id), at(1)).await;
    joins(&tracker, &planted, Some("mallory"));
    let victim = visit(&tracker, Some(&planted.id), at(2)).await;
    joins(&tracker, &victim, Some("joe"));
    assert!(visit(&tracker, Some(&mallory.id), at(60)).await.is_new);
    assert_eq!((is_told_to_end(&planted), is_told_to_end(&victim)), (Some(Parting::Killed), None));
}
