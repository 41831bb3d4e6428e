//! The syntax of gdnsd's configuration: hashes, arrays and strings.

use crate::cli::import::Failure;
use crate::cli::import::node::{Node, Value};

/// Hashes inside of hashes, at most.
const DEEPEST: usize = 64;

/// Reads a file; the top is a hash.
///
/// # Errors
/// When it is not in this syntax.
pub(super) fn read(path: &str, text: &str) -> Result<Node, Failure> {
    let mut reader = Reader { path, text, at: 0, line: 1 };
    let entries = reader.entries(None, 0)?;
    Ok(Node { value: Value::Map(entries), place: format!("{path}:1") })
}

struct Reader<'a> {
    path: &'a str,
    text: &'a str,
    at: usize,
    line: usize,
}

impl Reader<'_> {
    /// The entries of a hash up to its end; the top has no closing sign.
    fn entries(&mut self, end: Option<char>, depth: usize) -> Result<Vec<(String, Node)>, Failure> {
        if depth > DEEPEST {
            return Err(self.wrong("it is nested too deeply"));
        }
        let mut entries: Vec<(String, Node)> = Vec::new();
        loop {
            self.skip(true);
            match (self.peek(), end) {
                (None, None) => return Ok(entries),
                (None, Some(end)) => {
                    return Err(self.wrong(&format!("`{end}` is missing at the end")));
                }
                (Some(c), Some(end)) if c == end => {
                    self.take();
                    return Ok(entries);
                }
                _ => {}
            }
            let key = self.word()?;
            self.skip(false);
            if self.peek() != Some('=') {
                return Err(self.wrong(&format!("`=>` is missing after `{key}`")));
            }
            self.take();
            if self.peek() == Some('>') {
                self.take();
            }
            let value = self.value(depth)?;
            entries.push((key, value));
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node, Failure> {
        self.skip(false);
        let place = format!("{}:{}", self.path, self.line);
        let value = match self.peek() {
            Some('{') => {
                self.take();
                Value::Map(self.entries(Some('}'), depth + 1)?)
            }
            Some('[') => {
                self.take();
                let mut items = Vec::new();
                loop {
                    self.skip(true);
                    match self.peek() {
                        Some(']') => break,
                        None => return Err(self.wrong("`]` is missing at the end")),
                        Some(_) if depth > DEEPEST => {
                            return Err(self.wrong("it is nested too deeply"));
                        }
                        Some(_) => items.push(self.value(depth + 1)?),
                    }
                }
                self.take();
                Value::List(items)
            }
            _ => Value::Text(self.word()?),
        };
        Ok(Node { value, place })
    }

    fn word(&mut self) -> Result<String, Failure> {
        let mut word = String::new();
        if self.peek() == Some('"') {
            self.take();
            loop {
                match self.take() {
                    Some('"') => return Ok(word),
                    Some('\\') => word.extend(self.take()),
                    Some(c) => word.push(c),
                    None => return Err(self.wrong("a quote is missing at the end")),
                }
            }
        }
        while let Some(c) = self.peek() {
            if c.is_whitespace() || "{}[],;#=\"".contains(c) {
                break;
            }
            word.push(c);
            self.take();
        }
        if word.is_empty() {
            let found = self.peek().map_or("the end".to_owned(), |c| format!("`{c}`"));
            return Err(self.wrong(&format!("a word is missing before {found}")));
        }
        Ok(word)
    }

    /// Passes over space and comments, and between entries over what sets them apart.
    fn skip(&mut self, is_between: bool) {
        while let Some(c) = self.peek() {
            if c == '#' {
                while self.peek().is_some_and(|c| c != '\n') {
                    self.take();
                }
            } else if c.is_whitespace() || (is_between && matches!(c, ',' | ';')) {
                self.take();
            } else {
                break;
            }
        }
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        self.line += usize::from(c == '\n');
        Some(c)
    }

    fn wrong(&self, why: &str) -> Failure {
        Failure::Syntax { path: self.path.to_owned(), line: Some(self.line), why: why.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_arrays_and_strings_are_read() {
        let text = "a => { b = [ 192.0.2.1, \"x y\" ], c => d } # more\ne => f;g=h\n";
        let node = read("config", text).unwrap();
        assert_eq!(
            node.shown(),
            r#"{ a = { b = ["192.0.2.1", "x y"], c = "d" }, e = "f", g = "h" }"#
        );
        assert_eq!(node.get("g").unwrap().place, "config:2");
    }

    #[test]
    fn mistakes_have_their_line() {
        for (text, line) in [("a => {", 1), ("\na b", 2), ("a = [1", 1), ("a = \"x", 1), ("= b", 1)]
        {
            let failure = read("config", text).unwrap_err().to_string();
            assert!(failure.starts_with(&format!("config:{line}: ")), "{text:?}: {failure}");
        }
        assert!(read("config", &"a={".repeat(1000)).is_err());
    }
}
