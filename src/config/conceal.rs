//! Where secrets stand in a configuration file, so that nobody is shown them: not in the source
//! line of a mistake, and not by a server that hands out what it was made from.
//!
//! Goes by the text and not by what TOML makes of it: a file with a mistake in it is the one that is
//! shown. Knows the keys that have secrets, and nothing else of what files mean.

use std::collections::HashMap;
use std::ops::Range;

use super::suggest;

/// Keys whose values are secrets, and those that people write for them; so are mistyped ones.
const SECRETS: [&str; 6] =
    ["cookie_secret", "cookie_accept", "secret", "send", "token", "password"];

/// What stands for a secret in a file that is handed out: it can be read as any of them.
const STAND_IN: &str = "00000000000000000000000000000000";

/// The text with a star for each octet of a secret: every place in it stays where it is.
pub(super) fn starred(text: &str) -> String {
    let star = |secret: &str| -> String {
        secret.bytes().map(|octet| if octet == b'\n' { '\n' } else { '*' }).collect()
    };
    replaced(text, star)
}

/// The text of a file that says the same, but for its secrets.
pub fn struck(text: &str) -> String {
    replaced(text, |_| STAND_IN.to_owned())
}

fn replaced(text: &str, stand_in: impl Fn(&str) -> String) -> String {
    let mut new = String::with_capacity(text.len());
    let mut done = 0;
    for place in places(text) {
        new.push_str(&text[done..place.start]);
        new.push_str(&stand_in(&text[place.clone()]));
        done = place.end;
    }
    new.push_str(&text[done..]);
    new
}

/// Where secrets are, in their order; none is empty.
fn places(text: &str) -> Vec<Range<usize>> {
    let mut scan = Scan {
        text,
        header: Vec::new(),
        path: Vec::new(),
        open: Vec::new(),
        is_value: false,
        keys: HashMap::new(),
        found: Vec::new(),
    };
    let mut at = scan.line(0);
    while let Some((token, end)) = token(text, at) {
        at = scan.take(token, end);
    }
    scan.found
}

/// A part of a file.
#[derive(Debug, Clone)]
enum Token {
    /// The end of a line.
    Line,
    /// One of `[]{}=,.`.
    Mark(u8),
    /// What is in quotes; not closed at the end of its line, perhaps.
    Quoted(Range<usize>),
    /// A word without quotes.
    Bare(Range<usize>),
}

/// Something that is open.
#[derive(Debug)]
enum Open {
    Array,
    /// An inline table, and how long the path to it is.
    Table(usize),
}

/// Where one is in a file.
#[derive(Debug)]
struct Scan<'t> {
    text: &'t str,
    /// The table of the last header.
    header: Vec<&'t str>,
    /// Keys that lead here from the header.
    path: Vec<&'t str>,
    open: Vec<Open>,
    is_value: bool,
    /// Which keys have secrets: they are few, and stand in a file over and over.
    keys: HashMap<&'t str, bool>,
    found: Vec<Range<usize>>,
}

impl<'t> Scan<'t> {
    /// Takes a token that ends at `end`; gives where to go on.
    fn take(&mut self, token: Token, end: usize) -> usize {
        match token {
            Token::Line => return self.line(end),
            Token::Mark(b'[') if !self.is_value && self.path.is_empty() && self.open.is_empty() => {
                return self.header(end);
            }
            Token::Mark(b'[') => self.open.push(Open::Array),
            Token::Mark(b'{') => {
                self.open.push(Open::Table(self.path.len()));
                self.is_value = false;
            }
            Token::Mark(b']') => drop(self.open.pop()),
            Token::Mark(b'}') => {
                if let Some(Open::Table(base)) = self.open.pop() {
                    self.path.truncate(base);
                }
                self.is_value = true;
            }
            Token::Mark(b'=') => self.is_value = true,
            Token::Mark(b',') => {
                if let Some(Open::Table(base)) = self.open.last() {
                    self.path.truncate(*base);
                    self.is_value = false;
                }
            }
            Token::Mark(_) => {}
            Token::Quoted(word) | Token::Bare(word) if !self.is_value => {
                self.path.push(&self.text[word]);
            }
            Token::Quoted(value) => {
                let (first, before) = (value.clone(), self.found.len());
                self.value(value);
                // One that never ends hides nothing that stands on the lines below it.
                if end == self.text.len() && self.found.len() == before {
                    return first.start + line_length(&self.text[first.start..]);
                }
            }
            Token::Bare(word) => {
                let line = word.start + line_length(&self.text[word.start..]);
                // Where the quotes are missing, anything may belong to it.
                let value = word.start..self.text[..line].trim_end().len();
                let before = self.found.len();
                self.value(value);
                if self.found.len() > before {
                    return line;
                }
            }
        }
        end
    }

    /// A line begins: with a key of the table, whatever a mistake left open before; or what was
    /// begun goes on.
    fn line(&mut self, at: usize) -> usize {
        if self.open.is_empty() || begins_with_key(&self.text[at..]) {
            let base = match self.open.last() {
                Some(Open::Table(base)) => *base,
                _ => {
                    self.open.clear();
                    0
                }
            };
            self.path.truncate(base);
            self.is_value = false;
        }
        at
    }

    /// The header of a table, up to its bracket.
    fn header(&mut self, mut at: usize) -> usize {
        self.header.clear();
        while let Some((token, end)) = token(self.text, at) {
            match token {
                Token::Line | Token::Mark(b']') => break,
                Token::Quoted(word) | Token::Bare(word) => self.header.push(&self.text[word]),
                Token::Mark(_) => {}
            }
            at = end;
        }
        at
    }

    /// Notes what is secret of a value.
    fn value(&mut self, value: Range<usize>) {
        let Some(key) = self.path.last() else { return };
        let first = self.header.first().or(self.path.first());
        let is_of_key = first == Some(&"keys") && !["algorithm", "secret_file"].contains(key);
        // The second key is the name of a monitor.
        let is_header = self.header.iter().skip(2).chain(&self.path).any(|key| *key == "headers");
        let keys = &mut self.keys;
        let mut is_one = |key: &&'t str| {
            *keys.entry(key).or_insert_with(|| suggest::nearest(key, SECRETS).is_some())
        };
        let is_named = self.path.iter().any(&mut is_one);
        if is_of_key || is_header || is_named {
            self.found.extend(Some(value).filter(|value| !value.is_empty()));
        } else if suggest::nearest(key, ["url"]).is_some() {
            let in_url = secrets_of_url(&self.text[value.clone()]);
            let in_text = in_url.map(|part| value.start + part.start..value.start + part.end);
            self.found.extend(in_text.into_iter().filter(|part| !part.is_empty()));
        }
    }
}

/// What is secret of an address: who asks, and what comes behind the host, which is all that some
/// receivers know their friends by.
fn secrets_of_url(url: &str) -> [Range<usize>; 2] {
    let start = url.find("://").map_or(0, |at| at + 3);
    let host = url[start..].rfind('@').map_or(start, |at| start + at + 1);
    let behind = url[host..].find(['/', '?', '#']).map_or(url.len(), |at| host + at + 1);
    [start..host.saturating_sub(1).max(start), behind..url.len()]
}

/// Octets up to the end of the line.
fn line_length(text: &str) -> usize {
    text.find('\n').unwrap_or(text.len())
}

/// Whether a line is `key = …`.
fn begins_with_key(line: &str) -> bool {
    let mut at = 0;
    loop {
        match token(line, at) {
            Some((Token::Quoted(_) | Token::Bare(_) | Token::Mark(b'.'), end)) => at = end,
            Some((Token::Mark(b'='), _)) => return at > 0,
            _ => return false,
        }
    }
}

/// The next token from `at` on, and where it ends.
fn token(text: &str, at: usize) -> Option<(Token, usize)> {
    let bytes = text.as_bytes();
    let mut at = at;
    loop {
        match bytes.get(at)? {
            b'\n' => return Some((Token::Line, at + 1)),
            space if space.is_ascii_whitespace() => at += 1,
            b'#' => at += line_length(&text[at..]),
            mark @ (b'[' | b']' | b'{' | b'}' | b'=' | b',' | b'.') => {
                return Some((Token::Mark(*mark), at + 1));
            }
            quote @ (b'"' | b'\'') => return Some(quoted(text, at, *quote)),
            _ => {
                let rest = &text[at..];
                let is_end = |c: char| c.is_ascii_whitespace() || "[]{}=,.#\"'".contains(c);
                let end = at + rest.find(is_end).unwrap_or(rest.len());
                return Some((Token::Bare(at..end), end));
            }
        }
    }
}

/// A text in quotes that begins at `at`; one that does not end goes to the end of its line, or of the
/// file.
fn quoted(text: &str, at: usize, quote: u8) -> (Token, usize) {
    let bytes = text.as_bytes();
    let is_long = bytes[at..].starts_with(&[quote; 3]);
    let width = if is_long { 3 } else { 1 };
    let start = at + width;
    let mut end = start;
    while let Some(octet) = bytes.get(end) {
        match octet {
            b'\\' if quote == b'"' && bytes.get(end + 1) != Some(&b'\n') => end += 1,
            b'\n' if !is_long => break,
            _ if bytes[end..].starts_with(&[quote; 3][..width]) => {
                return (Token::Quoted(start..end), end + width);
            }
            _ => {}
        }
        end += 1;
    }
    // Behind a backslash at the very end there is nothing.
    let end = end.min(text.len());
    (Token::Quoted(start..end), end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(text: &str) -> Vec<&str> {
        places(text).into_iter().map(|place| &text[place]).collect()
    }

    #[test]
    fn secrets_are_found_wherever_they_may_stand() {
        for (text, expected) in [
            ("[server]\ncookie_secret = \"00ff\" # x\nnsid = \"a\"\n", vec!["00ff"]),
            ("server.cookie_accept = [\"aa\", # one\n  'bb',\n]\n", vec!["aa", "bb"]),
            ("[keys.\"a.b\"]\nalgorithm = \"x\"\nsecret = '''s\nt'''\n", vec!["s\nt"]),
            ("[keys]\nk = { secret_file = \"f\", secret = \"s\" }\nl = \"t\"\n", vec!["s", "t"]),
            ("[monitor.web.headers]\n\"X-Key\" = \"k\"\n[pool.a]\nmonitor = \"web\"\n", vec!["k"]),
            ("monitor.w = { headers = { A = \"a\\\"b\" }, path = \"/\" }\n", vec!["a\\\"b"]),
            ("[monitor.headers]\npath = \"/\"\n", vec![]),
            ("expect = { header = { A = \"b\" }, body = \"c\" }\n", vec![]),
            ("url = \"https://u:p/w@h.example/in/T0?x\"\n", vec!["u:p/w", "in/T0?x"]),
            ("url = \"https://h.example:8/\"\ntoken_file = \"t\"\n", vec![]),
            ("text = \"secret = 1\" # secret = 2\n", vec![]),
        ] {
            assert_eq!(secrets(text), expected, "{text}");
        }
    }

    #[test]
    fn mistakes_hide_no_secret() {
        for (text, expected) in [
            ("cookie_secret = \"00ff\nnsid = \"a\"\n", vec!["00ff"]),
            ("cookie_secret = 00ff.# ==  \nnsid = 1\n", vec!["00ff.# =="]),
            ("secret = \"a\"b\"\n", vec!["a", "b\""]),
            ("cookie_secert = \"00ff\"\n", vec!["00ff"]),
            ("[admin]\ntoken = \"t\"\n", vec!["t"]),
            ("listen = [\"a\",\ncookie_secret = \"00ff\"\n", vec!["00ff"]),
            ("a = { b = 1\nsecret = \"s\"\n", vec!["s"]),
            ("a = { headers = { b = \"h\"\nsecret = \"s\"\n", vec!["h", "s"]),
            ("secret = \"\"\"s\n", vec!["s\n"]),
            ("version = \"\"\"v\ncookie_secret = \"00ff\"\n", vec!["00ff"]),
            ("[server] cookie_secret = \"00ff\"\n", vec!["00ff"]),
            ("nsid = \"a\\\ncookie_secret = \"00ff\"\n", vec!["00ff"]),
            ("secret = \"s\\", vec!["s\\"]),
            ("]]}}==,.\x0c\x0b\nsecret = \"s\"\n", vec!["s"]),
            ("secret = \"\u{e9}\u{1f511}\"", vec!["\u{e9}\u{1f511}"]),
        ] {
            assert_eq!(secrets(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_shown_keeps_its_places_and_what_is_handed_out_can_be_read() {
        let text = "a = 1\nsecret = \"\"\"x\ny\u{e9}\"\"\"\nb = 2\n";
        assert_eq!(starred(text), "a = 1\nsecret = \"\"\"*\n***\"\"\"\nb = 2\n");
        let handed = struck("cookie_secret = \"\"\nsecret = \"YQ==\"\n");
        assert_eq!(handed, format!("cookie_secret = \"\"\nsecret = \"{STAND_IN}\"\n"));
    }
}
