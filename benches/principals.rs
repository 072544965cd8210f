//! What a file with a million principals costs: the time to read it, the memory that it takes, and a look-up in it.
//!
//! `cargo bench --bench principals` prints one line; it fails if reading takes more than three seconds. The process takes a gigabyte for
//! some seconds, since it makes the file as well.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench reports to its terminal, and failing loudly is fine"
)]

use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use wampgate::{
    config::{PrincipalFile, ScramPrincipal},
    policy::{Name, Uri},
};

const PRINCIPALS: u32 = 1_000_000;

/// How often one is looked up.
const LOOK_UPS: u32 = 100_000;

/// How long reading may take.
const MOST: Duration = Duration::from_secs(3);

/// Writes the file; how many bytes it has.
fn write(file: &Path) -> usize {
    let mut text = "{".to_owned();
    for n in 0..PRINCIPALS {
        let comma = if n == 0 { "" } else { "," };
        let key = format!("{n:064x}");
        write!(
            text,
            r#"{comma}"user{n}@example.com":{{"kdf":"argon2id-13","iterations":2,"memory":19456,"salt":"{n:032x}","stored-key":"{key}","server-key":"{key}","role":"frontend","realm":"realm1"}}"#
        )
        .unwrap();
    }
    text.push('}');
    fs::write(file, &text).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    text.len()
}

/// The memory that the process has, in KiB.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

fn main() -> ExitCode {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("principals.json");
    let size = write(&file);
    let before = resident();
    let begun = Instant::now();
    let realms = vec![(Uri::parse("realm1").unwrap(), Some(vec![Name::parse("frontend").unwrap()]))];
    let principals = PrincipalFile::<ScramPrincipal>::open(&file, Some(realms)).unwrap();
    let took = begun.elapsed();
    let table = principals.current();
    let held = resident().saturating_sub(before) / 1024;
    assert_eq!(table.len(), PRINCIPALS as usize);
    let begun = Instant::now();
    for n in 0..LOOK_UPS {
        assert!(table.get(&format!("user{}@example.com", n * (PRINCIPALS / LOOK_UPS))).is_some());
    }
    let look_up = begun.elapsed() / LOOK_UPS;
    println!("{} MB of text: read in {took:?}, {held} MB held, a look-up takes {look_up:?}", size >> 20);
    if took > MOST {
        println!("reading takes more than {MOST:?}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
