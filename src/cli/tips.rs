//! Tips on mistyped arguments, where clap has none.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, Error};

/// Adds what was probably meant to an error of the parser.
pub(super) fn with_tip(mut error: Error, command: &Command) -> Error {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    match error.kind() {
        ErrorKind::InvalidValue if error.get(ContextKind::SuggestedValue).is_none() || is_profile(&error) => {
            let Some(ContextValue::Strings(values)) = error.get(ContextKind::ValidValue) else {
                return error;
            };
            let typed = text(ContextKind::InvalidValue).unwrap_or_default();
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            if let Some(meant) = meant(&typed, &values) {
                let tip = ContextValue::String(meant.to_owned());
                error.insert(ContextKind::SuggestedValue, tip);
            }
        }
        ErrorKind::InvalidSubcommand if error.get(ContextKind::SuggestedSubcommand).is_none() => {
            let typed = text(ContextKind::InvalidSubcommand).unwrap_or_default();
            let names: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
            if let Some(meant) = meant(&typed, &names) {
                let tip = ContextValue::Strings(vec![meant.to_owned()]);
                error.insert(ContextKind::SuggestedSubcommand, tip);
            }
        }
        ErrorKind::UnknownArgument => {
            let typed = text(ContextKind::InvalidArg).unwrap_or_default();
            if !typed.starts_with('-') && typed.contains('=') {
                let tip = format!("each pair needs its own option, such as `--bind {typed}`");
                error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
            }
        }
        _ => {}
    }
    error
}

/// Whether the value is of `--profile`: what clap finds alike is often another device.
fn is_profile(error: &Error) -> bool {
    matches!(error.get(ContextKind::InvalidArg), Some(ContextValue::String(name)) if name.starts_with("--profile"))
}

/// The first word that contains what was typed, or else all of its letters in their order.
fn meant<'a>(typed: &str, words: &[&'a str]) -> Option<&'a str> {
    let typed = typed.to_ascii_lowercase();
    if typed.chars().count() < 2 {
        return None;
    }
    let has_letters = |word: &&str| {
        let mut letters = word.chars();
        typed.chars().all(|typed| letters.any(|letter| letter == typed))
    };
    let words = words.iter().copied();
    words.clone().find(|word| word.contains(&typed)).or_else(|| words.clone().find(has_letters))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_letters_of_a_name_mean_it() {
        let names = ["graph", "openvino-cpu", "openvino-gpu", "onnxruntime-cpu", "components"];
        let of = |typed| meant(typed, &names);
        assert_eq!(of("cpu"), Some("openvino-cpu"));
        assert_eq!(of("GPU"), Some("openvino-gpu"));
        assert_eq!(of("openvino"), Some("openvino-cpu"));
        assert_eq!(of("ort"), Some("onnxruntime-cpu"));
        assert_eq!(of("onnxruntime"), Some("onnxruntime-cpu"));
        assert_eq!((of("tensorrt"), of("x"), of("")), (None, None, None));
        assert_eq!(meant("lm", &["llm", "vlm"]), Some("llm"));
    }
}
