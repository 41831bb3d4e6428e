//! From a parsed TOML value to a `Spec`: a serde deserializer that says what is wrong in the
//! words of TOML, with the place of every key and value.
//!
//! toml's own deserializer stops at the first unknown key and gives its findings as English
//! text; this one hands them over as data, all unknown keys of a table at once.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;

use serde::de::value::{BorrowedStrDeserializer, StringDeserializer};
use serde::de::{self, Deserialize, DeserializeSeed, Expected, IntoDeserializer, Visitor};
use serde_spanned::Spanned;
use serde_spanned::de::{SpannedDeserializer, is_spanned};
use toml::de::{DeString, DeTable, DeValue};

/// What does not fit, and where.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Misfit {
    /// Octets of the file.
    pub(super) range: Option<Range<usize>>,
    /// The key whose value it is about.
    pub(super) key: Option<String>,
    /// What does not fit.
    pub(super) kind: MisfitKind,
}

/// What does not fit.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum MisfitKind {
    /// A key nobody knows, those that are known, and whether its value is a table.
    UnknownKey(String, &'static [&'static str], bool),
    /// A word where one of a few is expected.
    UnknownWord(String, &'static [&'static str]),
    /// A key that must be there and is not.
    MissingKey(&'static str),
    /// A value of another type: what was expected and what was found, with articles.
    WrongType(String, &'static str),
    /// Anything else, in one sentence.
    Other(String),
}

/// Reads one table. Unknown keys are added to `misfits` and skipped; the first other misfit
/// ends the reading.
pub(super) fn decode<'de, T: Deserialize<'de>>(
    value: Spanned<DeValue<'de>>,
    misfits: &mut Vec<Misfit>,
) -> Option<T> {
    let unknown = RefCell::new(Vec::new());
    let decoded = T::deserialize(Decoder::new(value, &unknown));
    misfits.append(&mut unknown.into_inner());
    decoded.map_err(|misfit| misfits.push(misfit)).ok()
}

/// Takes the `kind` out of a table, for reading the rest by it.
pub(super) fn take_kind(
    value: &mut Spanned<DeValue<'_>>,
    known: &'static [&'static str],
    misfits: &mut Vec<Misfit>,
) -> Option<&'static str> {
    let range = value.span();
    let DeValue::Table(table) = value.get_mut() else {
        let kind = MisfitKind::WrongType("a table".to_owned(), found_word(value.get_ref()));
        misfits.push(Misfit::new(kind).within(range));
        return None;
    };
    let Some(kind) = table.remove("kind") else {
        misfits.push(Misfit::new(MisfitKind::MissingKey("kind")).within(range));
        return None;
    };
    let Some(word) = kind.get_ref().as_str() else {
        let wrong = MisfitKind::WrongType("a string".to_owned(), found_word(kind.get_ref()));
        misfits.push(Misfit::new(wrong).within(kind.span()).under("kind".to_owned()));
        return None;
    };
    if let Some(known) = known.iter().find(|known| **known == word) {
        return Some(known);
    }
    let wrong = MisfitKind::UnknownWord(word.to_owned(), known);
    misfits.push(Misfit::new(wrong).within(kind.span()).under("kind".to_owned()));
    None
}

struct Decoder<'a, 'de> {
    range: Range<usize>,
    value: DeValue<'de>,
    unknown: &'a RefCell<Vec<Misfit>>,
}

impl<'a, 'de> Decoder<'a, 'de> {
    fn new(value: Spanned<DeValue<'de>>, unknown: &'a RefCell<Vec<Misfit>>) -> Self {
        Decoder { range: value.span(), value: value.into_inner(), unknown }
    }
}

impl<'de> de::Deserializer<'de> for Decoder<'_, 'de> {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let Decoder { range, value, unknown } = self;
        let visited = match value {
            DeValue::String(DeString::Borrowed(text)) => visitor.visit_borrowed_str(text),
            DeValue::String(DeString::Owned(text)) => visitor.visit_string(text),
            DeValue::Integer(integer) => {
                let digits: &str = integer.as_str();
                match i64::from_str_radix(digits, integer.radix()) {
                    Ok(integer) => visitor.visit_i64(integer),
                    Err(_) => Err(Misfit::other("the integer does not fit into 64 bits")),
                }
            }
            DeValue::Float(float) => match float.as_str().parse() {
                Ok(float) => visitor.visit_f64(float),
                Err(_) => Err(Misfit::other("the number is too large")),
            },
            DeValue::Boolean(boolean) => visitor.visit_bool(boolean),
            DeValue::Datetime(_) => Err(Misfit::new(MisfitKind::WrongType(
                words(&visitor as &dyn Expected),
                "a date or time",
            ))),
            DeValue::Array(array) => visitor.visit_seq(Items { items: array.into_iter(), unknown }),
            DeValue::Table(table) => visitor.visit_map(Entries::new(table, unknown)),
        };
        visited.map_err(|misfit| misfit.within(range))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        if is_spanned(name) {
            let range = self.range.clone();
            return visitor.visit_map(SpannedDeserializer::new(self, range));
        }
        if let DeValue::Table(table) = &mut self.value {
            drop_unknown(table, fields, self.unknown);
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        let range = self.range;
        match self.value {
            DeValue::String(word) => {
                let word: StringDeserializer<Misfit> = word.into_owned().into_deserializer();
                visitor.visit_enum(word)
            }
            other => {
                Err(Misfit::new(MisfitKind::WrongType("a string".to_owned(), found_word(&other))))
            }
        }
        .map_err(|misfit| misfit.within(range))
    }

    serde::forward_to_deserialize_any! {
        bool u8 u16 u32 u64 u128 i8 i16 i32 i64 i128 f32 f64 char str string seq
        bytes byte_buf map unit ignored_any unit_struct tuple_struct tuple identifier
    }
}

impl<'de> IntoDeserializer<'de, Misfit> for Decoder<'_, 'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

fn drop_unknown(
    table: &mut DeTable<'_>,
    fields: &'static [&'static str],
    unknown: &RefCell<Vec<Misfit>>,
) {
    let is_unknown = |key: &Spanned<DeString<'_>>| !fields.contains(&key.get_ref().as_ref());
    let mut found: Vec<(String, Range<usize>, bool)> = table
        .iter()
        .filter(|(key, _)| is_unknown(key))
        .map(|(key, value)| (key.get_ref().to_string(), key.span(), value.get_ref().is_table()))
        .collect();
    found.sort_by_key(|(_, range, _)| range.start);
    for (key, range, is_table) in found {
        table.remove(key.as_str());
        let kind = MisfitKind::UnknownKey(key, fields, is_table);
        unknown.borrow_mut().push(Misfit::new(kind).within(range));
    }
}

struct Items<'a, 'de> {
    items: std::vec::IntoIter<Spanned<DeValue<'de>>>,
    unknown: &'a RefCell<Vec<Misfit>>,
}

impl<'de> de::SeqAccess<'de> for Items<'_, 'de> {
    type Error = Misfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Misfit> {
        let next = self.items.next().map(|item| Decoder::new(item, self.unknown));
        next.map(|item| seed.deserialize(item)).transpose()
    }
}

/// The entries of a table in the order of the file.
struct Entries<'a, 'de> {
    entries: std::vec::IntoIter<(Spanned<DeString<'de>>, Spanned<DeValue<'de>>)>,
    value: Option<(String, Spanned<DeValue<'de>>)>,
    unknown: &'a RefCell<Vec<Misfit>>,
}

impl<'a, 'de> Entries<'a, 'de> {
    fn new(table: DeTable<'de>, unknown: &'a RefCell<Vec<Misfit>>) -> Self {
        let mut entries: Vec<_> = table.into_iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        Entries { entries: entries.into_iter(), value: None, unknown }
    }
}

impl<'de> de::MapAccess<'de> for Entries<'_, 'de> {
    type Error = Misfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Misfit> {
        let Some((key, value)) = self.entries.next() else { return Ok(None) };
        let range = key.span();
        let key = key.into_inner();
        self.value = Some((key.to_string(), value));
        let key = Spanned::new(range.clone(), DeValue::String(key));
        seed.deserialize(Decoder::new(key, self.unknown))
            .map(Some)
            .map_err(|misfit| misfit.within(range))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Misfit> {
        match self.value.take() {
            Some((key, value)) => seed
                .deserialize(Decoder::new(value, self.unknown))
                .map_err(|misfit| misfit.under(key)),
            // serde asks for a value only after a key; an empty string is a misfit for nobody.
            None => seed.deserialize(BorrowedStrDeserializer::new("")),
        }
    }
}

impl Misfit {
    fn new(kind: MisfitKind) -> Misfit {
        Misfit { range: None, key: None, kind }
    }

    fn other(message: impl Into<String>) -> Misfit {
        Misfit::new(MisfitKind::Other(message.into()))
    }

    /// Sets the place unless one further in is known.
    fn within(mut self, range: Range<usize>) -> Misfit {
        self.range.get_or_insert(range);
        self
    }

    /// Sets the key unless one further in is known.
    fn under(mut self, key: String) -> Misfit {
        self.key.get_or_insert(key);
        self
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.kind)
    }
}

impl std::error::Error for Misfit {}

impl de::Error for Misfit {
    fn custom<T: fmt::Display>(message: T) -> Misfit {
        Misfit::other(message.to_string())
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn Expected) -> Misfit {
        let found = match found {
            de::Unexpected::Bool(_) => "a boolean",
            de::Unexpected::Unsigned(_) | de::Unexpected::Signed(_) => "an integer",
            de::Unexpected::Float(_) => "a float",
            de::Unexpected::Seq => "an array",
            de::Unexpected::Map => "a table",
            _ => "a string",
        };
        Misfit::new(MisfitKind::WrongType(words(expected), found))
    }

    fn unknown_field(key: &str, known: &'static [&'static str]) -> Misfit {
        Misfit::new(MisfitKind::UnknownKey(key.to_owned(), known, false))
    }

    fn unknown_variant(word: &str, known: &'static [&'static str]) -> Misfit {
        Misfit::new(MisfitKind::UnknownWord(word.to_owned(), known))
    }

    fn missing_field(key: &'static str) -> Misfit {
        Misfit::new(MisfitKind::MissingKey(key))
    }
}

/// What serde expects, in TOML's words.
fn words(expected: &dyn Expected) -> String {
    let expected = expected.to_string();
    match expected.as_str() {
        "i64" => "an integer".to_owned(),
        "f64" => "a number".to_owned(),
        "a sequence" => "an array".to_owned(),
        "a map" => "a table".to_owned(),
        other if other.starts_with("struct ") => "a table".to_owned(),
        other => other.to_owned(),
    }
}

fn found_word(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Sample {
        port: Option<toml::Spanned<i64>>,
        kind: Option<Kind>,
        inner: Option<Inner>,
    }

    #[derive(serde::Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Inner {
        must: String,
    }

    #[derive(serde::Deserialize, Debug)]
    #[serde(rename_all = "kebab-case")]
    enum Kind {
        RoundRobin,
    }

    fn misfits(text: &str) -> Vec<(String, MisfitKind)> {
        let table = DeTable::parse(text).unwrap();
        let value = Spanned::new(table.span(), DeValue::Table(table.into_inner()));
        let mut misfits = Vec::new();
        decode::<Sample>(value, &mut misfits);
        misfits.into_iter().map(|m| (text[m.range.unwrap()].to_owned(), m.kind)).collect()
    }

    #[test]
    fn all_unknown_keys_and_one_wrong_value_are_found_together() {
        let found = misfits("prot = 1\nknd = 2\nport = '80'\n");
        assert_eq!(found.len(), 3);
        assert_eq!(found[0].0, "prot");
        assert_eq!(found[1].0, "knd");
        let wrong = MisfitKind::WrongType("an integer".to_owned(), "a string");
        assert_eq!(found[2], ("'80'".to_owned(), wrong));
    }

    #[test]
    fn unknown_words_and_missing_keys_have_a_place() {
        let unknown = MisfitKind::UnknownWord("robin".to_owned(), &["round-robin"]);
        assert_eq!(misfits("kind = 'robin'"), [("'robin'".to_owned(), unknown)]);
        assert_eq!(misfits("inner = { }"), [("{ }".to_owned(), MisfitKind::MissingKey("must"))]);
    }

    #[test]
    fn dates_and_huge_integers_are_refused() {
        assert_eq!(misfits("port = 1979-05-27")[0].0, "1979-05-27");
        assert_eq!(misfits("port = 99999999999999999999")[0].0, "99999999999999999999");
        assert!(misfits("port = +1_000").is_empty());
        assert!(misfits("port = 0xff\nkind = 'round-robin'\ninner = { must = 'x' }").is_empty());
    }
}
