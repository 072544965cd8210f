//! Answers of upstreams, good and bad.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::*;

const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

fn request() -> Request<String> {
    Request::get("/socket?a=b")
        .header("host", "app.example")
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-protocol", "chat, superchat")
        .body(String::new())
        .unwrap()
}

/// What comes of an answer, and what the upstream was asked.
async fn answered(answer: &[u8]) -> (Result<Answer<DuplexStream>, HandshakeFault>, String) {
    let (near, mut far) = duplex(1 << 20);
    let accept_key = HeaderValue::from_static(ACCEPT);
    let upstream = async {
        let mut asked = vec![0; 4096];
        let length = far.read(&mut asked).await.unwrap();
        far.write_all(answer).await.unwrap();
        asked.truncate(length);
        (String::from_utf8(asked).unwrap(), far)
    };
    let (result, (asked, _far)) = tokio::join!(shake_hands(near, request(), &accept_key), upstream);
    (result, asked)
}

fn switching(more: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n{more}\r\n"
    )
}

#[tokio::test]
async fn a_101_gives_the_stream_and_what_is_behind_it() {
    let answer = switching(&format!(
        "Sec-WebSocket-Accept: {ACCEPT}\r\nSec-WebSocket-Protocol: superchat\r\nX: y\r\n"
    ));
    let (result, asked) = answered(&[answer.as_bytes(), b"\x81\x05early"].concat()).await;
    let Ok(Answer::Switched { early, headers, .. }) = result else { panic!("{result:?}") };
    assert_eq!(early.as_ref(), b"\x81\x05early");
    assert_eq!(headers["x"], "y");
    assert!(asked.starts_with("GET /socket?a=b HTTP/1.1\r\n"), "{asked}");
    assert!(!asked.to_ascii_lowercase().contains("content-length"), "{asked}");
    assert!(asked.ends_with("\r\n\r\n"));
}

#[tokio::test]
async fn another_answer_is_for_the_client() {
    for (answer, status, body) in [
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nX: y\r\n\r\nno", 403, "no"),
        (
            "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            404,
            "abc",
        ),
        ("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\nX: y\r\n\r\n", 302, ""),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nX: y\r\n\r\n", 204, ""),
    ] {
        let (result, _) = answered(answer.as_bytes()).await;
        let Ok(Answer::Other { status: got, headers, body: read }) = result else { panic!("{result:?}") };
        assert_eq!((got.as_u16(), read.as_ref()), (status, body.as_bytes()));
        assert_eq!(headers["x"], "y");
    }
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_none() {
    let accept = format!("Sec-WebSocket-Accept: {ACCEPT}\r\n");
    for answer in [
        "<html>\r\n".to_owned(),
        "SSH-2.0-OpenSSH_9.2\r\n".to_owned(),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n".to_owned(),
        switching(""),
        switching("Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n"),
        switching(&format!("{accept}{accept}")),
        switching(&format!("{accept}Sec-WebSocket-Protocol: other\r\n")),
        switching(&format!("{accept}Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat\r\n")),
        switching(&format!("{accept}Sec-WebSocket-Extensions: permessage-deflate\r\n")),
        format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(MAX_HEAD)),
        format!("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{}", "y".repeat(100_000)),
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab".to_owned(),
        "HTTP/1.1 200 OK\r\nX: a\r\n b: c\r\nContent-Length: 0\r\n\r\n".to_owned(),
    ] {
        let (result, _) = answered(answer.as_bytes()).await;
        assert!(result.is_err(), "{answer}: {result:?}");
    }
}
