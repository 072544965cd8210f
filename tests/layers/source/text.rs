//! The paths that stand in a file: what it imports, and what it names in full.

/// A path as a file writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) line: usize,
    /// Without the name that `as` gives.
    pub(super) path: Vec<String>,
    /// The name that an import brings, if it is another one than the path's last.
    renamed: Option<String>,
}

impl Written {
    /// The name by which the file, and what imports from it, knows the thing.
    pub(super) fn name(&self) -> Option<&String> {
        self.renamed.as_ref().or(self.path.last())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    /// `::`
    Step,
    Sign(char),
}

/// The paths of a file, without those of its tests.
pub(super) fn paths(text: &str) -> Vec<Written> {
    let tokens = without_tests(&tokens(text));
    let mut paths = Vec::new();
    let mut at = 0;
    while let Some((line, token)) = tokens.get(at) {
        match token {
            // `use<'a>` captures, and imports nothing.
            Token::Word("use") if tokens.get(at + 1).is_none_or(|(_, token)| *token != Token::Sign('<')) => {
                at = tree(&tokens, at + 1, &[], &mut paths);
            }
            Token::Word(first @ ("crate" | "super" | "self")) if tokens.get(at + 1).is_some_and(is_step) => {
                let mut path = vec![(*first).to_owned()];
                at += 1;
                while let (Some((_, Token::Step)), Some((_, Token::Word(word)))) =
                    (tokens.get(at), tokens.get(at + 1))
                {
                    path.push((*word).to_owned());
                    at += 2;
                }
                paths.push(Written { line: *line, path, renamed: None });
            }
            _ => at += 1,
        }
    }
    paths
}

fn is_step((_, token): &(usize, Token<'_>)) -> bool {
    *token == Token::Step
}

/// Reads one branch of an import; the place behind it.
fn tree(tokens: &[(usize, Token<'_>)], mut at: usize, prefix: &[String], paths: &mut Vec<Written>) -> usize {
    let mut path = prefix.to_vec();
    let mut renamed = None;
    let line = tokens.get(at).map_or(0, |(line, _)| *line);
    while let Some((_, token)) = tokens.get(at) {
        match token {
            Token::Word("as") => {
                if let Some((_, Token::Word(name))) = tokens.get(at + 1) {
                    renamed = Some((*name).to_owned());
                }
                at += 2;
            }
            // `{self}` is the module itself.
            Token::Word("self") if !path.is_empty() => at += 1,
            Token::Word(word) => {
                path.push((*word).to_owned());
                at += 1;
            }
            Token::Sign('{') => {
                at += 1;
                while tokens.get(at).is_some_and(|(_, token)| *token != Token::Sign('}')) {
                    at = tree(tokens, at, &path, paths);
                    if tokens.get(at).is_some_and(|(_, token)| *token == Token::Sign(',')) {
                        at += 1;
                    }
                }
                return at + 1;
            }
            Token::Sign(',' | '}' | ';') => break,
            Token::Step | Token::Sign(_) => at += 1,
        }
    }
    paths.push(Written { line, path, renamed });
    at
}

/// Leaves out what stands behind `#[cfg(test)]`.
fn without_tests<'a>(tokens: &[(usize, Token<'a>)]) -> Vec<(usize, Token<'a>)> {
    const ATTRIBUTE: [Token<'_>; 7] = [
        Token::Sign('#'),
        Token::Sign('['),
        Token::Word("cfg"),
        Token::Sign('('),
        Token::Word("test"),
        Token::Sign(')'),
        Token::Sign(']'),
    ];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let rest = &tokens[at..];
        if rest.len() >= ATTRIBUTE.len()
            && rest.iter().zip(ATTRIBUTE).all(|((_, token), part)| *token == part)
        {
            at += ATTRIBUTE.len() + item(&rest[ATTRIBUTE.len()..]);
        } else {
            kept.push(tokens[at]);
            at += 1;
        }
    }
    kept
}

/// The length of an item: up to its `;`, or to the end of its block.
fn item(tokens: &[(usize, Token<'_>)]) -> usize {
    let mut depth = 0;
    for (at, (_, token)) in tokens.iter().enumerate() {
        match token {
            Token::Sign('{') => depth += 1,
            Token::Sign('}') => {
                depth -= 1;
                if depth == 0 {
                    // `use a::{b};` ends behind the block.
                    let is_import = tokens.get(at + 1).is_some_and(|(_, token)| *token == Token::Sign(';'));
                    return at + 1 + usize::from(is_import);
                }
            }
            Token::Sign(';') if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

/// Words and signs with their lines, without comments, texts, characters and lifetimes.
fn tokens(text: &str) -> Vec<(usize, Token<'_>)> {
    let mut tokens = Vec::new();
    let (mut rest, mut line) = (text, 1);
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '/' if rest.starts_with("//") => (None, rest.find('\n').unwrap_or(rest.len())),
            '/' if rest.starts_with("/*") => (None, comment(rest)),
            'r' if is_raw_text(rest) => (None, raw_text(rest)),
            '"' => (None, quoted(rest)),
            '\'' => (None, character(rest)),
            ':' if rest.starts_with("::") => (Some(Token::Step), 2),
            _ if first.is_alphanumeric() || first == '_' => {
                let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                (Some(Token::Word(&rest[..length])), length)
            }
            _ if first.is_whitespace() => (None, first.len_utf8()),
            _ => (Some(Token::Sign(first)), first.len_utf8()),
        };
        tokens.extend(token.map(|token| (line, token)));
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    tokens
}

fn comment(text: &str) -> usize {
    let (mut at, mut depth) = (0, 0);
    loop {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            (at, depth) = (at + 2, depth + 1);
        } else if rest.starts_with("*/") {
            (at, depth) = (at + 2, depth - 1);
        } else {
            at += rest.chars().next().map_or(0, char::len_utf8);
        }
        if depth == 0 || at >= text.len() {
            return at;
        }
    }
}

fn is_raw_text(text: &str) -> bool {
    text[1..].trim_start_matches('#').starts_with('"') && text[1..].starts_with(['#', '"'])
}

fn raw_text(text: &str) -> usize {
    let hashes = text[1..].len() - text[1..].trim_start_matches('#').len();
    let end = format!("\"{}", "#".repeat(hashes));
    let begun = 2 + hashes;
    text[begun..].find(&end).map_or(text.len(), |at| begun + at + end.len())
}

fn quoted(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// A character, or a lifetime.
fn character(text: &str) -> usize {
    let mut characters = text.char_indices().skip(1);
    match characters.next() {
        Some((_, '\\')) => {
            text[2..].char_indices().skip(1).find(|(_, c)| *c == '\'').map_or(text.len(), |(at, _)| at + 3)
        }
        Some(_) => match characters.next() {
            Some((at, '\'')) => at + 1,
            _ => 1,
        },
        None => 1,
    }
}
