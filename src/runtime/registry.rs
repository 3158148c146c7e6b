//! The runtimes that exist: one line each.

use super::options::{Options, Registration};
use super::{Runtime, graph, llama_cpp, onnxruntime_cpu, openvino_cpu, openvino_gpu};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::Graph;

/// All runtimes, in the order of help texts.
pub const RUNTIMES: &[Registration] = &[
    graph::REGISTRATION,
    openvino_cpu::REGISTRATION,
    openvino_gpu::REGISTRATION,
    onnxruntime_cpu::REGISTRATION,
    llama_cpp::REGISTRATION,
];

/// Runtimes that tests use, which no help text lists.
pub const HIDDEN: &[Registration] = &[
    #[cfg(feature = "fuzzing")]
    super::per_tensor::REGISTRATION,
];

/// Finds the runtime of this name.
///
/// # Errors
///
/// If there is none; the error lists the names.
pub fn by_name(name: &str) -> Result<&'static Registration> {
    RUNTIMES.iter().chain(HIDDEN).find(|found| found.name == name).ok_or_else(|| {
        let names: Vec<&str> = RUNTIMES.iter().map(|found| found.name).collect();
        Error::new(ErrorKind::Usage, format!("unknown profile \"{name}\""))
            .help(format!("profiles: {}", names.join(", ")))
    })
}

/// The graph as exported, which every runtime's own graph can be compared with.
#[must_use]
pub fn exported() -> Box<dyn Runtime> {
    Box::new(graph::Exported)
}

/// Makes the runtime of this name under `options`.
///
/// # Errors
///
/// If there is none, if it does not have one of the options, or if it refuses their values.
pub fn make(name: &str, options: &Options) -> Result<Box<dyn Runtime>> {
    let found = by_name(name)?;
    if let Some(foreign) = options.names().find(|&name| found.options.iter().all(|spec| spec.name != name)) {
        return Err(unsupported(foreign, found.name));
    }
    options.check_values(found.options)?;
    (found.make)(options)
}

/// Makes the runtime of this name, or else the one that fits the graph's format.
///
/// # Errors
///
/// As [`make`], and if the runtime does not load the graph.
pub fn for_graph(graph: &Graph, name: Option<&str>, options: &Options) -> Result<Box<dyn Runtime>> {
    let format = graph.format();
    let fitting =
        || RUNTIMES.iter().find(|found| found.default_for.contains(&format)).map(|found| found.name);
    let name = name.or_else(fitting).unwrap_or(graph::REGISTRATION.name);
    let runtime = make(name, options)?;
    runtime.accepts(graph).map_err(|error| {
        let loads = |found: &&Registration| {
            (found.make)(&Options::default()).is_ok_and(|runtime| runtime.formats().contains(&format))
        };
        let names: Vec<&str> = RUNTIMES.iter().filter(loads).map(|found| found.name).collect();
        error.help(format!("profiles that load it: {}", names.join(", ")))
    })?;
    Ok(runtime)
}

/// Options of the language model of a pipeline unless they are given: OpenVINO GenAI runs the pipelines of its exports.
const OF_GENERATORS: &[(&str, &str)] = &[("runner", "genai")];

/// Options of what generates tokens, which the other parts of a pipeline do not have.
const GENERATION: &[&str] =
    &["runner", "logits", "attention", "cache-size", "max-num-batched-tokens", "prefix-caching"];

/// The options of a part of a pipeline. Its language model has those that were given, and the host application's where the
/// graph's runtime has them; every other part has those that are not about a generation.
#[must_use]
pub fn part_options(graph: &Graph, name: Option<&str>, options: &Options, generates: bool) -> Options {
    if !generates {
        return options.clone().without(GENERATION);
    }
    let named = |found: &&Registration| name == Some(found.name);
    let fits = |found: &&Registration| name.is_none() && found.default_for.contains(&graph.format());
    let Some(found) = RUNTIMES.iter().find(|found| named(found) || fits(found)) else {
        return options.clone();
    };
    let missing = OF_GENERATORS.iter().filter(|(option, _)| {
        options.word(option).is_none() && found.options.iter().any(|spec| spec.name == *option)
    });
    missing.fold(options.clone(), |options, &(option, value)| options.with(option, value))
}

/// The name of the option with this short spelling, if a runtime has one.
#[must_use]
pub fn long_option(short: &str) -> Option<&'static str> {
    let all = RUNTIMES.iter().flat_map(|found| found.short);
    all.into_iter().find(|(own, _)| *own == short).map(|(_, name)| *name)
}

/// The error of an option that a runtime does not have; it names those that have it.
#[must_use]
pub fn unsupported(option: &str, runtime: &str) -> Error {
    let has = |found: &&Registration| found.options.iter().any(|spec| spec.name == option);
    let names: Vec<&str> = RUNTIMES.iter().filter(has).map(|found| found.name).collect();
    let error = Error::new(ErrorKind::Usage, format!("`--{option}` has no effect under profile {runtime}"));
    match names.is_empty() {
        true => error.help(format!("remove `--{option}`: no profile has this option")),
        false => error.help(format!("remove it, or use `--profile {}`", names.join("` or `--profile "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_runtime_is_made_of_its_defaults_under_its_own_name() {
        for found in RUNTIMES {
            assert_eq!((found.make)(&Options::default()).unwrap().name(), found.name);
        }
    }

    #[test]
    fn options_of_one_name_are_one_option() {
        let all = || RUNTIMES.iter().flat_map(|found| found.options);
        for spec in all() {
            assert!(all().all(|other| other.name != spec.name || other == spec), "{}", spec.name);
        }
    }

    #[test]
    fn an_option_of_another_runtime_is_an_error_that_names_it() {
        let options = Options::default().with("xmx", "no");
        let error = make("onnxruntime-cpu", &options).unwrap_err();
        assert_eq!(error.message(), "`--xmx` has no effect under profile onnxruntime-cpu");
        assert!(make("openvino-gpu", &options).is_ok());
    }

    #[test]
    fn only_the_language_model_of_a_pipeline_is_a_generator() {
        let graph =
            crate::graph::Builder::new("m".as_ref(), crate::graph::Format::OpenVino).finish().unwrap();
        let words = |options: &Options, name, generates| {
            let found = part_options(&graph, name, options, generates);
            [found.word("runner"), found.word("logits")].map(|word| word.unwrap_or("").to_owned())
        };
        let given = Options::default().with("logits", "last");
        assert_eq!(words(&given, None, true), ["genai", "last"]);
        assert_eq!(words(&given, None, false), ["", ""]);
        assert_eq!(words(&given, Some("openvino-gpu"), true), ["", "last"]);
        assert_eq!(words(&given.with("runner", "plain"), None, true), ["plain", "last"]);
    }

    #[test]
    fn a_value_that_an_option_does_not_take_is_an_error() {
        assert!(make("openvino-cpu", &Options::default().with("threads", "0")).is_err());
        assert!(make("openvino-cpu", &Options::default().with("logits", "none")).is_err());
    }
}
