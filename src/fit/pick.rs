//! The best candidate of a catalog that fits a machine.

use super::deployment::{self, Device, Model, RunSpec, Scenario, Setting, Vllm};
use crate::closed_form::quick;
use crate::error::{Error, ErrorKind, Result};
use crate::report::model::{Candidate as Row, Pick, Placement, SCHEMA_VERSION, Tool};
use rayon::prelude::*;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Candidates in the order of their quality, the best first.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Catalog {
    /// The candidates.
    #[serde(default)]
    pub candidate: Vec<Candidate>,
    /// The folder that paths start from.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// One model, or one per quantization and runtime.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Candidate {
    /// Its name.
    pub name: String,
    /// The model's file or folder, from the folder of this file.
    pub path: Option<PathBuf>,
    /// A config.json, for an estimate without a graph.
    pub config: Option<PathBuf>,
    /// Parameters, such as 7B, for an estimate without a graph.
    #[serde(default, deserialize_with = "deployment::count")]
    pub params: Option<u64>,
    /// Bits per parameter.
    pub bits: Option<u64>,
    /// Length of the file of weights.
    #[serde(default, deserialize_with = "deployment::size")]
    pub file_size: Option<u64>,
    /// Quantizations, the best first: `f16`, `int8`, `int4`, or those of GGUF files such as `Q4_K_M`.
    #[serde(default)]
    pub quantizations: Vec<String>,
    /// Runtimes, the preferred one first: profiles, or `vllm`.
    #[serde(default)]
    pub runtimes: Vec<String>,
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

impl Catalog {
    /// Reads a catalog.
    ///
    /// # Errors
    ///
    /// If it cannot be read, has a key that is not known, or no candidate.
    pub fn read(path: &Path) -> Result<Catalog> {
        let mut found: Catalog = deployment::read(path)?;
        found.folder = path.parent().unwrap_or(Path::new("")).to_owned();
        if found.candidate.is_empty() {
            return Err(Error::new(ErrorKind::Usage, "a catalog needs a [[candidate]]").in_file(path));
        }
        Ok(found)
    }
}

/// Machines by name: video and main memory in GB, at the lower end of the class. The lowest class has no such end: it is
/// judged as a machine of 8 GB without a GPU.
///
/// # Example
///
/// ```
/// use memgraph::fit::tier;
///
/// let high = tier("high").unwrap();
/// assert_eq!((high.vram, high.ram), (Some(8_000_000_000), Some(32_000_000_000)));
/// ```
#[must_use]
pub fn tier(name: &str) -> Option<Device> {
    const GB: u64 = 1_000_000_000;
    let (name, vram, ram) = quick::TIERS.into_iter().find(|(tier, _, _)| tier.eq_ignore_ascii_case(name))?;
    let mut device = Device { name: name.to_owned(), ..Device::default() };
    (device.vram, device.ram) = match vram {
        0 => (None, Some(8 * GB)),
        _ => (Some(vram * GB), Some(ram * GB)),
    };
    Some(device)
}

/// The best candidate that fits a machine, and why the better ones do not. A candidate that cannot be analysed has the error
/// as its reason.
///
/// # Errors
///
/// If no candidate can be analysed; the error is that of the first one.
pub fn pick(catalog: &Catalog, device: &Device) -> Result<Pick> {
    let models: Vec<Model> = catalog.candidate.iter().flat_map(expanded).collect();
    let placements: Vec<Result<Placement>> = models
        .par_iter()
        .map(|model| {
            let alone = deployment::Deployment {
                device: vec![device.clone()],
                model: vec![model.clone()],
                scenario: vec![Scenario { name: model.name.clone(), ..Scenario::default() }],
                folder: catalog.folder.clone(),
            };
            Ok(deployment::evaluate(&alone)?.placements.into_iter().next().unwrap_or_default())
        })
        .collect();
    let chosen = placements.iter().position(|placement| placement.as_ref().is_ok_and(|found| found.fits));
    if placements.iter().all(Result::is_err) {
        return Err(placements.into_iter().find_map(Result::err).unwrap_or_else(|| {
            Error::new(ErrorKind::Usage, "no candidate has a quantization and a runtime")
        }));
    }
    let name = |index: usize| models.get(index).map(|model| model.name.clone());
    let rows = placements.iter().enumerate().map(|(index, placement)| Row {
        name: name(index).unwrap_or_default(),
        fits: placement.as_ref().is_ok_and(|found| found.fits),
        ram_bytes: placement.as_ref().ok().map(|found| found.ram_bytes),
        vram_bytes: placement.as_ref().ok().map(|found| found.vram_bytes),
        known: placement
            .as_ref()
            .ok()
            .and_then(|found| found.needs.first())
            .map(|need| need.known.clone())
            .unwrap_or_default(),
        why: match placement {
            Ok(found) if found.fits => None,
            Ok(found) => Some(why(found)),
            Err(error) => Some(error.message().to_owned()),
        },
        remedy: placement.as_ref().ok().and_then(|found| found.remedy.clone()),
    });
    Ok(Pick {
        schema_version: SCHEMA_VERSION,
        tool: Tool::this(),
        device: device.name.clone(),
        ram_bytes: device.ram,
        vram_bytes: device.vram,
        reserve_bytes: device.reserve.unwrap_or(0),
        chosen: chosen.and_then(name),
        candidates: rows.collect(),
    })
}

/// Why a candidate does not fit.
fn why(found: &Placement) -> String {
    let over = [("RAM", found.ram_left_bytes), ("VRAM", found.vram_left_bytes)];
    let over = over.into_iter().filter_map(|(name, left)| {
        let left = left.filter(|left| *left < 0)?;
        Some(format!("{} of {name} too much", crate::units::Bytes(left.unsigned_abs())))
    });
    let words: Vec<String> = over.chain(found.refused.clone()).collect();
    words.join("; ")
}

/// A model per quantization and runtime.
fn expanded(candidate: &Candidate) -> Vec<Model> {
    let or_none = |words: &[String]| -> Vec<Option<String>> {
        if words.is_empty() { vec![None] } else { words.iter().cloned().map(Some).collect() }
    };
    let mut models = Vec::new();
    for quantization in or_none(&candidate.quantizations) {
        for runtime in or_none(&candidate.runtimes) {
            let words = [Some(candidate.name.clone()), quantization.clone(), runtime.clone()];
            let (bits, file_size) = quantized(candidate, quantization.as_deref());
            models.push(Model {
                name: words.into_iter().flatten().collect::<Vec<_>>().join(" "),
                path: candidate.path.clone(),
                config: candidate.config.clone(),
                params: candidate
                    .params
                    .filter(|_| file_size.is_none() || runtime.as_deref() == Some("vllm")),
                bits,
                file_size,
                runtime,
                run: candidate.run.clone(),
                options: candidate.options.clone(),
                vllm: candidate.vllm.clone(),
                ..Model::default()
            });
        }
    }
    models
}

/// Bits per parameter, or the length of a GGUF file.
fn quantized(candidate: &Candidate, name: Option<&str>) -> (Option<u64>, Option<u64>) {
    let own = (candidate.bits, candidate.file_size);
    match name {
        None => own,
        Some("f32") => (Some(32), None),
        Some("f16" | "bf16") => (Some(16), None),
        Some("int8" | "fp8") => (Some(8), None),
        Some("int4") => (Some(4), None),
        Some(name) => {
            let size = candidate.params.and_then(|params| {
                quick::gguf(params).into_iter().find(|(known, _)| *known == name).map(|(_, bytes)| bytes.0)
            });
            (own.0, size.or(own.1))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog(text: &str) -> Catalog {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn the_best_that_fits_is_chosen_and_the_better_ones_have_a_reason() {
        let catalog = catalog(
            "[[candidate]]\nname = \"7B\"\nparams = \"7B\"\nquantizations = [\"f16\", \"int4\"]\n\
             [[candidate]]\nname = \"3B\"\nparams = \"3B\"\nbits = 4\n",
        );
        let found = pick(&catalog, &tier("medium").unwrap()).unwrap();
        assert_eq!(found.chosen.as_deref(), Some("3B"));
        let names: Vec<&str> = found.candidates.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["7B f16", "7B int4", "3B"]);
        assert!(found.candidates[0].why.as_ref().unwrap().ends_with("of VRAM too much"));
        assert_eq!(pick(&catalog, &tier("ultra").unwrap()).unwrap().chosen.as_deref(), Some("7B int4"));
    }

    #[test]
    fn classes_are_judged_at_their_lower_end() {
        assert_eq!(tier("LOW").unwrap().vram, None);
        assert_eq!(tier("ultra").unwrap().ram, Some(64_000_000_000));
        assert!(tier("huge").is_none());
    }
}
