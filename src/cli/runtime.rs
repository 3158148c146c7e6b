//! `--profile` and the options of runtimes: made of the registry, so that a runtime's options are named in its folder only.

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use memgraph::analysis::Request;
use memgraph::error::{Error, ErrorKind, Result};
use memgraph::plan::Planner;
use memgraph::runtime::options::{OptionSpec, Options, Values};
use memgraph::runtime::registry;
use memgraph::scenario::parse::parse_number;

/// The name of the closed forms among the profiles.
pub(super) const COMPONENTS: &str = "components";

/// The runtime to model, its options, and the planner.
#[derive(Clone, Debug, Default)]
pub(super) struct RuntimeArgs {
    profile: Option<String>,
    options: Options,
    planner: Option<String>,
}

impl RuntimeArgs {
    /// Whether the closed forms were asked for, which need no graph.
    ///
    /// # Errors
    ///
    /// If they were, with options of a runtime.
    pub(super) fn is_components(&self) -> Result<bool> {
        let is_asked_for = self.profile.as_deref() == Some(COMPONENTS);
        match self.options.names().next().filter(|_| is_asked_for) {
            Some(name) => Err(registry::unsupported(name, COMPONENTS)),
            None => Ok(is_asked_for),
        }
    }

    /// Adds runtime, options and planner to a request.
    pub(super) fn fill(&self, request: &mut Request) -> Result<()> {
        if self.profile.as_deref() == Some(COMPONENTS) {
            let message = "the component formulas do not read a graph, and this command does";
            return Err(Error::new(ErrorKind::Usage, message)
                .help("use `llm`, `vit` or `vlm` with `--profile components`"));
        }
        request.profile.clone_from(&self.profile);
        request.options = self.options.clone();
        request.planner = self.planner.as_deref().map(Planner::by_name).transpose()?;
        Ok(())
    }
}

/// Every option of a runtime once, in the order of the registry.
fn specs() -> Vec<&'static OptionSpec> {
    let mut specs: Vec<&OptionSpec> = Vec::new();
    for spec in registry::RUNTIMES.iter().flat_map(|found| found.options) {
        if specs.iter().all(|seen| seen.name != spec.name) {
            specs.push(spec);
        }
    }
    specs
}

/// The heading of an option in help: its runtime, if only one has it.
fn heading(spec: &OptionSpec) -> String {
    match owners(spec)[..] {
        [only] => format!("Runtime {only}"),
        _ => "Several runtimes".to_owned(),
    }
}

/// Names of the runtimes that have an option.
fn owners(spec: &OptionSpec) -> Vec<&'static str> {
    let has = |found: &&memgraph::runtime::options::Registration| {
        found.options.iter().any(|option| option.name == spec.name)
    };
    registry::RUNTIMES.iter().filter(has).map(|found| found.name).collect()
}

/// What an option sets, with its runtimes where there are several.
fn description(spec: &OptionSpec) -> String {
    match owners(spec)[..] {
        [_] => spec.help.to_owned(),
        ref several => format!("{} ({})", spec.help, several.join(", ")),
    }
}

fn argument(spec: &'static OptionSpec) -> Arg {
    // A later one wins, so that the options of a suggestion can be added to a command.
    let arg = Arg::new(spec.name).long(spec.name).help(description(spec)).help_heading(heading(spec));
    let arg = arg.overrides_with(spec.name);
    match spec.values {
        Values::OneOf(words) => arg.value_name("VALUE").value_parser(words.to_vec()),
        Values::Size => arg.value_name("SIZE"),
        Values::Text(placeholder) => arg.value_name(placeholder).allow_hyphen_values(true),
        Values::Number(least, most) => {
            arg.value_name("N").value_parser(move |text: &str| number_within(text, least, most))
        }
        _ => arg.action(ArgAction::SetTrue),
    }
}

fn number_within(text: &str, least: u32, most: u32) -> std::result::Result<u32, String> {
    let number = u32::try_from(parse_number(text)?).ok();
    let range = if most == u32::MAX { format!("at least {least}") } else { format!("{least} to {most}") };
    number.filter(|number| (least..=most).contains(number)).ok_or_else(|| format!("give a number of {range}"))
}

impl Args for RuntimeArgs {
    fn augment_args(command: Command) -> Command {
        let names = registry::RUNTIMES.iter().map(|found| found.name).chain([COMPONENTS]);
        let names = names.map(PossibleValue::new);
        let names =
            names.chain(registry::HIDDEN.iter().map(|found| PossibleValue::new(found.name).hide(true)));
        let defaults = registry::RUNTIMES.iter().flat_map(|found| {
            found.default_for.iter().map(|format| format!("{} for {}", found.name, format.words()))
        });
        let defaults: Vec<String> = defaults.collect();
        let profile = Arg::new("profile")
            .long("profile")
            .value_name("PROFILE")
            .help_heading("Run")
            .value_parser(PossibleValuesParser::new(names))
            .help(format!("Runtime to model [default: {}]", defaults.join(", ")));
        let planner = Arg::new("planner")
            .long("planner")
            .value_name("PLANNER")
            .help_heading("Run")
            .help("Memory planner [default: the runtime's]");
        let command = command.arg(profile).arg(planner);
        specs().into_iter().fold(command, |command, spec| command.arg(argument(spec)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for RuntimeArgs {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<RuntimeArgs, clap::Error> {
        let mut args = RuntimeArgs::default();
        args.update_from_arg_matches(matches)?;
        Ok(args)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> std::result::Result<(), clap::Error> {
        let text = |name: &str| -> std::result::Result<Option<String>, clap::Error> {
            let found = matches.try_get_one::<String>(name);
            found
                .map(Option::<&String>::cloned)
                .map_err(|error| clap::Error::raw(clap::error::ErrorKind::InvalidValue, error))
        };
        self.profile = text("profile")?;
        self.planner = text("planner")?;
        let given = |spec: &&OptionSpec| matches.value_source(spec.name) == Some(ValueSource::CommandLine);
        for spec in specs().into_iter().filter(given) {
            let mut raw = matches.get_raw(spec.name).into_iter().flatten();
            let word = match spec.values {
                Values::Flag => "true".to_owned(),
                Values::Number(..) => {
                    matches.get_one::<u32>(spec.name).map_or_else(String::new, ToString::to_string)
                }
                _ => raw.next().unwrap_or_default().to_string_lossy().into_owned(),
            };
            self.options = std::mem::take(&mut self.options).with(spec.name, word);
        }
        Ok(())
    }
}
