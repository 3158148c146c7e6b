//! Mutations of text in lines, such as CSV and TOML: lines, and words within a line.

use super::choice::{vary, word};
use arbitrary::{Result, Unstructured};

/// A mutant of a text.
pub(super) fn mutant(file: &[u8], changes: u8, u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let text = String::from_utf8_lossy(file);
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for _ in 0..changes {
        vary(u, &mut lines, |line, u| {
            *line = changed(line, u)?;
            Ok(())
        })?;
    }
    let mut text = lines.join("\n");
    text.push('\n');
    Ok(text.into_bytes())
}

/// The line with one word changed; words end at commas, at white space and at signs of TOML.
fn changed(line: &str, u: &mut Unstructured<'_>) -> Result<String> {
    let ends = |c: char| c.is_whitespace() || ",=[]{}\"'".contains(c);
    let starts: Vec<usize> =
        std::iter::once(0).chain(line.match_indices(ends).map(|(at, sign)| at + sign.len())).collect();
    let start = *u.choose(&starts)?;
    let rest = line.get(start..).unwrap_or_default();
    let old = rest.split(ends).next().unwrap_or_default();
    let after = rest.get(old.len()..).unwrap_or_default();
    Ok(format!("{}{}{after}", line.get(..start).unwrap_or_default(), word(u, old)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_changed_in_its_place() {
        let mut u = Unstructured::new(&[]);
        assert_eq!(changed("budget = \"4 GB\"", &mut u).unwrap(), " = \"4 GB\"");
    }
}
