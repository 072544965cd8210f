//! Other processes that end in all ways, and what the operator is told.

use super::*;

fn shell_within(script: &str, budget: Budget) -> Result<Vec<u8>, CompileFault> {
    run(Command::new("sh").args(["-c", script]), &vec![b'x'; 200_000], budget)
}

fn shell(script: &str) -> Result<Vec<u8>, CompileFault> {
    shell_within(script, BUDGET)
}

#[test]
fn the_other_process_answers_or_tells_why_not() {
    assert_eq!(shell("cat > /dev/null; printf code").unwrap(), b"code");
    for (script, expected) in [
        ("cat > /dev/null; printf 'no such type'; exit 3", r#"Compile("no such type")"#),
        // It may end without having read anything.
        ("printf 'no such type'; exit 3", r#"Compile("no such type")"#),
        // What is no answer, as after a crash of the compiler.
        ("exit 101", "Compile(\"the process that compiled it failed (exit status: 101)\")"),
        ("ulimit -S -t 1; while :; do :; done", r#"Costly("more than 60 seconds of processor time")"#),
        ("kill -KILL $$", r#"Costly("more memory than the system had for it")"#),
        ("kill -ABRT $$", "Costly(\"more than 1024 MiB of memory (signal: 6 (SIGABRT)"),
        ("kill -SEGV $$", "Costly(\"more than 1024 MiB of memory (signal: 11 (SIGSEGV)"),
    ] {
        let fault = format!("{:?}", shell(script).unwrap_err());
        assert!(fault.starts_with(expected), "{script}: {fault}");
    }
    let missing = format!("{:?}", run(&mut Command::new("/no/such/program"), b"", BUDGET).unwrap_err());
    assert!(missing.contains("no process to compile it in"), "{missing}");
}

#[test]
fn a_process_that_hangs_is_ended_wherever_it_hangs() {
    let budget = Budget { patience: Duration::from_secs(1), ..BUDGET };
    // Without reading, without answering, and stopped.
    for script in ["exec sleep 3600", "cat > /dev/null; exec sleep 3600", "kill -STOP $$"] {
        let fault = format!("{:?}", shell_within(script, budget).unwrap_err());
        assert_eq!(fault, r#"Costly("more than 1 seconds")"#, "{script}");
    }
}

#[test]
fn a_process_with_less_gives_no_more() {
    let own = |resource| getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let all = Budget { seconds: u64::MAX, memory: u64::MAX, ..BUDGET }.within_own();
    assert!(all.seconds <= own(Resource::Cpu).max(1) && all.memory == own(Resource::Data), "{all:?}");
    let none = Budget { seconds: 1, memory: 0, ..BUDGET };
    assert_eq!(none.within_own(), none);
}

#[test]
fn the_command_is_for_the_gateway_alone() {
    let arguments: [&[&str]; 6] = [
        &[],
        &["fresh"],
        &["cold", "65536", "60", "1024"],
        &["fresh", "much", "60", "1024"],
        &["fresh", "65536", "60"],
        &["fresh", "65536", "60", "1024", "/cache", "more"],
    ];
    let parsed = |arguments: &[&str]| {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        parse(&arguments)
    };
    for arguments in arguments {
        assert_eq!(parsed(arguments), None, "{arguments:?}");
    }
    let order = |cache| {
        Some(Order { instances: Instances::Warm, max_memory: 65536, seconds: 60, memory: 1024, cache })
    };
    assert_eq!(parsed(&["warm", "65536", "60", "1024"]), order(None));
    assert_eq!(parsed(&["warm", "65536", "60", "1024", "/cache"]), order(Some(PathBuf::from("/cache"))));
}
