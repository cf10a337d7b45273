//! Findings as SARIF and JUnit XML.

use super::findings::Finding;
use super::oracle;
use quick_junit::TestCaseStatus;
use relobox_core::text::write_json;
use relobox_kit::junit_xml::{case, failure, suite, xml};
use serde_json::{Value, json};

/// Formats findings as SARIF 2.1.0, with a rule for each oracle and a result for each finding.
#[must_use]
pub fn sarif(guest: &str, findings: &[Finding]) -> Value {
    let mut rules: Vec<&str> = findings.iter().map(|f| f.oracle.as_str()).collect();
    rules.sort_unstable();
    rules.dedup();
    let results: Vec<Value> = findings
        .iter()
        .map(|f| {
            let text = format!("{guest}: {}: {}", f.about, f.detail);
            let file = f.path.to_string_lossy();
            json!({
                "ruleId": f.oracle,
                "level": "error",
                "message": { "text": text },
                "locations": [{ "physicalLocation": { "artifactLocation": { "uri": file } } }],
                "partialFingerprints": { "finding/v1": f.path.file_stem().unwrap_or_default().to_string_lossy() },
            })
        })
        .collect();
    let rules: Vec<Value> =
        rules.iter().map(|name| json!({ "id": name, "shortDescription": { "text": oracle::meaning(name) } })).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "relobox fuzz", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "results": results,
        }],
    })
}

/// Formats findings as SARIF text.
#[must_use]
pub fn sarif_text(guest: &str, findings: &[Finding]) -> String {
    let mut text = Vec::new();
    // All keys are strings, and writing to a vector does not fail.
    let _ = write_json(&mut text, &sarif(guest, findings));
    text.push(b'\n');
    String::from_utf8_lossy(&text).into_owned()
}

/// Formats findings as JUnit XML: a test case for each oracle, which fails if the oracle has findings. `seconds` is the
/// run time.
#[must_use]
pub fn junit(guest: &str, findings: &[Finding], seconds: f64) -> String {
    let names = oracle::ORACLES.map(|(name, _)| name);
    let of = |name: &str| findings.iter().filter(|f| f.oracle == name).collect::<Vec<_>>();
    let others: Vec<_> = findings.iter().filter(|f| !names.contains(&f.oracle.as_str())).collect();
    let mut groups: Vec<(&str, Vec<&Finding>)> = names.iter().map(|name| (*name, of(name))).collect();
    if !others.is_empty() {
        groups.push(("other", others));
    }
    let cases = groups.into_iter().map(|(name, findings)| {
        let lines = findings.iter().flat_map(|f| [format!("{}: {}", f.about, f.detail), f.path.display().to_string()]);
        let status = match findings.first() {
            Some(first) => failure(&first.detail, lines),
            None => TestCaseStatus::success(),
        };
        case(&format!("relobox.fuzz.{guest}"), name, status)
    });
    let name = format!("relobox fuzz {guest}");
    xml(&name, seconds, [suite(&name, cases)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_contain_the_findings() {
        let finding = Finding {
            oracle: "trap".to_owned(),
            about: "relobox_apply: \"unreachable\"".to_owned(),
            detail: "a < b & c".to_owned(),
            path: "out/x.case".into(),
            after: std::time::Duration::ZERO,
        };
        let text = junit("toy", std::slice::from_ref(&finding), 1.0);
        assert!(text.contains("failures=\"1\"") && text.contains("a &lt; b &amp; c"), "{text}");
        assert!(junit("toy", &[], 1.0).contains("failures=\"0\""));
        let value = sarif("toy", &[finding]);
        assert_eq!(value["runs"][0]["results"][0]["ruleId"], "trap");
        assert_eq!(value["runs"][0]["tool"]["driver"]["rules"][0]["id"], "trap");
    }
}
