//! A proof as JUnit XML, for machines that read reports.

use super::prove::Proof;
use relobox_core::text;
use std::fmt::Write as _;

/// A test suite for each group, a test case for each check.
#[must_use]
pub fn junit(plugin: &str, proof: &Proof, seconds: f64) -> String {
    let plugin = escaped(plugin);
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let failures = proof.checks.iter().filter(|c| c.failed != 0).count();
    let tests = proof.checks.len();
    let _ = writeln!(
        out,
        "<testsuites name=\"relobox plugin test {plugin}\" tests=\"{tests}\" failures=\"{failures}\" time=\"{seconds:.3}\">"
    );
    for group in proof.groups() {
        let checks: Vec<_> = proof.checks.iter().filter(|c| c.group == group).collect();
        let failures = checks.iter().filter(|c| c.failed != 0).count();
        let skipped = checks.iter().filter(|c| c.cases == 0 && c.failed == 0).count();
        let (word, tests) = (group.word(), checks.len());
        let _ = writeln!(
            out,
            "<testsuite name=\"{word}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\">"
        );
        for check in checks {
            let name = escaped(&check.name);
            let _ = write!(out, "<testcase classname=\"relobox.plugin.{plugin}.{word}\" name=\"{name}\">");
            for failure in &check.failures {
                let c = &failure.complaint;
                let _ = write!(
                    out,
                    "<failure type=\"{}\" message=\"{}\">{} of {} cases</failure>",
                    c.wrong.word(),
                    escaped(&c.to_string()),
                    check.failed,
                    check.cases
                );
            }
            if check.cases == 0 && check.failed == 0 {
                let why = check.partly.as_deref().unwrap_or("nothing to check");
                let _ = write!(out, "<skipped message=\"{}\"/>", escaped(why));
            }
            out.push_str("</testcase>\n");
        }
        out.push_str("</testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

/// Text in XML: names are a plugin's own, so what is no harmless character is escaped as it is everywhere. XML could not
/// have some of those characters at all.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text::escaped(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::complaint::{Complaint, Wrong};
    use crate::group::Group;
    use crate::prover::{Check, Failure};

    #[test]
    fn names_are_escaped() {
        let (about, expected, came) = ("R_<&\">\u{1}".into(), "x".into(), "y".into());
        let complaint = Complaint { wrong: Wrong::Bytes, about, expected, came };
        let mut check = Check::new(Group::Vectors, "R_<&\">");
        (check.cases, check.failed) = (3, 1);
        check.failures.push(Failure { complaint, reproducer: None });
        let proof = Proof { checks: vec![check, Check::new(Group::Cost, "a")], ..Proof::default() };
        let text = junit("toy", &proof, 0.5);
        assert!(text.contains("name=\"R_&lt;&amp;&quot;&gt;\""), "{text}");
        assert!(
            text.contains("<failure type=\"bytes\" message=\"R_&lt;&amp;&quot;&gt;\\u{1}: expected x; came y\">"),
            "{text}"
        );
        assert!(text.contains("<skipped message=\"nothing to check\"/>"), "{text}");
    }
}
