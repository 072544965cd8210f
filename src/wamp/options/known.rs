//! The keys that mean something, message by message.

use super::{OptionValue, Options, invalid};
use crate::wamp::{
    DecodeError, Dictionary,
    message::{CallOptions, HelloDetails, MatchOptions, PublishLists, PublishOptions},
    read::Reader,
};

/// How long HELLO.Details.authextra may be, in bytes: the gateway keeps it while a client authenticates, and hands it to
/// policies. Keys, signatures and tokens take less than a tenth of this.
const MAX_AUTHEXTRA: usize = 16 * 1024;

impl Options for HelloDetails {
    const KEYS: &'static [&'static str] = &["authmethods", "authid", "authrole", "authextra", "roles"];

    fn set<'a, R: Reader<'a>>(
        &mut self,
        key: &'static str,
        value: OptionValue<'_, 'a, R>,
    ) -> Result<(), DecodeError> {
        match key {
            "authmethods" => self.authmethods = value.texts()?,
            "authid" => self.authid = Some(value.text()?),
            "authrole" => self.authrole = Some(value.text()?),
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

impl PublishOptions {
    fn lists(&mut self) -> &mut PublishLists {
        self.lists.get_or_insert_with(Box::<PublishLists>::default)
    }
}

impl Options for PublishOptions {
    const KEYS: &'static [&'static str] =
        &["acknowledge", "exclude_me", "disclose_me", "exclude", "eligible"];

    fn set<'a, R: Reader<'a>>(
        &mut self,
        key: &'static str,
        value: OptionValue<'_, 'a, R>,
    ) -> Result<(), DecodeError> {
        match key {
            "acknowledge" => self.acknowledge = value.bool()?,
            "exclude_me" => self.exclude_me = value.bool()?,
            "disclose_me" => self.disclose_me = value.bool()?,
            "exclude" => self.lists().exclude = value.ids()?,
            _ => self.lists().eligible = Some(value.ids()?),
        }
        Ok(())
    }

    fn keep(&mut self, written: Dictionary) {
        self.written = written;
    }
}

impl Options for CallOptions {
    const KEYS: &'static [&'static str] = &["disclose_me"];

    fn set<'a, R: Reader<'a>>(
        &mut self,
        _: &'static str,
        value: OptionValue<'_, 'a, R>,
    ) -> Result<(), DecodeError> {
        self.disclose_me = value.bool()?;
        Ok(())
    }

    fn keep(&mut self, written: Dictionary) {
        self.written = written;
    }
}

impl Options for MatchOptions {
    const KEYS: &'static [&'static str] = &["match", "invoke"];

    fn set<'a, R: Reader<'a>>(
        &mut self,
        key: &'static str,
        value: OptionValue<'_, 'a, R>,
    ) -> Result<(), DecodeError> {
        match key {
            "match" => self.r#match = Some(value.text()?),
            _ => self.invoke = Some(value.text()?),
        }
        Ok(())
    }

    fn keep(&mut self, written: Dictionary) {
        self.written = written;
    }
}
