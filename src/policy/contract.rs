//! The versions of the contract that are served side by side.
//!
//! Everything behind this module knows the newest one only: a request leaves out what an older version does not
//! have, and an older answer becomes a newer one.
//!
//! A new version takes its bindings (`bindings.rs`), a line in [`versions!`] and in [`components!`], and, of the version before
//! it, how its answers become the new ones (`answer.rs`) and its requests are made of ours (`lower.rs`).

use wasmtime::{Result, Store, component::InstancePre};

use super::{JoinRequest, RawDecision, RoutingRequest, bindings, instance::Instance, needs::Needs};

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

        impl Version {
            /// All of them, the oldest first.
            pub(super) const ALL: &[Self] = &[$(Self::$version),+];

            /// Its number.
            pub(super) fn number(self) -> &'static str {
                match self { $(Self::$version => $number),+ }
            }
        }
    };
}

/// What the components of a policy are: one of a version, or one that chooses upstreams as well.
macro_rules! components {
    ($($bindings:ident: $code:ident => $guest:ident),+ $(,)?) => {
        /// A component that can be instantiated, by what it was built for.
        #[allow(non_camel_case_types, reason = "the names of the modules with the bindings")]
        #[derive(Clone)]
        pub(crate) enum Component {
            $($bindings(bindings::$bindings::$code<Instance>)),+
        }

        /// An instance of it.
        #[allow(non_camel_case_types, reason = "the names of the modules with the bindings")]
        pub(crate) enum Guest {
            $($bindings(bindings::$bindings::$guest)),+
        }

        impl Component {
            /// Makes an instance.
            pub(super) fn instantiate(&self, store: &mut Store<Instance>) -> Result<Guest> {
                Ok(match self {
                    $(Self::$bindings(component) => Guest::$bindings(component.instantiate(store)?)),+
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
                    $(Self::$bindings(guest) => {
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
                    $(Self::$bindings(guest) => guest
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

components! {
    v0_1: GrantedAuthidPolicyPre => GrantedAuthidPolicy,
    v0_2: GrantedAuthidPolicyPre => GrantedAuthidPolicy,
    v0_3: GrantedAuthidPolicyPre => GrantedAuthidPolicy,
    routing: GrantedRoutingPolicyPre => GrantedRoutingPolicy,
}

/// The interface by which a policy chooses upstreams.
const ROUTING: &str = "routing";

impl Component {
    /// Finds the exports of this version.
    pub(super) fn new(version: Version, component: InstancePre<Instance>) -> Result<Self> {
        Ok(match version {
            Version::v0_1 => Self::v0_1(bindings::v0_1::GrantedAuthidPolicyPre::new(component)?),
            Version::v0_2 => Self::v0_2(bindings::v0_2::GrantedAuthidPolicyPre::new(component)?),
            Version::v0_3 => {
                let chooses = component.component().get_export_index(None, version.export(ROUTING));
                if chooses.is_some() {
                    Self::routing(bindings::routing::GrantedRoutingPolicyPre::new(component)?)
                } else {
                    Self::v0_3(bindings::v0_3::GrantedAuthidPolicyPre::new(component)?)
                }
            }
        })
    }

    /// Whether it chooses upstreams.
    pub(super) const fn routes(&self) -> bool {
        matches!(self, Self::routing(_))
    }
}

impl Guest {
    /// Asks it what it needs. The versions before the third cannot say.
    pub(super) fn needs(&self, store: &mut Store<Instance>, config: &str) -> Result<Option<Needs>> {
        let needs = match self {
            Self::v0_1(_) | Self::v0_2(_) => return Ok(None),
            Self::v0_3(guest) => guest.wampgate_authid_policy().call_needs(store, config)?,
            Self::routing(guest) => guest.wampgate_authid_policy().call_needs(store, config)?,
        };
        Ok(Some(needs.into()))
    }

    /// Asks it for the upstream of a client.
    pub(super) fn choose_upstream(
        &self,
        store: &mut Store<Instance>,
        config: &str,
        request: &RoutingRequest<'_>,
    ) -> Result<Result<String, String>> {
        match self {
            Self::routing(guest) => {
                guest.wampgate_authid_routing().call_choose_upstream(store, config, request.into())
            }
            // What is configured to choose is not loaded if it cannot.
            Self::v0_1(_) | Self::v0_2(_) | Self::v0_3(_) => Ok(Err(NO_ROUTING.to_owned())),
        }
    }
}

/// What a policy that chooses no upstream would say.
const NO_ROUTING: &str = "it has no `routing`, by which a policy chooses the upstream of a client";

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
