//! The model of the broker.

use super::*;

impl Model {
    pub(super) fn subscribe(&mut self, session: u64, request: u64, pattern: usize) -> Sent {
        let found = self.subscriptions.iter().find(|(_, (other, _))| *other == pattern).map(|(id, _)| *id);
        let id = found.unwrap_or_else(|| {
            self.last_subscription += 1;
            self.last_subscription
        });
        self.subscriptions.entry(id).or_insert_with(|| (pattern, BTreeSet::new())).1.insert(session);
        self.expect(session, Said::Subscribed { request, id });
        let (matching, text) = PATTERNS[pattern];
        let options = SubscribeOptions { matching, ..SubscribeOptions::default() };
        self.world.send(session, subscribes(request, text, options))
    }

    pub(super) fn unsubscribe(&mut self, session: u64, request: u64, which: usize) -> Sent {
        let subscription = self.subscriptions.keys().nth(which).copied().unwrap_or(99);
        let held = self.subscriptions.get_mut(&subscription).is_some_and(|(_, held)| held.remove(&session));
        self.subscriptions.retain(|_, (_, held)| !held.is_empty());
        if held {
            self.expect(session, Said::Unsubscribed { request });
        } else {
            self.expect_error(session, code::UNSUBSCRIBE, request, "wamp.error.no_such_subscription");
        }
        self.world.send(session, ClientMessage::Unsubscribe { request, subscription })
    }

    pub(super) fn publish(&mut self, session: u64, request: u64, topic: usize, how: &Publishing) -> Sent {
        let text = URIS[topic];
        if how.acknowledge {
            self.expect(session, Said::Published { request });
        }
        let gets = |to: u64| {
            let is_out = how.lists.as_ref().is_some_and(|lists| {
                lists.exclude.contains(&to)
                    || lists.exclude_authid.contains(&to)
                    || lists.exclude_authrole.contains(&role(to))
                    || lists.eligible.as_ref().is_some_and(|eligible| !eligible.contains(&to))
                    || lists.eligible_authid.as_ref().is_some_and(|eligible| !eligible.contains(&to))
                    || lists.eligible_authrole.as_ref().is_some_and(|eligible| !eligible.contains(&role(to)))
            });
            !(is_out || how.exclude_me && to == session)
        };
        for (id, (pattern, subscribers)) in &self.subscriptions {
            if weight(*pattern, text).is_some() {
                let topic = (PATTERNS[*pattern].0 != UriMatch::Exact).then_some(text);
                let receivers = subscribers.iter().filter(|to| gets(**to));
                self.expected.extend(receivers.map(|to| (*to, Said::Event { id: *id, topic })));
            }
        }
        let authids = |sessions: &BTreeSet<u64>| {
            let mut names: Vec<String> = sessions.iter().map(|session| format!("public{session}")).collect();
            names.sort();
            names
        };
        let roles = |roles: &BTreeSet<usize>| {
            let mut names: Vec<String> = roles.iter().map(|role| ROLES[*role].to_owned()).collect();
            names.sort();
            names
        };
        let lists = how.lists.as_ref().map(|lists| {
            Box::new(PublishLists {
                exclude: lists.exclude.iter().copied().collect(),
                exclude_authid: authids(&lists.exclude_authid),
                exclude_authrole: roles(&lists.exclude_authrole),
                eligible: lists.eligible.as_ref().map(|eligible| eligible.iter().copied().collect()),
                eligible_authid: lists.eligible_authid.as_ref().map(authids),
                eligible_authrole: lists.eligible_authrole.as_ref().map(roles),
            })
        });
        let options = PublishOptions {
            acknowledge: how.acknowledge,
            exclude_me: how.exclude_me,
            lists,
            ..PublishOptions::default()
        };
        self.world.send(session, publish(request, text, options))
    }
}
