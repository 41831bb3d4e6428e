//! What files of other systems say, as one tree of values whatever their syntax, each with its
//! place; and reading of it that loses nothing: what nobody takes is told.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::draft::Draft;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) value: Value,
    /// `main.tf:12`, or `records.json/ResourceRecordSets/3`.
    pub(super) place: String,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Node>),
    /// In the order of the file.
    Map(Vec<(String, Node)>),
    /// Something whose value the files do not hold, as it is written: `aws_lb.main.dns_name`.
    Unknown(String),
}

impl Node {
    /// A tree of JSON. Places are paths into the file.
    pub(super) fn of_json(json: &serde_json::Value, place: &str) -> Node {
        let value = match json {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(is) => Value::Bool(*is),
            serde_json::Value::Number(number) => Value::Number(number.as_f64().unwrap_or(0.0)),
            serde_json::Value::String(text) => Value::Text(text.clone()),
            serde_json::Value::Array(items) => {
                let items = items.iter().enumerate();
                let item = |(n, item)| Node::of_json(item, &format!("{place}/{n}"));
                Value::List(items.map(item).collect())
            }
            serde_json::Value::Object(map) => {
                let entry = |(key, value): (&String, _)| {
                    (key.clone(), Node::of_json(value, &format!("{place}/{key}")))
                };
                Value::Map(map.iter().map(entry).collect())
            }
        };
        Node { value, place: place.to_owned() }
    }

    /// The value of a key; `None` also for null.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        let Value::Map(entries) = &self.value else { return None };
        let found = entries.iter().find(|(name, _)| name == key).map(|(_, node)| node);
        found.filter(|node| node.value != Value::Null)
    }

    /// The text of a text, number or boolean.
    pub(super) fn text(&self) -> Option<String> {
        match &self.value {
            Value::Text(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(is) => Some(is.to_string()),
            _ => None,
        }
    }

    /// The number of a number, or of a text that is one.
    pub(super) fn number(&self) -> Option<f64> {
        match &self.value {
            Value::Number(number) => Some(*number),
            Value::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// Whether it says yes.
    pub(super) fn is_true(&self) -> bool {
        match &self.value {
            Value::Bool(is) => *is,
            Value::Text(text) => text == "true",
            _ => false,
        }
    }

    /// The items of a list; a single value is a list of it.
    pub(super) fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            Value::Null => &[],
            _ => std::slice::from_ref(self),
        }
    }

    /// The entries of a map.
    pub(super) fn entries(&self) -> &[(String, Node)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// How many values it is, with all inside of it.
    pub(super) fn size(&self) -> usize {
        1 + match &self.value {
            Value::List(items) => items.iter().map(Node::size).sum(),
            Value::Map(entries) => entries.iter().map(|(_, node)| node.size()).sum(),
            _ => 0,
        }
    }

    /// As it may be written in a sentence.
    pub(super) fn shown(&self) -> String {
        match &self.value {
            Value::Null => "null".to_owned(),
            Value::Text(text) => format!("{text:?}"),
            Value::Bool(is) => is.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Unknown(text) => text.clone(),
            Value::List(items) => {
                format!("[{}]", items.iter().map(Node::shown).collect::<Vec<_>>().join(", "))
            }
            Value::Map(entries) => {
                let entry = |(key, node): &(String, Node)| format!("{key} = {}", node.shown());
                format!("{{ {} }}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// The keys of a map, read one after another. What is left at the end is told.
pub(super) struct Fields<'a> {
    node: &'a Node,
    taken: RefCell<BTreeSet<&'a str>>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(node: &'a Node) -> Fields<'a> {
        Fields { node, taken: RefCell::default() }
    }

    /// The value of a key, which counts as read.
    pub(super) fn take(&self, key: &'a str) -> Option<&'a Node> {
        self.taken.borrow_mut().insert(key);
        self.node.get(key)
    }

    /// The value of the first of several names that a key goes by.
    pub(super) fn take_any(&self, keys: &[&'a str]) -> Option<&'a Node> {
        let found: Vec<_> = keys.iter().filter_map(|key| self.take(key)).collect();
        found.into_iter().next()
    }

    pub(super) fn text(&self, key: &'a str) -> Option<String> {
        self.take(key).and_then(Node::text).filter(|text| !text.is_empty())
    }

    pub(super) fn number(&self, key: &'a str) -> Option<f64> {
        self.take(key).and_then(Node::number)
    }

    pub(super) fn is_true(&self, key: &'a str) -> bool {
        self.take(key).is_some_and(Node::is_true)
    }

    /// Reads keys that need no counterpart, such as descriptions.
    pub(super) fn skip(&self, keys: &[&'a str]) {
        self.taken.borrow_mut().extend(keys);
    }

    /// Tells what was not read. `why` knows some of it; an empty text is a plain "no counterpart".
    pub(super) fn finish(self, of: &str, why: impl Fn(&str) -> &'static str, draft: &mut Draft) {
        let taken = self.taken.borrow();
        for (key, node) in self.node.entries() {
            let says_nothing = match &node.value {
                Value::Null | Value::Bool(false) => true,
                Value::Text(text) => text.is_empty(),
                Value::List(items) => items.is_empty(),
                Value::Map(entries) => entries.is_empty(),
                _ => false,
            };
            if taken.contains(key.as_str()) || says_nothing {
                continue;
            }
            let why = match why(key) {
                "" => "has no counterpart here",
                why => why,
            };
            draft.left(&node.place, format!("{of}: `{key} = {}`", node.shown()), why);
        }
    }
}
