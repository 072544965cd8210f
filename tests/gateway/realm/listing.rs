//! Publishers that choose who gets an event (section "Subscriber Black- and Whitelisting").

use serde_json::{Value, json};

use super::{events, publish, subscribe};
use crate::support::{
    Client, Gateway, Jar,
    config::{self, With as _, anonymous_auth, tracked, web},
};

const TOPIC: &str = "com.example.plans";

/// A manager, and two of the staff; the manager publishes. The names by which others know the staff come with them.
fn company(gateway: &Gateway) -> [Client; 3] {
    let logs_in = |authid, ticket| {
        let mut client = Client::open(gateway, &mut Jar::default());
        client.join_by_ticket(authid, ticket).unwrap();
        client
    };
    [logs_in("mary", "ticket-of-mary"), logs_in("joe", "ticket-of-joe"), logs_in("jim", "ticket-of-jim")]
}

#[track_caller]
fn gateway() -> Gateway {
    let everything = config::everything();
    let all = json!([{ "uri": "", "match": "prefix", "allow": everything }]);
    let role = |name: &str| json!({ "name": name, "permissions": all });
    let principals = json!({
        "mary": { "ticket": "ticket-of-mary", "role": "manager" },
        "joe": { "ticket": "ticket-of-joe", "role": "staff" },
        "jim": { "ticket": "ticket-of-jim", "role": "staff" },
    });
    let auth = json!({ "ticket": { "type": "static", "principals": principals } })
        .with("anonymous", anonymous_auth()["anonymous"].clone());
    let roles = json!([role("manager"), role("staff"), role("anonymous")]);
    let realm = json!({ "name": "realm1", "roles": roles });
    Gateway::start(&web(&tracked().with("auth", auth)).with("realms", json!([realm])))
}

#[test]
fn confidential_event_reaches_those_whom_the_publisher_names_and_no_others() {
    let gateway = gateway();
    let mut company = company(&gateway);
    for client in &mut company {
        subscribe(client, &json!({}), TOPIC).unwrap();
    }
    let cases = [
        (json!({ "eligible_authrole": ["manager"] }), [true, false, false]),
        (json!({ "eligible_authrole": [] }), [false, false, false]),
        (json!({ "exclude_authrole": ["staff"] }), [true, false, false]),
        (json!({ "eligible_authid": ["joe", "mary"] }), [true, true, false]),
        (json!({ "exclude_authid": ["joe"] }), [true, false, true]),
        (json!({ "eligible_authrole": ["staff"], "exclude_authid": ["joe"] }), [false, false, true]),
        (json!({ "eligible": [] }), [false, false, false]),
        (json!({ "eligible_authid": ["joe"], "eligible": [] }), [false, false, false]),
        (json!({}), [true, true, true]),
    ];
    for (number, (options, _)) in cases.iter().enumerate() {
        let options = options.clone().with("exclude_me", json!(false));
        publish(&mut company[0], options, TOPIC, &json!([number])).unwrap();
    }
    for (place, client) in company.iter_mut().enumerate() {
        let expected: Vec<Value> =
            cases.iter().enumerate().filter(|(_, (_, who))| who[place]).map(|(n, _)| json!(n)).collect();
        assert_eq!(events(client), expected, "client {place}");
    }
}
