use super::*;

/// What is read of bytes, and what is left of them.
async fn read_from(bytes: &[u8]) -> (Result<Option<PeerAddr>, ProxyFault>, Vec<u8>) {
    let mut stream = bytes;
    let read = read(&mut stream).await;
    (read, stream.to_vec())
}

fn tcp(address: &str) -> PeerAddr {
    PeerAddr::Tcp(address.parse().unwrap())
}

/// A header of version 2.
fn binary(command: u8, family: u8, behind: &[u8]) -> Vec<u8> {
    let length = u16::try_from(behind.len()).unwrap().to_be_bytes();
    [&SIGNATURE[..], &[command, family], &length, behind].concat()
}

#[tokio::test]
async fn a_header_gives_the_client_and_leaves_what_is_behind_it() {
    let v4 = [192, 0, 2, 7, 10, 0, 0, 1, 0x12, 0x34, 1, 187];
    let v6: Vec<u8> = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[9], &[0; 16], &[0x12, 0x34, 1, 187]].concat();
    let mapped: Vec<u8> = [&[0; 10][..], &[0xff, 0xff, 192, 0, 2, 7], &[0; 16], &[0, 1, 0, 2]].concat();
    let with_more = [&v4[..], &[0x20, 0, 1, 7]].concat();
    for (header, client) in [
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 4660 443\r\n".to_vec(), Some(tcp("192.0.2.7:4660"))),
        (b"PROXY TCP6 2001:db8::9 ::1 4660 443\r\n".to_vec(), Some(tcp("[2001:db8::9]:4660"))),
        (b"PROXY TCP6 ::ffff:192.0.2.7 ::1 1 443\r\n".to_vec(), Some(tcp("192.0.2.7:1"))),
        (b"PROXY UNKNOWN\r\n".to_vec(), None),
        (b"PROXY UNKNOWN whatever else 1 2\r\n".to_vec(), None),
        (binary(0x21, 0x11, &v4), Some(tcp("192.0.2.7:4660"))),
        (binary(0x21, 0x11, &with_more), Some(tcp("192.0.2.7:4660"))),
        (binary(0x21, 0x21, &v6), Some(tcp("[2001:db8::9]:4660"))),
        (binary(0x21, 0x21, &mapped), Some(tcp("192.0.2.7:1"))),
        (binary(0x21, 0x31, &[0; 216]), Some(PeerAddr::Unix)),
        (binary(0x21, 0, &[]), None),
        (binary(0x20, 0x11, &v4), None),
        (binary(0x20, 0, &[]), None),
    ] {
        for behind in [&b""[..], b"GET / HTTP/1.1\r\n"] {
            let (read, left) = read_from(&[&header, behind].concat()).await;
            assert_eq!((read, left.as_slice()), (Ok(client), behind), "{}", header.escape_ascii());
        }
    }
}

#[tokio::test]
async fn what_is_no_header_is_refused() {
    let long = format!("PROXY UNKNOWN {}", "x".repeat(200));
    for (bytes, reason) in [
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "proxy-missing"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00".to_vec(), "proxy-missing"),
        (b"PROXY".to_vec(), "proxy-closed"),
        (b"PROXY TCP4 192.0.2.7".to_vec(), "proxy-closed"),
        (long.into_bytes(), "proxy-broken"),
        (b"PROXY UDP4 192.0.2.7 10.0.0.1 1 2\r\n".to_vec(), "proxy-broken"),
        (b"PROXY TCP4 2001:db8::9 10.0.0.1 1 2\r\n".to_vec(), "proxy-broken"),
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 1\r\n".to_vec(), "proxy-broken"),
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 1 65536\r\n".to_vec(), "proxy-broken"),
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2 3\r\n".to_vec(), "proxy-broken"),
        (b"PROXY TCP4 \xff\xff 10.0.0.1 1 2\r\n".to_vec(), "proxy-broken"),
        (binary(0x21, 0x11, &[0; 11]), "proxy-broken"),
        (binary(0x21, 0x21, &[0; 35]), "proxy-broken"),
        (binary(0x21, 0x12, &[0; 12]), "proxy-broken"),
        (binary(0x11, 0x11, &[0; 12]), "proxy-broken"),
        (binary(0x21, 0x11, &[0; MOST_BEHIND + 1]), "proxy-broken"),
        (binary(0x21, 0x11, &[0; 12])[..20].to_vec(), "proxy-closed"),
    ] {
        let fault = read_from(&bytes).await.0.unwrap_err();
        assert_eq!(fault.reason(), reason, "{}: {fault}", bytes.escape_ascii());
        assert!(REASONS.contains(&fault.reason()));
    }
}
