//! Scenarios on devices: what is in memory when, whether it fits, and what would make it fit.

use super::demand::{Demand, Opened};
use super::file::{Deployment, Device, Mode, Scenario};
use crate::error::{Result, countable};
use crate::fit::axis::Axis;
use crate::fit::run::LAYERS;
use crate::fit::search::{self, Probe};
use crate::report::model::{DeploymentReport, Moment, Need, Placement, SCHEMA_VERSION, Tool};
use rayon::prelude::*;

/// Judges every scenario on every one of its devices. Each model is read once.
///
/// # Errors
///
/// If a model cannot be read or analysed.
pub fn evaluate(deployment: &Deployment) -> Result<DeploymentReport> {
    let opened: Vec<Opened<'_>> =
        deployment.model.par_iter().map(|model| Opened::open(deployment, model)).collect::<Result<_>>()?;
    let jobs: Vec<(&Scenario, &Device)> = deployment
        .scenario
        .iter()
        .flat_map(|scenario| {
            let is_its =
                |device: &&Device| scenario.devices.is_empty() || scenario.devices.contains(&device.name);
            deployment.device.iter().filter(is_its).map(move |device| (scenario, device))
        })
        .collect();
    let placements = jobs.into_par_iter().map(|(scenario, device)| placement(scenario, device, &opened));
    Ok(DeploymentReport {
        schema_version: SCHEMA_VERSION,
        tool: Tool::this(),
        placements: placements.collect::<Result<_>>()?,
    })
}

fn placement(scenario: &Scenario, device: &Device, all: &[Opened<'_>]) -> Result<Placement> {
    let is_its =
        |model: &&Opened<'_>| scenario.models.is_empty() || scenario.models.contains(&model.model.name);
    let mut models: Vec<&Opened<'_>> = all.iter().filter(is_its).collect();
    models.sort_by_key(|model| scenario.models.iter().position(|name| *name == model.model.name));
    let demands: Vec<Demand> =
        models.iter().map(|model| model.demand(device, None)).collect::<Result<_>>()?;
    let found = judge(scenario.mode, device, &models, &demands);
    for (bytes, what) in [(found.ram_bytes, "main memory"), (found.vram_bytes, "device memory")] {
        let what = format!("{what} in scenario \"{}\" on \"{}\"", scenario.name, device.name);
        countable(bytes, &what)?;
    }
    let remedy = if found.fits { None } else { remedy(scenario.mode, device, &models, &demands)? };
    Ok(Placement {
        scenario: scenario.name.clone(),
        device: device.name.clone(),
        mode: scenario.mode.name().to_owned(),
        stated: scenario.stated.clone(),
        remedy,
        ..found
    })
}

/// What is in memory at each moment, and the verdict.
fn judge(mode: Mode, device: &Device, models: &[&Opened<'_>], demands: &[Demand]) -> Placement {
    let mut needs = Vec::new();
    let mut moments = Vec::new();
    let mut refused = None;
    let (mut ram, mut vram) = (0_u64, 0_u64);
    let context = |vram: u64| if vram > 0 { device.driver_context.unwrap_or(0) } else { 0 };
    for (model, demand) in models.iter().zip(demands) {
        let count = model.model.replicas.unwrap_or(1).max(1);
        let own = (
            demand.ram.saturating_mul(count).saturating_add(demand.shared),
            demand.vram.saturating_mul(count),
        );
        let name = &model.model.name;
        refused = refused.or(demand.refused.as_ref().map(|why| format!("{name}: {why}")));
        let free = device.vram.map(|all| all.saturating_sub(vram));
        if mode != Mode::OneAfterTheOther
            && demand.at_start > 0
            && free.is_some_and(|free| free < demand.at_start)
        {
            let why = format!("{name}: its share of the device is not free when it starts");
            refused = refused.or(Some(why));
        }
        (ram, vram) = match mode {
            Mode::OneAfterTheOther => own,
            _ => (ram.saturating_add(own.0), vram.saturating_add(own.1)),
        };
        moments.push(Moment {
            what: format!("{name} runs"),
            ram_bytes: ram,
            vram_bytes: vram.saturating_add(context(vram)),
        });
        needs.push(Need {
            model: name.clone(),
            replicas: count,
            ram_bytes: own.0,
            vram_bytes: own.1,
            known: demand.known.clone(),
        });
    }
    if let (Mode::Together, Some(last)) = (mode, moments.last()) {
        moments = vec![Moment { what: "all run".to_owned(), ..last.clone() }];
    }
    let peak = |of: fn(&Moment) -> u64| moments.iter().map(of).max().unwrap_or(0);
    let (ram, vram) = (peak(|moment| moment.ram_bytes), peak(|moment| moment.vram_bytes));
    let over = |needs: u64, has: Option<u64>| has.map_or(0, |has| i128::from(needs) - i128::from(has));
    let ram_needs = ram.saturating_add(device.reserve.unwrap_or(0));
    let (over_ram, over_vram) = (over(ram_needs, device.ram), over(vram, device.vram));
    let whole = |over: i128| i64::try_from(over).unwrap_or(i64::MAX);
    Placement {
        fits: over_ram <= 0 && over_vram <= 0 && refused.is_none(),
        ram_bytes: ram,
        vram_bytes: vram,
        ram_limit_bytes: device.ram.map(|all| all.saturating_sub(device.reserve.unwrap_or(0))),
        vram_limit_bytes: device.vram,
        ram_left_bytes: device.ram.map(|_| -whole(over_ram)),
        vram_left_bytes: device.vram.map(|_| -whole(over_vram)),
        refused,
        needs,
        moments,
        ..Placement::default()
    }
}

/// What would make a scenario fit: fewer layers on the GPU of the last model that can have fewer, a shorter prompt of the
/// largest language model, or freeing each model.
fn remedy(mode: Mode, device: &Device, models: &[&Opened<'_>], demands: &[Demand]) -> Result<Option<String>> {
    let with = |at: usize, axis: &Axis, value: u64| -> Result<Placement> {
        let mut demands = demands.to_vec();
        if let (Some(demand), Some(model)) = (demands.get_mut(at), models.get(at)) {
            *demand = model.demand(device, Some((axis, value)))?;
        }
        Ok(judge(mode, device, models, &demands))
    };
    let probe = |at: usize, axis: &Axis, value: u64| match with(at, axis, value) {
        Ok(found) if found.fits => Probe::Fits(least_left(&found).unsigned_abs()),
        Ok(found) => Probe::Fails(least_left(&found).min(0).unsigned_abs()),
        Err(_) => Probe::Refused,
    };
    let name = |at: usize| models.get(at).map(|model| model.model.name.as_str()).unwrap_or_default();
    let mut indexed = models.iter().enumerate().rev();
    if let Some((at, all)) = indexed.find_map(|(at, model)| Some((at, model.layers()?))) {
        let axis = Axis::by_name(LAYERS);
        let found = search::search(0, all, false, &|value| probe(at, &axis, value));
        if let Some(layers) = found.largest {
            return Ok(Some(format!("fits with {layers} of {all} layers of {} on the GPU", name(at))));
        }
    }
    let texts = models.iter().enumerate().filter_map(|(at, model)| Some((at, model.longest_prompt()?)));
    let largest = texts.max_by_key(|(at, _)| demands.get(*at).map_or(0, |demand| demand.ram));
    if let Some((at, longest)) = largest {
        let found = search::search(1, longest, true, &|value| probe(at, &Axis::Seq, value));
        if let Some(tokens) = found.largest {
            return Ok(Some(format!("fits with {tokens} tokens of {}", name(at))));
        }
    }
    Ok(other_mode(mode, device, models, demands))
}

/// Bytes that are left of the memory that is shortest; negative where it is too small.
fn least_left(found: &Placement) -> i64 {
    [found.ram_left_bytes, found.vram_left_bytes].into_iter().flatten().min().unwrap_or(0)
}

/// Another mode that fits.
fn other_mode(mode: Mode, device: &Device, models: &[&Opened<'_>], demands: &[Demand]) -> Option<String> {
    let fits = judge(Mode::OneAfterTheOther, device, models, demands).fits;
    (mode != Mode::OneAfterTheOther && fits && models.len() > 1)
        .then(|| "fits where each model is freed before the next one is loaded".to_owned())
}
