use super::*;
use crate::{
    realm::{
        Permission,
        router::testing::{
            FIRST_PUBLICATION, Sent, World, only, payload, publish, refused, rule, subscribe, subscribes, uri,
        },
    },
    wamp::{
        ClientMessage, RouterMessage,
        message::{EventDetails, PublishLists, PublishOptions, SubscribeOptions, code},
        pattern::UriMatch,
    },
};

fn acknowledged() -> PublishOptions {
    PublishOptions { acknowledge: true, ..PublishOptions::default() }
}

/// Who got an EVENT, in ascending order.
fn receivers(sent: &Sent) -> Vec<u64> {
    let mut receivers: Vec<u64> = sent
        .iter()
        .filter(|(_, message)| matches!(message, RouterMessage::Event { .. }))
        .map(|(receiver, _)| *receiver)
        .collect();
    receivers.sort_unstable();
    receivers
}

fn limited(exclude: &[u64], eligible: Option<&[u64]>) -> PublishOptions {
    let lists = PublishLists {
        exclude: exclude.to_vec(),
        eligible: eligible.map(<[u64]>::to_vec),
        ..PublishLists::default()
    };
    PublishOptions { lists: Some(Box::new(lists)), ..PublishOptions::default() }
}

fn published(world: &mut World, options: PublishOptions) -> Vec<u64> {
    receivers(&world.send(1, publish(9, "com.t", options)))
}

#[test]
fn event_has_subscription_publication_and_the_publishers_payload() {
    let mut world = World::open([1, 2]);
    let subscription = world.subscribe(2, "com.t");
    let (receiver, message) = only(world.send(1, publish(1, "com.t", PublishOptions::default())));
    let RouterMessage::Event { subscription: s, publication, payload: p, .. } = message else {
        panic!("{message:?}");
    };
    assert_eq!((receiver, s, publication, p), (2, subscription, FIRST_PUBLICATION, payload("[\"event\"]")));
}

#[test]
fn subscription_belongs_to_the_topic_and_is_shared_by_its_subscribers() {
    let mut world = World::open([1, 2]);
    assert_eq!(world.subscribe(1, "com.t"), world.subscribe(2, "com.t"));
    assert_ne!(world.subscribe(1, "com.t"), world.subscribe(1, "com.u"));
}

#[test]
fn subscribing_twice_gives_the_existing_subscription_and_one_event() {
    let mut world = World::open([1, 2]);
    assert_eq!(world.subscribe(2, "com.t"), world.subscribe(2, "com.t"));
    assert_eq!(published(&mut world, PublishOptions::default()), [2]);
}

#[test]
fn identifiers_in_the_router_scope_start_with_1() {
    let mut world = World::open([1]);
    assert_eq!(world.subscribe(1, "com.t"), 1);
}

#[test]
fn unsubscribe_ends_the_events() {
    let mut world = World::open([1, 2, 3]);
    let subscription = world.subscribe(2, "com.t");
    world.subscribe(3, "com.t");
    let answer = world.send(2, ClientMessage::Unsubscribe { request: 5, subscription });
    assert_eq!(answer, [(2, RouterMessage::Unsubscribed { request: 5 })]);
    assert_eq!(published(&mut world, PublishOptions::default()), [3]);
}

#[test]
fn unsubscribe_from_what_is_not_ones_own_is_no_such_subscription() {
    let mut world = World::open([1, 2]);
    let subscription = world.subscribe(2, "com.t");
    for subscription in [subscription, 0, 999] {
        let answer = world.send(1, ClientMessage::Unsubscribe { request: 5, subscription });
        assert_eq!(refused(answer), (1, code::UNSUBSCRIBE, 5, "wamp.error.no_such_subscription".to_owned()));
    }
    assert_eq!(published(&mut world, PublishOptions::default()), [2], "the other's subscription stands");
}

#[test]
fn unsubscribing_twice_is_no_such_subscription() {
    let mut world = World::open([1]);
    let subscription = world.subscribe(1, "com.t");
    world.send(1, ClientMessage::Unsubscribe { request: 5, subscription });
    let answer = world.send(1, ClientMessage::Unsubscribe { request: 6, subscription });
    assert_eq!(refused(answer).3, "wamp.error.no_such_subscription");
}

#[test]
fn topic_without_subscribers_is_forgotten_and_gets_a_new_subscription_later() {
    let mut world = World::open([1]);
    let first = world.subscribe(1, "com.t");
    world.send(1, ClientMessage::Unsubscribe { request: 5, subscription: first });
    assert!(world.router.is_empty());
    assert_ne!(world.subscribe(1, "com.t"), first);
}

#[test]
fn publication_is_not_answered_unless_acknowledgement_is_asked_for() {
    let mut world = World::open([1]);
    assert_eq!(world.send(1, publish(7, "com.t", PublishOptions::default())), []);
    let answer = world.send(1, publish(8, "com.t", acknowledged()));
    assert!(matches!(only(answer), (1, RouterMessage::Published { request: 8, .. })));
}

#[test]
fn published_and_event_name_the_same_publication() {
    let mut world = World::open([1, 2]);
    world.subscribe(2, "com.t");
    let sent = world.send(1, publish(8, "com.t", acknowledged()));
    let [(1, RouterMessage::Published { publication, .. }), (2, RouterMessage::Event { publication: p, .. })] =
        sent.as_slice()
    else {
        panic!("{sent:?}");
    };
    assert_eq!(publication, p);
}

#[test]
fn publisher_gets_its_own_event_only_without_exclude_me() {
    let mut world = World::open([1, 2]);
    world.subscribe(1, "com.t");
    world.subscribe(2, "com.t");
    assert_eq!(published(&mut world, PublishOptions::default()), [2]);
    let included = PublishOptions { exclude_me: false, ..PublishOptions::default() };
    assert_eq!(published(&mut world, included), [1, 2]);
}

#[test]
fn excluded_sessions_get_no_event() {
    let mut world = World::open([1, 2, 3, 4]);
    for session in [2, 3, 4] {
        world.subscribe(session, "com.t");
    }
    let options = limited(&[4, 99, 2, 4], None);
    assert_eq!(published(&mut world, options), [3]);
}

#[test]
fn only_eligible_subscribers_get_the_event_and_each_gets_it_once() {
    let mut world = World::open([1, 2, 3, 4]);
    for session in [2, 3] {
        world.subscribe(session, "com.t");
    }
    let options = limited(&[], Some(&[4, 3, 99, 3]));
    assert_eq!(published(&mut world, options), [3], "4 is eligible but not subscribed");
    let nobody = limited(&[], Some(&[]));
    assert_eq!(published(&mut world, nobody), [0; 0]);
}

#[test]
fn exclude_and_exclude_me_count_among_the_eligible_too() {
    let mut world = World::open([1, 2, 3]);
    for session in [1, 2, 3] {
        world.subscribe(session, "com.t");
    }
    let options = limited(&[2], Some(&[1, 2, 3]));
    assert_eq!(published(&mut world, options), [3]);
}

#[test]
fn topics_are_matched_exactly() {
    let mut world = World::open([1, 2]);
    world.subscribe(2, "com.t.x");
    world.subscribe(2, "com.T");
    assert_eq!(published(&mut world, PublishOptions::default()), [0; 0]);
}

#[test]
fn leaving_ends_all_subscriptions() {
    let mut world = World::open([1, 2]);
    world.subscribe(2, "com.t");
    world.subscribe(2, "com.u");
    assert_eq!(world.leave(2), []);
    assert_eq!(published(&mut world, PublishOptions::default()), [0; 0]);
    assert!(world.router.is_empty());
}

#[test]
fn events_of_a_publisher_arrive_in_the_order_of_publication() {
    let mut world = World::open([1, 2]);
    let t = world.subscribe(2, "com.t");
    let u = world.subscribe(2, "com.u");
    let mut seen = Vec::new();
    for topic in ["com.t", "com.u", "com.t"] {
        seen.extend(world.send(1, publish(1, topic, PublishOptions::default())));
    }
    let order: Vec<u64> = seen
        .iter()
        .map(|(_, message)| match message {
            RouterMessage::Event { subscription, .. } => *subscription,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(order, [t, u, t]);
}

#[test]
fn session_may_have_so_many_subscriptions_and_no_more() {
    let mut world = World::open([1, 2]);
    for topic in 0..MAX_SUBSCRIPTIONS {
        world.subscribe(1, &format!("com.t{topic}"));
    }
    let answer = world.send(1, subscribe(5, "com.more"));
    assert_eq!(refused(answer), (1, code::SUBSCRIBE, 5, "wamp.error.unavailable".to_owned()));
    let existing = world.subscribe(1, "com.t0");
    world.subscribe(2, "com.more");
    world.send(1, ClientMessage::Unsubscribe { request: 6, subscription: existing });
    world.subscribe(1, "com.more");
}

#[test]
fn refused_subscription_leaves_no_empty_topic_behind() {
    let mut world = World::open([1]);
    for topic in 0..MAX_SUBSCRIPTIONS {
        world.subscribe(1, &format!("com.t{topic}"));
    }
    assert_eq!(refused(world.send(1, subscribe(5, "com.more"))).3, "wamp.error.unavailable");
    world.leave(1);
    assert!(world.router.is_empty());
}

#[test]
fn undisclosed_event_has_no_details() {
    let mut world = World::listed(vec![crate::realm::router::testing::rule("com.t")], [1, 2]);
    world.subscribe(2, "com.t");
    let (_, message) = only(world.send(1, publish(1, "com.t", PublishOptions::default())));
    let RouterMessage::Event { details, .. } = message else { panic!("{message:?}") };
    assert_eq!(details, EventDetails::default());
}

#[test]
fn lists_of_names_and_roles_choose_the_receivers_by_what_other_clients_know() {
    let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let mut world = World::open([1, 2, 3, 4]);
    for session in [2, 3, 4] {
        world.subscribe(session, "com.t");
    }
    world.has_role(3, "manager");
    let lists = |lists| PublishOptions { lists: Some(Box::new(lists)), ..PublishOptions::default() };
    let all = PublishLists::default;
    let cases = [
        (PublishLists { eligible_authrole: Some(named(&["manager", "owner"])), ..all() }, vec![3]),
        (PublishLists { eligible_authrole: Some(vec![]), ..all() }, vec![]),
        (PublishLists { exclude_authrole: named(&["manager"]), ..all() }, vec![2, 4]),
        (PublishLists { eligible_authid: Some(named(&["public2", "public4"])), ..all() }, vec![2, 4]),
        (PublishLists { exclude_authid: named(&["public4"]), ..all() }, vec![2, 3]),
        // A client's own authid may be a credential, which others do not know and cannot name.
        (PublishLists { eligible_authid: Some(named(&["secret4"])), ..all() }, vec![]),
        // All lists hold at once.
        (
            PublishLists {
                eligible: Some(vec![3, 4]),
                eligible_authrole: Some(named(&["manager", "user"])),
                exclude_authid: named(&["public3"]),
                ..all()
            },
            vec![4],
        ),
    ];
    for (filter, expected) in cases {
        assert_eq!(published(&mut world, lists(filter.clone())), expected, "{filter:?}");
    }
}

#[test]
fn event_comes_once_for_each_subscription_that_matches_and_names_its_topic_for_patterns() {
    let mut world = World::open([1, 2]);
    let exact = world.subscribe(2, "com.app.x");
    let mut pattern = |text: &str, matching| {
        let options = SubscribeOptions { matching, ..SubscribeOptions::default() };
        match only(world.send(2, subscribes(1, text, options))) {
            (_, RouterMessage::Subscribed { subscription, .. }) => subscription,
            other => panic!("{other:?}"),
        }
    };
    let (prefix, wildcard) = (pattern("com.app", UriMatch::Prefix), pattern("com..x", UriMatch::Wildcard));
    pattern("com.other", UriMatch::Prefix);
    let sent = world.send(1, publish(1, "com.app.x", PublishOptions::default()));
    let mut got: Vec<(u64, u64, Option<Uri>)> = sent
        .into_iter()
        .map(|(to, message)| match message {
            RouterMessage::Event { subscription, publication, details, .. } => {
                assert_eq!(to, 2);
                (subscription, publication, details.topic)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    got.sort_unstable();
    let topic = || Some(uri("com.app.x"));
    let id = FIRST_PUBLICATION;
    assert_eq!(got, [(exact, id, None), (prefix, id, topic()), (wildcard, id, topic())]);
    world.leave(2);
    assert!(world.router.is_empty());
}

#[test]
fn pattern_shows_no_topic_that_its_subscriber_may_not_subscribe_to() {
    let rules = vec![
        Permission { matching: UriMatch::Prefix, ..rule("com.") },
        Permission { subscribe: false, ..rule("com.secret") },
    ];
    let mut world = World::listed(rules, [1, 2]);
    let options = SubscribeOptions { matching: UriMatch::Prefix, ..SubscribeOptions::default() };
    world.send(2, subscribes(1, "com.", options));
    assert_eq!(receivers(&world.send(1, publish(1, "com.open", PublishOptions::default()))), [2]);
    assert_eq!(receivers(&world.send(1, publish(1, "com.secret", PublishOptions::default()))), [0; 0]);
}

#[test]
fn the_tables_give_back_what_many_subscriptions_and_subscribers_have_needed() {
    let mut world = World::open(1..=1000);
    let subscription = world.subscribe(1, "com.topic");
    for session in 2..=1000 {
        world.subscribe(session, "com.topic");
    }
    for session in 2..=1000 {
        world.leave(session);
    }
    let others: Vec<u64> = (0..1000).map(|topic| world.subscribe(1, &format!("com.topic{topic}"))).collect();
    for subscription in others {
        world.send(1, ClientMessage::Unsubscribe { request: 1, subscription });
    }
    let broker = world.router.broker();
    let subscribers = &broker.topics.get(&broker.by_id[&subscription]).unwrap().subscribers;
    let held = &broker.by_session[&SessionId(1)];
    assert_eq!((subscribers.len(), held.len()), (1, 1));
    assert!(subscribers.capacity() <= 4, "{}", subscribers.capacity());
    assert!(held.capacity() <= 64, "{}", held.capacity());
}
