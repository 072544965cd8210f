//! `wampgate version`: what this build is and speaks.

use std::io::{self, Write};

use serde_json::json;
use wampgate::policy::CONTRACT_VERSIONS;

/// The package whose versions the contracts are.
const CONTRACT: &str = "wampgate:authid";

/// The cargo features that this build has.
fn features() -> Vec<&'static str> {
    let features = [
        ("cache", cfg!(feature = "cache")),
        ("cli", cfg!(feature = "cli")),
        ("fuzzing", cfg!(feature = "fuzzing")),
        ("gateway", cfg!(feature = "gateway")),
        ("otel", cfg!(feature = "otel")),
        ("testkit", cfg!(feature = "testkit")),
    ];
    features.iter().filter(|(_, is_there)| *is_there).map(|(name, _)| *name).collect()
}

/// Writes the version, for people or as JSON.
pub(crate) fn version(as_json: bool, out: &mut impl Write) -> io::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    let platform = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
    if as_json {
        let version = json!({
            "version": version,
            "platform": platform,
            "features": features(),
            "contracts": { CONTRACT: CONTRACT_VERSIONS },
        });
        return writeln!(out, "{version}");
    }
    writeln!(out, "wampgate {version}")?;
    writeln!(out, "platform   {platform}")?;
    writeln!(out, "features   {}", features().join(", "))?;
    writeln!(out, "contracts  {CONTRACT} {}", CONTRACT_VERSIONS.join(", "))?;
    out.flush()
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_feature_of_the_manifest_is_told() {
        let manifest = include_str!("../../Cargo.toml");
        let section = manifest.split("[features]").nth(1).unwrap().split("\n[").next().unwrap();
        let named = section.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name);
        let named: Vec<&str> = named.filter(|name| *name != "default" && !name.starts_with('#')).collect();
        assert!(named.contains(&"cli"), "{named:?}");
        for name in named {
            assert!(include_str!("version.rs").contains(&format!("cfg!(feature = \"{name}\")")), "{name}");
        }
    }
}
