//! Static files: which file a path means, and its media type. Conditional requests, ranges and streaming are
//! `tower_http`'s.
//!
//! A file is served only if its real path, with every symbolic link followed, lies in the configured directory: a
//! link may point to another place in the directory, but never out of it. Names that begin with a dot are not served, except
//! `.well-known` (RFC 8615).

use std::{
    borrow::Cow,
    collections::HashMap,
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
};

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header, request::Parts};
use tower_http::services::ServeFile;

use super::{
    StaticOptions,
    body::Body,
    listing,
    path::RequestPath,
    reply::{self, Problem},
};
use crate::{descriptors, ration::Ration};

/// Lines about files that cannot be read. A client asks for them as often as it likes.
static UNREADABLE: Ration = Ration::SPARING;

/// The headers that decide how a file is sent.
const CONDITIONS: [http::HeaderName; 5] = [
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::RANGE,
];

/// A directory of files.
#[derive(Debug)]
pub(crate) struct StaticFiles {
    root: PathBuf,
    index: String,
    listing: bool,
    /// By extension, in lower case, without its dot.
    media_types: HashMap<String, HeaderValue>,
    cache_control: Option<HeaderValue>,
}

/// What a path means.
enum Found {
    File(PathBuf),
    /// A directory, asked for without the slash that its relative links need.
    Directory,
    Listing(Vec<listing::ListedFile>),
}

impl StaticFiles {
    pub(crate) fn new(options: &StaticOptions) -> Self {
        let media_types = options.media_types.iter().map(|(extension, media_type)| {
            (extension.trim_start_matches('.').to_ascii_lowercase(), media_type.clone())
        });
        let cache_control = options
            .cache_timeout
            .and_then(|seconds| HeaderValue::try_from(format!("public, max-age={seconds}")).ok());
        Self {
            root: options.directory.clone(),
            index: options.index.clone(),
            listing: options.listing,
            media_types: media_types.collect(),
            cache_control,
        }
    }

    /// Answers a GET or a HEAD; the path's first `depth` components name the service.
    pub(crate) async fn serve(
        &self,
        request: &Parts,
        path: &RequestPath<'_>,
        depth: usize,
    ) -> Result<Response<Body>, Problem> {
        let below = path.components().get(depth..).unwrap_or_default();
        let found = self.find(below, path.is_directory()).await.ok_or(Problem::NotFound)?;
        match found {
            Found::File(file) => self.send(request, &file).await,
            Found::Directory => {
                let mut location = path.as_directory();
                if let Some(query) = request.uri.query() {
                    location.push('?');
                    location.push_str(query);
                }
                let location = HeaderValue::try_from(location).map_err(|_| Problem::Path)?;
                Ok(reply::redirect(StatusCode::TEMPORARY_REDIRECT, location))
            }
            Found::Listing(entries) => Ok(listing::page(request.uri.path(), &entries)),
        }
    }

    /// Every reason why a file is not found, from a missing name to a loop of links, looks the same to a client.
    async fn find(&self, below: &[Cow<'_, str>], directory: bool) -> Option<Found> {
        let root = self.root.clone();
        let relative: PathBuf = below.iter().map(|component| &**component).collect();
        let index = self.index.clone();
        let listing = self.listing;
        tokio::task::spawn_blocking(move || locate(&root, &relative, directory, &index, listing))
            .await
            .ok()?
            .ok()
    }

    async fn send(&self, request: &Parts, file: &Path) -> Result<Response<Body>, Problem> {
        let mut headers = HeaderMap::new();
        for name in CONDITIONS {
            if let Some(value) = request.headers.get(&name) {
                headers.insert(name, value.clone());
            }
        }
        // RFC 9110, 13.1.5: the client wants a range only if the file is still the one that it has a part of, and
        // otherwise the whole file. For an entity tag that is If-Match with another outcome. For a date the answer is always
        // the whole file: dates are too coarse to join parts by.
        let mut if_range = false;
        if let Some(value) = request.headers.get(header::IF_RANGE) {
            if value.as_bytes().starts_with(b"\"") && !headers.contains_key(header::IF_MATCH) {
                headers.insert(header::IF_MATCH, value.clone());
                if_range = true;
            } else {
                headers.remove(header::RANGE);
            }
        }
        let mut response = serve_file(request, &headers, file).await?;
        if if_range && response.status() == StatusCode::PRECONDITION_FAILED {
            headers.remove(header::IF_MATCH);
            headers.remove(header::RANGE);
            response = serve_file(request, &headers, file).await?;
        }
        self.complete(response.headers_mut(), file);
        Ok(response)
    }

    fn complete(&self, headers: &mut HeaderMap, file: &Path) {
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if headers.contains_key(header::ETAG)
            && let Some(cache_control) = &self.cache_control
        {
            headers.insert(header::CACHE_CONTROL, cache_control.clone());
        }
        // A reply without content, such as a 304, has no type.
        let Some(guessed) = headers.get(header::CONTENT_TYPE) else { return };
        let extension = file.extension().and_then(OsStr::to_str).unwrap_or_default().to_ascii_lowercase();
        let configured = self.media_types.get(&extension).cloned();
        // A browser guesses the encoding of a text if it is not named; text files of today are UTF-8.
        let media_type = configured.or_else(|| {
            let guessed = guessed.to_str().ok().filter(|guessed| guessed.starts_with("text/"))?;
            HeaderValue::try_from(format!("{guessed}; charset=utf-8")).ok()
        });
        if let Some(media_type) = media_type {
            headers.insert(header::CONTENT_TYPE, media_type);
        }
    }
}

async fn serve_file(request: &Parts, headers: &HeaderMap, file: &Path) -> Result<Response<Body>, Problem> {
    let mut inner = Request::new(());
    *inner.method_mut() = request.method.clone();
    *inner.headers_mut() = headers.clone();
    // While it is sent, the file takes one more descriptor than its connection.
    let descriptor = descriptors::take().ok_or(Problem::Descriptors)?;
    // RFC 9110, 14.2: a server may ignore ranges. Several at once would need a multipart reply.
    let mut service = ServeFile::new(file).ignore_multi_range_requests(true);
    match service.try_call(inner).await {
        Ok(response) => Ok(response.map(|file| Body::File { file, _descriptor: descriptor })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Problem::NotFound),
        Err(error) => {
            if let Some(line) = UNREADABLE.line() {
                tracing::warn!(file = %file.display(), %error, left_out = line.left_out, "a static file cannot be read");
            }
            Err(Problem::File)
        }
    }
}

/// Finds what a path means. Blocks.
fn locate(root: &Path, relative: &Path, directory: bool, index: &str, listing: bool) -> io::Result<Found> {
    let root = root.canonicalize()?;
    let target = inside(&root, &root.join(relative))?;
    if target.is_file() && !directory {
        return Ok(Found::File(target));
    }
    if !target.is_dir() {
        // Neither devices nor pipes are served: opening a pipe may wait forever.
        return Err(io::ErrorKind::NotFound.into());
    }
    if !directory {
        return Ok(Found::Directory);
    }
    match inside(&root, &target.join(index)) {
        Ok(file) if file.is_file() => Ok(Found::File(file)),
        _ if listing => listing::read(&target, |path| inside(&root, path).is_ok()).map(Found::Listing),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

/// Whether clients can read what is at a real path, if they can read the directory `root`.
pub(crate) fn is_below(root: &Path, path: &Path) -> bool {
    path.strip_prefix(root).is_ok_and(|below| !below.components().any(|c| is_hidden(c.as_os_str())))
}

/// The real path of something in the directory `root` that is not hidden.
fn inside(root: &Path, path: &Path) -> io::Result<PathBuf> {
    // Once as it was asked for, once as it is: a link may have a hidden name, or lead to one.
    let real = path.canonicalize()?;
    if is_below(root, path) && is_below(root, &real) { Ok(real) } else { Err(io::ErrorKind::NotFound.into()) }
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".") && name != ".well-known"
}

#[cfg(test)]
mod tests;
