//! Edges that serve a transport one after the other, under connections that stay.

use super::*;

const ASK: &[u8] = b"GET /info HTTP/1.1\r\nHost: a.example\r\n\r\n";

/// A transport that says this at `/info`.
fn saying(what: &str) -> Edge {
    let info = PathTree::of(TargetOptions::Json(what.into()));
    let root = PathTree { target: None, children: BTreeMap::from([("info".to_owned(), info)]) };
    let options =
        EdgeOptions { id: "test".to_owned(), hosts: AllowedHosts::Any, root, ..EdgeOptions::default() };
    let services: &mut Services<'_, Infallible> = &mut |place| unreachable!("{place:?}");
    Edge::new(&options, &EdgeMetrics::default(), &Health::default(), services).unwrap()
}

/// Sends a request and reads the reply, whose content has one digit between quotation marks.
async fn ask(client: &mut TcpStream) -> (String, String) {
    client.write_all(ASK).await.unwrap();
    let head = read_head(client).await;
    let mut content = [0; 3];
    client.read_exact(&mut content).await.unwrap();
    (head, String::from_utf8(content.to_vec()).unwrap())
}

#[tokio::test]
async fn an_open_connection_gets_its_next_answer_by_the_edge_that_serves_then_and_ends() {
    let first = Arc::new(saying("1"));
    let (mut client, serving) = connect(&first).await;
    let (head, content) = ask(&mut client).await;
    assert!(!head.contains("Connection: close"), "{head}");
    assert_eq!(content, "\"1\"");
    let second = Arc::new(saying("2").after(&first));
    first.retire(&second);
    let third = Arc::new(saying("3").after(&second));
    second.retire(&third);
    let gone = Arc::downgrade(&second);
    drop(second);
    assert!(gone.upgrade().is_none(), "an open connection keeps an edge that it has never met");
    let (head, content) = ask(&mut client).await;
    assert!(head.contains("Connection: close"), "{head}");
    assert_eq!(content, "\"3\"");
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    drop(client);
    assert!(serving.await.unwrap().is_none());
    assert_eq!(Arc::strong_count(&first), 1);
    assert_serves_at(&third).await;
}

/// A new connection stays after its answer.
async fn assert_serves_at(edge: &Arc<Edge>) {
    let (mut client, _serving) = connect(edge).await;
    for _ in 0..2 {
        let (head, _) = ask(&mut client).await;
        assert!(!head.contains("Connection: close"), "{head}");
    }
}
