//! `wampgate policy inspect`: the facts about a component, and whether the gateway would load it.

use std::{io::Write, path::Path};

use serde_json::{Value, json};

use super::grant_names;
use wampgate::policy::{ComponentKind, Inspection, Instances, PolicyEngine, PolicyEngineOptions};

/// Writes the facts about a component. True if the gateway would load it with the grants that it needs.
pub(super) fn inspect(component: &Path, as_json: bool, out: &mut impl Write) -> anyhow::Result<bool> {
    // Without the cache, since the time to compile is one of the facts.
    let engine = PolicyEngine::new(&PolicyEngineOptions { cache: None, ..PolicyEngineOptions::default() })?;
    let inspection = Inspection::of_file(&engine, component, Instances::Fresh)?;
    if as_json {
        serde_json::to_writer_pretty(&mut *out, &to_json(&inspection))?;
        writeln!(out)?;
    } else {
        write_text(&inspection, out)?;
    }
    Ok(inspection.fault.is_none())
}

fn to_json(inspection: &Inspection) -> Value {
    json!({
        "file": inspection.policy,
        "kind": inspection.kind.map(ComponentKind::name),
        "contract": inspection.contract,
        "imports": inspection.imports,
        "exports": inspection.exports,
        "grants": grant_names(inspection.grants),
        "needs": inspection.needs.as_ref().map(|needs| json!({ "headers": needs.headers, "grants": needs.grants })),
        "size": inspection.size,
        "sha256": inspection.sha256,
        "compile_ms": inspection.compile_time.map(|time| time.as_secs_f64() * 1000.0),
        "fault": inspection.fault.as_ref().map(ToString::to_string),
    })
}

fn write_text(inspection: &Inspection, out: &mut impl Write) -> std::io::Result<()> {
    let list = |names: &[String]| if names.is_empty() { "-".to_owned() } else { names.join("\n          ") };
    let grants = grant_names(inspection.grants);
    writeln!(out, "file      {}", inspection.policy)?;
    writeln!(out, "size      {} bytes", inspection.size)?;
    writeln!(out, "sha256    {}", inspection.sha256)?;
    writeln!(out, "kind      {}", inspection.kind.map_or("-", ComponentKind::name))?;
    writeln!(out, "contract  {}", inspection.contract.as_deref().unwrap_or("-"))?;
    writeln!(out, "imports   {}", list(&inspection.imports))?;
    writeln!(out, "exports   {}", list(&inspection.exports))?;
    writeln!(
        out,
        "grants    {}",
        if grants.is_empty() { "none needed".to_owned() } else { grants.join(", ") }
    )?;
    let needs = inspection.needs.as_ref().map(|needs| [&needs.headers[..], &needs.grants[..]].concat());
    let needs = match needs {
        None => "does not say".to_owned(),
        Some(names) if names.is_empty() => "no headers".to_owned(),
        Some(names) => names.join(", "),
    };
    writeln!(out, "needs     {needs}")?;
    if let Some(time) = inspection.compile_time {
        writeln!(out, "compiled  in {time:.1?}")?;
    }
    match &inspection.fault {
        None => writeln!(out, "usable    yes"),
        Some(fault) => writeln!(out, "usable    no: {fault}"),
    }
}
