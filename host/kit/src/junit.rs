//! A proof as JUnit XML.

use super::prove::Proof;
use super::prover::Check;
use crate::junit_xml::{case, failure, skipped, suite, xml};
use quick_junit::TestCaseStatus;

/// A test suite for each group, a test case for each check.
#[must_use]
pub fn junit(plugin: &str, proof: &Proof, seconds: f64) -> String {
    let suites = proof.groups().map(|group| {
        let class = format!("relobox.plugin.{plugin}.{}", group.word());
        let checks = proof.checks.iter().filter(|check| check.group == group);
        suite(group.word(), checks.map(|check| case(&class, &check.name, status(check))))
    });
    xml(&format!("relobox plugin test {plugin}"), seconds, suites)
}

/// A failure has the word and the text of the first complaint, and below that how many cases failed, and the others.
fn status(check: &Check) -> TestCaseStatus {
    let complaints: Vec<_> = check.failures.iter().map(|failure| &failure.complaint).collect();
    match complaints.split_first() {
        Some((first, others)) => {
            let count = format!("{} of {} cases", check.failed, check.cases);
            let others = others.iter().map(|other| format!("{}: {other}", other.wrong.word()));
            let mut status = failure(&first.to_string(), std::iter::once(count).chain(others));
            status.set_type(first.wrong.word());
            status
        }
        None if check.cases == 0 => skipped(check.partly.as_deref().unwrap_or("nothing to check")),
        None => TestCaseStatus::success(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::complaint::{Complaint, Wrong};
    use crate::group::Group;

    use crate::prover::{Check, Failure};

    #[test]
    fn checks_are_test_cases() {
        let failure = |wrong| {
            let (about, expected, came) = ("R_<&\">\u{1}".into(), "x".into(), "y".into());
            Failure { complaint: Complaint { wrong, about, expected, came }, reproducer: None }
        };
        let mut check = Check::new(Group::Vectors, "R_<&\">");
        (check.cases, check.failed) = (3, 1);
        check.failures.extend([failure(Wrong::Bytes), failure(Wrong::Reason)]);
        let proof = Proof { checks: vec![check, Check::new(Group::Cost, "a")], ..Proof::default() };
        let text = junit("toy", &proof, 0.5);
        assert!(text.contains("name=\"R_&lt;&amp;&quot;&gt;\""), "{text}");
        let complaint = "R_&lt;&amp;&quot;&gt;\\u{1}: expected x; came y";
        assert!(text.contains(&format!("message=\"{complaint}\" type=\"bytes\">1 of 3 cases\nreason: ")), "{text}");
        assert!(text.contains("<skipped message=\"nothing to check\"/>"), "{text}");
    }
}
