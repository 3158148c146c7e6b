//! `memgraph quick`: rules of thumb, without a graph.

use super::parse::parse_number;
use super::{Outcome, help, output};
use clap::ArgGroup;
use memgraph::closed_form::quick::{self, Context};
use memgraph::error::{Error, ErrorKind, Result};
use memgraph::formats::architecture;
use memgraph::formats::identify::{self, Kind};
use memgraph::{Bytes, pipeline};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Examples for help.
pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("From a config.json, with a KV cache of 32,768 tokens", "memgraph quick qwen2.5-0.5b-fp16 --seq 32k"),
    ("From a number of parameters", "memgraph quick --params 7B --bits 4"),
    ("From the length of a file", "memgraph quick model.gguf"),
];

/// Rules of thumb from a parameter count, a config.json, or the length of a weights file
#[derive(Debug, clap::Args)]
#[command(after_help = help(EXAMPLES), group = ArgGroup::new("source").required(true).args(["model", "params", "file_size"]))]
pub(super) struct Args {
    /// A config.json or a folder with one; or a weights file (.onnx, .gguf, .bin …), whose length counts
    model: Option<PathBuf>,
    /// Parameters: 494M, 7B, or a number
    #[arg(long, value_name = "N", value_parser = parse_count)]
    params: Option<u64>,
    /// Length of a weights file: 2GB, 440MB, or bytes
    #[arg(long, value_name = "BYTES", value_parser = parse_count)]
    file_size: Option<u64>,
    /// Bits per parameter
    #[arg(long, default_value_t = 16, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=64))]
    bits: u64,
    /// Tokens in the KV cache
    #[arg(long, value_name = "N", value_parser = parse_number)]
    seq: Option<u64>,
    /// Sequences side by side
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = parse_count)]
    batch: u64,
    /// Layers, for the KV cache [default: the config's]
    #[arg(long, value_name = "N", requires = "hidden", requires = "seq")]
    layers: Option<u64>,
    /// Width of the hidden state, for the KV cache [default: the config's]
    #[arg(long, value_name = "N", requires = "layers")]
    hidden: Option<u64>,
}

pub(super) fn run(args: &Args) -> Result<Outcome> {
    let text = match (&args.model, args.params, args.file_size) {
        (Some(path), ..) if is_config(path) => from_config(args, path)?,
        (Some(path), ..) => from_file(path, length(path)?),
        (None, Some(params), _) => from_params(args, params, None),
        (None, None, size) => from_file(Path::new("file"), Bytes(size.unwrap_or_default())),
    };
    output::print(&text)?;
    Ok(Outcome::Fine)
}

fn is_config(path: &Path) -> bool {
    path.is_dir() || path.extension().is_some_and(|extension| extension == "json")
}

fn length(path: &Path) -> Result<Bytes> {
    if path.is_file() {
        let kind = identify::identify(path)?;
        if !kind.is_model() && kind != Kind::Weights {
            return Err(identify::refusal(path, &kind));
        }
    }
    let refused = |message| {
        let help = "give a file of weights or a config.json; or `--params N`, `--file-size BYTES`";
        Error::new(ErrorKind::Usage, message).in_file(path).help(help)
    };
    match architecture::weights_bytes(path)? {
        Some(Bytes::ZERO) => Err(refused("the file is empty")),
        Some(bytes) => Ok(bytes),
        None => Err(refused("there is no such file")),
    }
}

fn from_config(args: &Args, path: &Path) -> Result<String> {
    let file = if path.is_dir() { pipeline::folder(path).join("config.json") } else { path.to_owned() };
    let found = architecture::read(&file)?;
    let text = found.text.ok_or_else(|| {
        let message = "the config describes no language model: a size of it is missing";
        Error::new(ErrorKind::Unsupported, message).in_file(&file).help("give `--params N`")
    })?;
    let context = args.seq.map(|tokens| Context {
        layers: args.layers.unwrap_or(text.layers),
        hidden_size: args.hidden.unwrap_or(text.hidden_size),
        tokens,
        batch: args.batch,
    });
    Ok(from_params(args, quick::params(&text), context))
}

fn from_params(args: &Args, params: u64, context: Option<Context>) -> String {
    let given = match (args.layers, args.hidden, args.seq) {
        (Some(layers), Some(hidden_size), Some(tokens)) => {
            Some(Context { layers, hidden_size, tokens, batch: args.batch })
        }
        _ => None,
    };
    let context = context.or(given);
    let found = quick::inference(params, args.bits, context);
    let kv = match context {
        Some(Context { layers, hidden_size, tokens, batch }) => {
            format!("2 x 2 bytes x {layers} layers x {hidden_size} x {tokens} tokens x batch {batch}")
        }
        None => "15 % of the weights; the rule says 15 to 20 %".to_owned(),
    };
    let mut out = format!("{:.2} billion parameters at {} bits\n", params as f64 / 1e9, args.bits);
    let mut row = |name: &str, bytes: Bytes, how: &str| {
        writeln!(out, "  {name:<14} {:>10} GB  {how}", gigabytes(bytes)).unwrap_or_default();
    };
    row("weights", found.weights, "parameters x bits / 8");
    row("KV cache", found.kv_cache, &kv);
    row("activations", found.activations, "5 % of the weights");
    row("total", found.total(), quick::tier(found.total()));
    row("short form", found.short, "1.2 x weights");
    out.push_str("\nShort form by bits\n");
    for bits in [32, 16, 8, 4] {
        let total = quick::inference(params, bits, None).short;
        writeln!(out, "  {:<14} {:>10} GB", format!("{bits} bits"), gigabytes(total)).unwrap_or_default();
    }
    out.push_str("\nGGUF files, by their ratio to f16\n");
    for (name, bytes) in quick::gguf(params) {
        writeln!(out, "  {name:<14} {:>10} GB", gigabytes(bytes)).unwrap_or_default();
    }
    out
}

fn from_file(path: &Path, file: Bytes) -> String {
    let is_gguf = path.extension().is_some_and(|extension| extension == "gguf");
    let (total, how) = if is_gguf {
        (quick::gguf_file(file), "1.1 x file + 0.5 GB: llama.cpp on a GPU, all layers there")
    } else {
        (quick::onnx_file(file), "2 x file: ONNX Runtime")
    };
    format!(
        "{}: {} GB\n  {:<14} {:>10} GB  {how}\n  {:<14} {:>10}\n",
        path.display(),
        gigabytes(file),
        "total",
        gigabytes(total),
        "tier",
        quick::tier(total),
    )
}

/// GB of 10^9 bytes, as the rules count.
fn gigabytes(bytes: Bytes) -> String {
    format!("{:.2}", bytes.0 as f64 / 1e9)
}

/// A count with a suffix of powers of 1000: K, M, G or B (billions), T, each with or without a further `B`.
fn parse_count(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let suffix = text.get(digits.len()..).unwrap_or_default().to_ascii_uppercase();
    let scale = match suffix.as_str() {
        "" => 1.0,
        "K" | "KB" => 1e3,
        "M" | "MB" => 1e6,
        "B" | "G" | "GB" => 1e9,
        "T" | "TB" => 1e12,
        _ => return Err(format!("unknown suffix \"{suffix}\"; give a number such as 494M or 7B")),
    };
    let number: f64 = digits.parse().map_err(|error| format!("{error}; give a number such as 494M or 7B"))?;
    let count = number * scale;
    if (1.0..1e18).contains(&count) {
        Ok(count as u64)
    } else {
        Err("give a count from 1 to 10^18".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_take_the_suffixes_of_model_names() {
        let cases =
            [("7B", 7_000_000_000), ("494M", 494_000_000), ("1.5b", 1_500_000_000), ("2GB", 2_000_000_000)];
        for (text, count) in cases.into_iter().chain([("12", 12)]) {
            assert_eq!(parse_count(text), Ok(count));
        }
        for bad in ["", "B", "7Q", "-1", "0", "nan", "1e30"] {
            assert!(parse_count(bad).is_err(), "{bad}");
        }
    }
}
