use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::yield_now,
};

use super::*;
use crate::upstream::{Upstream, UpstreamMetrics, UpstreamOptions};

/// A server that answers each request so, and counts them.
async fn server(answer: &'static str) -> (UpstreamAddress, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = UpstreamAddress::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let mut head = vec![0; 1024];
                let length = stream.read(&mut head).await.unwrap_or_default();
                if length > 0 {
                    count.fetch_add(1, Ordering::Relaxed);
                    let _ = stream.write_all(answer.as_bytes()).await;
                }
            });
        }
    });
    (address, asked)
}

fn options(path: Option<&str>) -> ProbeOptions {
    ProbeOptions {
        path: path.map(|path| path.parse().unwrap()),
        interval: Duration::from_millis(1),
        timeout: Duration::from_secs(10),
        ..ProbeOptions::default()
    }
}

fn upstream(address: UpstreamAddress, probe: Option<ProbeOptions>) -> Upstream {
    let options = UpstreamOptions { probe, ..UpstreamOptions::new(vec![address]) };
    Upstream::new(&options, &UpstreamMetrics::default(), "web", "app")
}

async fn ask(address: UpstreamAddress, path: Option<&str>) -> Result<(), String> {
    let upstream = upstream(address, Some(options(path)));
    let probe = upstream.probes().next().unwrap();
    probe.ask().await.unwrap()
}

#[tokio::test]
async fn an_answer_that_lets_clients_come_is_of_200_to_399() {
    for (answer, expected) in [
        ("HTTP/1.1 204 No Content\r\n\r\n", Ok(())),
        ("HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", Ok(())),
        // The body need not come.
        ("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n", Ok(())),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", Err("404")),
        ("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", Err("503")),
        ("SSH-2.0-OpenSSH\r\n", Err("makes no sense")),
        ("", Err("makes no sense")),
    ] {
        let (address, asked) = server(answer).await;
        let found = ask(address, Some("/health?deep")).await;
        match (found, expected) {
            (Ok(()), Ok(())) => {}
            (Err(why), Err(part)) if why.contains(part) => {}
            (found, _) => panic!("{answer}: {found:?}"),
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1, "{answer}");
    }
}

#[tokio::test]
async fn without_a_path_a_connection_is_enough() {
    let (address, asked) = server("").await;
    ask(address.clone(), None).await.unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 0, "nothing is asked");
    let why = ask(UpstreamAddress { has_tls: true, ..address }, None).await.unwrap_err();
    assert!(why.contains("TLS"), "{why}");
    let why = ask(UpstreamAddress::parse("unix:/nowhere/app.sock").unwrap(), None).await.unwrap_err();
    assert!(why.contains("cannot be reached"), "{why}");
}

#[tokio::test]
async fn an_address_that_says_nothing_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = UpstreamAddress::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let limited = ProbeOptions { timeout: Duration::from_millis(20), ..options(Some("/")) };
    let upstream = upstream(address, Some(limited));
    let why = upstream.probes().next().unwrap().ask().await.unwrap().unwrap_err();
    assert_eq!(why, "it has not answered within 20ms");
}

#[tokio::test]
async fn nothing_is_asked_unless_the_configuration_wants_it_now() {
    let (address, asked) = server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(upstream(address.clone(), None).probes().count(), 0);
    let probed = upstream(address, Some(options(Some("/"))));
    let member = Arc::clone(&probed.probes().next().unwrap().member);
    let holders = Arc::strong_count(&member);
    let probes = Probes::default();
    for ends in [false, true] {
        let before = asked.load(Ordering::Relaxed);
        probes.are(probed.probes());
        while asked.load(Ordering::Relaxed) < before + 3 {
            yield_now().await;
        }
        if ends {
            probes.end();
        } else {
            probes.are([]);
        }
        while Arc::strong_count(&member) > holders {
            yield_now().await;
        }
    }
    probes.are(probed.probes());
    assert_eq!(Arc::strong_count(&member), holders, "a gateway that ends asks no more");
}
