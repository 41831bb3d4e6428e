//! The syntax of named.conf: statements of words, with blocks of further ones.

use crate::cli::import::Failure;

/// Blocks inside of blocks, at most.
const DEEPEST: usize = 32;

/// Words up to a semicolon, and what stands in braces among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) words: Vec<String>,
    pub(super) inside: Vec<Statement>,
    /// `named.conf:12`
    pub(super) place: String,
}

impl Statement {
    /// Whether it starts with a word.
    pub(super) fn is(&self, word: &str) -> bool {
        self.words.first().is_some_and(|first| first == word)
    }

    /// The word after another one.
    pub(super) fn after(&self, word: &str) -> Option<&str> {
        let at = self.words.iter().position(|known| known == word)?;
        self.words.get(at + 1).map(String::as_str)
    }
}

/// Reads a file.
///
/// # Errors
/// When a brace, a quote or a semicolon is missing.
pub(super) fn read(path: &str, text: &str) -> Result<Vec<Statement>, Failure> {
    let mut reader = Reader { path, rest: text.chars().peekable(), line: 1 };
    reader.statements(false, 0)
}

struct Reader<'a> {
    path: &'a str,
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    line: usize,
}

impl Reader<'_> {
    fn statements(&mut self, is_inside: bool, depth: usize) -> Result<Vec<Statement>, Failure> {
        if depth > DEEPEST {
            return Err(self.wrong("it is nested too deeply"));
        }
        let mut statements = Vec::new();
        let mut words = Vec::new();
        let mut inside = Vec::new();
        let mut line = self.line;
        while let Some(c) = self.next_sign() {
            if words.is_empty() && inside.is_empty() {
                line = self.line;
            }
            match c {
                ';' => {
                    self.take();
                    if !words.is_empty() {
                        let place = format!("{}:{line}", self.path);
                        let words = std::mem::take(&mut words);
                        let inside = std::mem::take(&mut inside);
                        statements.push(Statement { words, inside, place });
                    }
                }
                '{' => {
                    self.take();
                    inside.extend(self.statements(true, depth + 1)?);
                }
                '}' if is_inside => {
                    self.take();
                    return match words.is_empty() {
                        true => Ok(statements),
                        false => Err(self.wrong("`;` is missing before `}`")),
                    };
                }
                '}' => return Err(self.wrong("`}` closes nothing")),
                _ => words.push(self.word()?),
            }
        }
        match (is_inside, words.is_empty()) {
            (true, _) => Err(self.wrong("`}` is missing at the end")),
            (false, false) => Err(self.wrong("`;` is missing at the end")),
            (false, true) => Ok(statements),
        }
    }

    /// The next sign that is no space and in no comment.
    fn next_sign(&mut self) -> Option<char> {
        loop {
            let c = *self.rest.peek()?;
            let mut ahead = self.rest.clone();
            ahead.next();
            match (c, ahead.peek()) {
                (c, _) if c.is_whitespace() => {
                    self.take();
                }
                ('#', _) | ('/', Some('/')) => while self.take().is_some_and(|c| c != '\n') {},
                ('/', Some('*')) => {
                    let mut before = ' ';
                    self.take();
                    self.take();
                    while let Some(c) = self.take() {
                        if (before, c) == ('*', '/') {
                            break;
                        }
                        before = c;
                    }
                }
                _ => return Some(c),
            }
        }
    }

    fn word(&mut self) -> Result<String, Failure> {
        let mut word = String::new();
        if self.rest.peek() == Some(&'"') {
            self.take();
            loop {
                match self.take() {
                    Some('"') => return Ok(word),
                    Some(c) => word.push(c),
                    None => return Err(self.wrong("a quote is missing at the end")),
                }
            }
        }
        while let Some(&c) = self.rest.peek() {
            if c.is_whitespace() || "{};\"".contains(c) {
                break;
            }
            word.push(c);
            self.take();
        }
        Ok(word)
    }

    fn take(&mut self) -> Option<char> {
        let c = self.rest.next()?;
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
    fn statements_have_words_blocks_and_lines() {
        let text =
            "// one\noptions { a b; /* c; */ d { e; }; };\nzone \"x y\" IN { type master; };\n";
        let statements = read("named.conf", text).unwrap();
        assert_eq!(statements[0].inside[0].words, ["a", "b"]);
        assert_eq!(statements[0].inside[1].inside[0].words, ["e"]);
        assert_eq!(statements[1].words, ["zone", "x y", "IN"]);
        assert_eq!(statements[1].place, "named.conf:3");
    }

    #[test]
    fn mistakes_have_their_line() {
        for text in ["a", "a {", "a { b }", "}", "\"a", &"a{".repeat(100)] {
            let failure = read("named.conf", text).unwrap_err().to_string();
            assert!(failure.starts_with("named.conf:1: "), "{text}: {failure}");
        }
    }
}
