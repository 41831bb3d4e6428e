//! Formulas over a few named numbers: `0.5*cpu + 0.3*memory`.
//!
//! Knows numbers and names; knows nothing of where the numbers come from.
//!
//! ```text
//! sum     = product { ("+" | "-") product }
//! product = factor { ("*" | "/") factor }
//! factor  = "-" factor | number | name | "(" sum ")" | ("min" | "max") "(" sum { "," sum } ")"
//! ```

use std::collections::BTreeSet;

/// Octets of a formula, at most.
pub const LONGEST: usize = 1000;

/// Parentheses and signs within one another, at most.
const DEEPEST: u32 = 32;

/// A formula that can be worked out.
#[derive(Debug, Clone, PartialEq)]
pub struct Formula {
    root: Node,
}

/// Not a formula.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FormulaError {
    /// The octet where it went wrong; its length when something is missing at the end.
    pub at: usize,
    /// What is wrong there.
    pub message: String,
}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Number(f64),
    /// One of the values, by its place.
    Value(usize),
    Negative(Box<Node>),
    Pair(char, Box<Node>, Box<Node>),
    Least(Vec<Node>),
    Most(Vec<Node>),
}

impl Formula {
    /// Reads a formula over values with these names.
    ///
    /// # Errors
    /// When it is none, names something else, or leaves one of the names out.
    pub fn parse(text: &str, names: &[&str]) -> Result<Formula, FormulaError> {
        if text.len() > LONGEST {
            let message = format!("a formula has at most {LONGEST} characters");
            return Err(FormulaError { at: LONGEST, message });
        }
        let mut parser = Parser { text, at: 0, names, depth: 0 };
        let root = parser.sum()?;
        if parser.peek().is_some() {
            return Err(parser.wrong("an operator"));
        }
        let mut used = BTreeSet::new();
        root.note_values(&mut used);
        match names.iter().enumerate().find(|(index, _)| !used.contains(index)) {
            Some((_, name)) => {
                Err(FormulaError { at: text.len(), message: format!("`{name}` is not used in it") })
            }
            None => Ok(Formula { root }),
        }
    }

    /// What it comes to with these values, in the order of the names; not finite after a division
    /// by zero.
    pub fn value(&self, values: &[f64]) -> f64 {
        self.root.value(values)
    }
}

impl Node {
    fn value(&self, values: &[f64]) -> f64 {
        match self {
            Node::Number(number) => *number,
            // There is one for each name.
            Node::Value(index) => values.get(*index).copied().unwrap_or(f64::NAN),
            Node::Negative(node) => -node.value(values),
            Node::Pair(operator, left, right) => {
                let (left, right) = (left.value(values), right.value(values));
                match operator {
                    '+' => left + right,
                    '-' => left - right,
                    '*' => left * right,
                    _ => left / right,
                }
            }
            Node::Least(nodes) => {
                nodes.iter().map(|node| node.value(values)).fold(f64::INFINITY, f64::min)
            }
            Node::Most(nodes) => {
                nodes.iter().map(|node| node.value(values)).fold(f64::NEG_INFINITY, f64::max)
            }
        }
    }

    fn note_values(&self, used: &mut BTreeSet<usize>) {
        match self {
            Node::Number(_) => {}
            Node::Value(index) => {
                used.insert(*index);
            }
            Node::Negative(node) => node.note_values(used),
            Node::Pair(_, left, right) => {
                left.note_values(used);
                right.note_values(used);
            }
            Node::Least(nodes) | Node::Most(nodes) => {
                nodes.iter().for_each(|node| node.note_values(used));
            }
        }
    }
}

/// Whether a value may have this name in a formula.
pub fn is_name(text: &str) -> bool {
    let mut octets = text.bytes();
    let begins = octets.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    begins && octets.all(is_inner) && !matches!(text, "min" | "max")
}

fn is_inner(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || octet == b'_'
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    names: &'a [&'a str],
    depth: u32,
}

impl<'a> Parser<'a> {
    fn sum(&mut self) -> Result<Node, FormulaError> {
        let mut left = self.product()?;
        while let Some(operator @ ('+' | '-')) = self.peek() {
            self.at += 1;
            left = Node::Pair(operator, left.into(), self.product()?.into());
        }
        Ok(left)
    }

    fn product(&mut self) -> Result<Node, FormulaError> {
        let mut left = self.factor()?;
        while let Some(operator @ ('*' | '/')) = self.peek() {
            self.at += 1;
            left = Node::Pair(operator, left.into(), self.factor()?.into());
        }
        Ok(left)
    }

    fn factor(&mut self) -> Result<Node, FormulaError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            let message = format!("more than {DEEPEST} parentheses and signs within one another");
            return Err(FormulaError { at: self.at, message });
        }
        let node = match self.peek() {
            Some('-') => {
                self.at += 1;
                Node::Negative(self.factor()?.into())
            }
            Some('(') => {
                self.at += 1;
                let inner = self.sum()?;
                self.expect(')')?;
                inner
            }
            Some(c) if c.is_ascii_digit() || c == '.' => self.number()?,
            Some(c) if c.is_ascii_alphabetic() || c == '_' => self.name()?,
            _ => return Err(self.wrong("a number, a name or `(`")),
        };
        self.depth -= 1;
        Ok(node)
    }

    fn number(&mut self) -> Result<Node, FormulaError> {
        let at = self.at;
        let text = self.take(|b| b.is_ascii_digit() || b == b'.');
        match text.parse() {
            Ok(number) => Ok(Node::Number(number)),
            Err(_) => Err(FormulaError { at, message: format!("`{text}` is not a number") }),
        }
    }

    fn name(&mut self) -> Result<Node, FormulaError> {
        let at = self.at;
        let name = self.take(is_inner);
        if matches!(name, "min" | "max") {
            self.expect('(')?;
            let mut nodes = vec![self.sum()?];
            while self.peek() == Some(',') {
                self.at += 1;
                nodes.push(self.sum()?);
            }
            self.expect(')')?;
            return Ok(if name == "min" { Node::Least(nodes) } else { Node::Most(nodes) });
        }
        match self.names.iter().position(|known| *known == name) {
            Some(index) => Ok(Node::Value(index)),
            None => {
                let known: Vec<String> = self.names.iter().map(|n| format!("`{n}`")).collect();
                let message = format!("`{name}` is none of its values: {}", known.join(", "));
                Err(FormulaError { at, message })
            }
        }
    }

    /// The next character that is no space, without taking it.
    fn peek(&mut self) -> Option<char> {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        self.text[self.at..].chars().next()
    }

    fn take(&mut self, belongs: impl Fn(u8) -> bool) -> &'a str {
        let rest = &self.text[self.at..];
        let length = rest.bytes().take_while(|b| belongs(*b)).count();
        self.at += length;
        &rest[..length]
    }

    fn expect(&mut self, wanted: char) -> Result<(), FormulaError> {
        if self.peek() != Some(wanted) {
            return Err(self.wrong(&format!("`{wanted}`")));
        }
        self.at += wanted.len_utf8();
        Ok(())
    }

    fn wrong(&mut self, wanted: &str) -> FormulaError {
        let message = match self.peek() {
            Some(found) => format!("expected {wanted}, found `{found}`"),
            None => format!("expected {wanted} at the end"),
        };
        FormulaError { at: self.at, message }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(text: &str) -> f64 {
        Formula::parse(text, &[]).unwrap().value(&[])
    }

    fn error(text: &str, names: &[&str]) -> (usize, String) {
        let error = Formula::parse(text, names).unwrap_err();
        (error.at, error.message)
    }

    #[test]
    fn products_bind_closer_than_sums_and_both_from_the_left() {
        assert_eq!(value("1 + 2 * 3"), 7.0);
        assert_eq!(value("(1 + 2) * 3"), 9.0);
        assert_eq!(value("10 - 3 - 2"), 5.0);
        assert_eq!(value("24 / 4 / 2"), 3.0);
        assert_eq!(value("-2 * -(1 - .5)"), 1.0);
        assert_eq!(value("max(1, 2 + 3, min(9, 4))"), 5.0);
        assert_eq!(value("min(7)"), 7.0);
    }

    #[test]
    fn names_stand_for_the_values_in_their_order() {
        let names = ["cpu", "memory", "connections"];
        let text = "0.5*cpu + 0.3*memory + 0.2*connections/1000";
        let load = Formula::parse(text, &names).unwrap().value(&[0.4, 0.5, 500.0]);
        assert!((load - 0.45).abs() < 1e-9, "{load}");
    }

    #[test]
    fn a_division_by_zero_is_no_number() {
        let formula = Formula::parse("used / all", &["used", "all"]).unwrap();
        assert!(!formula.value(&[1.0, 0.0]).is_finite());
        assert!(!formula.value(&[0.0, 0.0]).is_finite());
    }

    #[test]
    fn mistakes_have_a_place_and_a_reason() {
        assert_eq!(error("", &[]), (0, "expected a number, a name or `(` at the end".into()));
        let (at, message) = error("cpu + ", &["cpu"]);
        assert_eq!((at, &*message), (6, "expected a number, a name or `(` at the end"));
        assert_eq!(error("(cpu", &["cpu"]), (4, "expected `)` at the end".into()));
        assert_eq!(error("cpu cpu", &["cpu"]), (4, "expected an operator, found `c`".into()));
        assert_eq!(error("1.2.3", &[]), (0, "`1.2.3` is not a number".into()));
        assert_eq!(error("é", &[]), (0, "expected a number, a name or `(`, found `é`".into()));
        let (at, message) = error("1 + cpus", &["cpu", "io"]);
        assert_eq!((at, &*message), (4, "`cpus` is none of its values: `cpu`, `io`"));
        assert_eq!(error("cpu", &["cpu", "io"]).1, "`io` is not used in it");
        assert!(error(&"(".repeat(40), &[]).1.contains("within one another"));
        assert!(error(&"1+".repeat(600), &[]).1.contains("at most 1000 characters"));
    }

    #[test]
    fn what_may_be_a_name() {
        for name in ["cpu", "_x", "load_1m", "Min"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "1m", "a-b", "a.b", "min", "max", "é"] {
            assert!(!is_name(name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_at_a_place_in_it(text in "[-+*/()., a-z0-9é]{0,60}") {
            match Formula::parse(&text, &["a", "b"]) {
                Ok(formula) => { formula.value(&[0.5, 0.25]); }
                Err(error) => prop_assert!(text.is_char_boundary(error.at)),
            }
        }

        #[test]
        fn a_long_sum_is_what_adding_gives(numbers in prop::collection::vec(0u32..1000, 1..150)) {
            let text = numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(" + ");
            prop_assert_eq!(value(&text), f64::from(numbers.iter().sum::<u32>()));
        }
    }
}
