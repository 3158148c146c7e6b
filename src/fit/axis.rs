//! What of a run varies.

use super::run::{LAYERS, Run, SLOTS};
use crate::analysis::Kind;
use std::fmt;

/// One quantity of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Axis {
    /// Tokens of a prompt, or patches over all images.
    Seq,
    /// Tokens that are generated.
    NewTokens,
    /// Of a pipeline: tokens of the prompt in addition to the image's.
    TextTokens,
    /// Sequences or images side by side.
    Batch,
    /// The side of a square image.
    Image,
    /// Tokens cached already.
    Past,
    /// An option of the runtime that is a number, such as the layers on a device.
    Option(&'static str, &'static str),
    /// A free dim by its name.
    Dim(String),
}

/// Options that are axes: the word, the option, and what it is a number of.
const OPTIONS: [(&str, &str); 2] = [("gpu-layers", LAYERS), ("slots", SLOTS)];

impl Axis {
    /// The axis of this name: one of the words of the command line, or else a free dim.
    ///
    /// # Example
    ///
    /// ```
    /// use memgraph::fit::Axis;
    ///
    /// assert_eq!(Axis::by_name("seq"), Axis::Seq);
    /// assert_eq!(Axis::by_name("height"), Axis::Dim("height".to_owned()));
    /// ```
    #[must_use]
    pub fn by_name(name: &str) -> Axis {
        let option = OPTIONS.into_iter().find(|(word, _)| *word == name);
        match (name, option) {
            (_, Some((word, option))) => Axis::Option(word, option),
            ("seq", _) => Axis::Seq,
            ("new-tokens", _) => Axis::NewTokens,
            ("text-tokens", _) => Axis::TextTokens,
            ("batch", _) => Axis::Batch,
            ("image", _) => Axis::Image,
            ("past", _) => Axis::Past,
            (dim, _) => Axis::Dim(dim.to_owned()),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Axis::Seq => "seq",
            Axis::NewTokens => "new-tokens",
            Axis::TextTokens => "text-tokens",
            Axis::Batch => "batch",
            Axis::Image => "image",
            Axis::Past => "past",
            Axis::Option(word, _) => word,
            Axis::Dim(name) => name,
        }
    }

    /// The common axes of a kind of run.
    pub(super) fn common(kind: Kind) -> &'static [Axis] {
        match kind {
            Kind::Language => {
                &[Axis::Seq, Axis::NewTokens, Axis::Batch, Axis::Past, Axis::Option(OPTIONS[1].0, SLOTS)]
            }
            Kind::Vision => &[Axis::Image, Axis::Seq, Axis::Batch],
            Kind::Pipeline => &[Axis::Image, Axis::Seq, Axis::TextTokens, Axis::NewTokens],
            Kind::Graph => &[Axis::Batch, Axis::Image, Axis::Seq],
        }
    }

    /// The run with another value of the axis.
    #[must_use]
    pub fn set(&self, run: &Run, value: u64) -> Run {
        let mut run = run.clone();
        match self {
            Axis::Seq => {
                run.seq = Some(value);
                if matches!(run.kind, Kind::Vision | Kind::Pipeline) {
                    run.image = None;
                }
            }
            Axis::NewTokens => run.new_tokens = Some(value),
            Axis::TextTokens => run.text_tokens = Some(value),
            Axis::Batch => run.batch = Some(value),
            Axis::Image => {
                run.image = Some((value, value));
                if matches!(run.kind, Kind::Vision | Kind::Pipeline) {
                    run.seq = None;
                }
            }
            Axis::Past => run.past = Some(value),
            Axis::Option(_, option) => {
                run.base.options = std::mem::take(&mut run.base.options).with(*option, value.to_string());
            }
            Axis::Dim(name) => {
                run.base.base.binds.retain(|(bound, _)| bound != name);
                run.base.base.binds.push((name.clone(), value));
            }
        }
        run
    }

    /// The smallest value.
    pub(super) fn least(&self) -> u64 {
        match self {
            Axis::Past | Axis::TextTokens | Axis::Option("gpu-layers", _) => 0,
            _ => 1,
        }
    }

    /// The largest value that is tried where the model has no limit of its own.
    pub(super) fn most(&self) -> u64 {
        match self {
            Axis::Image => 1 << 14,
            Axis::Batch => 1 << 16,
            Axis::Option(..) => 256,
            _ => 1 << 22,
        }
    }

    /// Whether a run's cells follow the axis.
    pub(super) fn is_text(&self) -> bool {
        matches!(self, Axis::Seq | Axis::NewTokens | Axis::Past)
    }
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
