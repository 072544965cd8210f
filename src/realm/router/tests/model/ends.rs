//! The model of the dealer: cancels, time-outs and departures.

use super::*;

impl Model {
    pub(super) fn cancel(&mut self, session: u64, which: usize, mode: CancelMode) -> Sent {
        let mut own = self.calls.keys().filter(|(caller, _)| *caller == session);
        let request = own.nth(which).map_or(9_999_999, |(_, request)| *request);
        self.stop((session, request), mode, CANCELED);
        self.world.send(session, ClientMessage::Cancel { request, options: CancelOptions { mode } })
    }

    pub(super) fn pass(&mut self, millis: u64) -> Sent {
        self.now += millis;
        let due = |model: &Self| {
            let ends = model.calls.iter().filter_map(|(key, call)| Some((call.ends?, *key)));
            ends.filter(|(ends, _)| *ends <= model.now).min()
        };
        while let Some((_, key)) = due(self) {
            self.stop(key, CancelMode::KillNoWait, "wamp.error.timeout");
        }
        self.world.pass(Duration::from_millis(millis))
    }

    fn stop(&mut self, key: Key, mode: CancelMode, error: &str) {
        let Some(call) = self.calls.get(&key) else { return };
        let Some(at) = call.at else {
            for registration in &mut self.registrations {
                registration.queue.retain(|queued| *queued != key);
            }
            self.calls.remove(&key);
            return self.expect_error(key.0, code::CALL, key.1, error);
        };
        if mode == CancelMode::Kill && is_able(at.0) {
            return self.interrupt(at, CancelMode::Kill);
        }
        self.expect_error(key.0, code::CALL, key.1, error);
        self.abandon(key, at, mode);
    }

    /// Tells a callee to stop, once.
    fn interrupt(&mut self, at: Key, mode: CancelMode) {
        let invocation = self.invocations.get_mut(&at).unwrap();
        if !std::mem::replace(&mut invocation.is_killed, true) {
            self.expect(at.0, Said::Interrupt { number: at.1, mode: mode.name() });
        }
    }

    /// Ends a call; whether the callee still has its place depends on whether it was told.
    fn abandon(&mut self, key: Key, at: Key, mode: CancelMode) {
        self.calls.remove(&key);
        let interrupts = mode != CancelMode::Skip && is_able(at.0);
        if interrupts {
            self.interrupt(at, CancelMode::KillNoWait);
        }
        let invocation = self.invocations.get_mut(&at).unwrap();
        invocation.call = None;
        let occupies = invocation.occupies;
        if interrupts || occupies.is_none() {
            self.invocations.remove(&at);
            if let Some((id, _)) = occupies {
                self.serve(id);
            }
        }
    }

    pub(super) fn leave(&mut self, session: u64) -> Sent {
        self.present.remove(&session);
        for (_, subscribers) in self.subscriptions.values_mut() {
            subscribers.remove(&session);
        }
        self.subscriptions.retain(|_, (_, subscribers)| !subscribers.is_empty());
        // Its calls that wait are gone first, so that no place is given to them.
        let own: Vec<Key> = self.calls.keys().filter(|(caller, _)| *caller == session).copied().collect();
        for registration in &mut self.registrations {
            registration.queue.retain(|(caller, _)| *caller != session);
        }
        let held: Vec<u64> = self.registrations.iter().map(|registration| registration.id).collect();
        for id in held {
            self.drop_callee(id, session);
        }
        for key in own {
            match self.calls.get(&key).and_then(|call| call.at) {
                Some(at) if at.0 != session => self.abandon(key, at, CancelMode::KillNoWait),
                Some(at) => {
                    self.invocations.remove(&at);
                    self.calls.remove(&key);
                }
                None => {
                    self.calls.remove(&key);
                }
            }
        }
        let left: Vec<Key> =
            self.invocations.keys().filter(|(callee, _)| *callee == session).copied().collect();
        for at in left {
            if let Some(key) = self.invocations.remove(&at).and_then(|invocation| invocation.call) {
                self.calls.remove(&key);
                self.expect_error(key.0, code::CALL, key.1, CANCELED);
            }
        }
        self.unanswered.remove(&session);
        self.world.leave(session)
    }
}
