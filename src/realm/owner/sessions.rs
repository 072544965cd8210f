//! Sessions come and go: by themselves, by other rules, and because others end them.

use std::sync::Arc;

use super::{
    super::{
        encoded::EncodedOnce,
        inbox::SessionKey,
        member::{Client, Member},
        meta::Killed,
        options::SessionLimits,
        rules::Rules,
    },
    Owner,
};
use crate::{
    identity::Identity,
    wamp::{Payload, SessionId, Uri, uri::error},
    wire::{Ending, Outbox},
};

impl Owner {
    pub(super) fn attach(
        &mut self,
        key: SessionKey,
        identity: Arc<Identity>,
        outbox: Arc<Outbox>,
        client: Client,
    ) {
        let role = self.rules.permissions.role(&identity.authrole);
        // A role that has an authorizer now had none when the connection looked: it would never ask, and be denied everything.
        let asks_nothing = !client.asks && self.rules.permissions.is_asked(role);
        if !client.is_gateway() && (asks_nothing || !self.rules.admit(&identity)) {
            // The rules have changed while it joined.
            outbox.end(Ending::NotStanding);
            return;
        }
        let member = Member { number: key.number, identity, outbox, role, client };
        if let Err(refused) = self.members.insert(key.session, member) {
            // Two draws out of 2^53 were the same: the session that is there stays, the new client has to try again.
            refused.outbox.end(Ending::Taken);
            return;
        }
        if let Some(member) = self.members.of_client(key.session) {
            let details = || Payload::json(&[member.details(key.session)]);
            self.router.announce(
                &self.topics.on_join,
                details,
                &self.members,
                self.now,
                &mut self.deliveries,
            );
            self.deliver();
        }
        self.count();
    }

    /// Goes by other rules from now on, and ends the sessions that have lost their ground. How many that are.
    pub(super) async fn reconfigure(&mut self, rules: Arc<Rules>, limits: SessionLimits) -> usize {
        self.router.reconfigure(Arc::clone(&rules), limits);
        let before = std::mem::replace(&mut self.rules, rules);
        let sessions: Vec<SessionId> = self.members.sessions().collect();
        let mut gone = Vec::new();
        for session in &sessions {
            if !self.members.judge(*session, &self.rules) || self.has_another_authorizer(*session, &before) {
                gone.push(*session);
            }
        }
        let mut left = Vec::with_capacity(gone.len());
        for session in gone {
            let Some(member) = self.members.remove(session) else { continue };
            member.outbox.end(Ending::NotStanding);
            self.router.leave(session, &self.members, self.now, &mut self.deliveries);
            left.push((session, member));
            self.deliver();
            tokio::task::consume_budget().await;
        }
        // Only now: those that end together need not hear of one another.
        for (session, member) in &left {
            self.announce_leave(*session, member);
            self.deliver();
            tokio::task::consume_budget().await;
        }
        for session in sessions {
            self.router.take_back(session, &self.members, self.now, &mut self.deliveries);
            self.deliver();
            tokio::task::consume_budget().await;
        }
        self.count();
        left.len()
    }

    /// Whether a session's role has an authorizer that it did not have before. What the session holds was not judged by it, and its
    /// connection may not know that it has to ask.
    fn has_another_authorizer(&self, session: SessionId, before: &Rules) -> bool {
        let now = &self.rules.permissions;
        self.members.get(session).is_some_and(|member| {
            let role = &member.identity.authrole;
            now.is_asked(member.role) && now.authorizer(role) != before.permissions.authorizer(role)
        })
    }

    pub(super) fn detach(&mut self, key: SessionKey) {
        if self.members.get(key.session).is_some_and(|member| member.number == key.number)
            && let Some(member) = self.members.remove(key.session)
        {
            self.router.leave(key.session, &self.members, self.now, &mut self.deliveries);
            self.announce_leave(key.session, &member);
            self.deliver();
            self.count();
        }
    }

    /// Ends a session that no other session has asked to end.
    pub(super) fn kill_one(&mut self, session: SessionId) -> bool {
        let is_there = self.members.of_client(session).is_some();
        if is_there {
            let reason = Uri::known(error::KILLED);
            self.kill(Killed { sessions: vec![session], reason, message: None, authid: None });
        }
        is_there
    }

    pub(super) fn kill(&mut self, killed: Killed) {
        let Killed { sessions, reason, message, authid: _ } = killed;
        let words = (Ending::Killed { reason, message }).last_words(true);
        let mut encoded = EncodedOnce::default();
        let mut gone = Vec::with_capacity(sessions.len());
        for session in sessions {
            let Some(member) = self.members.remove(session) else { continue };
            let serializer = member.outbox.serializer();
            if let Some(goodbye) = &words.message {
                member.outbox.push(encoded.get(serializer, || serializer.encode(goodbye)));
            }
            member.outbox.close(words.closing());
            self.router.leave(session, &self.members, self.now, &mut self.deliveries);
            gone.push((session, member));
        }
        self.deliver();
        // Only now: those who are killed together need not hear of one another. What each leads to goes out before the next one: all
        // their testaments together may be much.
        for (session, member) in &gone {
            self.announce_leave(*session, member);
            self.deliver();
        }
        self.count();
    }

    fn announce_leave(&mut self, session: SessionId, member: &Member) {
        if member.client.is_gateway() {
            return;
        }
        let actor = member.actor(session, None);
        self.router.execute_testaments(&actor, &self.members, self.now, &mut self.deliveries);
        let Identity { authid, authrole, .. } = &*member.identity;
        let arguments =
            || Payload::json(&[session.0.into(), authid.public().into(), authrole.as_str().into()]);
        self.router.announce(&self.topics.on_leave, arguments, &self.members, self.now, &mut self.deliveries);
    }
}
