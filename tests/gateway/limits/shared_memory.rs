//! What all clients together may make the gateway hold (`max_memory`).

use std::time::Instant;

use serde_json::{Value, json};

use super::room::{assert_is_full, await_client, await_room, fill_up};
use crate::support::{
    Client, Gateway, Handshake, Jar, PATIENCE, code,
    config::{With as _, tracked, web},
};

#[test]
fn clients_hold_so_much_memory_in_all() {
    let gateway = Gateway::start(&web(&tracked()).with("max_memory", json!("1MiB")));
    let (mut first, _) = Client::joined(&gateway, &mut Jar::default());
    // 32 KiB each.
    let open = fill_up(&gateway, 100);
    assert!(open.len() >= 20, "{}", open.len());
    // Those that are connected go on, as long as they hold no more than before.
    first.publish("com.example.marker", &json!([]), &json!({})).unwrap();
    assert_eq!(first.subscribe("com.example.marker").unwrap_err(), "wamp.error.unavailable");
    // What a refused connection has not taken, it does not give back: the next one is refused as well.
    for _ in 0..4 {
        assert_is_full(&gateway, &Handshake::default().bytes());
    }
    let before = open.len();
    drop((first, open));
    await_room(&gateway, before);
    await_client(&gateway);
}

/// What fits into the memory of all clients: how often the request was fulfilled before there was no room for one more.
#[track_caller]
fn until_full(mut request: impl FnMut(usize) -> Result<(), Value>) -> usize {
    for done in 0..150 {
        if let Err(error) = request(done) {
            assert_eq!(error[4], "wamp.error.unavailable", "{error}");
            assert!(error[5][0].as_str().is_some_and(|why| why.contains("no memory left")), "{error}");
            return done;
        }
    }
    panic!("7 KiB each, and always room for one more");
}

#[test]
fn retained_events_count_as_memory_and_one_without_room_leaves_the_earlier_one() {
    let gateway = Gateway::start(&web(&tracked()).with("max_memory", json!("1MiB")));
    let (mut publisher, _) = Client::joined(&gateway, &mut Jar::default());
    let (mut subscriber, _) = Client::joined(&gateway, &mut Jar::default());
    let large = "x".repeat(7 * 1024);
    let topic = |number: usize| format!("com.example.state{number}");
    let retain = |publisher: &mut Client, number: usize, text: &str| {
        let options = json!({ "acknowledge": true, "retain": true });
        let request = publisher.request(code::PUBLISH, &json!([options, topic(number), [number, text]]));
        publisher.answer(code::PUBLISH, request, code::PUBLISHED).map(drop)
    };
    let kept = until_full(|number| retain(&mut publisher, number, &large));
    assert!(kept > 100, "{kept}");
    // What takes the place of another one needs room beside it. Without room, the earlier one stays.
    retain(&mut publisher, 0, &format!("{large} again")).unwrap_err();
    let get = json!([{ "get_retained": true }, topic(0)]);
    let request = subscriber.request(code::SUBSCRIBE, &get);
    subscriber.answer(code::SUBSCRIBE, request, code::SUBSCRIBED).unwrap();
    assert_eq!(subscriber.expect(code::EVENT)[4], json!([0, large]));
    // Other events are published, and what was forgotten makes room.
    publisher.publish(&topic(0), &json!(["passing"]), &json!({})).unwrap();
    assert_eq!(subscriber.expect(code::EVENT)[4], json!(["passing"]));
    for number in 1..=4 {
        retain(&mut publisher, number, "").unwrap();
    }
    let more = until_full(|number| retain(&mut publisher, 1000 + number, &large));
    assert!((3..=4).contains(&more), "{more}");
}

#[test]
fn testaments_count_as_memory_until_they_are_flushed_or_published() {
    let gateway = Gateway::start(&web(&tracked()).with("max_memory", json!("1MiB")));
    let mut clients: Vec<Client> = (0..14).map(|_| Client::joined(&gateway, &mut Jar::default()).0).collect();
    let large = "x".repeat(7 * 1024);
    let add = |client: &mut Client| {
        let request =
            client.call("wamp.session.add_testament", &json!(["com.example.gone", [large]]), &json!({}));
        client.result(request).map(drop)
    };
    // Eight for each session, which is less than one may have.
    let kept = until_full(|number| add(&mut clients[number / 8]));
    assert!((60..88).contains(&kept), "{kept}");
    let flush = clients[0].call("wamp.session.flush_testaments", &json!([]), &json!({}));
    clients[0].result(flush).unwrap();
    let again = until_full(|number| add(&mut clients[11 + number / 4]));
    assert_eq!(again, 8);
    drop(clients.remove(1));
    // The gateway notices in its own time that the client is gone.
    let begun = Instant::now();
    while add(&mut clients[9]).is_err() {
        assert!(begun.elapsed() < PATIENCE, "nothing was given back");
    }
}
