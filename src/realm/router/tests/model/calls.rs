//! The model of the dealer: calls on their way to a callee, and answers.

use super::*;

impl Model {
    pub(super) fn call(&mut self, session: u64, request: u64, uri: usize, how: Calling) -> Sent {
        let best = self
            .registrations
            .iter()
            .filter_map(|registration| Some((weight(registration.pattern, URIS[uri])?, registration.id)))
            .max();
        if let Some((_, id)) = best {
            let Calling { timeout, receive_progress } = how;
            let ends = (timeout > 0).then(|| self.now + timeout);
            let key = (session, request);
            self.calls.insert(key, Call { uri, timeout, receive_progress, ends, at: None });
            self.registration(id).unwrap().queue.push_back(key);
            self.serve(id);
        } else {
            self.expect_error(session, code::CALL, request, "wamp.error.no_such_procedure");
        }
        let options = CallOptions {
            timeout: how.timeout,
            receive_progress: how.receive_progress,
            ..CallOptions::default()
        };
        self.world.send(session, calls(request, URIS[uri], options))
    }

    /// How many invocations a callee of a registration has not answered.
    fn taken(&self, id: u64, callee: Callee) -> u64 {
        let of_stay = |(at, invocation): (&Key, &Invocation)| {
            at.0 == callee.session && invocation.occupies == Some((id, callee.stay))
        };
        self.invocations.iter().filter(|entry| of_stay(*entry)).count() as u64
    }

    /// Gives calls that wait to callees that have a free place.
    pub(super) fn serve(&mut self, id: u64) {
        while let Some(registration) = self.registrations.iter().find(|registration| registration.id == id)
            && let Some(key) = registration.queue.front().copied()
        {
            let count = registration.callees.len();
            let order: Vec<usize> = match registration.invoke {
                Invoke::Last => (0..count).rev().collect(),
                Invoke::RoundRobin => {
                    (0..count).map(|step| (registration.turn % count + step) % count).collect()
                }
                _ => (0..count).collect(),
            };
            let is_free = |at: &usize| {
                let callee = registration.callees[*at];
                callee.places.is_none_or(|places| self.taken(id, callee) < places)
            };
            let Some(at) = order.into_iter().find(is_free) else { return };
            let callee = registration.callees[at];
            let by_pattern = PATTERNS[registration.pattern].0 != UriMatch::Exact;
            let registration = self.registration(id).unwrap();
            registration.queue.pop_front();
            registration.turn = (at + 1) % count;
            self.invoke(id, callee, by_pattern, key);
        }
    }

    fn invoke(&mut self, id: u64, callee: Callee, by_pattern: bool, key: Key) {
        let last = self.last_invocation.entry(callee.session).or_insert(0);
        *last += 1;
        let number = *last;
        let call = self.calls.get_mut(&key).unwrap();
        let keeps_time = call.timeout > 0 && callee.keeps_time && is_able(callee.session);
        if keeps_time {
            call.ends = None;
        }
        call.at = Some((callee.session, number));
        let wants_progress = call.receive_progress;
        let message = Said::Invocation {
            number,
            id,
            procedure: by_pattern.then_some(URIS[call.uri]),
            timeout: if keeps_time { call.timeout } else { 0 },
            receive_progress: wants_progress && is_able(callee.session),
        };
        self.expected.push((callee.session, message));
        let occupies = callee.places.map(|_| (id, callee.stay));
        let invocation = Invocation { call: Some(key), wants_progress, is_killed: false, occupies };
        self.invocations.insert((callee.session, number), invocation);
        self.unanswered.entry(callee.session).or_default().push(number);
    }

    pub(super) fn answer(&mut self, session: u64, which: usize, how: Answering) -> Sent {
        let unanswered = self.unanswered.entry(session).or_default();
        if unanswered.is_empty() {
            return Sent::new();
        }
        let at = which % unanswered.len();
        let number = unanswered[at];
        let is_progress = matches!(how, Answering::Progress);
        if !is_progress {
            unanswered.remove(at);
        }
        let found = self.invocations.get(&(session, number));
        let call = found.and_then(|found| found.call);
        if is_progress {
            if let Some(key) = call.filter(|_| found.is_some_and(|found| found.wants_progress)) {
                let now = self.now;
                let call = self.calls.get_mut(&key).unwrap();
                call.ends = call.ends.map(|_| now + call.timeout);
                self.expect(key.0, Said::Result { request: key.1, progress: true });
            }
        } else if let Some(found) = self.invocations.remove(&(session, number)) {
            if let Some((caller, request)) = call {
                self.calls.remove(&(caller, request));
                match how {
                    Answering::Error => self.expect_error(caller, code::CALL, request, "com.failed"),
                    _ => self.expect(caller, Said::Result { request, progress: false }),
                }
            }
            if let Some((id, _)) = found.occupies {
                self.serve(id);
            }
        }
        let message = match how {
            Answering::Error => ClientMessage::InvocationError {
                request: number,
                details: ErrorDetails::default(),
                error: uri("com.failed"),
                payload: payload("[]"),
            },
            _ => ClientMessage::Yield {
                request: number,
                options: YieldOptions { progress: is_progress, ..YieldOptions::default() },
                payload: payload("[]"),
            },
        };
        self.world.send(session, message)
    }
}
