//! The outcomes in the XML form of JUnit, which CI systems read.

use std::fmt::Write;

use super::{Outcome, Suite, text};

/// The whole document.
pub(super) fn document(suites: &[Suite<'_>]) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for suite in suites {
        let failures = suite.outcomes.iter().filter(|outcome| !outcome.holds()).count();
        let seconds: f64 = suite.outcomes.iter().map(|outcome| outcome.seconds).sum();
        let path = escaped(&suite.path.display().to_string());
        // Writing into a String does not fail.
        let _ = writeln!(
            out,
            "  <testsuite name=\"{path}\" tests=\"{}\" failures=\"{failures}\" errors=\"0\" \
             time=\"{seconds:.3}\">",
            suite.outcomes.len()
        );
        for outcome in &suite.outcomes {
            case(&path, outcome, &mut out);
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

fn case(path: &str, outcome: &Outcome, out: &mut String) {
    let title = escaped(&outcome.title);
    let head = format!(
        "    <testcase classname=\"{path}\" name=\"{title}\" time=\"{:.3}\"",
        outcome.seconds
    );
    if outcome.holds() {
        let _ = writeln!(out, "{head}/>");
        return;
    }
    let differences: Vec<String> = text::differences(outcome).collect();
    let _ = writeln!(
        out,
        "{head}>\n      <failure message=\"{}\">{}</failure>\n    </testcase>",
        escaped(&differences.join("; ")),
        escaped(&format!("{}\n\n{}", outcome.site, outcome.why)),
    );
}

/// Text as it may stand in XML, in an attribute too.
pub(in crate::cli) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            // XML 1.0 has no way to write other control characters.
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_characters_do_not_break_the_document() {
        assert_eq!(escaped("a<b> & \"c\"\u{1}"), "a&lt;b&gt; &amp; &quot;c&quot;\u{fffd}");
    }
}
