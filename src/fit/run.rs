//! A run in the words of the command line, whatever kind of model it is of.

use crate::analysis::{Kind, Request, Task};
use crate::error::shell_word;
use crate::pipeline::llm;

/// Tokens of a prompt whose length is not given.
const TOKENS: u64 = 1024;
/// Tokens that a pipeline generates, or a whole generation, unless it is given.
const NEW_TOKENS: u64 = 128;

/// A part of a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// The prompt in one pass.
    Prefill,
    /// One token after the prompt.
    Decode,
    /// The prompt, then all new tokens.
    Generate,
}

impl Phase {
    /// Its word on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Phase::Prefill => "prefill",
            Phase::Decode => "decode",
            Phase::Generate => "generate",
        }
    }
}

/// A run of a model; what is `None` has the default of the kind's command.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Run {
    /// What kind of run it is.
    pub kind: Kind,
    /// Tokens of a prompt, or patches over all images; of any other model the dim `seq`.
    pub seq: Option<u64>,
    /// Tokens that are generated.
    pub new_tokens: Option<u64>,
    /// Of a pipeline: tokens of the prompt in addition to the image's.
    pub text_tokens: Option<u64>,
    /// Sequences or images side by side.
    pub batch: Option<u64>,
    /// Tokens cached already.
    pub past: Option<u64>,
    /// Width and height of an image.
    pub image: Option<(u64, u64)>,
    /// Which part of a generation.
    pub phase: Option<Phase>,
    /// The file of one part of a vision tower.
    pub part: Option<String>,
    /// Of a pipeline: the vision tower is freed after its run.
    pub frees_vision: bool,
    /// The option for the cells of a runtime's cache follows the length of the run.
    pub context_follows: bool,
    /// Runtime, options, bindings by name. Its task and the lengths of its scenario are replaced.
    pub base: Request,
}

impl Run {
    /// A run with the defaults of its command.
    #[must_use]
    pub fn new(kind: Kind, base: Request) -> Run {
        Run {
            kind,
            seq: None,
            new_tokens: None,
            text_tokens: None,
            batch: None,
            past: None,
            image: None,
            phase: None,
            part: None,
            frees_vision: false,
            context_follows: false,
            base,
        }
    }

    /// The request of the run's analysis.
    #[must_use]
    pub fn request(&self) -> Request {
        let mut request = Request { advises: false, digest: false, full: false, ..self.base.clone() };
        request.task = self.task();
        let scenario = &mut request.base;
        scenario.image = self.image;
        scenario.batch = self.batch;
        match self.kind {
            Kind::Language => {
                scenario.past = self.past.unwrap_or(0);
                scenario.batch = Some(self.batch.unwrap_or(1));
            }
            Kind::Graph => {
                scenario.image = None;
                scenario.batch = None;
                scenario.binds.extend(self.dims().map(|(name, size)| (name.to_owned(), size)));
            }
            _ => {}
        }
        if self.context_follows {
            request.options = request.options.with(CONTEXT, self.cells().to_string());
        }
        request
    }

    fn task(&self) -> Task {
        match self.kind {
            Kind::Language => {
                Task::Language { tokens: self.tokens(), part: self.generation(), max_length: None }
            }
            Kind::Vision => Task::Vision { patches: self.seq, tiles: None, part: self.part.clone() },
            Kind::Pipeline => Task::Pipeline {
                patches: self.seq,
                tiles: None,
                text_tokens: self.text_tokens.unwrap_or(0),
                new_tokens: self.new_tokens.unwrap_or(NEW_TOKENS),
                keeps_vision: !self.frees_vision,
            },
            Kind::Graph => Task::Graph,
        }
    }

    /// The part of a generation: all of it where a number of new tokens is given and no part.
    fn generation(&self) -> llm::Part {
        let new_tokens = self.new_tokens.unwrap_or(NEW_TOKENS);
        match (self.phase, self.new_tokens) {
            (None, None) => llm::Part::Usual { new_tokens },
            (Some(Phase::Prefill), _) => llm::Part::Prefill,
            (Some(Phase::Decode), _) => llm::Part::Decode,
            (Some(Phase::Generate), _) | (None, Some(_)) => llm::Part::Generate { new_tokens },
        }
    }

    /// Tokens of the prompt.
    pub(super) fn tokens(&self) -> u64 {
        self.seq.unwrap_or(TOKENS)
    }

    /// Tokens after the prompt.
    pub(super) fn generated(&self) -> u64 {
        match self.generation() {
            llm::Part::Decode => 1,
            llm::Part::Generate { new_tokens } => new_tokens,
            _ => 0,
        }
    }

    /// Dims by name, of a model without tokens or patches.
    fn dims(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let image = [("width", self.image.map(|image| image.0)), ("height", self.image.map(|image| image.1))];
        let lengths = [("seq", self.seq), ("batch", self.batch), ("past", self.past)];
        image.into_iter().chain(lengths).filter_map(|(name, size)| Some((name, size?)))
    }

    /// Cells that the run needs in a cache; sequences that do not share cells have as many each.
    fn cells(&self) -> u64 {
        let tokens = self.past.unwrap_or(0).saturating_add(self.tokens()).saturating_add(self.generated());
        let options = &self.base.options;
        let slots = options.word(SLOTS).and_then(|word| word.parse().ok()).filter(|_| !options.flag(UNIFIED));
        tokens.saturating_mul(slots.unwrap_or(1))
    }

    /// The command that analyses the run.
    #[must_use]
    pub fn command(&self, model: &str) -> String {
        let mut words = vec!["memgraph".to_owned(), self.kind.command().to_owned(), model.to_owned()];
        let takes_seq = self.kind != Kind::Graph;
        let seq = if self.kind == Kind::Language { Some(self.tokens()) } else { self.seq };
        words.extend(seq.filter(|_| takes_seq).map(|seq| seq.to_string()));
        let mut add = |name: &str, value: Option<String>| {
            let Some(value) = value else { return };
            words.push(format!("--{name}"));
            words.extend((!value.is_empty()).then_some(value));
        };
        if self.kind == Kind::Graph {
            self.dims().for_each(|(name, size)| add("bind", Some(format!("{name}={size}"))));
        } else {
            add("past", self.past.filter(|&past| past > 0).map(|past| past.to_string()));
            add("batch", self.batch.filter(|&batch| batch > 1).map(|batch| batch.to_string()));
            add("image", self.image.map(|(width, height)| format!("{width}x{height}")));
        }
        let phase = match (self.kind, self.phase, self.new_tokens) {
            (Kind::Language, None, Some(_)) => Some(Phase::Generate),
            (_, phase, _) => phase,
        };
        add("phase", phase.map(|phase| phase.name().to_owned()));
        add("new-tokens", self.new_tokens.map(|count| count.to_string()));
        add("text-tokens", self.text_tokens.map(|count| count.to_string()));
        add("part", self.part.clone());
        add("keep-vision", self.frees_vision.then(|| "no".to_owned()));
        self.add_base(&mut add);
        words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ")
    }

    /// Adds what does not depend on the kind of run.
    fn add_base(&self, add: &mut impl FnMut(&str, Option<String>)) {
        let base = &self.base;
        for (name, size) in &base.base.binds {
            add("bind", Some(format!("{name}={size}")));
        }
        for (name, dims) in &base.base.inputs {
            let dims: Vec<String> = dims.iter().map(u64::to_string).collect();
            add("input", Some(format!("{name}={}", dims.join("x"))));
        }
        for (name, value) in &base.base.values {
            let numbers: Vec<String> = match value.as_ints() {
                Some(ints) => ints.iter().map(i64::to_string).collect(),
                None => value.to_floats().iter().map(f64::to_string).collect(),
            };
            add("value", Some(format!("{name}={}", numbers.join(","))));
        }
        add("config", base.config.as_ref().map(|path| path.display().to_string()));
        add("allow-opaque", base.base.allow_opaque.then(String::new));
        add("strict", base.base.strict.then(String::new));
        add("profile", base.profile.clone());
        add("planner", base.planner.map(|planner| planner.name().to_owned()));
        let cells = self.context_follows.then(|| self.cells().to_string());
        for name in base.options.names() {
            let value = base.options.word(name).unwrap_or_default();
            add(name, Some(if value == "true" { String::new() } else { value.to_owned() }));
        }
        add(CONTEXT, cells);
    }
}

/// The option for the cells of a cache, where a runtime reserves them.
pub(super) const CONTEXT: &str = "ctx-size";
/// The option for sequences side by side.
pub(super) const SLOTS: &str = "parallel";
/// The option for layers on a device.
pub(super) const LAYERS: &str = "gpu-layers";
/// The option for sequences that share cells.
const UNIFIED: &str = "kv-unified";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_repeats_what_was_asked_for() {
        let mut base = Request::new(Task::Graph);
        base.profile = Some("some".to_owned());
        base.options = base.options.with("logits", "last").with("flag", "true");
        let mut run = Run::new(Kind::Language, base.clone());
        (run.seq, run.new_tokens, run.batch) = (Some(77), Some(5), Some(1));
        let expected =
            "memgraph llm m 77 --phase generate --new-tokens 5 --profile some --flag --logits last";
        assert_eq!(run.command("m"), expected);
        let mut run = Run::new(Kind::Graph, Request::new(Task::Graph));
        (run.batch, run.image) = (Some(2), Some((4, 3)));
        run.base.base.binds.push(("n".to_owned(), 7));
        let expected = "memgraph graph 'a b' --bind width=4 --bind height=3 --bind batch=2 --bind n=7";
        assert_eq!(run.command("a b"), expected);
        assert_eq!(run.request().base.binds.len(), 4);
    }

    #[test]
    fn cells_follow_the_whole_run() {
        let mut base = Request::new(Task::Graph);
        base.options = base.options.with(SLOTS, "2");
        let mut run = Run::new(Kind::Language, base);
        (run.seq, run.new_tokens, run.context_follows) = (Some(100), Some(20), true);
        assert_eq!(run.request().options.word(CONTEXT), Some("240"));
    }
}
