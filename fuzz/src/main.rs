//! Feeds a target of `wampgate::fuzzing` with changed inputs of its corpus, for a time.

use std::{
    collections::HashSet,
    env, fs,
    hash::{DefaultHasher, Hash, Hasher},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use wampgate::fuzzing::{TARGETS, Target};

/// The longest input.
const MAX_INPUT: usize = 4096;

/// How many inputs are kept while it runs.
const MAX_KEPT: usize = 20_000;

/// How long one input may take. The slowest input of a sound target takes a thousandth of this.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often an input may take longer: where others use the processor, the clock goes on while the target waits for it.
const TRIES: usize = 5;

/// Xorshift: fast, and good enough to choose bytes.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `end`; 0 if there is none.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % (end.max(1) as u64)).unwrap_or(0)
    }
}

/// Changes an input in a few places; `other` is one to take parts of.
fn change(input: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    const BYTES: &[u8] = b"\0\x7f\x80\xff\"\\{}[],:.# \n;=~0123456789eE-+\xc0\xc4\xd9\xdf\x9f\xbf\x5f\x7b";
    let mut bytes = input.to_vec();
    for _ in 0..=random.below(6) {
        let at = random.below(bytes.len() + 1);
        match random.below(7) {
            0 => bytes.insert(at, BYTES[random.below(BYTES.len())]),
            1 if at < bytes.len() => bytes[at] = (random.next() & 0xff) as u8,
            2 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            3 => drop(bytes.drain(at..(at + 1 + random.below(8)).min(bytes.len()))),
            4 => {
                let from = random.below(bytes.len());
                let part = bytes[from..(from + 1 + random.below(24)).min(bytes.len())].to_vec();
                bytes.splice(at..at, part);
            }
            5 => {
                let from = random.below(other.len());
                let part = other[from..(from + 1 + random.below(64)).min(other.len())].to_vec();
                bytes.splice(at..at, part);
            }
            _ if at < bytes.len() => bytes[at] = BYTES[random.below(BYTES.len())],
            _ => {}
        }
    }
    bytes.truncate(MAX_INPUT);
    bytes
}

/// What a target makes of an input; nothing if it panics or takes too long.
fn run(target: Target, input: &[u8]) -> Option<u64> {
    for _ in 0..TRIES {
        let begun = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| target(input))).ok()?;
        if begun.elapsed() <= PATIENCE {
            return Some(outcome);
        }
        eprintln!("an input took {:?}", begun.elapsed());
    }
    None
}

fn keep(folder: &Path, input: &[u8]) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    let path = folder.join(format!("found-{:016x}", hasher.finish()));
    if let Err(error) = fs::write(&path, input) {
        eprintln!("cannot write {}: {error}", path.display());
    }
    path
}

/// Whether nothing was found.
fn fuzz(name: &str, target: Target, time: Duration) -> Result<bool, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let files = fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut inputs: Vec<Vec<u8>> = Vec::new();
    for file in files {
        inputs.push(file.and_then(|file| fs::read(file.path())).map_err(|error| error.to_string())?);
    }
    if inputs.is_empty() {
        return Err(format!("{} has no seeds", folder.display()));
    }
    let mut seen = HashSet::new();
    for input in &inputs {
        let Some(outcome) = run(target, input) else {
            println!("{name}: found with {}", keep(&folder, input).display());
            return Ok(false);
        };
        seen.insert(outcome);
    }
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_nanos() as u64) | 1;
    let (mut random, begun, mut runs) = (Random(seed), Instant::now(), 0_u64);
    while begun.elapsed() < time {
        for _ in 0..100 {
            let (one, other) = (random.below(inputs.len()), random.below(inputs.len()));
            let input = change(&inputs[one], &inputs[other], &mut random);
            runs += 1;
            let Some(outcome) = run(target, &input) else {
                println!("{name}: found with {}", keep(&folder, &input).display());
                return Ok(false);
            };
            if seen.insert(outcome) && inputs.len() < MAX_KEPT {
                inputs.push(input);
            }
        }
    }
    println!("{name}: nothing found in {runs} runs, {} outcomes", seen.len());
    Ok(true)
}

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let wanted = arguments.next().unwrap_or_default();
    let seconds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(60);
    let chosen: Vec<_> = TARGETS.iter().filter(|(name, _)| wanted == "all" || wanted == *name).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
        eprintln!("say which target and for how many seconds: all, {}", names.join(", "));
        return ExitCode::from(2);
    }
    let mut is_clean = true;
    for (name, target) in chosen {
        match fuzz(name, *target, Duration::from_secs(seconds)) {
            Ok(nothing_found) => is_clean &= nothing_found,
            Err(error) => {
                eprintln!("{error}");
                return ExitCode::from(2);
            }
        }
    }
    if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
