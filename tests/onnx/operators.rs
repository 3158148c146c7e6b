//! Every operator of the standard is known, in every version: `operators.txt` lists those of the `onnx` wheel, and
//! `scripts/onnx_operators.py` writes it.

use memgraph::formats::onnx::supported_operators;
use std::collections::BTreeMap;

const LISTED: &str = include_str!("operators.txt");

#[test]
fn every_standard_operator_is_known_in_every_version() {
    let known: BTreeMap<_, _> =
        supported_operators().map(|operator| ((operator.domain, operator.name), operator.versions)).collect();
    let mut missing = Vec::new();
    let mut count = 0;
    for line in LISTED.lines().filter(|line| !line.starts_with('#')) {
        let [domain, name, versions] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let domain = if domain == "ai.onnx" { "" } else { domain };
        let first: i64 = versions.split(',').next().unwrap().parse().unwrap();
        count += 1;
        if known.get(&(domain, name)).is_none_or(|known| known[0] > first) {
            missing.push(line);
        }
    }
    assert!(count > 200, "{count} operators are listed");
    assert!(missing.is_empty(), "{missing:?}");
}
