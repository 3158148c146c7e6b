//! Which device each layer is on: what was asked for, and how llama.cpp divides it.
//!
//! Source: llama.cpp 0.5.0, src/llama-model.cpp (`load_tensors`), src/llama.cpp (`llama_prepare_model_devices`), common/arg.cpp
//! (`parse_tensor_buffer_overrides`, `common_params_parse_ex`), common/common.h (`LLM_FFN_EXPS_REGEX`).

use super::device::{Backend, Device};
use crate::error::{Error, ErrorKind, Result};
use crate::units::Bytes;
use regex::Regex;

/// Names of the weights of experts.
const EXPERTS: &str = r"\.ffn_(up|down|gate|gate_up)_(ch|)exps";

/// What was asked for of devices.
#[derive(Clone, Debug, PartialEq)]
pub struct Offload {
    /// The devices, in their order.
    pub(super) devices: Vec<Device>,
    /// Layers on devices, the output counted as one; `None`: all.
    pub(super) layers: Option<u64>,
    /// Parts of the devices; empty: as their free memory.
    pub(super) split: Vec<f32>,
    /// Types of buffers by names of weights; the first that matches decides.
    pub(super) overrides: Vec<Override>,
    /// Caches are on the devices of their layers.
    pub(super) caches: bool,
    /// Operators on weights of the host may run on devices.
    pub(super) operators: bool,
    /// Weights of the host may be in memory that devices copy from.
    pub(super) host: bool,
    /// The device that takes a projector of images.
    pub(super) projector: Option<Device>,
}

impl Default for Offload {
    fn default() -> Offload {
        Offload {
            devices: Vec::new(),
            layers: None,
            split: Vec::new(),
            overrides: Vec::new(),
            caches: true,
            operators: true,
            host: true,
            projector: None,
        }
    }
}

/// Weights with names that match are in buffers of one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Override {
    /// A regular expression.
    pub(super) pattern: String,
    /// The device; `None`: the CPU.
    pub(super) device: Option<u8>,
}

/// The options of devices as they were given.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Given<'a> {
    /// Names of devices.
    pub(super) devices: Option<&'a str>,
    /// Free memory of each.
    pub(super) memory: Option<&'a str>,
    /// A number of layers, `all` or `auto`.
    pub(super) layers: Option<&'a str>,
    /// Parts.
    pub(super) split: Option<&'a str>,
    /// Patterns and types of buffers.
    pub(super) overrides: Option<&'a str>,
    /// Layers whose experts stay with the CPU.
    pub(super) cpu_experts: Option<u64>,
    /// The experts of all layers stay with the CPU.
    pub(super) all_cpu_experts: bool,
    /// How a model is divided.
    pub(super) mode: SplitMode,
}

/// How a model is divided between devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum SplitMode {
    /// It is on one device, or on none.
    One(Option<u64>),
    /// By layers.
    #[default]
    Layers,
    /// By rows of weights.
    Rows,
    /// By weights and caches, all of which every device has a part of.
    Tensors,
}

impl Offload {
    /// Reads the options.
    ///
    /// Layers or parts without devices are on devices of CUDA.
    ///
    /// # Errors
    ///
    /// If one is not of its form, or several devices have neither parts nor memory.
    pub(super) fn of(given: Given<'_>) -> Result<Offload> {
        let layers = layers(given.layers)?;
        let split = split(given.split)?;
        let mut devices = devices(given.devices, split.len(), given.layers.is_some() && layers != Some(0))?;
        memory(&mut devices, given.memory)?;
        // The first of the list, whichever device the model is on.
        let projector = devices.first().copied();
        let devices = divided(given.mode, devices)?;
        if split.len() > devices.len() && !matches!(given.mode, SplitMode::One(_)) {
            return Err(fault(format!("{} parts are given for {} devices", split.len(), devices.len())));
        }
        let is_divided = split.iter().any(|&part| part > 0.0) || devices.iter().all(|one| one.free.is_some());
        if devices.len() > 1 && !is_divided {
            return Err(fault(
                "layers are divided by the free memory of the devices, which is not known".to_owned(),
            )
            .help("use `--device-memory 24GiB,16GiB`, or `--tensor-split 3,2`"));
        }
        let overrides = overrides(given, &devices)?;
        Ok(Offload { devices, layers, split, overrides, projector, ..Offload::default() })
    }

    /// The device of each layer of `count`, and of the output behind them; `None`: the CPU.
    pub(super) fn assign(&self, count: u64) -> Vec<Option<u8>> {
        let asked = self.layers.unwrap_or(count + 1);
        let on_devices = if self.devices.is_empty() { 0 } else { asked.min(count + 1) };
        let first = (count + 1).saturating_sub(asked);
        let ends = self.ends();
        let device = |layer: u64| {
            let number = layer.checked_sub(first).filter(|&number| number < on_devices)?;
            // In single precision, as llama.cpp computes it.
            let part = number as f32 / on_devices as f32;
            let device = ends.iter().position(|&end| end > part).unwrap_or(ends.len() - 1);
            Some(device as u8)
        };
        (0..=count).map(device).collect()
    }

    /// Where the part of each device ends, of 1.
    fn ends(&self) -> Vec<f32> {
        let is_given = self.split.iter().any(|&part| part > 0.0);
        let part = |index: usize, device: &Device| match is_given {
            true => self.split.get(index).copied().unwrap_or(0.0),
            false => device.free.unwrap_or(1) as f32,
        };
        let mut sum = 0.0;
        let mut ends: Vec<f32> = Vec::new();
        for (index, device) in self.devices.iter().enumerate() {
            sum += part(index, device);
            ends.push(sum);
        }
        ends.iter().map(|end| end / sum).collect()
    }

    /// Whether layers run in a pipeline, for which inputs are there several times.
    ///
    /// Source: llama.cpp 0.5.0, src/llama-context.cpp (`llama_context::llama_context`).
    pub(super) fn is_pipeline(&self, count: u64) -> bool {
        self.devices.len() > 1
            && self.layers.is_none_or(|layers| layers > count)
            && self.caches
            && self.overrides.is_empty()
    }

    /// The type of buffers of the host that devices copy from, and the device that it belongs to.
    pub(super) fn host_type(&self) -> Option<(Device, &'static str)> {
        self.devices.iter().find_map(|device| Some((*device, device.host()?)))
    }

    /// The patterns, ready to be searched.
    ///
    /// # Errors
    ///
    /// If one is not a regular expression.
    pub(super) fn patterns(&self) -> Result<Vec<(Regex, Option<u8>)>> {
        let compile = |own: &Override| {
            let made = regex::RegexBuilder::new(&own.pattern).size_limit(1 << 20).build();
            made.map(|pattern| (pattern, own.device)).map_err(|error| {
                fault(format!("\"{}\" is not a pattern of names", own.pattern)).note(error.to_string())
            })
        };
        self.overrides.iter().map(compile).collect()
    }
}

#[cold]
fn fault(message: String) -> Error {
    Error::new(ErrorKind::Usage, message)
}

/// The devices that a way to divide a model leaves.
///
/// Source: src/llama.cpp (`llama_prepare_model_devices`), src/llama-model.cpp (`make_gpu_buft_list`): rows are in buffers that a
/// backend's registry names `ggml_backend_split_buffer_type`, which those of CUDA, Vulkan and Metal do not in this version.
fn divided(mode: SplitMode, devices: Vec<Device>) -> Result<Vec<Device>> {
    let count = devices.len();
    let refused = |message: String| Error::new(ErrorKind::Unsupported, message);
    match (mode, devices.first()) {
        (SplitMode::Layers, _) | (SplitMode::One(_) | SplitMode::Rows, None) => Ok(devices),
        (SplitMode::One(None), _) => Ok(Vec::new()),
        (SplitMode::One(Some(only)), _) => match devices.get(only as usize) {
            Some(&device) => Ok(vec![device]),
            None => Err(fault(format!("device {only} is the main one, and there are {count}"))),
        },
        (SplitMode::Rows, Some(device)) => {
            Err(refused(format!("device {} does not support split buffers", device.name()))
                .note("llama.cpp 0.5.0 does not load a model by rows on CUDA, Vulkan or Metal")
                .help("use `--split-mode layer`"))
        }
        (SplitMode::Tensors, None) => Err(fault("`--split-mode tensor` needs a device".to_owned())
            .help("give `--device`, such as cuda0,cuda1")),
        (SplitMode::Tensors, Some(_)) => Err(refused("`--split-mode tensor` is not modelled".to_owned())
            .note("llama.cpp then makes one device of all, and divides every weight and cache")
            .help("use `--split-mode layer`")),
    }
}

/// Layers on devices; `None`: all of them.
fn layers(word: Option<&str>) -> Result<Option<u64>> {
    match word {
        None | Some("auto" | "all") => Ok(None),
        Some(word) => match word.parse::<i64>() {
            Ok(number) => Ok(u64::try_from(number).ok()),
            Err(_) => Err(fault(format!("`--gpu-layers {word}` is not a value of this option"))
                .help("values: a number, `all` or `auto`")),
        },
    }
}

/// Parts, separated by commas or slashes.
fn split(word: Option<&str>) -> Result<Vec<f32>> {
    let Some(word) = word else { return Ok(Vec::new()) };
    let part = |part: &str| {
        let number = part.trim().parse::<f32>().ok();
        number.filter(|number| number.is_finite() && *number >= 0.0).ok_or_else(|| {
            fault(format!("`--tensor-split {word}` is not a value of this option"))
                .help("values: parts such as 3,1")
        })
    };
    word.split([',', '/']).map(part).collect()
}

/// The devices of a list; those that layers or parts imply where there is none.
fn devices(word: Option<&str>, parts: usize, has_layers: bool) -> Result<Vec<Device>> {
    let Some(word) = word else {
        let count = if has_layers || parts > 0 { parts.max(1) } else { 0 };
        let device = |number| Device { backend: Backend::Cuda, number, free: None };
        return Ok((0..count.min(64) as u32).map(device).collect());
    };
    if word == "none" {
        return Ok(Vec::new());
    }
    let found: Option<Vec<Device>> = word.split(',').map(|name| Device::by_name(name.trim())).collect();
    found.filter(|found| found.len() <= 16).ok_or_else(|| {
        fault(format!("`--device {word}` is not a value of this option"))
            .help("values: none, or names such as cuda0,cuda1, vulkan0, metal")
    })
}

fn memory(devices: &mut [Device], word: Option<&str>) -> Result<()> {
    let Some(word) = word else { return Ok(()) };
    let sizes: Option<Vec<Bytes>> = word.split(',').map(|size| Bytes::parse(size.trim())).collect();
    let sizes = sizes.filter(|sizes| sizes.len() == devices.len()).ok_or_else(|| {
        fault(format!("`--device-memory {word}` is given for {} devices", devices.len()))
            .help("give one size per device, such as 24GiB,16GiB")
    })?;
    for (device, size) in devices.iter_mut().zip(sizes) {
        device.free = Some(size.0);
    }
    Ok(())
}

fn overrides(given: Given<'_>, devices: &[Device]) -> Result<Vec<Override>> {
    let mut found = Vec::new();
    for one in given.overrides.into_iter().flat_map(|word| word.split(',')) {
        let names: Vec<String> = devices.iter().map(|device| device.name()).collect();
        let target = one.split_once('=').and_then(|(pattern, name)| match name {
            "CPU" => Some((pattern, None)),
            name => Some((pattern, Some(names.iter().position(|own| own == name)? as u8))),
        });
        let Some((pattern, device)) = target else {
            return Err(fault(format!("`--override-tensor {one}` is not a value of this option")).help(
                format!(
                    "give PATTERN=TYPE; types: {}",
                    [&["CPU".to_owned()], &names[..]].concat().join(", ")
                ),
            ));
        };
        found.push(Override { pattern: pattern.to_owned(), device });
    }
    let experts = |layer: u64| Override { pattern: format!(r"blk\.{layer}{EXPERTS}"), device: None };
    if given.all_cpu_experts {
        found.push(Override { pattern: EXPERTS.to_owned(), device: None });
    }
    found.extend((0..given.cpu_experts.unwrap_or(0).min(512)).map(experts));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(given: Given<'_>) -> Offload {
        Offload::of(given).unwrap()
    }

    #[test]
    fn the_output_and_the_last_layers_go_first() {
        let one = of(Given { layers: Some("3"), ..Given::default() });
        assert_eq!(one.assign(4), [None, None, Some(0), Some(0), Some(0)]);
        let none = of(Given { layers: Some("0"), devices: Some("cuda0"), ..Given::default() });
        assert_eq!(none.assign(2), [None; 3]);
        assert!(of(Given::default()).assign(2).iter().all(Option::is_none));
    }

    #[test]
    fn devices_share_layers_by_parts_or_by_free_memory() {
        let parts = of(Given { split: Some("3,1"), ..Given::default() });
        assert_eq!(parts.assign(3), [Some(0), Some(0), Some(0), Some(1)]);
        let sizes = Given { devices: Some("cuda0,cuda1"), memory: Some("1GiB,3GiB"), ..Given::default() };
        assert_eq!(of(sizes).assign(3), [Some(0), Some(1), Some(1), Some(1)]);
        let unknown = Given { devices: Some("cuda0,cuda1"), ..Given::default() };
        assert!(Offload::of(unknown).unwrap_err().message().contains("free memory of the devices"));
    }

    #[test]
    fn one_device_is_chosen_and_rows_are_refused() {
        let of_mode = |mode| Given { split: Some("1,1"), layers: Some("all"), mode, ..Given::default() };
        let second = of(of_mode(SplitMode::One(Some(1))));
        assert_eq!(second.devices.iter().map(|one| one.name()).collect::<Vec<_>>(), ["CUDA1"]);
        assert!(of(of_mode(SplitMode::One(None))).devices.is_empty());
        assert!(Offload::of(of_mode(SplitMode::One(Some(2)))).is_err());
        let rows = Offload::of(of_mode(SplitMode::Rows)).unwrap_err();
        assert_eq!(rows.message(), "device CUDA0 does not support split buffers");
        assert!(Offload::of(of_mode(SplitMode::Tensors)).unwrap_err().message().contains("not modelled"));
        // Without devices rows have no effect.
        assert!(of(Given { mode: SplitMode::Rows, ..Given::default() }).devices.is_empty());
    }

    #[test]
    fn overrides_name_types_of_buffers() {
        let given =
            Given { devices: Some("cuda0"), overrides: Some("exps=CPU,attn=CUDA0"), ..Given::default() };
        let devices: Vec<_> = of(given).overrides.iter().map(|own| own.device).collect();
        assert_eq!(devices, [None, Some(0)]);
        let given = Given { overrides: Some("exps=CUDA7"), ..Given::default() };
        assert!(Offload::of(given).is_err());
        let experts = of(Given { cpu_experts: Some(2), layers: Some("all"), ..Given::default() });
        let patterns = experts.patterns().unwrap();
        assert!(
            patterns[1].0.is_match("blk.1.ffn_up_exps.weight")
                && !patterns[1].0.is_match("blk.11.ffn_up_exps.weight")
        );
    }
}
