//! The policy's own configuration: `{"authid": "cookie-id"}`, which is the default, or `{"authid":
//! "public-id"}`.
//!
//! Read by hand, because a JSON library would not fit into the first memory page beside stack and heap. The
//! gateway hands over well-formed JSON, so what this reader does not know is no fault of the file's syntax
//! but of its content.

/// What the operator may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Config {
    /// The authid of a tracked client where no authentication is configured.
    pub(crate) authid: TrackedAuthid,
}

/// Which of a record's two names becomes the authid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum TrackedAuthid {
    /// The tracking ID itself.
    #[default]
    CookieId,
    /// The record's public ID: for operators who never want the credential to be a name.
    PublicId,
}

impl Config {
    /// Reads the configuration; the error says what to write instead.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut rest = Reader(text);
        let mut config = Self::default();
        rest.expect('{')?;
        if rest.take('}') {
            return rest.end(config);
        }
        loop {
            let key = rest.string()?;
            rest.expect(':')?;
            if key != "authid" {
                return Err(format!("unknown key \"{key}\": the default policy knows only \"authid\""));
            }
            config.authid = match rest.string() {
                Ok("cookie-id") => TrackedAuthid::CookieId,
                Ok("public-id") => TrackedAuthid::PublicId,
                _ => return Err("authid: use \"cookie-id\" or \"public-id\"".to_owned()),
            };
            if !rest.take(',') {
                rest.expect('}')?;
                return rest.end(config);
            }
        }
    }
}

/// The part of a JSON text that is still to be read.
struct Reader<'a>(&'a str);

impl<'a> Reader<'a> {
    fn skip_blanks(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    fn take(&mut self, sign: char) -> bool {
        self.skip_blanks();
        let after = self.0.strip_prefix(sign);
        self.0 = after.unwrap_or(self.0);
        after.is_some()
    }

    fn expect(&mut self, sign: char) -> Result<(), String> {
        if self.take(sign) { Ok(()) } else { Err(not_understood()) }
    }

    /// A string without escapes: no key or value that this policy knows has any.
    fn string(&mut self) -> Result<&'a str, String> {
        self.expect('"')?;
        let (text, rest) = self.0.split_once('"').ok_or_else(not_understood)?;
        if text.contains('\\') {
            return Err(not_understood());
        }
        self.0 = rest;
        Ok(text)
    }

    fn end(mut self, config: Config) -> Result<Config, String> {
        self.skip_blanks();
        if self.0.is_empty() { Ok(config) } else { Err(not_understood()) }
    }
}

fn not_understood() -> String {
    "use {}, {\"authid\": \"cookie-id\"} or {\"authid\": \"public-id\"}".to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Config, TrackedAuthid};

    #[test]
    fn both_choices_and_the_default_are_read() {
        for (text, authid) in [
            ("{}", TrackedAuthid::CookieId),
            (" {\n} ", TrackedAuthid::CookieId),
            (r#"{"authid":"cookie-id"}"#, TrackedAuthid::CookieId),
            (r#"{ "authid" : "public-id" }"#, TrackedAuthid::PublicId),
            (r#"{"authid":"cookie-id","authid":"public-id"}"#, TrackedAuthid::PublicId),
        ] {
            assert_eq!(Config::parse(text), Ok(Config { authid }), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused_with_what_to_write_instead() {
        for (text, remedy) in [
            ("", "use {}"),
            ("[]", "use {}"),
            ("{", "use {}"),
            ("{}}", "use {}"),
            ("{} {}", "use {}"),
            (r#"{"authid":"cookie-id",}"#, "use {}"),
            (r#"{"authid" "cookie-id"}"#, "use {}"),
            (r#"{"auth\u0069d":"cookie-id"}"#, "use {}"),
            (r#"{"authid":"random"}"#, "authid: use \"cookie-id\""),
            (r#"{"authid":7}"#, "authid: use \"cookie-id\""),
            (r#"{"authId":"cookie-id"}"#, "unknown key \"authId\""),
        ] {
            let fault = Config::parse(text).expect_err(text);
            assert!(fault.starts_with(remedy), "{text}: {fault}");
        }
    }
}
