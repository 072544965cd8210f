use super::*;

/// Takes changes until one says "break"; writes down what it abandoned. "wait" waits for the second lock.
struct Fragile(Arc<Mutex<Vec<&'static str>>>, Arc<Mutex<()>>);

impl BatchSink for Fragile {
    type Work = &'static str;

    fn weigh(work: &Self::Work) -> usize {
        if *work == "heavy" { MAX_QUEUED } else { work.len() }
    }

    fn commit(&mut self, batch: &mut [Queued<Self::Work>]) -> Result<(), Arc<str>> {
        for item in &mut *batch {
            match item.work {
                "break" => return Err(Arc::from("broken")),
                "wait" => drop(self.1.lock().unwrap()),
                "panic" => panic!("as asked"),
                "refuse" => item.outcome = Err(StoreError::Exists),
                _ => {}
            }
        }
        Ok(())
    }

    fn abandon(&mut self, work: &Self::Work) {
        self.0.lock().unwrap().push(work);
    }

    fn tick(&mut self) -> Result<Option<Duration>, Arc<str>> {
        Ok(None)
    }

    fn recover(&mut self) -> Result<(), Arc<str>> {
        self.0.lock().unwrap().push("recovered");
        Ok(())
    }

    fn close(&mut self) -> Result<(), Arc<str>> {
        self.0.lock().unwrap().push("closed");
        Ok(())
    }
}

fn start_with(sink: Fragile) -> Group<Fragile> {
    Group::start("test", sink, StoreTally::default()).unwrap()
}

fn start() -> (Group<Fragile>, Arc<Mutex<Vec<&'static str>>>) {
    let log = Arc::default();
    (start_with(Fragile(Arc::clone(&log), Arc::default())), log)
}

#[tokio::test]
async fn queue_that_is_full_admits_nothing_until_it_is_written() {
    let gate = Arc::new(Mutex::new(()));
    let group =
        Group::start("test", Fragile(Arc::default(), Arc::clone(&gate)), StoreTally::default()).unwrap();
    let closed = gate.lock().unwrap();
    let mut commits = vec![group.push("wait").unwrap()];
    // The writer takes some of it before it has to wait, and then no more.
    while group.admit().is_ok() {
        commits.push(group.push("heavy").unwrap());
    }
    assert!(matches!(group.admit(), Err(StoreError::Busy)));
    drop(closed);
    for commit in commits {
        commit.await.unwrap();
    }
    group.admit().unwrap();
}

#[tokio::test]
async fn every_change_gets_its_own_outcome() {
    let (group, _) = start();
    let commits = ["fine", "refuse", "fine"].map(|work| group.push(work).unwrap());
    let [first, second, third] = commits;
    first.await.unwrap();
    assert!(matches!(second.await, Err(StoreError::Exists)));
    third.await.unwrap();
}

#[tokio::test]
async fn nothing_is_acknowledged_after_a_failure_until_the_sink_has_recovered() {
    let log = Arc::default();
    let sink = Fragile(Arc::clone(&log), Arc::default());
    let group = Group::start_with("test", sink, StoreTally::default(), Duration::from_mins(1)).unwrap();
    group.push("fine").unwrap().await.unwrap();
    assert!(matches!(group.push("break").unwrap().await, Err(StoreError::Io(_))));
    assert!(matches!(group.push("fine"), Err(Rejected { work: "fine", error: StoreError::Io(_) })));
    assert!(matches!(group.admit(), Err(StoreError::Io(_))));
    assert!(group.shared.tally.is_impaired());
    while group.admit().is_err() {
        std::thread::yield_now();
    }
    assert!(!group.shared.tally.is_impaired());
    group.push("fine").unwrap().await.unwrap();
    drop(group);
    assert_eq!(*log.lock().unwrap(), ["break", "recovered", "closed"]);
}

#[test]
fn no_caller_waits_long_for_a_disk_that_hangs() {
    let gate = Arc::new(Mutex::new(()));
    let sink = Fragile(Arc::default(), Arc::clone(&gate));
    let patience = Duration::from_millis(20);
    let group = Group::start_with("test", sink, StoreTally::default(), patience).unwrap();
    let hanging = gate.lock().unwrap();
    let under_way = group.push("wait").unwrap();
    assert!(matches!(under_way.wait(), Err(StoreError::Stalled)));
    assert!(matches!(group.admit(), Err(StoreError::Stalled)), "who comes now is told at once");
    assert!(group.shared.tally.is_impaired());
    // A revocation is taken in any case.
    assert!(matches!(group.push("fine").unwrap().wait(), Err(StoreError::Stalled)));
    drop(hanging);
    // On a busy machine its writer may be late again.
    while group.push("fine").unwrap().wait().is_err() {
        std::thread::yield_now();
    }
    assert!(!group.shared.tally.is_impaired());
}

#[tokio::test]
async fn panicking_writer_leaves_no_caller_waiting() {
    let (group, _) = start();
    assert!(matches!(group.push("panic").unwrap().await, Err(StoreError::Io(_))));
    while group.push("fine").is_ok() {
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn dropping_the_group_writes_what_was_queued() {
    let (group, log) = start();
    let commits: Vec<_> = (0..100).map(|_| group.push("fine").unwrap()).collect();
    drop(group);
    for commit in commits {
        commit.await.unwrap();
    }
    assert_eq!(*log.lock().unwrap(), ["closed"]);
}
