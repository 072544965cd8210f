//! The model of the dealer: who has registered what.

use super::*;

impl Model {
    pub(super) fn register(&mut self, session: u64, request: u64, pattern: usize, how: Registering) -> Sent {
        let invoke = INVOKE[how.invoke];
        self.stays += 1;
        let callee =
            Callee { session, places: how.concurrency, keeps_time: how.forward_timeout, stay: self.stays };
        let existing = self.registrations.iter().position(|registration| registration.pattern == pattern);
        if let Some(at) = existing.filter(|_| how.force) {
            let id = self.registrations[at].id;
            for callee in self.registrations[at].callees.clone() {
                if is_able(callee.session) {
                    self.expect(callee.session, Said::Revoked { id });
                }
                self.drop_callee(id, callee.session);
            }
        }
        if let Some(at) = existing.filter(|_| !how.force) {
            let registration = &mut self.registrations[at];
            let has_it = registration.callees.iter().any(|other| other.session == session);
            if has_it || registration.invoke != invoke || invoke == Invoke::Single {
                self.expect_error(session, code::REGISTER, request, "wamp.error.procedure_already_exists");
            } else {
                registration.callees.push(callee);
                let id = registration.id;
                self.expect(session, Said::Registered { request, id });
                self.serve(id);
            }
        } else {
            self.last_registration += 1;
            let id = self.last_registration;
            self.registrations.push(Registration {
                id,
                pattern,
                invoke,
                callees: vec![callee],
                turn: 0,
                queue: VecDeque::new(),
            });
            self.expect(session, Said::Registered { request, id });
        }
        let (matching, text) = PATTERNS[pattern];
        let options = RegisterOptions {
            matching,
            invoke,
            concurrency: how.concurrency,
            force_reregister: how.force,
            forward_timeout: how.forward_timeout,
            ..RegisterOptions::default()
        };
        self.world.send(session, registers(request, text, options))
    }

    pub(super) fn unregister(&mut self, session: u64, request: u64, which: usize) -> Sent {
        let found = self.registrations.get(which);
        let registration = found.map_or(99, |registration| registration.id);
        let holds = found.is_some_and(|found| found.callees.iter().any(|callee| callee.session == session));
        if holds {
            self.expect(session, Said::Unregistered { request });
            self.drop_callee(registration, session);
        } else {
            self.expect_error(session, code::UNREGISTER, request, "wamp.error.no_such_registration");
        }
        self.world.send(session, ClientMessage::Unregister { request, registration })
    }

    pub(super) fn registration(&mut self, id: u64) -> Option<&mut Registration> {
        self.registrations.iter_mut().find(|registration| registration.id == id)
    }

    pub(super) fn drop_callee(&mut self, id: u64, session: u64) {
        let Some(registration) = self.registration(id) else { return };
        let Some(at) = registration.callees.iter().position(|callee| callee.session == session) else {
            return;
        };
        registration.callees.remove(at);
        if at < registration.turn {
            registration.turn -= 1;
        }
        if registration.callees.is_empty() {
            for (caller, request) in std::mem::take(&mut registration.queue) {
                self.calls.remove(&(caller, request));
                if self.present.contains(&caller) {
                    self.expect_error(caller, code::CALL, request, CANCELED);
                }
            }
            self.registrations.retain(|registration| registration.id != id);
        }
    }
}
