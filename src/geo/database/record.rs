//! One record of a database as a value of any shape, within bounds.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// No honest record nests deeper: MaxMind's deepest has four levels.
const MAX_DEPTH: usize = 16;
/// No honest record has more parts: MaxMind's largest have some 300.
const MAX_COST: usize = 8192;

/// A value of the MaxMind DB format. Text is borrowed from the file.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    Bool(bool),
    Number(f64),
    Text(&'a str),
    /// Octets, which no location is made of.
    Octets,
    List(Vec<Value<'a>>),
    Map(Vec<(&'a str, Value<'a>)>),
}

impl<'a> Value<'a> {
    /// The value behind keys of maps inside each other.
    pub(super) fn at(&self, path: &[&str]) -> Option<&Value<'a>> {
        path.iter().try_fold(self, |value, key| match value {
            Value::Map(entries) => {
                entries.iter().find(|(name, _)| name == key).map(|(_, value)| value)
            }
            _ => None,
        })
    }

    /// The first element of a list.
    pub(super) fn first(&self) -> Option<&Value<'a>> {
        match self {
            Value::List(items) => items.first(),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> Option<&'a str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A number, or text that is one.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Value::Number(number) => Some(*number),
            Value::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    pub(super) fn is_true(&self) -> bool {
        match self {
            Value::Bool(truth) => *truth,
            Value::Number(number) => *number == 1.0,
            Value::Text(text) => text.eq_ignore_ascii_case("true"),
            _ => false,
        }
    }
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(truth) => write!(f, "{truth}"),
            Value::Number(number) => write!(f, "{number}"),
            Value::Text(text) => write!(f, "{text:?}"),
            Value::Octets => f.write_str("(octets)"),
            Value::List(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if index == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
            Value::Map(entries) => {
                f.write_str("{")?;
                for (index, (key, value)) in entries.iter().enumerate() {
                    write!(f, "{}{key:?}: {value}", if index == 0 { "" } else { ", " })?;
                }
                f.write_str("}")
            }
        }
    }
}

/// A decoded record and what decoding it cost, in values and 64 octets of text.
///
/// The cost is known for a record that could not be decoded too, so that the whole file's can
/// be bounded: records of a hostile file may overlap, and each be as large as the file.
#[derive(Debug)]
pub(super) struct Record<'a> {
    pub(super) value: Result<Value<'a>, String>,
    pub(super) cost: usize,
}

impl<'de> serde::Deserialize<'de> for Record<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Record<'de>, D::Error> {
        let left = Cell::new(MAX_COST);
        let value = Seed { left: &left, depth: 0 }.deserialize(deserializer);
        Ok(Record {
            value: value.map_err(|error| error.to_string()),
            cost: MAX_COST - left.get() + 1,
        })
    }
}

#[derive(Clone, Copy)]
struct Seed<'b> {
    left: &'b Cell<usize>,
    depth: usize,
}

impl Seed<'_> {
    fn spend<E: Error>(self, cost: usize) -> Result<(), E> {
        let left = self.left.get().checked_sub(cost);
        self.left.set(left.unwrap_or(0));
        left.map(drop).ok_or_else(|| E::custom("the record has too many parts"))
    }

    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom("the record is nested too deep"));
        }
        Ok(Seed { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value<'de>, D::Error> {
        self.spend(1)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of the MaxMind DB format")
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<Value<'de>, E> {
        Ok(Value::Bool(truth))
    }

    fn visit_i32<E: Error>(self, number: i32) -> Result<Value<'de>, E> {
        Ok(Value::Number(f64::from(number)))
    }

    fn visit_u16<E: Error>(self, number: u16) -> Result<Value<'de>, E> {
        Ok(Value::Number(f64::from(number)))
    }

    fn visit_u32<E: Error>(self, number: u32) -> Result<Value<'de>, E> {
        Ok(Value::Number(f64::from(number)))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value<'de>, E> {
        Ok(Value::Number(number as f64))
    }

    fn visit_u128<E: Error>(self, number: u128) -> Result<Value<'de>, E> {
        Ok(Value::Number(number as f64))
    }

    fn visit_f32<E: Error>(self, number: f32) -> Result<Value<'de>, E> {
        // By way of its shortest decimal form: 37.406 stays 37.406, not 37.40599822998047.
        Ok(Value::Number(number.to_string().parse().unwrap_or(f64::from(number))))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value<'de>, E> {
        Ok(Value::Number(number))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Value<'de>, E> {
        self.spend(text.len() / 64)?;
        Ok(Value::Text(text))
    }

    fn visit_borrowed_bytes<E: Error>(self, octets: &'de [u8]) -> Result<Value<'de>, E> {
        self.spend(octets.len() / 64)?;
        Ok(Value::Octets)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value<'de>, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value<'de>, A::Error> {
        let inner = self.deeper()?;
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<&'de str>()? {
            self.spend(1 + key.len() / 64)?;
            entries.push((key, map.next_value_seed(inner)?));
        }
        Ok(Value::Map(entries))
    }
}
