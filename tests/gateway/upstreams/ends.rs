//! How connections end, and how each side hears of it.

use super::*;

#[test]
fn each_side_hears_how_the_other_one_ends() {
    let vanishing = Upstream::switching("", |peer, _| {
        let _ = peer.read(&mut [0; 100]);
    });
    let babbling = Upstream::switching("", |peer, seen| {
        let _ = peer.write_all(&Frame::text("good").unmasked());
        let _ = peer.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        echo(peer, seen);
    });
    let closing = Upstream::switching("", |peer, seen| {
        let _ = peer
            .write_all(&Frame::new(opcode::CLOSE, [&4001_u16.to_be_bytes()[..], b"go"].concat()).unmasked());
        echo(peer, seen);
    });
    let echoing = Upstream::echo();
    let paths = json!({
        "vanishing": proxied(&vanishing, &json!({})),
        "babbling": proxied(&babbling, &json!({})),
        "closing": proxied(&closing, &json!({})),
        "app": proxied(&echoing, &json!({})),
    });
    let gateway = start(&with_metrics(&paths));
    let (mut socket, _) = handshake().path("/vanishing").opens(&gateway);
    socket.send(&Frame::text("go"));
    socket.is_closed_with(1012);
    let (mut socket, _) = handshake().path("/babbling").opens(&gateway);
    assert_eq!(socket.receive(), Some(Frame::text("good")));
    socket.is_closed_with(1014);
    assert_eq!(babbling.closes(1), [Some(1002)]);
    let (mut socket, _) = handshake().path("/closing").opens(&gateway);
    assert_eq!(socket.receive().unwrap().payload, [&4001_u16.to_be_bytes()[..], b"go"].concat());
    socket.send(&Frame::new(opcode::CLOSE, 4001_u16.to_be_bytes()));
    socket.connection().assert_ends();
    assert_eq!(closing.closes(1), [Some(4001)]);
    // The client vanishes, or breaks the protocol.
    let (socket, _) = handshake().opens(&gateway);
    drop(socket);
    assert_eq!(echoing.closes(1), [Some(1001)]);
    let (mut socket, _) = handshake().opens(&gateway);
    socket.connection().send(Frame::text("not masked").unmasked());
    socket.is_closed_with(1002);
    assert_eq!(echoing.closes(2)[1], Some(1002));
    let ends = [("vanishing", "upstream-lost"), ("babbling", "upstream-broken"), ("app", "client-lost")];
    let line = |(path, how)| {
        format!("wampgate_upstream_ends_total{{transport=\"0\",path=\"/{path}\",how=\"{how}\"}} 1")
    };
    counted(&gateway, &ends.map(line));
    gateway.output().until("reason=\"upstream-broken\"", 1);
}

#[test]
fn a_server_that_takes_nothing_is_given_up_and_the_gateway_keeps_little_of_it() {
    let stuck = Upstream::switching("", |_, _| {
        loop {
            thread::park();
        }
    });
    let gateway = gateway(&stuck, &json!({ "options": { "auto_ping_interval": 1000 } }));
    let (mut socket, _) = handshake().opens(&gateway);
    let before = kib(&gateway.pid().to_string());
    let frame = Frame::new(opcode::BINARY, vec![0; 1 << 20]).masked();
    while socket.connection().try_send(&frame[..]).is_ok() {
        if !socket.connection().is_readable(Duration::from_millis(1)) {
            continue;
        }
        // On a busy machine the gateway may ask for a sign of life before anything has come.
        match socket.receive_any() {
            Some(ping) if ping.opcode == opcode::PING => {
                let _ = socket.connection().try_send(Frame::new(opcode::PONG, &ping.payload).masked());
            }
            _ => break,
        }
    }
    let grown = kib(&gateway.pid().to_string()).saturating_sub(before);
    assert!(grown < 8 << 10, "{grown} KiB more");
    gateway.output().until("reason=\"upstream-stuck\"", 1);
}

#[test]
fn a_logout_closes_the_sockets_of_its_cookie_and_no_other() {
    let upstream = Upstream::echo();
    let gateway = gateway_with_logins(&upstream, &json!({}));
    let (jar, mut client) = joe(&gateway);
    let id = jar.id.clone().unwrap();
    let mut joes: Vec<_> = (0..20).map(|_| handshake().cookie(&id).opens(&gateway).0).collect();
    let (other_jar, _other_client) = joe(&gateway);
    let (mut other, _) = handshake().cookie(other_jar.id.as_ref().unwrap()).opens(&gateway);
    let (mut stranger, _) = handshake().opens(&gateway);
    client.send(&json!([code::GOODBYE, {}, "wamp.close.logout"]));
    for socket in &mut joes {
        socket.is_closed_with(1008);
    }
    let closes = upstream.closes(20);
    assert!(closes.iter().all(|code| *code == Some(1008)), "{closes:?}");
    echoes(&mut other, "still here");
    echoes(&mut stranger, "me, too");
    // The cookie is gone.
    let (_, response) = handshake().cookie(&id).opens(&gateway);
    assert!(response.tracking_id().is_some_and(|new| new != id), "{response:?}");
    assert_eq!(upstream.head().all("wampgate-authid"), [""]);
}

#[test]
fn a_revocation_closes_a_thousand_sockets_within_a_second() {
    const SOCKETS: usize = 1000;
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream, &cookie());
    let mut jar = Jar::default();
    let mut sockets: Vec<_> = (0..SOCKETS).map(|_| handshake().opens_with(&gateway, &mut jar).0).collect();
    let public_id = upstream.head().all("wampgate-client")[0].to_owned();
    let (mut stranger, _) = handshake().opens(&gateway);
    echoes(&mut stranger, "here");
    let begun = Instant::now();
    let told = gateway.command_said("cookies", &["revoke", &public_id]);
    assert_eq!(told, format!("revoked 1 cookie, closed {SOCKETS} connections\n"));
    for socket in &mut sockets {
        let frame = socket.receive().expect("a close frame");
        assert_eq!(frame.close_code(), Some(1008));
        assert_eq!(&frame.payload[2..], b"wamp.close.killed");
    }
    let taken = begun.elapsed();
    assert!(taken < PATIENCE, "{taken:?} on a machine that does much else");
    println!("{SOCKETS} sockets were closed within {taken:?}, the command included");
    drop(sockets);
    let closes = upstream.closes(SOCKETS);
    assert!(closes.iter().all(|code| *code == Some(1008)), "{closes:?}");
    echoes(&mut stranger, "still here");
}

#[test]
fn a_gateway_that_ends_asks_clients_to_come_back() {
    let upstream = Upstream::echo();
    let mut gateway = gateway(&upstream, &json!({}));
    let (mut socket, _) = handshake().opens(&gateway);
    echoes(&mut socket, "in");
    gateway.signal_term();
    socket.is_closed_with(1012);
    assert_eq!(upstream.closes(1), [Some(1001)]);
    assert!(gateway.await_exit().success());
}

#[test]
fn a_reload_leaves_open_sockets_alone() {
    let upstream = Upstream::echo();
    let paths = json!({ "app": proxied(&upstream, &json!({})) });
    let gateway = start(&with_metrics(&paths));
    let (mut socket, _) = handshake().opens(&gateway);
    echoes(&mut socket, "before");
    let mut without = with_metrics(&json!({ "other": proxied(&upstream, &json!({})) }));
    let (said, status) = gateway.reload(&without);
    assert_eq!(status, 0, "{said}");
    echoes(&mut socket, "after");
    handshake().is_refused(&gateway, 404);
    without["transports"][0]["paths"]["app"] =
        proxied(&upstream, &json!({ "upstream": { "max_connections": 1 } }));
    let (said, status) = gateway.reload(&without);
    assert_eq!(status, 0, "{said}");
    handshake().is_refused(&gateway, 503);
    closes(&mut socket, 1000);
}

#[test]
fn a_reload_without_a_principal_closes_its_sockets() {
    let upstream = Upstream::echo();
    let with_joe = json!({ "ws": logins(), "app": proxied(&upstream, &json!({ "websocket": "/ws" })) });
    let mut config = with_metrics(&with_joe);
    let gateway = start(&config);
    let (jar, _client) = joe(&gateway);
    let (mut socket, _) = handshake().cookie(jar.id.as_ref().unwrap()).opens(&gateway);
    let (mut stranger, _) = handshake().opens(&gateway);
    echoes(&mut socket, "in");
    let principals = json!({ "jane": { "ticket": TICKET, "role": "frontend" } });
    config["transports"][0]["paths"]["ws"]["auth"]["ticket"]["principals"] = principals;
    let (said, status) = gateway.reload(&config);
    assert_eq!(status, 0, "{said}");
    socket.is_closed_with(1008);
    echoes(&mut stranger, "still here");
}
