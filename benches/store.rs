//! What the cookie stores cost: look-ups, new cookies, starts, purges, and bytes a record.
//!
//! `cargo bench --bench store`; with `-- --quick` in a tenth of the time. The figures that are no
//! distribution (bytes, starts, purges, processor time of new cookies) are printed first, one a line.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::unchecked_time_subtraction,
    missing_docs,
    reason = "a bench may fail loudly, and reports to its terminal"
)]

use std::{
    fs,
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group, criterion_main};
use futures_util::future::join_all;
use wampgate::store::{
    self, CookieRecord, CookieStore, MaxAge, StoreOptions, SyncMode, Timestamp, TrackingId,
};

const MILLION: u64 = 1_000_000;
const NOW: u64 = 1_795_342_473_139;

/// How many handshakes wait for their cookie at the same time.
const CONCURRENT: u64 = 64;

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(NOW + millis)
}

/// IDs like random ones: 24 characters that have nothing to do with the order in which they are made.
fn id(number: u64) -> TrackingId {
    let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    TrackingId::parse(&format!("{mixed:016x}{number:08x}")).unwrap()
}

fn record(millis: u64) -> CookieRecord {
    CookieRecord::new(at(millis), MaxAge::DEFAULT)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap()
}

fn config(kind: &str, folder: &tempfile::TempDir, sync: SyncMode) -> StoreOptions {
    let path = folder.path().join(kind);
    match kind {
        "memory" => StoreOptions::Memory { max_cookies: 2_000_000, max_per_principal: 100 },
        "file" => StoreOptions::File { path, max_cookies: 2_000_000, max_per_principal: 100, sync },
        _ => StoreOptions::Lmdb { path, max_size: 1 << 30, max_per_principal: 100, sync },
    }
}

fn open(config: &StoreOptions) -> Arc<dyn CookieStore> {
    store::open(config, at(0)).unwrap().store
}

fn fill(store: &dyn CookieStore, numbers: std::ops::Range<u64>) {
    let numbers: Vec<_> = numbers.collect();
    for chunk in numbers.chunks(10_000) {
        let commits = chunk.iter().map(|n| store.create(&id(*n), record(*n / 1000)));
        runtime().block_on(join_all(commits)).into_iter().for_each(Result::unwrap);
    }
}

/// Memory that the process has, in bytes.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Processor time that the process has taken.
fn processor_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    // utime and stime in clock ticks, of which Linux tells programs that there are 100 a second.
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

/// New cookies at a fixed concurrency: how long each took, sorted.
fn create_concurrently(store: &Arc<dyn CookieStore>, first: u64, each: u64) -> Vec<Duration> {
    let mut times = runtime().block_on(async {
        let tasks = (0..CONCURRENT).map(|task| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                let mut times = Vec::new();
                for n in 0..each {
                    let begin = Instant::now();
                    store.create(&id(first + task * each + n), record(0)).await.unwrap();
                    times.push(begin.elapsed());
                }
                times
            })
        });
        join_all(tasks).await.into_iter().flat_map(Result::unwrap).collect::<Vec<_>>()
    });
    times.sort_unstable();
    times
}

fn figures() {
    let before = resident();
    let memory = open(&config("memory", &tempfile::tempdir().unwrap(), SyncMode::Never));
    fill(&*memory, 0..MILLION);
    println!("memory: {} bytes a record at a million", (resident() - before) / MILLION);
    drop(memory);

    for kind in ["file", "lmdb"] {
        for count in [100_000, MILLION] {
            let folder = tempfile::tempdir().unwrap();
            let config = config(kind, &folder, SyncMode::Never);
            fill(&*open(&config), 0..count);
            let begin = Instant::now();
            let store = open(&config);
            println!("{kind}: {count} records opened in {:?}", begin.elapsed());
            assert!(store.look_up(&id(count - 1), at(0)).wait().unwrap().is_some());
        }
    }

    for kind in ["memory", "file", "lmdb"] {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&config(kind, &folder, SyncMode::Always));
        let (begin, cpu) = (Instant::now(), processor_time());
        let times = create_concurrently(&store, 0, 300);
        let per = |time: Duration| time / u32::try_from(times.len()).unwrap();
        println!(
            "{kind}: new cookies, sync always, {CONCURRENT} at a time: {:?} of processor time each, {:?} of time, p99 {:?}",
            per(processor_time() - cpu),
            per(begin.elapsed()),
            times[times.len() * 99 / 100],
        );
    }

    let folder = tempfile::tempdir().unwrap();
    let store = open(&config("lmdb", &folder, SyncMode::Always));
    fill(&*store, 0..200_000);
    let quiet = create_concurrently(&store, MILLION, 50);
    let (times, (purged, took)) = std::thread::scope(|scope| {
        let purge = scope.spawn(|| {
            let begin = Instant::now();
            (store.purge(at(86_400_000 + 300), 200_000).unwrap(), begin.elapsed())
        });
        (create_concurrently(&store, 2 * MILLION, 50), purge.join().unwrap())
    });
    let p99 = |times: &[Duration]| times[times.len() * 99 / 100];
    println!(
        "lmdb: {purged} purged in {took:?}; new cookies' p99 {:?} meanwhile, {:?} before",
        p99(&times),
        p99(&quiet)
    );
}

fn look_ups(criterion: &mut Criterion) {
    figures();
    let mut group = criterion.benchmark_group("look_up, a million records");
    for kind in ["memory", "file", "lmdb"] {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&config(kind, &folder, SyncMode::Never));
        fill(&*store, 0..MILLION);
        let ids: Vec<_> = (0..MILLION).step_by(7).map(id).collect();
        let mut next = ids.iter().cycle();
        group.bench_function(kind, |bench| {
            bench.iter(|| black_box(store.look_up(next.next().unwrap(), at(1000)).wait().unwrap()));
        });
    }
}

criterion_group!(benches, look_ups);
criterion_main!(benches);
