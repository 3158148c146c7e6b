//! The values of an axis: from, to, and what is between them.

use crate::error::{Error, ErrorKind, Result};

/// Points that a sweep may have.
const MOST: usize = 100_000;
/// Ranges whose end is at least so many times their start are doubled, unless a step is given.
const DOUBLES_FROM: u64 = 8;
/// Steps of a shorter range, unless a step is given.
const STEPS: u64 = 16;

/// What is between two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Each value is so much more than the one before.
    Add(u64),
    /// Each value is so many times the one before.
    Times(u64),
}

/// Values from one number to another, both included.
///
/// # Example
///
/// ```
/// use memgraph::fit::Range;
///
/// let of = |text: &str| text.parse::<Range>().and_then(|range| range.values());
/// assert_eq!(of("128..1024:x2")?, [128, 256, 512, 1024]);
/// assert_eq!(of("1..10:4")?, [1, 5, 9, 10]);
/// assert_eq!(of("1k..8k")?, [1024, 2048, 4096, 8192]);
/// # Ok::<(), memgraph::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Range {
    /// The first value.
    pub from: u64,
    /// The last value.
    pub to: u64,
    /// What is between them; `None`: doublings of a wide range, sixteen steps of another.
    pub step: Option<Step>,
}

impl Range {
    /// The values, rising; the last one is always among them.
    ///
    /// # Errors
    ///
    /// If there are more than 100,000.
    pub fn values(&self) -> Result<Vec<u64>> {
        let step = self.step.unwrap_or_else(|| self.usual_step());
        let mut values = vec![self.from];
        let mut last = self.from;
        while last < self.to {
            let next = match step {
                Step::Add(step) => last.saturating_add(step),
                Step::Times(factor) => last.saturating_mul(factor),
            };
            last = next.min(self.to);
            values.push(last);
            if values.len() > MOST {
                let message = format!("the range has more than {MOST} values");
                return Err(Error::new(ErrorKind::Limit, message).help("give a larger step"));
            }
        }
        Ok(values)
    }

    fn usual_step(&self) -> Step {
        if self.from > 0 && self.to / self.from >= DOUBLES_FROM {
            return Step::Times(2);
        }
        Step::Add((self.to - self.from).div_ceil(STEPS).max(1))
    }
}

impl std::str::FromStr for Range {
    type Err = Error;

    /// Reads `128..32768`, with `:STEP` or `:xN` behind it.
    fn from_str(text: &str) -> Result<Range> {
        let fault = |what: &str| {
            let message = format!("\"{text}\" is not a range: {what}");
            Error::new(ErrorKind::Usage, message)
                .help("write it as 128..32768, 128..32768:x2 or 128..4096:128")
        };
        let (from, rest) = text.split_once("..").ok_or_else(|| fault("it has no `..`"))?;
        let (to, step) = rest.split_once(':').map_or((rest, None), |(to, step)| (to, Some(step)));
        let number = |word: &str| number(word).ok_or_else(|| fault(&format!("\"{word}\" is not a number")));
        let (from, to) = (number(from)?, number(to)?);
        let step = match step.map(|step| (step, step.strip_prefix('x'))) {
            None => None,
            Some((_, Some(factor))) => Some(Step::Times(number(factor)?)),
            Some((step, None)) => Some(Step::Add(number(step)?)),
        };
        if from > to {
            return Err(fault("its end is before its start"));
        }
        match step {
            Some(Step::Add(0)) => Err(fault("its step is 0")),
            Some(Step::Times(0 | 1)) => Err(fault("its factor is less than 2")),
            Some(Step::Times(_)) if from == 0 => Err(fault("a multiple of 0 is 0")),
            _ => Ok(Range { from, to, step }),
        }
    }
}

/// A number with `_` between digits, or with `k` of 1024 behind it.
fn number(word: &str) -> Option<u64> {
    let (digits, scale) = word.strip_suffix(['k', 'K']).map_or((word, 1), |digits| (digits, 1024));
    let starts = digits.starts_with(|c: char| c.is_ascii_digit());
    let number: u64 = digits.replace('_', "").parse().ok().filter(|_| starts)?;
    number.checked_mul(scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_they_are_written() {
        let of = |text: &str| text.parse::<Range>();
        assert_eq!(of("128..32k:x4").unwrap().values().unwrap(), [128, 512, 2048, 8192, 32768]);
        assert_eq!(of("5..5").unwrap().values().unwrap(), [5]);
        assert_eq!(of("100..200").unwrap().values().unwrap().len(), 16);
        assert_eq!(of("0..3:1").unwrap().values().unwrap(), [0, 1, 2, 3]);
        for bad in ["128", "a..b", "9..1", "1..9:0", "1..9:x1", "0..9:x2", "..", "1..", "-1..3"] {
            assert!(of(bad).is_err(), "{bad}");
        }
        assert!(of("1..1000000:1").unwrap().values().unwrap_err().is_limit());
    }
}
