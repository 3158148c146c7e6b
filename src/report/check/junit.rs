//! Checks as a JUnit report: a suite per memgraph.toml, a test case per figure.
//!
//! A failed analysis is an `error`, as JUnit has it for a test that could not run; a figure over its limit is a `failure`, and
//! one that is not judged is `skipped`. Elements and attributes are those of junit-10.xsd of Jenkins' xUnit plugin, which other
//! readers take as well. Times are omitted, so that equal checks give equal files.

use super::super::model::{Check, CheckKind, Checks};
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};
use std::io;

/// The checks as XML.
#[must_use]
pub fn render(checks: &Checks) -> String {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    write(&mut writer, checks).unwrap_or_default(); // Writing to memory cannot fail.
    let mut text = String::from_utf8(writer.into_inner()).unwrap_or_default(); // Made of strings.
    text.push('\n');
    text
}

fn write(writer: &mut Writer<Vec<u8>>, checks: &Checks) -> io::Result<()> {
    let is_error = |check: &&Check| !check.ok && check.kind == CheckKind::Analysis;
    let errors = checks.checks.iter().filter(is_error).count();
    let failures = checks.failures().count() - errors;
    let skipped = checks.checks.iter().filter(|check| check.ok && !check.judged).count();
    let counts = [("tests", checks.checks.len()), ("failures", failures), ("errors", errors)];
    let counts: Vec<(&str, String)> = counts.map(|(name, count)| (name, count.to_string())).into();
    let counts = || counts.iter().map(|(name, count)| (*name, count.as_str()));
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let suites = writer
        .create_element("testsuites")
        .with_attribute(("name", "memgraph check"))
        .with_attributes(counts());
    suites.write_inner_content(|writer| {
        let suite = writer.create_element("testsuite").with_attribute(("name", &*plain(&checks.config)));
        let suite = suite.with_attributes(counts()).with_attribute(("skipped", &*skipped.to_string()));
        suite.write_inner_content(|writer| checks.checks.iter().try_for_each(|check| case(writer, check)))?;
        Ok(())
    })?;
    Ok(())
}

fn case(writer: &mut Writer<Vec<u8>>, check: &Check) -> io::Result<()> {
    let name = match &check.figure {
        Some(figure) => format!("{}: {}", check.kind, figure),
        None => check.kind.to_string(),
    };
    let (name, class) = (plain(&name), plain(&check.name));
    let element = writer.create_element("testcase");
    let element = element.with_attribute(("name", &*name)).with_attribute(("classname", &*class));
    let message = plain(&check.message);
    let first = message.lines().next().unwrap_or_default();
    let kind = check.kind.name();
    let problem = match (check.ok, check.judged, check.kind) {
        (false, _, CheckKind::Analysis) => "error",
        (false, ..) => "failure",
        (true, false, _) => "skipped",
        (true, true, _) => {
            element.write_inner_content(|writer| {
                writer.create_element("system-out").write_text_content(BytesText::new(&message)).map(|_| ())
            })?;
            return Ok(());
        }
    };
    element.write_inner_content(|writer| {
        let problem = writer.create_element(problem).with_attribute(("message", first));
        let problem = if check.ok { problem } else { problem.with_attribute(("type", kind)) };
        problem.write_text_content(BytesText::new(&message)).map(|_| ())
    })?;
    Ok(())
}

/// A text without the characters that XML does not have.
fn plain(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control() || matches!(letter, '\n' | '\t')).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::checks;
    use super::*;

    #[test]
    fn each_kind_of_outcome_has_its_element() {
        let text = render(&checks());
        assert!(
            text.contains(
                "<testsuite name=\"ci/memgraph.toml\" tests=\"4\" failures=\"1\" errors=\"1\" skipped=\"1\">"
            ),
            "{text}"
        );
        assert!(text.contains("<testcase name=\"baseline: total\" classname=\"chat\">"), "{text}");
        assert!(
            text.contains(
                "<failure message=\"total 3.00 GiB: +1.00 GiB (+50.0 %), over 2 %\" type=\"baseline\">"
            ),
            "{text}"
        );
        assert!(text.contains("<error message=\"cannot read: no such file\" type=\"analysis\">"), "{text}");
        assert!(text.contains("classname=\"gone &lt;&amp;&quot;&gt;\""), "{text}");
        assert!(text.contains("<skipped message=\"no tolerance, not judged\">"), "{text}");
    }

    #[test]
    fn characters_that_xml_does_not_have_are_left_out() {
        assert_eq!(plain("a\u{1b}[1m\u{0}b\n"), "a[1mb\n");
    }
}
