//! A directory's listing, for `enable_directory_listing`.

use std::{fmt::Write as _, io, path::Path};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use percent_encoding::utf8_percent_encode;

use super::{body::Body, path::COMPONENT, reply};

/// More entries than this are not listed: no person reads so many, and the page is built in memory.
const MAX_ENTRIES: usize = 10_000;

/// A name in a directory.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ListedFile {
    pub(crate) name: String,
    pub(crate) is_directory: bool,
}

/// Reads the names that may be shown, in order. Names that are not UTF-8 have no URL here and are left out. Blocks.
pub(crate) fn read(directory: &Path, may_be_shown: impl Fn(&Path) -> bool) -> io::Result<Vec<ListedFile>> {
    let mut entries = Vec::new();
    for entry in directory.read_dir()? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if may_be_shown(&path) {
            entries.push(ListedFile { name: name.to_owned(), is_directory: path.is_dir() });
        }
        if entries.len() == MAX_ENTRIES {
            break;
        }
    }
    entries.sort();
    Ok(entries)
}

/// The listing as a page; `path` is the request's own, still encoded.
pub(crate) fn page(path: &str, entries: &[ListedFile]) -> Response<Body> {
    let title = escape(path);
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n<h1>{title}</h1>\n<ul>\n"
    );
    if path != "/" {
        html.push_str("<li><a href=\"../\">../</a>\n");
    }
    for entry in entries {
        let slash = if entry.is_directory { "/" } else { "" };
        // The leading `./` keeps a name with a colon from being taken for a scheme.
        let _ = writeln!(
            html,
            "<li><a href=\"./{}{slash}\">{}{slash}</a>",
            utf8_percent_encode(&entry.name, COMPONENT),
            escape(&entry.name)
        );
    }
    html.push_str("</ul>\n</html>\n");
    let mut response = reply::content(
        StatusCode::OK,
        HeaderValue::from_static("text/html; charset=utf-8"),
        Bytes::from(html),
    );
    response
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'"));
    response
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_out_of_the_page() {
        let entries = [
            ListedFile { name: "javascript:alert(1)".to_owned(), is_directory: false },
            ListedFile { name: "\"><script>".to_owned(), is_directory: true },
        ];
        let Body::Bytes(bytes) = page("/a&b/", &entries).into_body() else { panic!("not a text") };
        let html = str::from_utf8(&bytes).unwrap();
        assert!(html.contains("href=\"./javascript:alert(1)\""), "{html}");
        assert!(html.contains("href=\"./%22%3E%3Cscript%3E/\">&quot;&gt;&lt;script&gt;/<"), "{html}");
        assert!(html.contains("<h1>/a&amp;b/</h1>"), "{html}");
    }
}
