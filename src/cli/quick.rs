//! `memgraph quick`: rules of thumb, without a graph.

use super::{Outcome, help, output};
use clap::ArgGroup;
use memgraph::closed_form::quick::{self, Context, Inference};
use memgraph::error::{Error, ErrorKind, Result};
use memgraph::formats;
use memgraph::formats::architecture::{self, Architecture, Text};
use memgraph::formats::identify::{self, Kind};
use memgraph::report::json;
use memgraph::report::model::QuickEstimate;
use memgraph::scenario::parse::{parse_count, parse_number};
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
    #[arg(long, value_name = "N", value_parser = parse_parameters)]
    params: Option<u64>,
    /// Length of a weights file: 2GB, 440MB, or bytes
    #[arg(long, value_name = "BYTES", value_parser = parse_parameters)]
    file_size: Option<u64>,
    /// Bits per parameter [default: those of the folder's weights, else 16]
    #[arg(long, value_name = "N", value_parser = parse_bits)]
    bits: Option<u64>,
    /// Tokens in the KV cache
    #[arg(long, value_name = "N", value_parser = parse_count)]
    seq: Option<u64>,
    /// Sequences side by side [default: 1]
    #[arg(long, value_name = "N", value_parser = parse_count, requires = "seq")]
    batch: Option<u64>,
    /// Layers, for the KV cache of `--params`
    #[arg(long, value_name = "N", requires = "hidden", requires = "seq", value_parser = parse_count)]
    layers: Option<u64>,
    /// Width of the hidden state, for the KV cache of `--params`
    #[arg(long, value_name = "N", requires = "layers", value_parser = parse_count)]
    hidden: Option<u64>,
    /// Write the estimate as JSON; `-` is standard output, without the text
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// An estimate, and how the text explains its keys and values.
struct Found {
    estimate: QuickEstimate,
    kv_rule: String,
    folk_rule: String,
}

pub(super) fn run(args: &Args) -> Result<Outcome> {
    let found = match (&args.model, args.params, args.file_size) {
        (Some(path), ..) if is_config(path) => from_config(args, path)?,
        (Some(path), ..) if is_gguf(path) => from_gguf(args, path)?,
        (Some(path), ..) => from_file(args, Some(path), length(path)?)?,
        (None, Some(params), _) => from_params(args, params)?,
        (None, None, size) => from_file(args, None, Bytes(size.unwrap_or_default()))?,
    };
    if let Some(target) = &args.json {
        output::write(target, &json::quick(&found.estimate))?;
    }
    if !args.json.as_deref().is_some_and(output::is_stdout) {
        output::print(&text(&found))?;
    }
    Ok(Outcome::Fine)
}

fn is_config(path: &Path) -> bool {
    path.is_dir() || path.extension().is_some_and(|extension| extension == "json")
}

/// Whether a file is a GGUF, whose header says what its weights are.
fn is_gguf(path: &Path) -> bool {
    path.is_file() && identify::identify(path).is_ok_and(|kind| kind == Kind::Gguf)
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
        None => Err(refused("the file does not exist")),
    }
}

/// The error for an option that the rule of a source does not have.
#[cold]
fn unused(option: &str, why: &str, help: &str) -> Error {
    Error::new(ErrorKind::Usage, format!("`--{option}` has no effect here: {why}")).help(help)
}

fn from_config(args: &Args, path: &Path) -> Result<Found> {
    let file = if path.is_dir() { pipeline::folder(path).join("config.json") } else { path.to_owned() };
    let Architecture { text, vision, .. } = architecture::read(&file)?;
    let text = text.ok_or_else(|| {
        let message = "the config describes no language model: a size of it is missing";
        Error::new(ErrorKind::Unsupported, message).in_file(&file).help("give `--params N`")
    })?;
    if args.layers.is_some() {
        let why = "the config gives the layers and the hidden size";
        return Err(unused("layers", why, "remove `--layers` and `--hidden`, or give `--params N`"));
    }
    let params = quick::params(&text)?;
    let stored = match args.bits {
        Some(_) => None,
        None => architecture::folder_weights(pipeline::folder(path))?,
    };
    let context = args.seq.map(|tokens| Context {
        layers: text.layers,
        width: text.kv_heads.saturating_mul(text.head_size),
        tokens,
        batch: args.batch.unwrap_or(1),
    });
    let mut found = match &stored {
        Some(stored) => {
            let rule = match &stored.files[..] {
                [only] => format!("length of {only}"),
                files => format!("lengths of {} files", files.len()),
            };
            estimate(params, quick::of_weights(stored.total, context)?, rule)
        }
        None => {
            let bits = args.bits.unwrap_or(16);
            estimate(
                params,
                quick::inference(params, bits, context)?,
                format!("parameters x {bits} bits / 8"),
            )
        }
    };
    found.estimate.source = Some(path.display().to_string());
    if let Some(context) = context {
        explain_cache(&mut found, &text, context)?;
    }
    let language = stored.as_ref().map(|stored| stored.language.unwrap_or(stored.total));
    let bits = language.map(|language| 8.0 * language.0 as f64 / params.max(1) as f64);
    let notes = &mut found.estimate.notes;
    if let Some(bits) = bits.filter(|bits| *bits < 12.0) {
        notes.push(format!("the export is quantized: about {bits:.1} bits per parameter"));
    }
    if vision.is_some() {
        notes.push(match &stored {
            Some(stored) if stored.files.len() > 1 => {
                "parameters are those of the language model; the weights are those of all parts".to_owned()
            }
            _ => "the vision part is not counted: the rule is of language models".to_owned(),
        });
    }
    Ok(found)
}

/// Says how the cache was counted, and what the folk rule gives.
fn explain_cache(found: &mut Found, text: &Text, context: Context) -> Result<()> {
    let Context { layers, tokens, batch, .. } = context;
    let (heads, size) = (text.kv_heads, text.head_size);
    found.kv_rule =
        format!("2 x 2 bytes x {layers} layers x {heads} heads x {size} x {tokens} tokens x batch {batch}");
    let folk = quick::of_weights(Bytes::ZERO, Some(Context { width: text.hidden_size, ..context }))?.kv_cache;
    if folk != Bytes(found.estimate.kv_cache_bytes.unwrap_or_default()) {
        found.estimate.kv_cache_folk_bytes = Some(folk.0);
        found.folk_rule = format!(
            "the folk rule: hidden size {} in place of the heads; not in the total",
            text.hidden_size
        );
    }
    Ok(())
}

fn from_params(args: &Args, params: u64) -> Result<Found> {
    let context = match (args.layers, args.hidden, args.seq) {
        (Some(layers), Some(width), Some(tokens)) => {
            Some(Context { layers, width, tokens, batch: args.batch.unwrap_or(1) })
        }
        (_, _, Some(_)) => {
            let why = "a KV cache needs the number of layers and the hidden size";
            return Err(unused("seq", why, "add `--layers N --hidden N`, or give a config.json"));
        }
        _ => None,
    };
    let bits = args.bits.unwrap_or(16);
    let rule = format!("parameters x {bits} bits / 8");
    let mut found = estimate(params, quick::inference(params, bits, context)?, rule);
    if let Some(Context { layers, width, tokens, batch }) = context {
        found.kv_rule = format!(
            "2 x 2 bytes x {layers} layers x {width} x {tokens} tokens x batch {batch}; no grouped heads"
        );
    }
    Ok(found)
}

/// The rules on what a GGUF's header says; its data may be absent.
fn from_gguf(args: &Args, path: &Path) -> Result<Found> {
    let graph = formats::open(path)?;
    let unknown = || Error::new(ErrorKind::Malformed, "the file has no settings").in_file(path);
    let stored = graph.stored().ok_or_else(unknown)?;
    let weights: Bytes = stored.tensors.iter().map(|tensor| Bytes(tensor.range.size)).sum();
    let given = [("bits", args.bits), ("layers", args.layers), ("hidden", args.hidden)];
    if let Some((option, _)) = given.into_iter().find(|(_, value)| value.is_some()) {
        return Err(unused(option, "the file says it", "remove it, or give `--params N`"));
    }
    let Some(tokens) = args.seq else { return from_file(args, Some(path), weights) };
    let architecture = stored.text("general.architecture").unwrap_or_default();
    let size = |name: &str| {
        let value = stored.integer(&format!("{architecture}.{name}"));
        value.ok_or_else(|| {
            let message = format!("the file lacks {architecture}.{name}, or it has one for each layer");
            Error::new(ErrorKind::Unsupported, message).in_file(path).help("use `memgraph llm FILE SEQ`")
        })
    };
    let (layers, heads) = (size("block_count")?, size("attention.head_count")?);
    let kv_heads = size("attention.head_count_kv").unwrap_or(heads);
    let head = size("attention.key_length");
    let head =
        head.or_else(|_| Ok::<u64, Error>(size("embedding_length")?.checked_div(heads).unwrap_or(0)))?;
    let batch = args.batch.unwrap_or(1);
    let context = Context { layers, width: kv_heads.saturating_mul(head), tokens, batch };
    let params = quick::stored_params(stored.tensors.iter().map(|tensor| &tensor.dims))?;
    let mut found =
        estimate(params, quick::of_weights(weights, Some(context))?, "tensors of the file".to_owned());
    found.estimate.source = Some(path.display().to_string());
    found.kv_rule = format!(
        "2 x 2 bytes x {layers} layers x {kv_heads} heads x {head} x {tokens} tokens x batch {batch}"
    );
    Ok(found)
}

fn from_file(args: &Args, path: Option<&Path>, file: Bytes) -> Result<Found> {
    let given = [("bits", args.bits), ("seq", args.seq), ("layers", args.layers), ("hidden", args.hidden)];
    if let Some((option, _)) = given.into_iter().find(|(_, value)| value.is_some()) {
        let why = "the estimate is made of the file's length alone";
        return Err(unused(option, why, "remove it, or give a config.json or `--params N`"));
    }
    let is_gguf = path.and_then(Path::extension).is_some_and(|extension| extension == "gguf");
    let (total, rule) = if is_gguf {
        (quick::gguf_file(file), "1.1 x file + 0.5 GB: llama.cpp on a GPU, all layers there")
    } else {
        (quick::onnx_file(file), "2 x file: ONNX Runtime")
    };
    let mut estimate = QuickEstimate::default();
    estimate.source = path.map(|path| path.display().to_string());
    estimate.weights_bytes = file.0;
    estimate.weights_rule = rule.to_owned();
    estimate.total_bytes = total.0;
    estimate.tier = quick::tier(total).to_owned();
    Ok(Found { estimate, kv_rule: String::new(), folk_rule: String::new() })
}

fn estimate(params: u64, found: Inference, weights_rule: String) -> Found {
    let mut estimate = QuickEstimate::default();
    estimate.parameters = Some(params);
    estimate.weights_bytes = found.weights.0;
    estimate.weights_rule = weights_rule;
    estimate.kv_cache_bytes = Some(found.kv_cache.0);
    estimate.activations_bytes = Some(found.activations.0);
    estimate.total_bytes = found.total().0;
    estimate.short_form_bytes = Some(found.short.0);
    estimate.tier = quick::tier(found.total()).to_owned();
    let kv_rule = "15 % of the weights; the rule says 15 to 20 %".to_owned();
    Found { estimate, kv_rule, folk_rule: String::new() }
}

fn text(found: &Found) -> String {
    let estimate = &found.estimate;
    let mut out = String::new();
    let Some(params) = estimate.parameters else {
        let name = estimate.source.as_deref().unwrap_or("file");
        return format!(
            "{name}: {} GB\n  {:<14} {:>10} GB  {}\n  {:<14} {:>10}\n",
            gigabytes(estimate.weights_bytes),
            "total",
            gigabytes(estimate.total_bytes),
            estimate.weights_rule,
            "tier",
            estimate.tier,
        );
    };
    writeln!(out, "{:.2} billion parameters", params as f64 / 1e9).unwrap_or_default();
    let mut row = |name: &str, bytes: Option<u64>, how: &str| {
        let Some(bytes) = bytes else { return };
        writeln!(out, "  {name:<14} {:>10} GB  {how}", gigabytes(bytes)).unwrap_or_default();
    };
    row("weights", Some(estimate.weights_bytes), &estimate.weights_rule);
    row("KV cache", estimate.kv_cache_bytes, &found.kv_rule);
    row("activations", estimate.activations_bytes, "5 % of the weights");
    row("total", Some(estimate.total_bytes), &estimate.tier);
    row("short form", estimate.short_form_bytes, "1.2 x weights");
    row("KV, folk rule", estimate.kv_cache_folk_bytes, &found.folk_rule);
    for note in &estimate.notes {
        writeln!(out, "  note: {note}").unwrap_or_default();
    }
    out.push_str("\nShort form by bits\n");
    for bits in [32, 16, 8, 4] {
        let Ok(found) = quick::inference(params, bits, None) else { continue };
        let total = gigabytes(found.short.0);
        writeln!(out, "  {:<14} {total:>10} GB", format!("{bits} bits")).unwrap_or_default();
    }
    out.push_str("\nGGUF files, by their ratio to f16\n");
    for (name, bytes) in quick::gguf(params) {
        writeln!(out, "  {name:<14} {:>10} GB", gigabytes(bytes.0)).unwrap_or_default();
    }
    out
}

/// GB of 10^9 bytes, as the rules count.
fn gigabytes(bytes: u64) -> String {
    format!("{:.2}", bytes as f64 / 1e9)
}

fn parse_bits(text: &str) -> Result<u64, String> {
    let bits = parse_number(text)?;
    if (1..=64).contains(&bits) { Ok(bits) } else { Err("give a number of 1 to 64".to_owned()) }
}

/// A count with a suffix of powers of 1000: K, M, G or B (billions), T, each with or without a further `B`.
fn parse_parameters(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: f64 =
        digits.parse().map_err(|_| format!("\"{text}\" is not a number; write it as 494M or 7B"))?;
    let suffix = text.get(digits.len()..).unwrap_or_default().to_ascii_uppercase();
    let scale = match suffix.as_str() {
        "" => 1.0,
        "K" | "KB" => 1e3,
        "M" | "MB" => 1e6,
        "B" | "G" | "GB" => 1e9,
        "T" | "TB" => 1e12,
        _ => return Err(format!("unknown suffix \"{suffix}\"; give a number such as 494M or 7B")),
    };
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
            assert_eq!(parse_parameters(text), Ok(count));
        }
        for bad in ["", "B", "7Q", "-1", "0", "nan", "1e30"] {
            assert!(parse_parameters(bad).is_err(), "{bad}");
        }
    }
}
