//! A conformance report as JUnit XML.

use super::conformance::ConformanceReport;
use super::runner::Check;
use crate::junit_xml::{case, failure, skipped, suite, xml};
use quick_junit::TestCaseStatus;

/// Formats a report with a test suite for each group and a test case for each check. `seconds` is the total run time.
#[must_use]
pub fn junit(plugin: &str, report: &ConformanceReport, seconds: f64) -> String {
    let suites = report.groups().map(|group| {
        let class = format!("relobox.plugin.{plugin}.{}", group.as_str());
        let checks = report.checks.iter().filter(|check| check.group == group);
        suite(group.as_str(), checks.map(|check| case(&class, &check.name, status(check))))
    });
    xml(&format!("relobox plugin test {plugin}"), seconds, suites)
}

/// Makes the status of a check. A failure has the kind and the text of the first diagnostic, then the number of failed
/// test cases and the other diagnostics.
fn status(check: &Check) -> TestCaseStatus {
    let diagnostics: Vec<_> = check.failures.iter().map(|failure| &failure.diagnostic).collect();
    match diagnostics.split_first() {
        Some((first, others)) => {
            let count = format!("{} of {} cases", check.failed, check.cases);
            let others = others.iter().map(|other| format!("{}: {other}", other.kind.as_str()));
            let mut status = failure(&first.to_string(), std::iter::once(count).chain(others));
            status.set_type(first.kind.as_str());
            status
        }
        None if check.cases == 0 => skipped(check.limitation.as_deref().unwrap_or("nothing to check")),
        None => TestCaseStatus::success(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{DiagnosticKind, PluginDiagnostic};
    use crate::group::Group;

    use crate::runner::{Check, CheckFailure};

    #[test]
    fn checks_are_test_cases() {
        let failure = |kind| {
            let (about, expected, actual) = ("R_<&\">\u{1}".into(), "x".into(), "y".into());
            CheckFailure { diagnostic: PluginDiagnostic { kind, about, expected, actual }, reproducer: None }
        };
        let mut check = Check::new(Group::Vectors, "R_<&\">");
        (check.cases, check.failed) = (3, 1);
        check.failures.extend([failure(DiagnosticKind::Bytes), failure(DiagnosticKind::Reason)]);
        let report =
            ConformanceReport { checks: vec![check, Check::new(Group::Cost, "a")], ..ConformanceReport::default() };
        let text = junit("toy", &report, 0.5);
        assert!(text.contains("name=\"R_&lt;&amp;&quot;&gt;\""), "{text}");
        let diagnostic = "R_&lt;&amp;&quot;&gt;\\u{1}: expected x; got y";
        assert!(text.contains(&format!("message=\"{diagnostic}\" type=\"bytes\">1 of 3 cases\nreason: ")), "{text}");
        assert!(text.contains("<skipped message=\"nothing to check\"/>"), "{text}");
    }
}
