//! Values of a memgraph.toml: numbers and sizes in the forms of the command line, and tables with free keys.

use super::super::limit::Limit;
use crate::scenario::parse;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, StrDeserializer, StringDeserializer};
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

/// A type that is written as a number or a text.
macro_rules! written {
    ($($(#[$meta:meta])* $name:ident($inner:ty) = $parse:expr;)*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub(in crate::regress) struct $name(pub(in crate::regress) $inner);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<$name, D::Error> {
                let parse: fn(&str) -> Result<$inner, String> = $parse;
                Word::deserialize(from).and_then(|word| parse(&word.0).map($name).map_err(de::Error::custom))
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": ["string", "integer"] })
            }
        }
    )*};
}

written! {
    /// A number of bytes: `"16GiB"`.
    Size(u64) = parse::parse_size;
    /// A length that may be a product: `"5*577"`.
    Length(parse::Length) = parse::parse_tiles;
    /// A number: `1813` or `"4k"`.
    Count(u64) = parse::parse_number;
    /// Width and height.
    Image((u64, u64)) = parse::parse_image;
}

/// A text, a number or a switch, in the words of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::regress) struct Word(pub(in crate::regress) String);

impl JsonSchema for Word {
    fn schema_name() -> Cow<'static, str> {
        "Word".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer", "boolean"] })
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Word, D::Error> {
        struct Words;
        impl Visitor<'_> for Words {
            type Value = Word;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a number")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Word, E> {
                Ok(Word(text.to_owned()))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Word, E> {
                Ok(Word(number.to_string()))
            }
            fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Word, E> {
                Ok(Word(flag.to_string()))
            }
        }
        from.deserialize_any(Words)
    }
}

/// One text or several.
#[derive(Clone, Debug, PartialEq, JsonSchema)]
#[schemars(untagged)]
pub(in crate::regress) enum OneOrMany<T> {
    /// One.
    One(T),
    /// Several.
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    /// All of them.
    pub(in crate::regress) fn all(&self) -> &[T] {
        match self {
            OneOrMany::One(one) => std::slice::from_ref(one),
            OneOrMany::Many(many) => many,
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<OneOrMany<T>, D::Error> {
        struct Either<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = OneOrMany<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                T::deserialize(StrDeserializer::new(text)).map(OneOrMany::One)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut many = Vec::new();
                while let Some(one) = list.next_element()? {
                    many.push(one);
                }
                Ok(OneOrMany::Many(many))
            }
        }
        from.deserialize_any(Either(PhantomData))
    }
}

/// Models, or patterns of them.
pub(in crate::regress) type Patterns = OneOrMany<String>;
/// Limits on growth.
pub(in crate::regress) type Limits = OneOrMany<GrowthLimit>;

/// A limit on growth: `"2%"` or `"50MiB"`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::regress) struct GrowthLimit(pub(in crate::regress) Limit);

impl<'de> Deserialize<'de> for GrowthLimit {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<GrowthLimit, D::Error> {
        let Word(text) = Word::deserialize(from)?;
        let fault = || format!("\"{text}\" is not a limit; write it as \"2%\" or \"50MiB\"");
        Limit::parse(&text).map(GrowthLimit).ok_or_else(|| de::Error::custom(fault()))
    }
}

impl JsonSchema for GrowthLimit {
    fn schema_name() -> Cow<'static, str> {
        "Limit".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "examples": ["2%", "50MiB"] })
    }
}

/// A value, or a table of which it is the main field.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[allow(dead_code)] // The schema alone has this form.
pub(in crate::regress) enum OneOr<V, T> {
    /// The value.
    Value(V),
    /// The table.
    Table(T),
}

/// Reads a table, or the value of its main field.
pub(in crate::regress) fn one_or<'de, D: Deserializer<'de>, T>(from: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + From<T::Value> + MainField,
    T::Value: Deserialize<'de>,
{
    struct Either<T>(PhantomData<T>);
    impl<'de, T> Visitor<'de> for Either<T>
    where
        T: Deserialize<'de> + From<T::Value> + MainField,
        T::Value: Deserialize<'de>,
    {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a value or a table")
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            T::Value::deserialize(StringDeserializer::new(text.to_owned())).map(T::from)
        }
        fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
            T::Value::deserialize(StringDeserializer::new(number.to_string())).map(T::from)
        }
        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }
    from.deserialize_any(Either(PhantomData))
}

/// A table that may be written as the value of one field.
pub(in crate::regress) trait MainField {
    /// The type of the field.
    type Value;
}

/// Options of a runtime by name.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(in crate::regress) struct Options(pub(in crate::regress) BTreeMap<String, Word>);

impl Options {
    /// Takes over the options that are not set.
    pub(in crate::regress) fn inherit(&mut self, base: &Options) {
        fill(&mut self.0, &base.0);
    }
}

/// How far predicted over measured may be from 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::regress) struct Ratio {
    /// The least.
    pub(in crate::regress) least: f64,
    /// The most.
    pub(in crate::regress) most: f64,
}

impl<'de> Deserialize<'de> for Ratio {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Ratio, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Ratio;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a share such as \"5%\", or the least and the most ratio such as [0.9, 1.1]")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Ratio, E> {
                let fault = || de::Error::custom(format!("\"{text}\" is not a share; write it as \"5%\""));
                match Limit::parse(text) {
                    Some(Limit::Percent(percent)) => {
                        Ok(Ratio { least: 1.0 - percent / 100.0, most: 1.0 + percent / 100.0 })
                    }
                    _ => Err(fault()),
                }
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Ratio, A::Error> {
                let both =
                    (list.next_element::<f64>()?, list.next_element::<f64>()?, list.next_element::<f64>()?);
                match both {
                    (Some(least), Some(most), None) if least <= most => Ok(Ratio { least, most }),
                    _ => Err(de::Error::custom("a range has two numbers, the smaller one first")),
                }
            }
        }
        from.deserialize_any(Either)
    }
}

impl JsonSchema for Ratio {
    fn schema_name() -> Cow<'static, str> {
        "Ratio".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "string", "examples": ["5%"] },
            { "type": "array", "items": { "type": "number" }, "minItems": 2, "maxItems": 2 },
        ] })
    }
}

/// Takes over the keys that are not there.
pub(in crate::regress) fn fill<V: Clone>(own: &mut BTreeMap<String, V>, base: &BTreeMap<String, V>) {
    for (key, value) in base {
        own.entry(key.clone()).or_insert_with(|| value.clone());
    }
}
