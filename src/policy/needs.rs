//! What a component says that it needs, and whether the operator gives it.
//!
//! A policy that looks at a header which the gateway does not show it sees what it sees of a client that does not send the
//! header, and so may let in whom it is meant to refuse. So a component for version 0.3.0 of the contract declares what it
//! needs, and is not used without it.

use http::header::COOKIE;

use super::{Grants, PolicyOptions, bindings::v0_3::wampgate::authid::types::Requirements, text::clean};

/// As many headers as a question has at most, and what is read of a name in a message.
const MAX_NAMES: usize = 64;
const NAME_BYTES: usize = 256;

/// What a component needs with its configuration, as it says itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs {
    /// The names of the request headers that it looks at.
    pub headers: Vec<String>,
    /// The names of the grants that it needs beyond those that its imports show.
    pub grants: Vec<String>,
}

impl From<Requirements> for Needs {
    fn from(Requirements { headers, grants }: Requirements) -> Self {
        Self { headers, grants }
    }
}

impl Needs {
    /// Whether these needs name a header, in whatever case.
    pub fn names_header(&self, header: &str) -> bool {
        self.headers.iter().any(|name| name.eq_ignore_ascii_case(header))
    }

    /// What of it the operator does not give, each with what to do; without `checks_headers`, of the grants only.
    pub(super) fn missing(&self, options: &PolicyOptions, checks_headers: bool) -> Vec<String> {
        if self.headers.len() > MAX_NAMES || self.grants.len() > MAX_NAMES {
            return vec![format!("more than {MAX_NAMES} headers or grants")];
        }
        let shows =
            |header: &str| options.headers.iter().any(|shown| header.eq_ignore_ascii_case(shown.as_str()));
        let headers = self.headers.iter().filter(|header| checks_headers && !shows(header)).map(|header| {
            if header.eq_ignore_ascii_case(COOKIE.as_str()) {
                return "the header `cookie`, which no policy is shown: it gets the cookie's record"
                    .to_owned();
            }
            format!("the header `{}`: add it to the policy's `headers`", clean(header, None, NAME_BYTES))
        });
        let grants = self.grants.iter().filter_map(|grant| match is_granted(options.grants, grant) {
            Some(true) => None,
            Some(false) => Some(format!("the grant `{grant}`: add it to the policy's `grants`")),
            None => {
                let grant = clean(grant, None, NAME_BYTES);
                Some(format!("the grant `{grant}`, which this gateway does not have"))
            }
        });
        headers.chain(grants).collect()
    }
}

/// Whether a grant is given; nothing if there is none of this name.
fn is_granted(grants: Grants, name: &str) -> Option<bool> {
    match name {
        "clock" => Some(grants.clock),
        "random" => Some(grants.random),
        "wasi" => Some(grants.wasi),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn missing(headers: &[&str], grants: &[&str], options: &PolicyOptions) -> String {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let needs = Needs { headers: owned(headers), grants: owned(grants) };
        needs.missing(options, true).join("; ")
    }

    #[test]
    fn what_is_given_is_enough_and_what_is_not_is_named() {
        let options = PolicyOptions {
            headers: vec![HeaderName::from_static("x-maintenance")],
            grants: Grants { clock: true, ..Grants::default() },
            ..PolicyOptions::default()
        };
        assert_eq!(missing(&[], &[], &options), "");
        assert_eq!(missing(&["X-Maintenance"], &["clock"], &options), "");
        let fault = missing(&["x-maintenance", "x-staff"], &["clock", "random", "files"], &options);
        for part in ["`x-staff`", "`random`", "`files`, which this gateway does not have"] {
            assert!(fault.contains(part), "{fault}");
        }
        assert!(!fault.contains("x-maintenance") && !fault.contains("clock"), "{fault}");
        assert!(missing(&["Cookie"], &[], &options).contains("no policy is shown"));
    }

    #[test]
    fn no_more_is_needed_than_a_question_can_have() {
        let many = ["x"; MAX_NAMES + 1];
        assert!(missing(&many, &[], &PolicyOptions::default()).contains("more than 64"));
    }

    #[test]
    fn a_test_shows_every_header() {
        let needs = Needs { headers: vec!["x-staff".to_owned()], grants: Vec::new() };
        assert!(needs.missing(&PolicyOptions::default(), false).is_empty());
    }
}
