//! JUnit XML reports of `relobox plugin test` and `relobox fuzz`.
//!
//! Names and messages come from plugins and files, so they are escaped. That also removes the characters that XML does
//! not allow.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use relobox_core::text::escaped;
use std::fmt;
use std::time::Duration;

/// Makes a test case of class `class`.
pub fn case(class: &str, name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(escaped(name), status);
    case.set_classname(escaped(class));
    case
}

/// Makes the status of a failed test case, with `message` as its summary and `lines` as its text.
pub fn failure<L: fmt::Display>(message: &str, lines: impl IntoIterator<Item = L>) -> TestCaseStatus {
    let lines: Vec<_> = lines.into_iter().map(|line| escaped(&line.to_string()).into_owned()).collect();
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_message(escaped(message)).set_description(lines.join("\n"));
    status
}

/// Makes the status of a test case that was skipped, with the reason.
pub fn skipped(why: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message(escaped(why));
    status
}

/// Makes a test suite of these test cases.
pub fn suite(name: &str, cases: impl IntoIterator<Item = TestCase>) -> TestSuite {
    let mut suite = TestSuite::new(escaped(name));
    suite.add_test_cases(cases);
    suite
}

/// Serialises a report; `seconds` is the run time.
pub fn xml(name: &str, seconds: f64, suites: impl IntoIterator<Item = TestSuite>) -> String {
    let mut report = Report::new(escaped(name));
    report.set_time(Duration::try_from_secs_f64(seconds).unwrap_or_default()).add_test_suites(suites);
    let mut xml = Vec::new();
    // Writing to a vector does not fail.
    let _ = report.serialize(&mut xml);
    String::from_utf8_lossy(&xml).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_escaped_everywhere() {
        let hostile = "R_<&\">\u{1}\u{1b}[31m\u{9b}\u{202e}\u{fffe}\r\nforged";
        let cases = [
            case(hostile, hostile, failure(hostile, [hostile, "second"])),
            case(hostile, hostile, skipped(hostile)),
            case("a", "b", TestCaseStatus::success()),
        ];
        let text = xml(hostile, 0.5, [suite(hostile, cases)]);
        let escaped = "R_&lt;&amp;&quot;&gt;\\u{1}\\u{1b}[31m\\u{9b}\\u{202e}\\u{fffe}\\u{d}\\u{a}forged";
        assert_eq!(text.matches(escaped).count(), 9, "{text}");
        assert!(text.chars().all(|c| c == '\n' || relobox_core::text::is_harmless(c)), "{text:?}");
        assert!(text.contains("second") && text.contains("tests=\"3\" skipped=\"1\" failures=\"1\""), "{text}");
    }
}
