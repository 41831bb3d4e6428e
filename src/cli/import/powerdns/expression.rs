//! The part of Lua that LUA records are usually written in: calls, tables, `if` with `return`.

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::cli::import) enum Expression {
    Text(String),
    Number(f64),
    /// Items, some with names: `{ 'a', selector='all' }`.
    Table(Vec<(Option<String>, Expression)>),
    Call(String, Vec<Expression>),
    /// `true`, `false`, `nil`, or a variable.
    Word(String),
}

/// What a record does.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::cli::import) enum Program {
    Value(Expression),
    /// Conditions with what is done then, and what is done otherwise.
    If(Vec<(Expression, Program)>, Option<Box<Program>>),
}

/// Tables inside of tables, at most.
const DEEPEST: usize = 32;

/// Reads the text of a record; `None` when there is more in it than this.
pub(super) fn read(text: &str) -> Option<Program> {
    let mut reader = Reader { words: words(text)?, at: 0 };
    // A program and not an expression starts with a semicolon.
    while reader.eat(";") {}
    let program = reader.program(0)?;
    while reader.eat(";") {}
    (reader.at == reader.words.len()).then_some(program)
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Sign(char),
    Text(String),
    Number(f64),
    Name(String),
}

fn words(text: &str) -> Option<Vec<Token>> {
    let mut words = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(&c) = rest.peek() {
        match c {
            c if c.is_whitespace() => {
                rest.next();
            }
            '\'' | '"' => {
                rest.next();
                let mut word = String::new();
                loop {
                    match rest.next()? {
                        end if end == c => break,
                        '\\' => word.push(rest.next()?),
                        other => word.push(other),
                    }
                }
                words.push(Token::Text(word));
            }
            c if c.is_ascii_digit() => {
                let mut word = String::new();
                while let Some(c) = rest.next_if(|c| c.is_ascii_digit() || *c == '.') {
                    word.push(c);
                }
                words.push(Token::Number(word.parse().ok()?));
            }
            c if c.is_ascii_alphabetic() || c == '_' => {
                let mut word = String::new();
                while let Some(c) = rest.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
                    word.push(c);
                }
                words.push(Token::Name(word));
            }
            '(' | ')' | '{' | '}' | ',' | ';' | '=' => {
                rest.next();
                words.push(Token::Sign(c));
            }
            _ => return None,
        }
    }
    Some(words)
}

struct Reader {
    words: Vec<Token>,
    at: usize,
}

impl Reader {
    fn program(&mut self, depth: usize) -> Option<Program> {
        if depth > DEEPEST {
            return None;
        }
        if !self.eat("if") {
            self.eat("return");
            return Some(Program::Value(self.expression(depth)?));
        }
        let mut branches = Vec::new();
        loop {
            let condition = self.expression(depth)?;
            self.need("then")?;
            let done = self.program(depth + 1)?;
            while self.eat(";") {}
            branches.push((condition, done));
            if self.eat("elseif") {
                continue;
            }
            let otherwise = match self.eat("else") {
                true => Some(Box::new(self.program(depth + 1)?)),
                false => None,
            };
            while self.eat(";") {}
            self.need("end")?;
            while self.eat(";") {}
            if otherwise.is_none() && self.at < self.words.len() {
                // `if … end return …`: what follows is what is done otherwise.
                let otherwise = Some(Box::new(self.program(depth + 1)?));
                return Some(Program::If(branches, otherwise));
            }
            return Some(Program::If(branches, otherwise));
        }
    }

    fn expression(&mut self, depth: usize) -> Option<Expression> {
        if depth > DEEPEST {
            return None;
        }
        if self.eat("(") {
            let inner = self.expression(depth + 1)?;
            self.need(")")?;
            return Some(inner);
        }
        if self.eat("{") {
            let mut items = Vec::new();
            while !self.eat("}") {
                let is_named = matches!(self.words.get(self.at + 1), Some(Token::Sign('=')));
                let name = match self.words.get(self.at) {
                    Some(Token::Name(name)) if is_named => Some(name.clone()),
                    _ => None,
                };
                self.at += if name.is_some() { 2 } else { 0 };
                items.push((name, self.expression(depth + 1)?));
                if !self.eat(",") && !self.eat(";") {
                    self.need("}")?;
                    break;
                }
            }
            return Some(Expression::Table(items));
        }
        let token = self.words.get(self.at)?.clone();
        self.at += 1;
        match token {
            Token::Text(text) => Some(Expression::Text(text)),
            Token::Number(number) => Some(Expression::Number(number)),
            Token::Name(name) if self.eat("(") => {
                let mut arguments = Vec::new();
                while !self.eat(")") {
                    arguments.push(self.expression(depth + 1)?);
                    if !self.eat(",") {
                        self.need(")")?;
                        break;
                    }
                }
                Some(Expression::Call(name, arguments))
            }
            Token::Name(name) => Some(Expression::Word(name)),
            Token::Sign(_) => None,
        }
    }

    /// Takes a sign or word if it is next.
    fn eat(&mut self, wanted: &str) -> bool {
        let is_next = match self.words.get(self.at) {
            Some(Token::Sign(sign)) => wanted.len() == 1 && wanted.starts_with(*sign),
            Some(Token::Name(name)) => name == wanted,
            _ => false,
        };
        self.at += usize::from(is_next);
        is_next
    }

    fn need(&mut self, wanted: &str) -> Option<()> {
        self.eat(wanted).then_some(())
    }
}

impl Expression {
    /// The items of a table without names; anything else is one item.
    pub(in crate::cli::import) fn items(&self) -> Vec<&Expression> {
        match self {
            Expression::Table(items) => {
                items.iter().filter(|(name, _)| name.is_none()).map(|(_, item)| item).collect()
            }
            other => vec![other],
        }
    }

    /// An item of a table by its name.
    pub(in crate::cli::import) fn named(&self, name: &str) -> Option<&Expression> {
        let Expression::Table(items) = self else { return None };
        items.iter().find(|(known, _)| known.as_deref() == Some(name)).map(|(_, item)| item)
    }

    pub(in crate::cli::import) fn text(&self) -> Option<String> {
        match self {
            Expression::Text(text) => Some(text.clone()),
            Expression::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    pub(in crate::cli::import) fn number(&self) -> Option<f64> {
        match self {
            Expression::Number(number) => Some(*number),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_tables_and_conditions_are_read() {
        let Some(Program::Value(Expression::Call(name, arguments))) = read(
            "ifurlup('https://a.test/', {{'192.0.2.1'}, {'192.0.2.2'}}, {selector='all', timeout=3})",
        ) else {
            panic!("a call")
        };
        assert_eq!((name.as_str(), arguments.len()), ("ifurlup", 3));
        assert_eq!(arguments[1].items().len(), 2);
        assert_eq!(arguments[2].named("timeout").and_then(Expression::number), Some(3.0));
        let text = ";if(country('US')) then return 'a' elseif continent({'EU'}) then return {'b'} else return 'c' end";
        let Some(Program::If(branches, Some(_))) = read(text) else { panic!("conditions") };
        assert_eq!(branches.len(), 2);
        assert!(matches!(
            read("; if country('US') then return 'a' end return 'b'"),
            Some(Program::If(_, Some(_)))
        ));
    }

    #[test]
    fn more_than_that_is_not_read() {
        for text in ["a .. b", "for i=1,2 do end", "f(", "{", "'", "x == 'y'", &"{".repeat(100)] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
