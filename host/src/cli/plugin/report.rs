//! The report of `relobox plugin test`, as text and as JSON.

use crate::cli::{output, table};
use relobox::Result;
use relobox::description::PluginRow;
use relobox::kit::{ConformanceReport, Group, PluginDiagnostic, PluginUnderTest, Reproducer, RowCoverage};
use relobox::text::hex;
use serde::Serialize;
use std::collections::BTreeMap;
use std::process::ExitCode;

/// The report. Its fields are the JSON keys.
#[derive(Serialize)]
pub(super) struct TestReport {
    plugin: String,
    plugin_sha256: String,
    origin: String,
    abi: u32,
    addends: Vec<&'static str>,
    passed: bool,
    cases: usize,
    writing_types: usize,
    #[serde(rename = "foretold_types")]
    predicted_types: usize,
    #[serde(rename = "followed_types")]
    indirect_types: usize,
    decoded_types: usize,
    #[serde(rename = "not_foretold")]
    unpredicted: Vec<UnpredictedTypes>,
    pub(super) checks: Vec<CheckReport>,
}

#[derive(Serialize)]
struct UnpredictedTypes {
    why: String,
    types: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct CheckReport {
    group: Group,
    name: String,
    result: &'static str,
    cases: usize,
    failed: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    pub(super) failures: Vec<FailureReport>,
}

#[derive(Serialize)]
pub(super) struct FailureReport {
    #[serde(flatten)]
    diagnostic: PluginDiagnostic,
    #[serde(skip_serializing_if = "Option::is_none")]
    oracle: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) replay: Option<String>,
}

impl TestReport {
    pub(super) fn of(under_test: &PluginUnderTest<'_>, conformance: &ConformanceReport) -> Self {
        let plugin = under_test.plugin;
        let forms = under_test.model.forms();
        let mut unpredicted: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let coverage = |row: &&PluginRow| conformance.coverage(&under_test.model, row);
        for row in under_test.writing_rows().filter(|row| coverage(row).is_none()) {
            let why = under_test.model.unpredictable(row).unwrap_or("none of its modules was run, or passed");
            unpredicted.entry(why).or_default().push(row.name.clone());
        }
        let checks = conformance.checks.iter().map(|check| CheckReport {
            group: check.group,
            name: check.name.clone(),
            result: match (check.failed, check.cases) {
                (0, 0) => "not-applicable",
                (0, _) => "passed",
                _ => "failed",
            },
            cases: check.cases,
            failed: check.failed,
            reason: check.limitation.clone(),
            failures: check
                .failures
                .iter()
                .map(|failure| FailureReport {
                    diagnostic: failure.diagnostic.clone(),
                    oracle: failure.reproducer.as_ref().map(|(oracle, _)| oracle.to_string()),
                    file: None,
                    replay: None,
                })
                .collect(),
        });
        Self {
            plugin: plugin.about.name.clone(),
            plugin_sha256: hex(plugin.guest.digest()),
            origin: plugin.origin.to_string(),
            abi: plugin.about.abi,
            addends: [("explicit", forms.explicit), ("in-place", forms.in_place)]
                .iter()
                .filter(|(_, taken)| *taken)
                .map(|(form, _)| *form)
                .collect(),
            passed: conformance.passed(),
            cases: conformance.checks.iter().map(|check| check.cases).sum(),
            writing_types: under_test.writing_rows().count(),
            predicted_types: conformance.predicted.len(),
            indirect_types: under_test
                .writing_rows()
                .filter_map(|row| coverage(&row))
                .filter(|coverage| !matches!(coverage, RowCoverage::Predicted | RowCoverage::Decoded))
                .count(),
            decoded_types: under_test.writing_rows().filter(|row| coverage(row) == Some(RowCoverage::Decoded)).count(),
            unpredicted: unpredicted
                .into_iter()
                .map(|(why, types)| UnpredictedTypes { why: why.to_owned(), types })
                .collect(),
            checks: checks.collect(),
        }
    }

    /// Prints a table of the groups, the types that are not covered with the reasons, and each failure with the command
    /// that replays it.
    pub(super) fn print(&self) {
        let (forms, digest) = (self.addends.join(" and "), &self.plugin_sha256[..16]);
        output::line(format_args!(
            "{} ({}, SHA-256 {digest}…): ABI {}, addends {forms}",
            self.plugin, self.origin, self.abi
        ));
        let mut rows = Vec::new();
        for group in Group::ALL {
            let checks: Vec<_> = self.checks.iter().filter(|check| check.group == group).collect();
            if checks.is_empty() {
                continue;
            }
            let count = |result| checks.iter().filter(|check| check.result == result).count();
            let cases: usize = checks.iter().map(|check| check.cases).sum();
            let (failed, idle) = (count("failed"), count("not-applicable"));
            rows.push(vec![
                group.as_str().to_owned(),
                checks.len().to_string(),
                cases.to_string(),
                failed.to_string(),
                idle.to_string(),
            ]);
        }
        table::plain(&["", "checks", "cases", "failed", "not applicable"], &rows, |column| column != 0);
        self.print_gaps();
        for check in self.checks.iter().filter(|check| check.failed != 0) {
            let (group, name) = (check.group.as_str(), &check.name);
            output::line("");
            output::line(format_args!("FAILED {group}/{name}: {} of {} cases", check.failed, check.cases));
            for failure in &check.failures {
                let c = &failure.diagnostic;
                print_diagnostic(c);
                if let Some(replay) = &failure.replay {
                    output::line(format_args!("    {replay}"));
                }
            }
        }
        let verdict = if self.passed { "passed" } else { "FAILED" };
        output::line("");
        output::line(format_args!("{verdict}: {} checks, {} cases", self.checks.len(), self.cases));
    }

    fn print_gaps(&self) {
        output::line("");
        output::line(format_args!(
            "The reference model predicted the bytes of {} of {} types that write.",
            self.predicted_types, self.writing_types
        ));
        if self.indirect_types != 0 {
            output::line(format_args!(
                "It resolved {} more through tables or stubs that the plugin made.",
                self.indirect_types
            ));
        }
        if self.decoded_types != 0 {
            output::line(format_args!("It decoded {} more by the plugin's decoding rules.", self.decoded_types));
        }
        for gap in &self.unpredicted {
            output::line(format_args!("  not {}, because {}: {}", gap.types.len(), gap.why, gap.types.join(", ")));
        }
        let mut reasons: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
        for check in self.checks.iter().filter(|check| check.result == "not-applicable") {
            let why = check.reason.as_deref().unwrap_or("there is nothing to check");
            reasons.entry((check.group.as_str(), why)).or_default().push(&check.name);
        }
        for ((group, why), names) in reasons {
            output::line(format_args!("  {group} not applicable, because {why}: {}", names.join(", ")));
        }
    }
}

fn print_diagnostic(c: &PluginDiagnostic) {
    output::line(format_args!("  {}", c.about));
    output::line(format_args!("    expected {}", c.expected));
    output::line(format_args!("    got      {}", c.actual));
}

/// Prints the groups with their descriptions and the names of their checks.
pub(super) fn list(conformance: &ConformanceReport, json: bool) {
    #[derive(Serialize)]
    struct Listed<'a> {
        group: Group,
        checks: Vec<&'a str>,
    }
    let names =
        |group| conformance.checks.iter().filter(move |check| check.group == group).map(|check| check.name.as_str());
    if json {
        let groups = conformance.groups().map(|group| Listed { group, checks: names(group).collect() });
        return output::json(&groups.collect::<Vec<_>>());
    }
    for group in conformance.groups() {
        output::line(format_args!("{}: {}", group.as_str(), group.text()));
        names(group).for_each(|name| output::line(format_args!("  {}/{name}", group.as_str())));
    }
}

/// Prints the result of a replay.
pub(super) fn replayed(made: &Reproducer, diagnostic: Option<PluginDiagnostic>, json: bool) -> Result<ExitCode> {
    #[derive(Serialize)]
    struct Replayed {
        oracle: String,
        passed: bool,
        #[serde(flatten)]
        diagnostic: Option<PluginDiagnostic>,
    }
    let passed = diagnostic.is_none();
    if json {
        output::json(&Replayed { oracle: made.oracle.to_string(), passed, diagnostic });
    } else {
        match diagnostic {
            None => output::line(format_args!("passed ({})", made.oracle)),
            Some(c) => {
                output::line(format_args!("FAILED ({})", made.oracle));
                print_diagnostic(&c);
            }
        }
    }
    Ok(ExitCode::from(u8::from(!passed)))
}
