//! What several targets use: a folder for files that are analysed by their path, and the mutator that keeps a file's
//! structure.

use libfuzzer_sys::fuzzer_mutate;
use memgraph::fuzzing;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The small constants of all seeds, one after the other: scripts/fuzz makes it together with the seeds.
const WEIGHTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/fuzz/weights.bin");

/// A folder of this process, with the `model.bin` that every seed's constants are in.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("memgraph-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("the folder for temporary files is writable");
        if Path::new(WEIGHTS).exists() {
            std::fs::copy(WEIGHTS, folder.join("model.bin")).expect("the weights can be copied");
        }
        folder
    })
}

/// Writes `data` as a file of the folder.
pub fn file(name: &str, data: &[u8]) -> PathBuf {
    let path = folder().join(name);
    std::fs::write(&path, data).expect("the folder for temporary files is writable");
    path
}

/// A number that belongs to `data` (FNV-1a): what is chosen by it is the same in every run.
pub fn seed_of(data: &[u8]) -> u64 {
    data.iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Analyses a model under every profile.
pub fn analyse(name: &str, data: &[u8]) {
    let model = file(name, data);
    if let Err(error) = fuzzing::exercise(&model, seed_of(data)) {
        panic!("{error}");
    }
}

/// A mutator for `fuzz_mutator!`: seven times of eight a mutant with the structure of its file, else one of libFuzzer's.
pub fn structured(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mutant = if seed % 8 == 0 { None } else { fuzzing::mutant(&data[..size], u64::from(seed)) };
    match mutant.filter(|mutant| mutant.len() <= max_size.min(data.len())) {
        Some(mutant) => {
            data[..mutant.len()].copy_from_slice(&mutant);
            mutant.len()
        }
        None => fuzzer_mutate(data, size, max_size),
    }
}
