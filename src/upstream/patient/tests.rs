use hyper::{Request, StatusCode, body::Body as _, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::*;

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (client, server) = tokio::join!(TcpStream::connect(address), listener.accept());
    (client.unwrap(), server.unwrap().0)
}

#[tokio::test]
async fn an_answer_is_read_though_the_server_takes_nothing_more() {
    let (mut client, mut server) = pair().await;
    client.write_all(b"request").await.unwrap();
    server.readable().await.unwrap();
    server.write_all(b"answer").await.unwrap();
    // What was not read makes this a reset.
    drop(server);
    let mut client = Patient::new(client);
    while !client.takes_nothing {
        client.write_all(b"more").await.unwrap();
        client.flush().await.unwrap();
    }
    client.write_all(b"more").await.unwrap();
    let mut answer = [0; 6];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"answer");
    assert!(client.read_exact(&mut answer).await.is_err(), "that was all");
}

#[tokio::test]
async fn requests_of_http_have_the_answer_to_their_head() {
    let body = "x".repeat(16 << 20);
    for _ in 0..8 {
        let (client, mut server) = pair().await;
        let (mut sender, connection) = http1::handshake(TokioIo::new(Patient::new(client))).await.unwrap();
        let driven = tokio::spawn(connection);
        let answers = tokio::spawn(async move {
            server.read_exact(&mut [0; 16]).await.unwrap();
            let answer =
                b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno";
            server.write_all(answer).await.unwrap();
        });
        let response = sender.send_request(Request::post("/").body(body.clone()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(response.body().size_hint().exact(), Some(2));
        let _ = driven.await;
        answers.await.unwrap();
    }
}
