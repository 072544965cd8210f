//! The keys that mean something, message by message.

use super::{
    OptionValue, Options, Refused,
    absent::{Absent, IN_CALL, IN_ERROR, IN_PUBLISH, IN_REGISTER, IN_SUBSCRIBE, IN_YIELD},
    invalid, refuse,
};
use crate::wamp::{
    DecodeError, Dictionary,
    message::{
        CallOptions, CancelMode, CancelOptions, ErrorDetails, HelloDetails, Invoke, PPT_CIPHER, PPT_KEYID,
        PPT_SCHEME, PPT_SERIALIZER, Passthru, PublishLists, PublishOptions, RegisterOptions,
        SubscribeOptions, YieldOptions,
    },
    pattern::UriMatch,
    read::Reader,
};

/// How long HELLO.Details.authextra may be, in bytes: the gateway keeps it while a client authenticates, and hands it to
/// policies. Keys, signatures and tokens take less than a tenth of this.
const MAX_AUTHEXTRA: usize = 16 * 1024;

/// How long HELLO.Details.authid and authrole may be, in bytes: room for the longest name that there is, of 255 characters. The gateway
/// keeps them while a client authenticates, and tells them to another client where that one's procedure decides who may join.
const MAX_NAME: usize = 1024;

/// What is said of an option whose value is none of the possible ones.
const MATCH: &str = "option match: use \"exact\", \"prefix\" or \"wildcard\"";
const NO_SCHEME: &str =
    "option ppt_scheme: the other ppt_ options are there without it: say how the payload is packed";
const INVOKE: &str = "option invoke: use \"single\", \"first\", \"last\", \"roundrobin\" or \"random\"";
/// What is said of a list of receivers that is too long.
macro_rules! too_long {
    ($option:literal) => {
        concat!("option ", $option, ": the list may have 10000 entries: name fewer sessions, or their roles")
    };
}

/// The longest `ppt_scheme`, `ppt_serializer` or `ppt_cipher`, in bytes. Each is a short word: the longest that the specification has
/// (section "Payload Passthru Mode") is `xsalsa20poly1305`, which takes a quarter of this.
///
/// The realm repeats these texts, and the key's, in each later invocation of a progressive call, so that a CALL of a few bytes leads to
/// a message of as many bytes as they may have.
const MAX_PACKING: usize = 64;

/// The longest `ppt_keyid`, in bytes. The specification's is a hash or a key in hexadecimal digits or base64, a UUID, an address, a URI
/// or a DNS name, of which the last may be the longest: 253 bytes.
const MAX_KEYID: usize = 256;

/// What is said of a text that is too long, or has a control character: JSON writes six bytes for that one.
macro_rules! unfit {
    ($option:literal, $bytes:literal) => {
        concat!(
            "option ",
            $option,
            ": it may have ",
            $bytes,
            " bytes and no control characters: put anything else into the payload"
        )
    };
}

/// How many methods a client may offer. There are fewer than ten.
const MAX_AUTHMETHODS: usize = 64;

impl Options for HelloDetails {
    const KEYS: &'static [&'static str] = &["authmethods", "authid", "authrole", "authextra", "roles"];

    fn set<'a, R: Reader<'a>>(
        &mut self,
        key: &'static str,
        value: OptionValue<'_, 'a, R>,
        _: &mut Refused,
    ) -> Result<(), DecodeError> {
        match key {
            "authmethods" => self.authmethods = value.texts(MAX_AUTHMETHODS)?,
            "authid" => self.authid = Some(name(value)?),
            "authrole" => self.authrole = Some(name(value)?),
            "authextra" => {
                self.authextra = value.dictionary()?;
                if self.authextra.size() > MAX_AUTHEXTRA {
                    return Err(invalid(format!("may have {MAX_AUTHEXTRA} bytes")));
                }
            }
            _ => self.roles = value.dictionary()?,
        }
        Ok(())
    }

    fn keep(&mut self, written: Dictionary) {
        self.written = written;
    }
}

/// A name that a client would like to have.
fn name<'a, R: Reader<'a>>(value: OptionValue<'_, 'a, R>) -> Result<String, DecodeError> {
    let name = value.text()?;
    if name.len() > MAX_NAME { Err(invalid(format!("may have {MAX_NAME} bytes"))) } else { Ok(name) }
}

impl PublishOptions {
    fn lists(&mut self) -> &mut PublishLists {
        self.lists.get_or_insert_with(Box::<PublishLists>::default)
    }
}

impl Options for PublishOptions {
    const KEYS: &'static [&'static str] = &[
        "acknowledge",
        "exclude_me",
        "disclose_me",
        "retain",
        "exclude",
        "exclude_authid",
        "exclude_authrole",
        "eligible",
        "eligible_authid",
        "eligible_authrole",
        PPT_SCHEME,
        PPT_SERIALIZER,
        PPT_CIPHER,
        PPT_KEYID,
    ];
    const ABSENT: Absent = IN_PUBLISH;

    fn set<'a, R: Reader<'a>>(
        &mut self,
        key: &'static str,
        value: OptionValue<'_, 'a, R>,
        refused: &mut Refused,
    ) -> Result<(), DecodeError> {
        match key {
            "acknowledge" => self.acknowledge = value.bool()?,
            "exclude_me" => self.exclude_me = value.bool()?,
            "disclose_me" => self.disclose_me = value.bool()?,
            "retain" => self.retain = value.bool()?,
            "exclude" => self.lists().exclude = value.ids(too_long!("exclude"), refused)?,
            "exclude_authid" => {
                self.lists().exclude_authid = value.names(too_long!("exclude_authid"), refused)?;
            }
            "exclude_authrole" => {
                self.lists().exclude_authrole = value.names(too_long!("exclude_authrole"), refused)?;
            }
            "eligible" => self.lists().eligible = Some(value.ids(too_long!("eligible"), refused)?),
            "eligible_authid" => {
                self.lists().eligible_authid = Some(value.names(too_long!("eligible_authid"), refused)?);
            }
            "eligible_authrole" => {
                self.lists().eligible_authrole = Some(value.names(too_long!("eligible_authrole"), refused)?);
            }
            _ => passthru(&mut self.passthru, key, value.text()?, refused),
        }
        Ok(())
    }

    fn check(&mut self, refused: &mut Refused) {
        check_passthru(&mut self.passthru, refused);
    }
}

impl Options for CallOptions {
    const KEYS: &'static [&'static str] = &[
        "receive_progress",
        "timeout",
        "disclose_me",
        "progress",
        PPT_SCHEME,
        PPT_SERIALIZER,
        PPT_CIPHER,
        PPT_KEYID,
    ];
    const ABSENT: Absent = IN_CALL;

    fn set<'a, R: Reader<'a>>(
        &mut self,
        key: &'static str,
        value: OptionValue<'_, 'a, R>,
        refused: &mut Refused,
    ) -> Result<(), DecodeError> {
        match key {
            "receive_progress" => self.receive_progress = value.bool()?,
            "timeout" => self.timeout = value.number("expected a number of milliseconds")?,
            "disclose_me" => self.disclose_me = value.bool()?,
            "progress" => self.progress = value.bool()?,
            _ => passthru(&mut self.passthru, key, value.text()?, refused),
        }
        Ok(())
    }

    fn check(&mut self, refused: &mut Refused) {
        check_passthru(&mut self.passthru, refused);
    }
}

impl Options for CancelOptions {
    const KEYS: &'static [&'static str] = &["mode"];

    fn set<'a, R: Reader<'a>>(
        &mut self,
        _: &'static str,
        value: OptionValue<'_, 'a, R>,
        _: &mut Refused,
    ) -> Result<(), DecodeError> {
        let mode = CancelMode::parse(&value.text()?);
        self.mode = mode.ok_or_else(|| invalid("expected \"skip\", \"kill\" or \"killnowait\""))?;
        Ok(())
    }
}

impl Options for YieldOptions {
    const KEYS: &'static [&'static str] = &["progress", PPT_SCHEME, PPT_SERIALIZER, PPT_CIPHER, PPT_KEYID];
    const ABSENT: Absent = IN_YIELD;

    fn set<'a, R: Reader<'a>>(
        &mut self,
        key: &'static str,
        value: OptionValue<'_, 'a, R>,
        refused: &mut Refused,
    ) -> Result<(), DecodeError> {
        match key {
            "progress" => self.progress = value.bool()?,
            _ => passthru(&mut self.passthru, key, value.text()?, refused),
        }
        Ok(())
    }

    fn check(&mut self, refused: &mut Refused) {
        check_passthru(&mut self.passthru, refused);
    }
}

impl Options for ErrorDetails {
    const KEYS: &'static [&'static str] = &[PPT_SCHEME, PPT_SERIALIZER, PPT_CIPHER, PPT_KEYID];
    const ABSENT: Absent = IN_ERROR;

    fn set<'a, R: Reader<'a>>(
        &mut self,
        key: &'static str,
        value: OptionValue<'_, 'a, R>,
        refused: &mut Refused,
    ) -> Result<(), DecodeError> {
        passthru(&mut self.passthru, key, value.text()?, refused);
        Ok(())
    }

    fn check(&mut self, refused: &mut Refused) {
        check_passthru(&mut self.passthru, refused);
    }
}

impl Options for SubscribeOptions {
    const KEYS: &'static [&'static str] = &["match", "get_retained"];
    const ABSENT: Absent = IN_SUBSCRIBE;

    fn set<'a, R: Reader<'a>>(
        &mut self,
        key: &'static str,
        value: OptionValue<'_, 'a, R>,
        refused: &mut Refused,
    ) -> Result<(), DecodeError> {
        match key {
            "match" => word(&mut self.matching, UriMatch::parse(&value.text()?), refused, MATCH),
            _ => self.get_retained = value.bool()?,
        }
        Ok(())
    }
}

impl Options for RegisterOptions {
    const KEYS: &'static [&'static str] =
        &["match", "invoke", "concurrency", "force_reregister", "disclose_caller", "forward_timeout"];
    const ABSENT: Absent = IN_REGISTER;

    fn set<'a, R: Reader<'a>>(
        &mut self,
        key: &'static str,
        value: OptionValue<'_, 'a, R>,
        refused: &mut Refused,
    ) -> Result<(), DecodeError> {
        match key {
            "match" => word(&mut self.matching, UriMatch::parse(&value.text()?), refused, MATCH),
            "invoke" => word(&mut self.invoke, Invoke::parse(&value.text()?), refused, INVOKE),
            "concurrency" => {
                let expected = "expected an integer from 1";
                let concurrency = Some(value.number(expected)?).filter(|at_once| *at_once > 0);
                self.concurrency = Some(concurrency.ok_or_else(|| invalid(expected))?);
            }
            "force_reregister" => self.force_reregister = value.bool()?,
            "disclose_caller" => self.disclose_caller = value.bool()?,
            _ => self.forward_timeout = value.bool()?,
        }
        Ok(())
    }
}

/// Takes one of several words, or notes that there is no such word.
fn word<T>(place: &mut T, value: Option<T>, refused: &mut Refused, complaint: &'static str) {
    match value {
        Some(value) => *place = value,
        None => refuse(refused, complaint),
    }
}

fn passthru(place: &mut Option<Box<Passthru>>, key: &'static str, value: String, refused: &mut Refused) {
    let (most, complaint) = match key {
        PPT_SCHEME => (MAX_PACKING, unfit!("ppt_scheme", 64)),
        PPT_SERIALIZER => (MAX_PACKING, unfit!("ppt_serializer", 64)),
        PPT_CIPHER => (MAX_PACKING, unfit!("ppt_cipher", 64)),
        _ => (MAX_KEYID, unfit!("ppt_keyid", 256)),
    };
    if value.len() > most || value.contains(char::is_control) {
        return refuse(refused, complaint);
    }
    let passthru = place.get_or_insert_with(Box::<Passthru>::default);
    let value = value.into_boxed_str();
    match key {
        PPT_SCHEME => passthru.scheme = value,
        PPT_SERIALIZER => passthru.serializer = Some(value),
        PPT_CIPHER => passthru.cipher = Some(value),
        _ => passthru.keyid = Some(value),
    }
}

/// The other attributes say how a payload is packed by a scheme: without one, no receiver could unpack it.
fn check_passthru(place: &mut Option<Box<Passthru>>, refused: &mut Refused) {
    let Some(passthru) = place.as_deref().filter(|passthru| passthru.scheme.is_empty()) else { return };
    let Passthru { scheme: _, serializer, cipher, keyid } = passthru;
    if serializer.is_some() || cipher.is_some() || keyid.is_some() {
        refuse(refused, NO_SCHEME);
    }
    *place = None;
}
