//! A command line of llama-server, llama-cli or another program of llama.cpp, as a user pastes it.
//!
//! Source: llama.cpp 0.5.0, common/arg.cpp.

use super::options::{ALL, LlamaCpp};
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::options::{OptionSpec, Pasted, Registration, Values};

/// The runtime for the registry.
pub const REGISTRATION: Registration = Registration {
    name: "llama-cpp",
    help: "llama.cpp, on the CPU and on devices",
    options: ALL,
    default_for: &[crate::graph::Format::Gguf],
    make: |options| Ok(Box::new(LlamaCpp::of(options)?)),
    short: SHORT,
    read_command: read,
};

/// Short spellings of options, and those that llama.cpp has besides its long ones.
const SHORT: &[(&str, &str)] = &[
    ("-c", "ctx-size"),
    ("-b", "batch-size"),
    ("-ub", "ubatch-size"),
    ("-np", "parallel"),
    ("-kvu", "kv-unified"),
    ("-fa", "flash-attn"),
    ("-ctk", "cache-type-k"),
    ("-ctv", "cache-type-v"),
    ("-t", "threads"),
    ("-nr", "no-repack"),
    ("-dev", "device"),
    ("-ngl", "gpu-layers"),
    ("-ts", "tensor-split"),
    ("-ot", "override-tensor"),
    ("-sm", "split-mode"),
    ("-mg", "main-gpu"),
    ("-ncmoe", "n-cpu-moe"),
    ("-cmoe", "cpu-moe"),
    ("-nkvo", "no-kv-offload"),
    ("-mm", "mmproj"),
    ("-cram", "cache-ram"),
    ("-ctxcp", "ctx-checkpoints"),
];

/// Other spellings of the same in pasted commands.
const SAME: &[(&str, &str)] =
    &[("--embeddings", "embedding"), ("--no-repack", "no-repack"), ("--n-gpu-layers", "gpu-layers")];

/// Tokens of a prompt where the command has no context.
const PROMPT: u64 = 512;

/// Reads a command; `None` if its program is not one of llama.cpp's.
///
/// # Errors
///
/// If it names no model.
fn read(words: &[String]) -> Result<Option<Pasted>> {
    let Some((program, rest)) = words.split_first() else { return Ok(None) };
    let program = program.rsplit(['/', '\\']).next().unwrap_or(program).trim_end_matches(".exe");
    let front_end = match program {
        "llama-server" => "server",
        "llama-cli" | "llama-completion" | "llama-run" | "llama-mtmd-cli" | "main" => "cli",
        "llama-embedding" | "llama-bench" | "llama-perplexity" => "library",
        _ => return Ok(None),
    };
    let mut pasted =
        Pasted { options: vec![("front-end".to_owned(), front_end.to_owned())], ..Pasted::default() };
    let mut rest = rest.iter().peekable();
    while let Some(word) = rest.next() {
        let (name, own) = match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
            _ => (word.as_str(), None),
        };
        let mut value = |own: Option<String>| own.or_else(|| rest.next_if(|next| !is_option(next)).cloned());
        if matches!(name, "-m" | "--model") {
            pasted.model = value(own).unwrap_or_default();
            continue;
        }
        let Some(spec) = known(name) else {
            let value = value(own);
            if let Some(meant) = meant(name, value.as_deref()) {
                pasted
                    .options
                    .extend(meant.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
                continue;
            }
            pasted.unknown.push(value.map_or_else(|| name.to_owned(), |value| format!("{name} {value}")));
            continue;
        };
        let given = match spec.values {
            Values::Flag => "true".to_owned(),
            // A flag in older versions: without a value it is on.
            _ => value(own).unwrap_or_else(|| "on".to_owned()),
        };
        pasted.options.push((spec.name.to_owned(), given));
    }
    if pasted.model.is_empty() {
        return Err(Error::new(ErrorKind::Usage, "the command names no model file")
            .help("add `-m FILE`; a model that is downloaded has to be on disk"));
    }
    let context = pasted.options.iter().find(|(name, _)| name == "ctx-size");
    let context = context.and_then(|(_, value)| value.parse().ok()).filter(|&context| context > 0);
    pasted.tokens = context.unwrap_or(PROMPT);
    Ok(Some(pasted))
}

/// Whether a word is an option, and no negative number.
fn is_option(word: &str) -> bool {
    word.starts_with('-') && word.parse::<f64>().is_err()
}

/// The options that one of a pasted command stands for.
///
/// Source: llama.cpp 0.5.0, common/arg.cpp (`--rerank`, `--load-mode`, `--mmproj-device`).
fn meant(name: &str, value: Option<&str>) -> Option<&'static [(&'static str, &'static str)]> {
    match (name, value) {
        ("--rerank" | "--reranking", None) => Some(&[("embedding", "true"), ("pooling", "rank")]),
        ("--mmproj-offload", None) => Some(&[]),
        ("-mmdev" | "--mmproj-device", Some("none")) => Some(&[("no-mmproj-offload", "true")]),
        ("--load-mode" | "-lm", Some("none" | "dio")) => Some(&[("no-mmap", "true")]),
        ("--load-mode" | "-lm", Some("mlock")) => Some(&[("no-mmap", "true"), ("mlock", "true")]),
        ("--load-mode" | "-lm", Some("mmap+mlock")) => Some(&[("mlock", "true")]),
        ("--load-mode" | "-lm", Some("mmap" | "auto")) => Some(&[]),
        _ => None,
    }
}

fn known(name: &str) -> Option<&'static OptionSpec> {
    let short = SHORT.iter().chain(SAME).find(|(short, _)| *short == name).map(|(_, long)| *long);
    let long = short.or_else(|| name.strip_prefix("--"))?;
    ALL.iter().find(|spec| spec.name == long)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(command: &str) -> Result<Option<Pasted>> {
        read(&command.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn a_pasted_command_is_read_and_what_is_not_known_is_named() {
        let found = of("./llama-server -m x.gguf -c 8192 -ngl -1 --no-mmap -ctk=q8_0 --temp 0.7 -fa on")
            .unwrap()
            .unwrap();
        assert_eq!((found.model.as_str(), found.tokens), ("x.gguf", 8192));
        let has = |name: &str, value: &str| found.options.contains(&(name.to_owned(), value.to_owned()));
        assert!(has("front-end", "server") && has("ctx-size", "8192") && has("no-mmap", "true"));
        assert!(has("flash-attn", "on"));
        assert!(has("gpu-layers", "-1"));
        assert_eq!(found.unknown, ["-ctk=q8_0", "--temp 0.7"]);
    }

    #[test]
    fn options_that_stand_for_others_are_replaced() {
        let found = of("llama-server -m x.gguf --rerank --load-mode none").unwrap().unwrap();
        let has = |name: &str, value: &str| found.options.contains(&(name.to_owned(), value.to_owned()));
        assert!(has("embedding", "true") && has("pooling", "rank") && has("no-mmap", "true"));
        assert!(found.unknown.is_empty());
    }

    #[test]
    fn other_programs_and_commands_without_a_model_are_told_apart() {
        assert!(of("python -m vllm").unwrap().is_none());
        assert!(of("llama-cli -hf some/model").unwrap_err().message().contains("names no model file"));
    }
}
