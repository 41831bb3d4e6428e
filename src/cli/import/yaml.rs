//! YAML as a tree of values with their lines.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::Failure;
use super::node::{Node, Value};

/// Nodes that aliases may unfold to, at most: a few lines could mean billions.
const MOST_NODES: usize = 1_000_000;

/// Reads the first document of a file.
///
/// # Errors
/// When it is no YAML, or unfolds to too much.
pub(super) fn read(path: &str, text: &str) -> Result<Node, Failure> {
    let mut reader =
        Reader { path, anchors: HashMap::new(), open: Vec::new(), root: None, count: 0 };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| Failure::Syntax {
            path: path.to_owned(),
            line: Some(error.marker().line()),
            why: error.info().to_owned(),
        })?;
        reader.take(event, span.start.line())?;
        if reader.root.is_some() {
            break;
        }
    }
    let empty = || Node { value: Value::Null, place: format!("{path}:1") };
    Ok(reader.root.unwrap_or_else(empty))
}

/// A collection that is being read.
struct Open {
    place: String,
    anchor: usize,
    /// `None` for a sequence.
    mapping: Option<Mapping>,
    items: Vec<Node>,
}

/// A mapping that is being read.
#[derive(Default)]
struct Mapping {
    entries: Vec<(String, Node)>,
    /// The key that waits for its value.
    key: Option<String>,
}

struct Reader<'a> {
    path: &'a str,
    anchors: HashMap<usize, (Node, usize)>,
    open: Vec<Open>,
    root: Option<Node>,
    count: usize,
}

impl Reader<'_> {
    fn take(&mut self, event: Event<'_>, line: usize) -> Result<(), Failure> {
        let place = format!("{}:{line}", self.path);
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let value = scalar(&text, style == ScalarStyle::Plain);
                self.add(Node { value, place }, anchor, 1)?;
            }
            Event::SequenceStart(anchor, _) => {
                self.open.push(Open { place, anchor, mapping: None, items: Vec::new() });
            }
            Event::MappingStart(anchor, _) => {
                let mapping = Some(Mapping::default());
                self.open.push(Open { place, anchor, mapping, items: Vec::new() });
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(open) = self.open.pop() {
                    let value = match open.mapping {
                        Some(mapping) => Value::Map(mapping.entries),
                        None => Value::List(open.items),
                    };
                    self.add(Node { value, place: open.place }, open.anchor, 1)?;
                }
            }
            Event::Alias(anchor) => {
                let known = self.anchors.get(&anchor).cloned();
                let (node, size) = known.unwrap_or((Node { value: Value::Null, place }, 1));
                self.add(node, 0, size)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn add(&mut self, node: Node, anchor: usize, size: usize) -> Result<(), Failure> {
        self.count += size;
        if self.count > MOST_NODES {
            return Err(Failure::Foreign {
                path: self.path.to_owned(),
                why: "its aliases unfold to more than a million values",
            });
        }
        if anchor > 0 {
            let size = node.size();
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut open.mapping {
            None => open.items.push(node),
            Some(Mapping { entries, key }) => match key.take() {
                None => *key = Some(node.text().unwrap_or_else(|| node.shown())),
                // `<<: *base` takes over what is not there.
                Some(merge) if merge == "<<" => {
                    for (name, value) in node.entries() {
                        if !entries.iter().any(|(known, _)| known == name) {
                            entries.push((name.clone(), value.clone()));
                        }
                    }
                }
                Some(key) => {
                    entries.retain(|(known, _)| *known != key);
                    entries.push((key, node));
                }
            },
        }
        Ok(())
    }
}

/// A scalar by the core schema; what is in quotes is a text. A number is kept as its text: `1.10`
/// and `010` may be parts of names.
fn scalar(text: &str, is_plain: bool) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" if is_plain => Value::Null,
        "true" | "True" | "TRUE" if is_plain => Value::Bool(true),
        "false" | "False" | "FALSE" if is_plain => Value::Bool(false),
        text => Value::Text(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_their_lines_and_aliases_are_followed() {
        let text = "---\nbase: &b\n  ttl: 60\nwww:\n  <<: *b\n  type: A\n  values: [1.1.1.1, '2']\n? ''\n: no\n";
        let node = read("a.yaml", text).unwrap();
        let www = node.get("www").unwrap();
        assert_eq!(www.shown(), r#"{ ttl = "60", type = "A", values = ["1.1.1.1", "2"] }"#);
        assert_eq!(www.get("values").unwrap().place, "a.yaml:7");
        assert_eq!(node.get("").unwrap().shown(), "\"no\"");
    }

    #[test]
    fn what_is_no_yaml_has_its_line_and_bombs_do_not_go_off() {
        let failure = read("a.yaml", "a: [1\nb: }").unwrap_err().to_string();
        assert!(failure.starts_with("a.yaml:2: "), "{failure}");
        let mut bomb = String::from("a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n");
        for n in 1..9 {
            let list = vec![format!("*a{}", n - 1); 10].join(",");
            bomb.push_str(&format!("a{n}: &a{n} [{list}]\n"));
        }
        assert!(read("a.yaml", &bomb).unwrap_err().to_string().contains("a million values"));
    }
}
