//! What a configuration becomes when the gateway starts: realms, stores and policies, running and shared.

use std::{collections::HashMap, sync::Arc};

use crate::{config::WebSocketConfig, policy::Policy, realm::Realm, tracking::Tracker};

/// A WebSocket service of the configuration with everything that it needs to serve a connection.
#[derive(Debug)]
pub struct WebSocketService {
    /// Its options.
    pub config: WebSocketConfig,
    /// Cookie tracking, if on.
    pub tracker: Option<Tracker>,
    /// Who decides about identities here.
    pub policy: Arc<dyn Policy>,
    /// The realms of the gateway by name.
    pub realms: Arc<HashMap<String, Realm>>,
}
