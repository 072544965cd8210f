//! The versions of the contract that are served side by side.
//!
//! Everything behind this module knows the newest one only: a request leaves out what an older version does not
//! have, and an older answer becomes a newer one.
//!
//! A new version takes its bindings (`bindings.rs`), a line in [`versions!`], and, of the version before it, how its
//! answers become the new ones (`answer.rs`) and its requests are made of ours (`lower.rs`).

use wasmtime::{Result, Store, component::InstancePre};

use super::{JoinRequest, RawDecision, bindings, instance::Instance, needs::Needs};

/// The package that the contract is.
pub(super) const PACKAGE: &str = "wampgate:authid/";

macro_rules! versions {
    ($($version:ident = $number:literal),+ $(,)?) => {
        /// The numbers of the versions, the oldest first.
        pub const CONTRACT_VERSIONS: &[&str] = &[$($number),+];

        /// A version of the contract.
        #[allow(non_camel_case_types, reason = "the names of the modules with the bindings")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Version { $($version),+ }

        /// A component that can be instantiated, by the version that it was built for.
        #[allow(non_camel_case_types, reason = "the names of the modules with the bindings")]
        #[derive(Clone)]
        pub(crate) enum Component {
            $($version(bindings::$version::GrantedAuthidPolicyPre<Instance>)),+
        }

        /// An instance of it.
        #[allow(non_camel_case_types, reason = "the names of the modules with the bindings")]
        pub(crate) enum Guest {
            $($version(bindings::$version::GrantedAuthidPolicy)),+
        }

        impl Version {
            /// All of them, the oldest first.
            pub(super) const ALL: &[Self] = &[$(Self::$version),+];

            /// Its number.
            pub(super) fn number(self) -> &'static str {
                match self { $(Self::$version => $number),+ }
            }
        }

        impl Component {
            /// Finds the exports of this version.
            pub(super) fn new(version: Version, component: InstancePre<Instance>) -> Result<Self> {
                Ok(match version {
                    $(Version::$version => {
                        Self::$version(bindings::$version::GrantedAuthidPolicyPre::new(component)?)
                    })+
                })
            }

            /// Makes an instance.
            pub(super) fn instantiate(&self, store: &mut Store<Instance>) -> Result<Guest> {
                Ok(match self {
                    $(Self::$version(component) => Guest::$version(component.instantiate(store)?)),+
                })
            }
        }

        impl Guest {
            /// Asks it about its configuration.
            pub(super) fn check_config(
                &self,
                store: &mut Store<Instance>,
                config: &str,
            ) -> Result<Result<(), Vec<String>>> {
                match self {
                    $(Self::$version(guest) => {
                        guest.wampgate_authid_policy().call_check_config(store, config)
                    })+
                }
            }

            /// Asks it about a HELLO.
            pub(super) fn decide(
                &self,
                store: &mut Store<Instance>,
                config: &str,
                request: &JoinRequest<'_>,
            ) -> Result<Result<RawDecision, String>> {
                Ok(match self {
                    $(Self::$version(guest) => guest
                        .wampgate_authid_policy()
                        .call_decide(store, config, request.into())?
                        .map(Into::into)),+
                })
            }
        }
    };
}

versions! {
    v0_1 = "0.1.0",
    v0_2 = "0.2.0",
    v0_3 = "0.3.0",
}

impl Guest {
    /// Asks it what it needs. The versions before the third cannot say.
    pub(super) fn needs(&self, store: &mut Store<Instance>, config: &str) -> Result<Option<Needs>> {
        match self {
            Self::v0_1(_) | Self::v0_2(_) => Ok(None),
            Self::v0_3(guest) => {
                let needs = guest.wampgate_authid_policy().call_needs(store, config)?;
                Ok(Some(Needs { headers: needs.headers, grants: needs.grants }))
            }
        }
    }
}

impl Version {
    /// The version for which a component with these exports has an interface: the newest of those that are served.
    pub(super) fn of(interface: &str, served: &[Self], exports: &[String]) -> Option<Self> {
        let exported = |version: &Self| exports.contains(&version.export(interface));
        served.iter().copied().rev().find(exported)
    }

    /// The name of the export of an interface.
    pub(super) fn export(self, interface: &str) -> String {
        format!("{PACKAGE}{interface}@{}", self.number())
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::{CONTRACT_VERSIONS, Version};
    use crate::policy::load::Hex;

    #[test]
    fn every_version_is_in_the_folder_and_says_its_number() {
        let wit = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("wit");
        let (newest, older) = CONTRACT_VERSIONS.split_last().unwrap();
        let files = older.iter().map(|number| (*number, wit.join(number))).chain([(*newest, wit.clone())]);
        for (number, folder) in files {
            let text = std::fs::read_to_string(folder.join("policy.wit")).unwrap();
            assert!(text.contains(&format!("package wampgate:authid@{number};\n")), "{number}");
        }
    }

    /// What `wit/README.md` promises: a published version may be told better, and is never changed.
    #[test]
    fn an_older_version_stays_as_it_was_published() {
        for (text, published) in [
            (
                include_str!("../../wit/0.1.0/policy.wit"),
                "fd9b22a436b2b4cf837885b0c588f5d5fb4453fbc14ef3551db50b6d231256c4",
            ),
            (
                include_str!("../../wit/0.2.0/policy.wit"),
                "5ceb96477c94217cfd6494f97d43a9aa44b4ce45fa7648f583450d86eb477de5",
            ),
        ] {
            let lines = text.lines().map(str::trim);
            let items: Vec<&str> = lines.filter(|line| !line.is_empty() && !line.starts_with("//")).collect();
            let hash = Hex(&Sha256::digest(items.join("\n")).into()).to_string();
            assert_eq!(hash, published);
        }
    }

    #[test]
    fn a_component_for_several_versions_is_taken_for_the_newest() {
        let exports = |versions: &[&str]| -> Vec<String> {
            versions.iter().map(|version| format!("wampgate:authid/policy@{version}")).collect()
        };
        let of = |versions: &[&str]| Version::of("policy", Version::ALL, &exports(versions));
        assert_eq!(of(&["0.2.0", "0.1.0"]), Some(Version::v0_2));
        assert_eq!(of(&["0.1.0", "0.9.0"]), Some(Version::v0_1));
        assert_eq!(of(&["0.1.1"]), None);
    }
}
