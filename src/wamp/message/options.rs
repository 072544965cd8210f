//! The options of requests and answers, as far as they mean something to the router.

use crate::wamp::pattern::UriMatch;

/// Section "Payload Passthru Mode": how a client has packed its payload by itself.
pub(in crate::wamp) const PPT_SCHEME: &str = "ppt_scheme";
pub(in crate::wamp) const PPT_SERIALIZER: &str = "ppt_serializer";
pub(in crate::wamp) const PPT_CIPHER: &str = "ppt_cipher";
pub(in crate::wamp) const PPT_KEYID: &str = "ppt_keyid";

/// PUBLISH.Options.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option of its own in the message")]
pub struct PublishOptions {
    /// Whether the client wants PUBLISHED or ERROR as an answer.
    pub acknowledge: bool,
    /// Whether the publisher itself gets no event, even if it is subscribed. Default true.
    pub exclude_me: bool,
    /// Whether subscribers may see who published.
    pub disclose_me: bool,
    /// Whether the event becomes the one that later subscribers may ask for.
    pub retain: bool,
    /// Who gets an event and who does not. Few publishers say; the others pay no more than a pointer for it.
    pub lists: Option<Box<PublishLists>>,
    /// How the publisher has packed the payload, if it did so itself.
    pub passthru: Option<Box<Passthru>>,
}

impl Default for PublishOptions {
    fn default() -> Self {
        Self {
            acknowledge: false,
            exclude_me: true,
            disclose_me: false,
            retain: false,
            lists: None,
            passthru: None,
        }
    }
}

/// How a publisher limits the receivers of an event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublishLists {
    /// Sessions that get no event, sorted.
    pub exclude: Vec<u64>,
    /// The same, by the authid that other clients know. Sorted as well, as the other lists are.
    pub exclude_authid: Vec<String>,
    /// The same, by the role.
    pub exclude_authrole: Vec<String>,
    /// The only sessions that get an event, sorted, each once; none: all of them.
    pub eligible: Option<Vec<u64>>,
    /// The same, by the authid that other clients know.
    pub eligible_authid: Option<Vec<String>>,
    /// The same, by the role.
    pub eligible_authrole: Option<Vec<String>>,
}

impl PublishLists {
    /// How many bytes the lists take.
    pub fn size(&self) -> usize {
        let Self { exclude, exclude_authid, exclude_authrole, eligible, eligible_authid, eligible_authrole } =
            self;
        let ids = |ids: &Vec<u64>| ids.len() * size_of::<u64>();
        let texts =
            |texts: &Vec<String>| texts.iter().map(|text| size_of::<String>() + text.len()).sum::<usize>();
        ids(exclude)
            + texts(exclude_authid)
            + texts(exclude_authrole)
            + eligible.as_ref().map_or(0, ids)
            + eligible_authid.as_ref().map_or(0, texts)
            + eligible_authrole.as_ref().map_or(0, texts)
    }
}

/// How a client has packed its payload by itself, so that the router leaves it alone (section "Payload Passthru Mode").
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Passthru {
    /// `ppt_scheme`; the mode is in use where it is not empty.
    pub scheme: Box<str>,
    /// `ppt_serializer`
    pub serializer: Option<Box<str>>,
    /// `ppt_cipher`
    pub cipher: Option<Box<str>>,
    /// `ppt_keyid`
    pub keyid: Option<Box<str>>,
}

impl Passthru {
    /// The attributes that are there, with their names.
    pub fn attributes(&self) -> [Option<(&'static str, &str)>; 4] {
        let Self { scheme, serializer, cipher, keyid } = self;
        [
            Some((PPT_SCHEME, scheme)),
            serializer.as_deref().map(|serializer| (PPT_SERIALIZER, serializer)),
            cipher.as_deref().map(|cipher| (PPT_CIPHER, cipher)),
            keyid.as_deref().map(|keyid| (PPT_KEYID, keyid)),
        ]
    }

    /// How many bytes it takes.
    pub fn size(&self) -> usize {
        let Self { scheme, serializer, cipher, keyid } = self;
        let others = [serializer, cipher, keyid].into_iter().flatten().map(|text| text.len());
        size_of::<Self>() + scheme.len() + others.sum::<usize>()
    }
}

/// CALL.Options.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CallOptions {
    /// Whether the callee may see who called.
    pub disclose_me: bool,
    /// Whether the caller takes progressive results.
    pub receive_progress: bool,
    /// Whether more calls of this request follow (section "Progressive Call Invocations").
    pub progress: bool,
    /// After how many milliseconds without a result the call ends; 0 for never.
    pub timeout: u64,
    /// How the caller has packed the payload, if it did so itself.
    pub passthru: Option<Box<Passthru>>,
    /// What is said of an option that this router does not have: a reason to refuse the call.
    pub refused: Option<&'static str>,
}

/// CANCEL.Options.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CancelOptions {
    /// How the call ends.
    pub mode: CancelMode,
}

/// How a call is canceled (section "Call Canceling").
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CancelMode {
    /// The caller gets its ERROR at once, and the callee is not told. What a CANCEL without a mode means.
    #[default]
    Skip,
    /// The callee is interrupted, and its answer goes to the caller.
    Kill,
    /// The caller gets its ERROR at once, and the callee is interrupted.
    KillNoWait,
}

impl CancelMode {
    /// Reads the value of the option `mode`.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "skip" => Self::Skip,
            "kill" => Self::Kill,
            "killnowait" => Self::KillNoWait,
            _ => return None,
        })
    }

    /// The value of the option `mode`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Kill => "kill",
            Self::KillNoWait => "killnowait",
        }
    }
}

/// INTERRUPT.Options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterruptOptions {
    /// Whether the caller still waits for an answer.
    pub mode: CancelMode,
    /// Why, as the URI that the caller gets.
    pub reason: &'static str,
}

/// YIELD.Options.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct YieldOptions {
    /// Whether more results follow.
    pub progress: bool,
    /// How the callee has packed the payload, if it did so itself.
    pub passthru: Option<Box<Passthru>>,
}

/// SUBSCRIBE.Options.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SubscribeOptions {
    /// How the topic is compared.
    pub matching: UriMatch,
    /// Whether the subscriber wants the retained event of the topic.
    pub get_retained: bool,
}

/// REGISTER.Options.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RegisterOptions {
    /// How the procedure is compared.
    pub matching: UriMatch,
    /// Which of several callees is invoked.
    pub invoke: Invoke,
    /// How many invocations the callee takes at once; `None` for any number.
    pub concurrency: Option<u64>,
    /// Whether the registration takes the place of another one.
    pub force_reregister: bool,
    /// Whether the callee asks to see who calls.
    pub disclose_caller: bool,
    /// Whether the callee itself ends calls whose time is up.
    pub forward_timeout: bool,
}

/// Which of the callees that share a registration is invoked (section "Shared Registration").
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants carry the specification's own names")]
pub enum Invoke {
    /// There is only one.
    #[default]
    Single,
    First,
    Last,
    RoundRobin,
    Random,
}

impl Invoke {
    /// Reads the value of the option `invoke`.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "single" => Self::Single,
            "first" => Self::First,
            "last" => Self::Last,
            "roundrobin" => Self::RoundRobin,
            "random" => Self::Random,
            _ => return None,
        })
    }

    /// The value of the option `invoke`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::First => "first",
            Self::Last => "last",
            Self::RoundRobin => "roundrobin",
            Self::Random => "random",
        }
    }
}
