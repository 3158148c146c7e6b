//! Writes mutants of a file: `mutate FILE FOLDER FIRST COUNT` writes the mutants of the seeds FIRST, FIRST + 1 ….
//!
//! A mutant keeps the structure of its file (OpenVINO IR, ONNX, GGUF, JSON, CSV or TOML) and differs in a few dims, edges,
//! types, attributes or settings. `scripts/mutants` runs the commands on them.

use memgraph::fuzzing;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().unwrap_or("fixtures/problems/nine.csv".to_owned());
    let folder = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let first: u64 = arguments.next().map_or(Ok(0), |first| first.parse())?;
    let count: u64 = arguments.next().map_or(Ok(1), |count| count.parse())?;

    let seed_file = std::fs::read(&file)?;
    for seed in first..first + count {
        let mutant = fuzzing::mutant(&seed_file, seed);
        let mutant = mutant.ok_or_else(|| format!("{file} cannot be parsed"))?;
        let path = folder.join(format!("mutant-{seed}"));
        std::fs::write(&path, mutant)?;
        println!("{}", path.display());
    }
    Ok(())
}
