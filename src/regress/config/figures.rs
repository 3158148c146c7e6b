//! Measured figures, whose names are free: `openvino = "13312 MiB"`, `llama.cpp = { value = "9234 MiB" }`.

use super::fault::nearest;
use super::value::{Ratio, Size};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// Words of the table that name no figure.
const WORDS: [&str; 4] = ["file", "id", "of", "tolerance"];

/// Fields of a figure's table.
const FIELDS: [&str; 4] = ["value", "of", "tolerance", "note"];

/// What was measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::regress) struct Figures {
    /// A file of records of scripts/measure_openvino or measure_onnxruntime.
    pub(in crate::regress) file: Option<String>,
    /// The record.
    pub(in crate::regress) id: Option<String>,
    /// Which figure of the prediction is compared [default: resident].
    pub(in crate::regress) of: Option<Quantity>,
    /// How far predicted over measured may be from 1; without one the ratio is reported and not judged.
    pub(in crate::regress) tolerance: Option<Ratio>,
    /// Figures by name.
    pub(in crate::regress) named: Vec<(String, Figure)>,
}

/// One figure.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::regress) struct Figure {
    pub(in crate::regress) value: u64,
    pub(in crate::regress) of: Option<Quantity>,
    pub(in crate::regress) tolerance: Option<Ratio>,
    /// What is known of it.
    pub(in crate::regress) note: Option<String>,
}

/// A figure of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::regress) enum Quantity {
    /// The largest resident set of all phases.
    #[default]
    Resident,
    /// The largest heap of all phases.
    Heap,
    /// All bytes at the peak.
    Total,
    /// The weights of it.
    Weights,
}

impl Figures {
    /// Takes over what is not set. A check's own figures replace those of its template.
    pub(in crate::regress) fn inherit(&mut self, base: &Figures) {
        if self.file.is_none() && self.named.is_empty() {
            self.file.clone_from(&base.file);
            self.named.clone_from(&base.named);
        }
        self.id = self.id.take().or_else(|| base.id.clone());
        self.of = self.of.or(base.of);
        self.tolerance = self.tolerance.or(base.tolerance);
    }
}

/// A figure, or a table of figures: `llama.cpp = …` is a table `llama` with the key `cpp`.
enum Value {
    Figure(Figure),
    Group(Vec<(String, Figure)>),
}

/// The fields of a figure's table.
#[derive(Default)]
struct Fields {
    value: Option<Size>,
    of: Option<Quantity>,
    tolerance: Option<Ratio>,
    note: Option<String>,
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Value, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Value;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as \"13312 MiB\", or a table with `value`")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
                let value = crate::scenario::parse::parse_size(text).map_err(E::custom)?;
                Ok(Value::Figure(Figure { value, of: None, tolerance: None, note: None }))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Value, E> {
                self.visit_str(&number.to_string())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
                let mut fields = Fields::default();
                let mut group = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    match &*key {
                        "value" => fields.value = Some(map.next_value()?),
                        "of" => fields.of = Some(map.next_value()?),
                        "tolerance" => fields.tolerance = Some(map.next_value()?),
                        "note" => fields.note = Some(map.next_value()?),
                        // A name that is almost a field is a mistyped field.
                        key if nearest(key, &FIELDS).is_some() => {
                            return Err(de::Error::unknown_field(key, &FIELDS));
                        }
                        _ => group.extend(named(key, map.next_value()?)),
                    }
                }
                let Fields { value, of, tolerance, note } = fields;
                match (value, group.is_empty()) {
                    (Some(Size(value)), true) => Ok(Value::Figure(Figure { value, of, tolerance, note })),
                    (None, false) => Ok(Value::Group(group)),
                    (None, true) => Err(de::Error::missing_field("value")),
                    (Some(_), false) => {
                        let key = group.first().map_or("", |(key, _)| key);
                        Err(de::Error::unknown_field(key, &FIELDS))
                    }
                }
            }
        }
        from.deserialize_any(Either)
    }
}

fn named(key: String, value: Value) -> Vec<(String, Figure)> {
    match value {
        Value::Figure(figure) => vec![(key, figure)],
        Value::Group(group) => {
            group.into_iter().map(|(inner, figure)| (format!("{key}.{inner}"), figure)).collect()
        }
    }
}

impl<'de> Deserialize<'de> for Figures {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Figures, D::Error> {
        struct Table;
        impl<'de> Visitor<'de> for Table {
            type Value = Figures;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of figures by name")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Figures, A::Error> {
                let mut found = Figures::default();
                while let Some(key) = map.next_key::<String>()? {
                    match &*key {
                        "file" => found.file = Some(map.next_value()?),
                        "id" => found.id = Some(map.next_value()?),
                        "of" => found.of = Some(map.next_value()?),
                        "tolerance" => found.tolerance = Some(map.next_value()?),
                        _ => found.named.extend(named(key, map.next_value()?)),
                    }
                }
                Ok(found)
            }
        }
        from.deserialize_map(Table)
    }
}

impl JsonSchema for Figures {
    fn schema_name() -> Cow<'static, str> {
        "Figures".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let of = generator.subschema_for::<Option<Quantity>>();
        let tolerance = generator.subschema_for::<Option<Ratio>>();
        let size = generator.subschema_for::<Size>();
        let [file, id, ..] = WORDS;
        json_schema!({
            "description": "What was measured: figures by name, or a record of scripts/measure_openvino or measure_onnxruntime.",
            "type": "object",
            "properties": {
                file: { "type": "string", "description": "A file of records, relative to this file." },
                id: { "type": "string", "description": "The record's id." },
                "of": of,
                "tolerance": tolerance,
            },
            "additionalProperties": { "anyOf": [
                size,
                {
                    "type": "object",
                    "description": "A figure; or, of a name with a dot, the rest of the name.",
                    "properties": { "value": size, "of": of, "tolerance": tolerance, "note": { "type": "string" } },
                },
            ] },
        })
    }
}
