//! Which files a request gets, over a folder with everything in it that must not be served.

use std::{collections::BTreeMap, fs, os::unix::fs::symlink};

use http_body_util::BodyExt as _;

use super::*;

struct Site {
    _folder: tempfile::TempDir,
    files: StaticFiles,
}

struct Reply {
    status: u16,
    headers: HeaderMap,
    text: String,
}

fn site(change: impl FnOnce(&mut StaticOptions)) -> Site {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("public");
    fs::create_dir_all(directory.join("sub/deeper")).unwrap();
    fs::create_dir_all(directory.join("plain")).unwrap();
    fs::create_dir_all(directory.join(".git")).unwrap();
    fs::create_dir_all(directory.join(".well-known")).unwrap();
    fs::write(folder.path().join("secret.txt"), "secret").unwrap();
    fs::write(directory.join("index.html"), "<p>index</p>").unwrap();
    fs::write(directory.join("digits.txt"), "0123456789").unwrap();
    fs::write(directory.join("a b.MD"), "# text").unwrap();
    fs::write(directory.join("data.unheard-of"), "?").unwrap();
    fs::write(directory.join("empty.txt"), "").unwrap();
    fs::write(directory.join("sub/home.html"), "home").unwrap();
    fs::write(directory.join("plain/file.js"), "1").unwrap();
    fs::write(directory.join(".git/config"), "secret").unwrap();
    fs::write(directory.join(".htpasswd"), "secret").unwrap();
    fs::write(directory.join(".well-known/security.txt"), "contact").unwrap();
    symlink(directory.join("digits.txt"), directory.join("inner-link.txt")).unwrap();
    symlink(folder.path().join("secret.txt"), directory.join("outer-link.txt")).unwrap();
    symlink(folder.path(), directory.join("outer")).unwrap();
    symlink(directory.join(".htpasswd"), directory.join("hidden-link.txt")).unwrap();
    symlink(directory.join("loop"), directory.join("loop")).unwrap();
    let mut options = StaticOptions {
        media_types: BTreeMap::from([(".md".to_owned(), HeaderValue::from_static("text/markdown"))]),
        cache_timeout: Some(60),
        ..StaticOptions::new(directory)
    };
    change(&mut options);
    Site { files: StaticFiles::new(&options), _folder: folder }
}

impl Site {
    async fn get(&self, path: &str) -> Reply {
        self.request("GET", path, &[]).await
    }

    async fn request(&self, method: &str, uri: &str, headers: &[(&str, &str)]) -> Reply {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let path = RequestPath::parse(parts.uri.path()).unwrap();
        let response =
            self.files.serve(&parts, &path, 0).await.unwrap_or_else(|problem| reply::reply(&problem));
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Reply {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }
}

#[tokio::test]
async fn files_are_served_with_their_type_and_their_age() {
    let site = site(|_| ());
    for (path, text, media_type) in [
        ("/", "<p>index</p>", "text/html; charset=utf-8"),
        ("/index.html", "<p>index</p>", "text/html; charset=utf-8"),
        ("/digits.txt", "0123456789", "text/plain; charset=utf-8"),
        ("/inner-link.txt", "0123456789", "text/plain; charset=utf-8"),
        ("/a%20b.MD", "# text", "text/markdown"),
        ("/plain/file.js", "1", "text/javascript; charset=utf-8"),
        ("/data.unheard-of", "?", "application/octet-stream"),
        ("/empty.txt", "", "text/plain; charset=utf-8"),
        ("/.well-known/security.txt", "contact", "text/plain; charset=utf-8"),
    ] {
        let reply = site.get(path).await;
        assert_eq!((reply.status, &*reply.text), (200, text), "{path}");
        assert_eq!(reply.headers[header::CONTENT_TYPE], media_type, "{path}");
        assert_eq!(reply.headers[header::CACHE_CONTROL], "public, max-age=60", "{path}");
        assert_eq!(reply.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
        assert!(reply.headers.contains_key(header::LAST_MODIFIED), "{path}");
    }
}

#[tokio::test]
async fn nothing_outside_or_hidden_is_served() {
    let site = site(|config| config.listing = true);
    for path in [
        "/nothing.txt",
        "/.git/config",
        "/.git/",
        "/.htpasswd",
        "/hidden-link.txt",
        "/outer-link.txt",
        "/outer/secret.txt",
        "/outer/",
        "/loop",
        "/digits.txt/",
        "/digits.txt/more",
    ] {
        let reply = site.get(path).await;
        assert_eq!(reply.status, 404, "{path}");
        assert!(!reply.text.contains("secret"), "{path}");
    }
}

#[tokio::test]
async fn a_directory_is_its_index_or_nothing_unless_listing_is_on() {
    let quiet = site(|config| "home.html".clone_into(&mut config.index));
    assert_eq!(quiet.get("/sub/").await.text, "home");
    assert_eq!(quiet.get("/plain/").await.status, 404);
    assert_eq!(quiet.get("/").await.status, 404);

    let open = site(|config| config.listing = true);
    let reply = open.get("/sub/").await;
    assert_eq!(reply.status, 200);
    assert!(reply.text.contains("href=\"./deeper/\"") && reply.text.contains("href=\"./home.html\""));
    assert_eq!(reply.headers[header::CONTENT_SECURITY_POLICY], "default-src 'none'");
    assert_eq!(open.get("/").await.text, "<p>index</p>");

    let all = site(|config| (config.listing, config.index) = (true, "none".to_owned()));
    let reply = all.get("/").await;
    assert!(reply.text.contains("inner-link.txt") && reply.text.contains("./.well-known/"));
    for hidden in ["outer", "hidden-link", ".git", ".htpasswd", "loop"] {
        assert!(!reply.text.contains(hidden), "{hidden}");
    }
}

#[tokio::test]
async fn a_directory_without_its_slash_is_redirected_within_the_site() {
    let reply = site(|_| ()).get("//sub?x=1").await;
    assert_eq!(
        (reply.status, &reply.headers[header::LOCATION]),
        (307, &HeaderValue::from_static("/sub/?x=1"))
    );
}

#[tokio::test]
async fn an_index_outside_of_the_directory_is_not_served() {
    let reply = site(|config| "../secret.txt".clone_into(&mut config.index)).get("/").await;
    assert_eq!(reply.status, 404);
}

#[tokio::test]
async fn an_unchanged_file_is_not_sent_again() {
    let site = site(|_| ());
    let first = site.get("/digits.txt").await;
    let etag = first.headers[header::ETAG].to_str().unwrap();
    let several = format!("\"x\", W/{etag}");
    let modified = first.headers[header::LAST_MODIFIED].to_str().unwrap();
    for (headers, status) in [
        (&[("if-none-match", etag)][..], 304),
        (&[("if-none-match", &*several)], 304),
        (&[("if-none-match", "*")], 304),
        (&[("if-none-match", "\"x\"")], 200),
        (&[("if-modified-since", modified)], 304),
        (&[("if-modified-since", "Thu, 01 Jan 1970 00:00:00 GMT")], 200),
        (&[("if-modified-since", "nonsense")], 200),
        // RFC 9110, 13.1.3: the entity tag counts, not the date.
        (&[("if-none-match", "\"x\""), ("if-modified-since", modified)], 200),
        (&[("if-match", "\"x\"")], 412),
    ] {
        let reply = site.request("GET", "/digits.txt", headers).await;
        assert_eq!(reply.status, status, "{headers:?}");
        assert_eq!(reply.text, if status == 200 { "0123456789" } else { "" }, "{headers:?}");
        if status == 304 {
            assert_eq!(reply.headers[header::ETAG], etag);
            assert_eq!(reply.headers[header::CACHE_CONTROL], "public, max-age=60");
        }
    }
}

#[tokio::test]
async fn byte_ranges_are_served_one_at_a_time() {
    let site = site(|_| ());
    let etag = site.get("/digits.txt").await.headers[header::ETAG].to_str().unwrap().to_owned();
    for (headers, status, text, range) in [
        (&[("range", "bytes=2-4")][..], 206, "234", "bytes 2-4/10"),
        (&[("range", "bytes=7-")], 206, "789", "bytes 7-9/10"),
        (&[("range", "bytes=-2")], 206, "89", "bytes 8-9/10"),
        (&[("range", "bytes=5-99")], 206, "56789", "bytes 5-9/10"),
        (&[("range", "bytes=10-")], 416, "", "bytes */10"),
        (&[("range", "bytes=0-1,4-5")], 200, "0123456789", ""),
        (&[("range", "bytes=2-4"), ("if-range", &*etag)], 206, "234", "bytes 2-4/10"),
        (&[("range", "bytes=2-4"), ("if-range", "\"x\"")], 200, "0123456789", ""),
        (&[("range", "bytes=2-4"), ("if-range", "Thu, 01 Jan 1970 00:00:00 GMT")], 200, "0123456789", ""),
    ] {
        let reply = site.request("GET", "/digits.txt", headers).await;
        assert_eq!((reply.status, &*reply.text), (status, text), "{headers:?}");
        let found = reply.headers.get(header::CONTENT_RANGE).map_or("", |value| value.to_str().unwrap());
        assert_eq!(found, range, "{headers:?}");
    }
}

#[tokio::test]
async fn a_head_request_gets_the_length_and_no_content() {
    let reply = site(|_| ()).request("HEAD", "/digits.txt", &[]).await;
    assert_eq!((reply.status, &*reply.text), (200, ""));
    assert_eq!(reply.headers[header::CONTENT_LENGTH], "10");
}
