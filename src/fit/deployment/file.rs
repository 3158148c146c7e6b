//! The file of a deployment.

use crate::error::{Error, ErrorKind, Location, Position, Result};
use crate::formats::document;
use crate::units::Bytes;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// Models on devices.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Deployment {
    /// The devices.
    #[serde(default)]
    pub device: Vec<Device>,
    /// The models.
    #[serde(default)]
    pub model: Vec<Model>,
    /// Which models run; without any, all run together.
    #[serde(default)]
    pub scenario: Vec<Scenario>,
    /// The folder that paths start from.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// A machine.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Device {
    /// Its name.
    pub name: String,
    /// Main memory.
    #[serde(default, deserialize_with = "size")]
    pub ram: Option<u64>,
    /// Video memory of one GPU.
    #[serde(default, deserialize_with = "size")]
    pub vram: Option<u64>,
    /// GPUs.
    #[serde(default)]
    pub gpus: Option<u64>,
    /// Main memory that is left to others.
    #[serde(default, deserialize_with = "size")]
    pub reserve: Option<u64>,
    /// Video memory that the driver takes for the processes of a scenario.
    #[serde(default, deserialize_with = "size")]
    pub driver_context: Option<u64>,
}

/// A model, its runtime and its run.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Model {
    /// Its name.
    pub name: String,
    /// The model's file or folder, from the folder of this file.
    pub path: Option<PathBuf>,
    /// A config.json, for an estimate without a graph.
    pub config: Option<PathBuf>,
    /// Parameters, such as 7B, for an estimate without a graph.
    #[serde(default, deserialize_with = "count")]
    pub params: Option<u64>,
    /// Bits per parameter [default: 16].
    pub bits: Option<u64>,
    /// Length of the file of weights, for an estimate without a graph.
    #[serde(default, deserialize_with = "size")]
    pub file_size: Option<u64>,
    /// The runtime: a profile, or `vllm` [default: the one for the file's format].
    pub runtime: Option<String>,
    /// Where an estimate is [default: vram on a machine that has it].
    pub place: Option<Place>,
    /// Processes of the same model [default: 1].
    pub replicas: Option<u64>,
    /// Layers on the GPU, of an estimate.
    pub gpu_layers: Option<u64>,
    /// Layers in all, of an estimate without a config.
    pub layers: Option<u64>,
    /// What the source of an example states, in words.
    pub stated: Option<String>,
    /// The run.
    #[serde(default)]
    pub run: RunSpec,
    /// Options of the runtime, by name.
    #[serde(default)]
    pub options: BTreeMap<String, Setting>,
    /// Options of vLLM.
    #[serde(default)]
    pub vllm: Vllm,
}

/// The value of an option.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Setting {
    /// A flag.
    Flag(bool),
    /// A whole number.
    Number(i64),
    /// A fraction.
    Fraction(f64),
    /// A word.
    Word(String),
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Setting::Flag(flag) => write!(f, "{flag}"),
            Setting::Number(number) => write!(f, "{number}"),
            Setting::Fraction(number) => write!(f, "{number}"),
            Setting::Word(word) => write!(f, "{word}"),
        }
    }
}

/// Where memory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Place {
    /// Main memory.
    Ram,
    /// Video memory.
    Vram,
}

/// A run; what is not given has the default of the model's command.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RunSpec {
    /// `llm`, `vit`, `vlm` or `graph` [default: what the model's inputs say].
    pub task: Option<String>,
    /// Tokens of the prompt, or patches.
    pub seq: Option<u64>,
    /// Tokens that are generated.
    pub new_tokens: Option<u64>,
    /// Of a pipeline: tokens of the prompt apart from the image's.
    pub text_tokens: Option<u64>,
    /// Sequences or images side by side.
    pub batch: Option<u64>,
    /// Tokens cached before the prompt.
    pub past: Option<u64>,
    /// Width and height of an image.
    pub image: Option<(u64, u64)>,
    /// Free dims by name.
    #[serde(default)]
    pub bind: BTreeMap<String, u64>,
}

/// Options of vLLM, under its own names.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Vllm {
    /// Share of the device [default: 0.9].
    pub gpu_memory_utilization: Option<f64>,
    /// Tokens of a request at most [default: 8192].
    pub max_model_len: Option<u64>,
    /// Tokens of a pass at most [default: 2048].
    pub max_num_batched_tokens: Option<u64>,
    /// Requests of a pass at most [default: 256].
    pub max_num_seqs: Option<u64>,
    /// GiB of host memory for swapped blocks [default: 4].
    pub swap_space: Option<f64>,
    /// GiB of weights in host memory [default: 0].
    pub cpu_offload_gb: Option<f64>,
    /// `auto`, `fp8`, `fp8_e4m3` or `fp8_e5m2` [default: auto].
    pub kv_cache_dtype: Option<String>,
    /// GPUs that one engine uses [default: 1].
    pub tensor_parallel_size: Option<u64>,
}

/// Models that run on the same machine.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// The models, in the order in which they are loaded; empty: all.
    #[serde(default)]
    pub models: Vec<String>,
    /// Whether they are in memory together.
    #[serde(default)]
    pub mode: Mode,
    /// The devices; empty: all.
    #[serde(default)]
    pub devices: Vec<String>,
    /// What the source of an example states, in words.
    pub stated: Option<String>,
}

/// Whether models are in memory together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Mode {
    /// All are loaded and run.
    #[default]
    Together,
    /// Each is loaded when it is first used, and stays.
    Lazy,
    /// Each is freed before the next one is loaded.
    OneAfterTheOther,
}

impl Mode {
    /// Its word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Mode::Together => "together",
            Mode::Lazy => "lazy",
            Mode::OneAfterTheOther => "one-after-the-other",
        }
    }
}

impl Deployment {
    /// Reads the file of a deployment.
    ///
    /// # Errors
    ///
    /// If it cannot be read, has a key that is not known, or a scenario names a model or a device that is not there.
    pub fn read(path: &Path) -> Result<Deployment> {
        let mut found: Deployment = read(path)?;
        found.folder = path.parent().unwrap_or(Path::new("")).to_owned();
        found.check().map_err(|error| error.in_file(path))?;
        if found.scenario.is_empty() {
            found.scenario.push(Scenario { name: "all".to_owned(), ..Scenario::default() });
        }
        Ok(found)
    }

    fn check(&self) -> Result<()> {
        let fault = |message: String| Err(Error::new(ErrorKind::Usage, message));
        if self.device.is_empty() || self.model.is_empty() {
            return fault("a deployment needs a [[device]] and a [[model]]".to_owned());
        }
        if let Some(device) = self.device.iter().find(|device| device.ram.is_none() && device.vram.is_none())
        {
            return fault(format!("device \"{}\" has neither ram nor vram", device.name));
        }
        let models: Vec<&str> = self.model.iter().map(|model| model.name.as_str()).collect();
        let devices: Vec<&str> = self.device.iter().map(|device| device.name.as_str()).collect();
        for scenario in &self.scenario {
            let unknown = |names: &[String], known: &[&str]| {
                names.iter().find(|name| !known.contains(&name.as_str())).cloned()
            };
            if let Some(name) = unknown(&scenario.models, &models) {
                let known = models.join(", ");
                return fault(format!(
                    "scenario \"{}\" names model \"{name}\"; known: {known}",
                    scenario.name
                ));
            }
            if let Some(name) = unknown(&scenario.devices, &devices) {
                let known = devices.join(", ");
                return fault(format!(
                    "scenario \"{}\" names device \"{name}\"; known: {known}",
                    scenario.name
                ));
            }
        }
        for model in &self.model {
            let sources = [model.path.is_some(), model.params.is_some(), model.file_size.is_some()];
            if sources.into_iter().filter(|&given| given).count() > 1 {
                return fault(format!(
                    "model \"{}\" has more than one of path, params, file_size",
                    model.name
                ));
            }
            if !sources.contains(&true) && model.config.is_none() {
                return fault(format!("model \"{}\" needs path, config, params or file_size", model.name));
            }
        }
        Ok(())
    }

    /// A path of the file, from its folder.
    #[must_use]
    pub fn at(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }
}

/// Reads a TOML file; an error has its line and column.
pub(in crate::fit) fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = document::read(path)?;
    toml::from_str(&text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let before = text.get(..start).unwrap_or_default();
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let position = Some(Position::Line(number(line), number(column)));
        let message = error.message().lines().collect::<Vec<_>>().join("; ");
        Error::new(ErrorKind::Malformed, message)
            .at(Location { position, ..Location::default() })
            .in_file(path)
    })
}

/// A size as a number of bytes or with a unit.
pub(in crate::fit) fn size<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<u64>, D::Error> {
    let value = Setting::deserialize(deserializer)?;
    let fault = || D::Error::custom(format!("{value} is not a size; write it as \"16GiB\" or \"16GB\""));
    match &value {
        Setting::Number(bytes) => u64::try_from(*bytes).map(Some).map_err(|_| fault()),
        Setting::Word(text) if text == "0" => Ok(Some(0)),
        Setting::Word(text) => Bytes::parse(text).map(|bytes| Some(bytes.0)).ok_or_else(fault),
        _ => Err(fault()),
    }
}

/// A number of parameters: `7B`, `494M`, or a number.
pub(in crate::fit) fn count<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<u64>, D::Error> {
    let value = Setting::deserialize(deserializer)?;
    let fault =
        || D::Error::custom(format!("{value} is not a number of parameters; write it as \"7B\" or \"494M\""));
    match &value {
        Setting::Number(count) => u64::try_from(*count).map(Some).map_err(|_| fault()),
        Setting::Word(text) => {
            let (digits, scale) = match text.strip_suffix(['B', 'b']) {
                Some(digits) => (digits, 1e9),
                None => (text.trim_end_matches(['M', 'm']), 1e6),
            };
            let number: f64 = digits.parse().map_err(|_| fault())?;
            let count = number * scale;
            if (1.0..1e15).contains(&count) { Ok(Some(count as u64)) } else { Err(fault()) }
        }
        _ => Err(fault()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Deployment> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        std::fs::write(&path, text).unwrap();
        Deployment::read(&path)
    }

    const DEVICE: &str = "[[device]]\nname = \"a\"\nram = \"16GB\"\n";
    const MODEL: &str = "[[model]]\nname = \"m\"\nparams = \"7B\"\nbits = 4\n";

    #[test]
    fn a_file_without_scenarios_has_one_of_all_models() {
        let found = of(&format!("{DEVICE}{MODEL}")).unwrap();
        assert_eq!((found.device[0].ram, found.model[0].params), (Some(16_000_000_000), Some(7_000_000_000)));
        assert_eq!((found.scenario.len(), found.scenario[0].mode), (1, Mode::Together));
    }

    #[test]
    fn errors_have_lines() {
        let text = |wrong: &str| of(&format!("{DEVICE}{MODEL}{wrong}")).unwrap_err().to_string();
        let error = text("typo = 1\n");
        assert!(error.contains(":8:1") && error.contains("unknown field `typo`"), "{error}");
        let error = text("[[scenario]]\nname = \"s\"\nmodels = [\"x\"]\n");
        assert!(error.contains("names model \"x\"; known: m"), "{error}");
        let error = of("[[device]]\nname = \"a\"\nram = \"much\"\n").unwrap_err().to_string();
        assert!(error.contains("is not a size") && error.contains(":3:"), "{error}");
    }

    #[test]
    fn a_model_has_one_source() {
        let error = of(&format!("{DEVICE}{MODEL}path = \"m.onnx\"\n")).unwrap_err();
        assert!(error.message().contains("more than one of path"), "{error}");
        assert!(of(&format!("{DEVICE}[[model]]\nname = \"m\"\n")).is_err());
    }
}
