//! The gateway's own calls in a realm: a session that no client has, which calls what authenticators and authorizers have registered.
//!
//! To the owner it is a session like any other, so that calls take the same way; but no list, no count and no announcement has it. It
//! begins with the first call, and anew with the next one when it has ended. What comes for it is read by a task of its own.
//!
//! A call holds its place until the realm has done with it, whether its asker still waits or not. The realm ends every call in time.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use serde_json::Value;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout, timeout_at},
};

use super::{
    Realm,
    inbox::{Arrival, Inbox, RealmClosed, SessionKey},
    member::{Channel, Client},
    permissions::Action,
};
use crate::{
    identity::{AuthId, Identity, Lease, Name},
    policy::procedure::{Call, CallFailure, Callee, Calling, Place, Said},
    wamp::{
        ClientMessage, Payload, Serializer, SessionId, Uri,
        message::{CallOptions, CancelMode, CancelOptions, code},
        uri::error,
    },
    wire::{CloseCode, Closing, Outbox, Taken},
};

/// Under which name a callee sees the gateway, where the registration has callers disclosed.
const NAME: &str = "gateway";
/// What may wait to be read: more than all answers of a gate together, so that none of them ends the session.
const OUTBOX: usize = 64 * 1024 * 1024;
/// The largest answer.
const MAX_ANSWER: usize = 64 * 1024;
/// How much later than the realm the gateway gives a call up.
const GRACE: Duration = Duration::from_secs(1);

/// Calls procedures of one realm. It does not keep the realm alive.
#[derive(Debug)]
pub struct Caller {
    realm: Weak<Inbox>,
    link: tokio::sync::Mutex<Option<Arc<Link>>>,
}

/// The session.
#[derive(Debug)]
struct Link {
    key: SessionKey,
    realm: Weak<Inbox>,
    outbox: Arc<Outbox>,
    waiting: Arc<Waiting>,
    requests: AtomicU64,
}

/// The calls that the realm has not done with.
#[derive(Debug, Default)]
struct Waiting {
    calls: Mutex<HashMap<u64, Waiter>>,
    is_over: AtomicBool,
}

#[derive(Debug)]
struct Waiter {
    said: oneshot::Sender<Result<Said, CallFailure>>,
    _place: Place,
}

impl Caller {
    /// A caller in a realm.
    pub fn new(realm: &Realm) -> Self {
        Self { realm: Arc::downgrade(&realm.inbox), link: tokio::sync::Mutex::default() }
    }

    async fn ask(&self, call: Call<'_>) -> Result<Said, CallFailure> {
        let Call { procedure, role, arguments, timeout: patience, about, place } = call;
        let realm = self.realm.upgrade().ok_or(CallFailure::NoRealm)?;
        if let Some(role) = role {
            let permissions = &realm.rules.load().permissions;
            if permissions.check(permissions.role(role), Action::Call, procedure.as_str()).is_none() {
                return Err(CallFailure::NotAllowed);
            }
        }
        let deadline = Instant::now() + patience + GRACE;
        let asked = timeout_at(deadline, async {
            let link = self.link(&realm).await.map_err(|_| CallFailure::NoRealm)?;
            link.call(&realm, procedure, &arguments, patience, (about, place)).await
        });
        let (link, request, said) = asked.await.unwrap_or(Err(CallFailure::TooLate))?;
        drop(realm);
        match timeout_at(deadline, said).await {
            Ok(Ok(said)) => said,
            // The session has ended with the realm, or was ended.
            Ok(Err(_)) => Err(CallFailure::NoRealm),
            Err(_) => {
                // A callee that keeps the time itself may not have done so.
                link.give_up(request).await;
                Err(CallFailure::TooLate)
            }
        }
    }

    /// The session that is there, or a new one.
    async fn link(&self, realm: &Arc<Inbox>) -> Result<Arc<Link>, RealmClosed> {
        let mut link = self.link.lock().await;
        if let Some(link) = link.as_ref().filter(|link| !link.waiting.is_over.load(Relaxed)) {
            return Ok(Arc::clone(link));
        }
        let begun = Arc::new(Link::begin(realm).await?);
        *link = Some(Arc::clone(&begun));
        Ok(begun)
    }
}

impl Callee for Caller {
    fn call<'a>(&'a self, call: Call<'a>) -> Calling<'a> {
        Box::pin(self.ask(call))
    }
}

impl Link {
    async fn begin(realm: &Arc<Inbox>) -> Result<Self, RealmClosed> {
        let key = realm.next_key(SessionId::random());
        let outbox = Arc::new(Outbox::new(Serializer::Json, OUTBOX));
        let identity = Arc::new(Identity {
            authid: AuthId::Open(Name::known(NAME)),
            authrole: Name::known(NAME),
            authmethod: NAME,
            authprovider: NAME,
            authextra: None,
            lease: Lease::default(),
            standing: None,
        });
        let client = Client { channel: Channel::None, ..Client::default() };
        realm.send(Arrival::Attach { key, identity, outbox: Arc::clone(&outbox), client }).await?;
        let waiting = Arc::<Waiting>::default();
        tokio::spawn(read(Arc::clone(&outbox), Arc::clone(&waiting)));
        Ok(Self { key, realm: Arc::downgrade(realm), outbox, waiting, requests: AtomicU64::new(1) })
    }

    async fn call(
        self: Arc<Self>,
        realm: &Inbox,
        procedure: &Uri,
        arguments: &[Value],
        patience: Duration,
        (about, place): (Option<SessionId>, Place),
    ) -> Result<(Arc<Self>, u64, oneshot::Receiver<Result<Said, CallFailure>>), CallFailure> {
        let request = self.requests.fetch_add(1, Relaxed);
        let timeout = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        let message = ClientMessage::Call {
            request,
            options: CallOptions { timeout, ..CallOptions::default() },
            procedure: procedure.clone(),
            payload: Payload::json(arguments),
        };
        let slots = Arrival::slots_of(&message);
        let room = realm.room(slots).await.map_err(|_| CallFailure::NoRealm)?;
        let (said, answer) = oneshot::channel();
        // Not before there is room: who gives up earlier leaves nothing behind.
        self.waiting.lock().insert(request, Waiter { said, _place: place });
        let sent = realm.put(room, Arrival::Question { key: self.key, slots, about, message });
        sent.map_err(|_| {
            self.waiting.lock().remove(&request);
            CallFailure::NoRealm
        })?;
        if self.waiting.is_over.load(Relaxed) {
            // The session has ended between two looks: nothing will answer.
            self.waiting.lock().remove(&request);
            return Err(CallFailure::NoRealm);
        }
        Ok((self, request, answer))
    }

    /// Ends a call that nothing waits for any more.
    async fn give_up(&self, request: u64) {
        let options = CancelOptions { mode: CancelMode::KillNoWait };
        if let Some(realm) = self.realm.upgrade()
            && let Ok(Ok(room)) = timeout(GRACE, realm.room(1)).await
        {
            let message = ClientMessage::Cancel { request, options };
            // A realm that has been closed has ended the call.
            let _ = realm.put(room, Arrival::Message { key: self.key, slots: 1, ruling: None, message });
        }
        self.waiting.lock().remove(&request);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(realm) = self.realm.upgrade() {
            realm.send_now(Arrival::Detach { key: self.key, done: None });
        }
        self.outbox.close(Closing::After(CloseCode::Normal));
    }
}

impl Waiting {
    // Held for a look-up and never across an await; a poisoned one is still whole.
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Waiter>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) {
        self.is_over.store(true, Relaxed);
        self.lock().clear();
    }

    fn answer(&self, frame: &Bytes) {
        let Some((request, said)) = answer(frame) else { return };
        if let Some(waiter) = self.lock().remove(&request) {
            // The asker may not wait any more.
            let _ = waiter.said.send(said);
        }
    }
}

/// Reads what comes for the session, until it ends.
async fn read(outbox: Arc<Outbox>, waiting: Arc<Waiting>) {
    let mut frames = Vec::new();
    while outbox.take(&mut frames, MAX_ANSWER).await == Taken::Frames {
        for frame in frames.drain(..) {
            waiting.answer(&frame);
        }
        tokio::task::consume_budget().await;
    }
    waiting.end();
}

/// Which request a message answers, and how. None: it is no answer to a call.
fn answer(frame: &[u8]) -> Option<(u64, Result<Said, CallFailure>)> {
    let parts: Vec<&serde_json::value::RawValue> = serde_json::from_slice(frame).ok()?;
    let number = |place: usize| parts.get(place)?.get().parse::<u64>().ok();
    let kind = number(0)?;
    if kind == code::RESULT {
        let request = number(1)?;
        return Some((request, first(&parts, 3, frame.len()).map(Said::Result)));
    }
    if kind != code::ERROR || number(1)? != code::CALL {
        return None;
    }
    let request = number(2)?;
    let uri: String = serde_json::from_str(parts.get(4)?.get()).ok()?;
    let failure = match uri.as_str() {
        error::NO_SUCH_PROCEDURE => CallFailure::Absent,
        error::CANCELED => CallFailure::Left,
        error::TIMEOUT => CallFailure::TooLate,
        error::UNAVAILABLE => CallFailure::Busy,
        error::CIRCLE => CallFailure::Circle,
        _ => {
            let said = first(&parts, 5, frame.len()).and_then(|message| {
                let uri = Uri::parse(&uri).map_err(|_| CallFailure::Unreadable)?;
                let message = message.as_str().unwrap_or_default().to_owned();
                Ok(Said::Error { uri, message })
            });
            return Some((request, said));
        }
    };
    Some((request, Err(failure)))
}

/// The first of the arguments that stand at a place; nothing counts as null.
fn first(parts: &[&serde_json::value::RawValue], place: usize, size: usize) -> Result<Value, CallFailure> {
    let Some(arguments) = parts.get(place) else { return Ok(Value::Null) };
    if size > MAX_ANSWER {
        return Err(CallFailure::Unreadable);
    }
    let arguments: Vec<Value> = serde_json::from_str(arguments.get()).map_err(|_| CallFailure::Unreadable)?;
    Ok(arguments.into_iter().next().unwrap_or(Value::Null))
}

#[cfg(test)]
mod tests;
