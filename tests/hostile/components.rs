//! Components that are none, put in the place of a policy that serves.

use std::{
    fs::{self, File},
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::{
    guests::{bytes, guest},
    support::Gateway,
};

/// The file of the policy that serves.
pub(crate) const FILE: &str = "reloaded.wasm";

/// What the operator is told about each of them.
const COMPONENTS: [(&str, &str); 5] = [
    ("wrong-exports", "as the contract has it"),
    ("forbidden-import", "wasi:cli/environment"),
    ("random-bytes", "not a WebAssembly component"),
    ("random-bytes-behind-the-magic-number", "does not compile"),
    ("hundred-megabytes", "larger than"),
];

/// The files that are put there, in their order.
pub(crate) fn prepare(gateway: &Gateway) {
    let noise = (0..100_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8);
    let with_magic = b"\0asm\x0d\0\x01\0".iter().copied().chain(noise.clone()).collect();
    let contents: [Vec<u8>; 4] = [bytes(guest::HALF), bytes(guest::WANTS_WASI), noise.collect(), with_magic];
    for ((name, _), content) in COMPONENTS.iter().zip(contents) {
        fs::write(gateway.path().join(name), content).unwrap();
    }
    // All zeros, and they take no place on the disk.
    let (name, _) = COMPONENTS[4];
    File::create(gateway.path().join(name)).unwrap().set_len(100_000_000).unwrap();
}

/// Puts each of them in the policy's place so many times; how long it took until the gateway had refused it, sorted.
pub(crate) fn attack(gateway: &Gateway, rounds: usize) -> Vec<Duration> {
    let (next, file) = (gateway.path().join("next"), gateway.path().join(FILE));
    let told = "the old policy goes on";
    let before = gateway.output().text().matches(told).count();
    let mut times = Vec::new();
    for _ in 0..rounds {
        for (name, why) in COMPONENTS {
            fs::hard_link(gateway.path().join(name), &next).unwrap();
            fs::rename(&next, &file).unwrap();
            let begun = Instant::now();
            gateway.signal(Signal::HUP);
            gateway.output().until(told, before + times.len() + 1);
            times.push(begun.elapsed());
            let text = gateway.output().text();
            let line = text.lines().rfind(|line| line.contains(told)).unwrap();
            assert!(line.contains(FILE) && line.contains(why), "{name}: {line}");
        }
    }
    times.sort_unstable();
    times
}
