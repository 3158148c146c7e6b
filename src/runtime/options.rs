//! Options of runtimes as data: the command line and the library's requests are made of the same tables.
//!
//! A runtime declares each of its options as an [`OptionSpec`]. An option that several runtimes have is one spec, here. An
//! option that was given and that the chosen runtime does not declare is an error, never ignored.

use super::Runtime;
use crate::dtype::DType;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::Format;
use crate::machine::{Isa, Machine};
use crate::units::Bytes;
use std::collections::BTreeMap;

/// An option of one or more runtimes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OptionSpec {
    /// Its name, as after `--`.
    pub name: &'static str,
    /// The values that it takes.
    pub values: Values,
    /// What it sets, for help; with its default.
    pub help: &'static str,
}

/// A runtime before its options are known.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Registration {
    /// The name for `--profile`.
    pub name: &'static str,
    /// One line of help.
    pub help: &'static str,
    /// Its options.
    pub options: &'static [OptionSpec],
    /// Formats that are analysed under it unless another profile is named.
    pub default_for: &'static [Format],
    /// Makes the runtime of its options.
    pub make: fn(&Options) -> Result<Box<dyn Runtime>>,
    /// Short spellings of options, such as `-ub`, and their names.
    pub short: &'static [(&'static str, &'static str)],
    /// Reads a command line of the program that hosts the runtime; `None` if it is another program's.
    pub read_command: fn(&[String]) -> Result<Option<Pasted>>,
}

/// A command line of a program that hosts a runtime.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pasted {
    /// The model's file.
    pub model: String,
    /// Tokens of a prompt that fills what the command reserves.
    pub tokens: u64,
    /// Options by name, with their values; a flag has the value `true`.
    pub options: Vec<(String, String)>,
    /// Options that are not modelled, as they were given.
    pub unknown: Vec<String>,
}

/// The values that an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Values {
    /// None: it is given or not.
    Flag,
    /// A number of at least the first and at most the second.
    Number(u32, u32),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A number of bytes, with or without a unit.
    Size,
    /// Text that the runtime reads, and its placeholder in help.
    Text(&'static str),
}

/// Threads within a node.
pub const THREADS: OptionSpec = OptionSpec {
    name: "threads",
    values: Values::Number(1, u32::MAX),
    help: "Threads that the runtime computes with [default: 2]",
};

/// Instruction set of the processor.
pub const ISA: OptionSpec = OptionSpec {
    name: "isa",
    values: Values::OneOf(&ISA_WORDS),
    help: "Instruction set of the processor; `host`: that of this machine, and its caches [default: avx512-bf16]",
};

/// The word of the processor that this program runs on.
const HOST: &str = "host";

/// A word that has an error of its own, since no rule is known of such processors.
const ARM: &str = "arm";

/// The words of [`ISA`].
const ISA_WORDS: [&str; Isa::ALL.len() + 2] = {
    let mut words = [HOST; Isa::ALL.len() + 2];
    let mut index = 0;
    while index < Isa::ALL.len() {
        words[index] = Isa::ALL[index].name();
        index += 1;
    }
    words[Isa::ALL.len() + 1] = ARM;
    words
};

/// Level-2 cache of a core.
pub const L2: OptionSpec = OptionSpec {
    name: "l2",
    values: Values::Size,
    help: "Level-2 cache of one core, such as 2MiB; it decides block sizes and copies per thread [default: 1MiB]",
};

/// Precision of attention state.
pub const KV_PRECISION: OptionSpec = OptionSpec {
    name: "kv-precision",
    values: Values::OneOf(&["u8", "f16", "bf16", "f32"]),
    help: "Element type of the KV cache [default: the export's, else the runtime's]",
};

/// Rows of logits.
pub const LOGITS: OptionSpec = OptionSpec {
    name: "logits",
    values: Values::OneOf(&["all", "last"]),
    help: "Logits of every token, or of the last one only [default: all; llama-cpp: last]",
};

/// Options that were given, by name; what is not in it has its default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    given: BTreeMap<String, String>,
}

impl Options {
    /// Sets an option; a flag has the value `true`.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Options {
        self.given.insert(name.into(), value.into());
        self
    }

    /// Removes options.
    #[must_use]
    pub fn without(mut self, names: &[&str]) -> Options {
        self.given.retain(|name, _| !names.contains(&name.as_str()));
        self
    }

    /// The names of the options that were given.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.given.keys().map(String::as_str)
    }

    /// Whether no option was given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.given.is_empty()
    }

    /// The value of an option, if it was given.
    #[must_use]
    pub fn word(&self, name: &str) -> Option<&str> {
        self.given.get(name).map(String::as_str)
    }

    /// Whether a flag was given.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        self.word(name) == Some("true")
    }

    /// The number that an option has.
    ///
    /// # Errors
    ///
    /// If it was given and is not a number of 32 bits.
    pub fn number(&self, name: &str) -> Result<Option<u32>> {
        self.parsed(name, |word| word.parse().ok())
    }

    /// The machine of the measured runs, with the instruction set, the cache and the threads that were given.
    ///
    /// # Errors
    ///
    /// If one of them has a value that it does not take, or no rule is known of the processor.
    pub fn machine(&self) -> Result<Machine> {
        let default = Machine::MEASURED;
        let machine = match self.word(ISA.name) {
            Some(HOST) => Machine::host().ok_or_else(|| not_modelled("this processor"))?,
            Some(ARM) => return Err(not_modelled("64-bit ARM")),
            _ => Machine { isa: self.parsed(ISA.name, Isa::by_name)?.unwrap_or(default.isa), ..default },
        };
        Ok(Machine {
            cores: self.number(THREADS.name)?.unwrap_or(machine.cores),
            l2: self.size(L2.name)?.unwrap_or(machine.l2),
            ..machine
        })
    }

    /// The number of bytes that an option has.
    ///
    /// # Errors
    ///
    /// If it was given and is not a size.
    pub fn size(&self, name: &str) -> Result<Option<Bytes>> {
        self.parsed(name, Bytes::parse)
    }

    /// The element type that an option names.
    ///
    /// # Errors
    ///
    /// If it was given and is not the name of an element type.
    pub fn dtype(&self, name: &str) -> Result<Option<DType>> {
        self.parsed(name, DType::from_name)
    }

    /// What `parse` makes of an option's value; `None` where it was not given.
    ///
    /// # Errors
    ///
    /// If `parse` makes nothing of it.
    pub fn parsed<T>(&self, name: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>> {
        let Some(word) = self.word(name) else { return Ok(None) };
        let fault =
            || Error::new(ErrorKind::Usage, format!("`--{name} {word}` is not a value of this option"));
        parse(word).map(Some).ok_or_else(fault)
    }

    /// Checks that every value is one that its spec takes.
    ///
    /// # Errors
    ///
    /// If one is not; the error lists the values.
    pub(super) fn check_values(&self, specs: &[OptionSpec]) -> Result<()> {
        for spec in specs {
            let Some(word) = self.word(spec.name) else { continue };
            let (is_value, expected) = match spec.values {
                Values::Flag => (word == "true", "true".to_owned()),
                Values::Number(least, most) => {
                    let is_inside = |number| (least..=most).contains(&number);
                    (word.parse().is_ok_and(is_inside), format!("{least} to {most}"))
                }
                Values::OneOf(words) => (words.contains(&word), words.join(", ")),
                Values::Text(_) => (!word.is_empty(), "a text".to_owned()),
                Values::Size => {
                    (Bytes::parse(word).is_some(), "a size above 0 such as 2MiB or 1.5GB".to_owned())
                }
            };
            if !is_value {
                let message = format!("`--{} {word}` is not a value of this option", spec.name);
                return Err(Error::new(ErrorKind::Usage, message).help(format!("values: {expected}")));
            }
        }
        Ok(())
    }
}

#[cold]
fn not_modelled(what: &str) -> Error {
    let words: Vec<&str> = Isa::ALL.into_iter().map(Isa::name).collect();
    Error::new(ErrorKind::Unsupported, format!("{what} is not modelled"))
        .note("rules are known of x86-64 processors with AVX2 and later instruction sets")
        .help(format!("analyze for another processor: `--isa {}`", words.join("|")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_made_of_options() {
        let machine = |isa: &str| Options::default().with("isa", isa).with("l2", "2MiB").machine();
        let amx = machine("amx-fp16").unwrap();
        assert_eq!((amx.isa, amx.l2, amx.l1d), (Isa::AmxFp16, Bytes(2 << 20), Machine::MEASURED.l1d));
        let arm = machine("arm").unwrap_err().to_string();
        assert!(arm.contains("64-bit ARM is not modelled"), "{arm}");
    }
}
