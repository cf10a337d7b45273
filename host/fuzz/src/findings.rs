//! Findings: suspicions that were reproduced, minimised and deduplicated, and are stored in files for replay.

use super::target::{FuzzTarget, Suspicion};
use relobox_core::error::{Error, Result};
use relobox_core::files::{self, Kind};
use relobox_core::limits;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A finding.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The name of the oracle.
    pub oracle: String,
    /// The item that the finding concerns, such as a row or a trap.
    pub about: String,
    /// A description of what happened.
    pub detail: String,
    /// The file with the minimised input.
    pub path: PathBuf,
    /// The time from the start of the campaign to the finding.
    pub after: Duration,
}

/// All findings of a campaign.
pub struct Findings {
    dir: PathBuf,
    start: Instant,
    /// Suspicions that were considered: oracle, topic, and the hash of the covered edges if the topic is not exact.
    considered: BTreeSet<(&'static str, String, u64)>,
    /// The file names of the findings that were kept.
    kept: BTreeSet<String>,
    /// The findings that were kept.
    pub list: Vec<Finding>,
    /// The number of suspicions that did not reproduce on the original guest.
    pub unreproduced: u64,
}

impl Findings {
    /// Starts without findings. `dir` is created with the first one.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            start: Instant::now(),
            considered: BTreeSet::new(),
            kept: BTreeSet::new(),
            list: Vec::new(),
            unreproduced: 0,
        }
    }

    /// Reproduces, minimises and keeps a suspicion, unless it was considered before. `path` is a hash of the covered
    /// edges. Returns whether there is a new finding.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the file cannot be written.
    pub fn consider<S: FuzzTarget>(
        &mut self,
        target: &S,
        input: &S::Input,
        suspicion: Suspicion,
        path: u64,
    ) -> Result<bool> {
        let path_hash = if suspicion.exact { 0 } else { path };
        if !self.considered.insert((suspicion.oracle, suspicion.about.clone(), path_hash)) {
            return Ok(false);
        }
        let Some(first) = target.reproduce(input, Some(suspicion.oracle)) else {
            self.unreproduced += 1;
            return Ok(false);
        };
        let (small, last) = minimise(target, input, first);
        self.keep(target, &small, last)
    }

    fn keep<S: FuzzTarget>(&mut self, target: &S, input: &S::Input, mut what: Suspicion) -> Result<bool> {
        let more = if what.exact { String::new() } else { target.signature(input) };
        let name = name(target.name(), what.oracle, &what.about, &more);
        if !self.kept.insert(name.clone()) {
            return Ok(false);
        }
        if !what.exact {
            let describe_signature = target.describe_signature(input);
            what.detail.push_str(if describe_signature.is_empty() { "" } else { "; " });
            what.detail.push_str(&describe_signature);
        }
        let after = self.start.elapsed();
        let mut remarks = vec![
            format!("oracle {}", what.oracle),
            format!("about {}", what.about),
            what.detail.clone(),
            format!("found in the {} plugin after {:.1} s", target.name(), after.as_secs_f64()),
        ];
        remarks.extend(what.bound.map(|bound| format!("{BOUND}{bound}")));
        std::fs::create_dir_all(&self.dir).map_err(Error::io(&self.dir))?;
        let path = self.dir.join(&name);
        // Another job may have written the same finding.
        match std::fs::File::create_new(&path) {
            Ok(mut file) => {
                file.write_all(target.write(input, &remarks).as_bytes()).map_err(Error::io(&path))?;
            }
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                // Touch the file, so that it counts as a finding of this campaign.
                let file = files::open(&path, Kind::Regular)?;
                file.set_modified(std::time::SystemTime::now()).map_err(Error::io(&path))?;
            }
            Err(e) => return Err(Error::io(&path)(e)),
        }
        let Suspicion { oracle, about, detail, .. } = what;
        self.list.push(Finding { oracle: oracle.to_owned(), about, detail, path, after });
        Ok(true)
    }
}

/// The start of the remark with the fuel bound.
const BOUND: &str = "fuel at most ";

/// Returns the fuel bound that a finding's file contains, if the finding is about fuel.
#[must_use]
pub fn bound_of(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("# ")?.strip_prefix(BOUND)?.trim().parse().ok())
}

/// Returns the file name of a finding. The same finding has the same name in every campaign.
fn name(guest: &str, oracle: &str, about: &str, more: &str) -> String {
    let plain = |text: &str| -> String {
        let words = text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' });
        words.take(limits::FUZZ_NAME).collect()
    };
    let mut digest = Sha256::new();
    for text in [guest, oracle, about, more] {
        digest.update(text.as_bytes());
        digest.update([0]);
    }
    let digest = relobox_core::text::hex(&digest.finalize()[..4]);
    format!("{}-{oracle}-{}-{digest}.case", plain(guest), plain(about))
}

/// Minimises an input as long as the same oracle reports the same topic.
pub fn minimise<S: FuzzTarget>(target: &S, input: &S::Input, what: Suspicion) -> (S::Input, Suspicion) {
    let mut last = what;
    let small = target.minimise(input, &mut |candidate| {
        let same = target.reproduce(candidate, Some(last.oracle)).filter(|s| s.about == last.about);
        same.map(|s| last = s).is_some()
    });
    (small, last)
}

/// Reads the findings that jobs left in `dir`.
pub fn read_findings(dir: &Path) -> Vec<Finding> {
    let mut paths: Vec<_> = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let text = files::read_text(&path, Kind::Regular, limits::FUZZ_INPUT).ok()?;
        let mut remarks = text.lines().filter_map(|l| l.strip_prefix("# "));
        let oracle = remarks.next()?.strip_prefix("oracle ")?.to_owned();
        let about = remarks.next()?.strip_prefix("about ")?.to_owned();
        let detail = remarks.next()?.to_owned();
        let after = remarks.next().and_then(|l| l.rsplit_once("after ")?.1.strip_suffix(" s")?.parse().ok());
        let after = after.and_then(|s| Duration::try_from_secs_f64(s).ok()).unwrap_or_default();
        Some(Finding { oracle, about, detail, path, after })
    };
    paths.into_iter().filter_map(read).collect()
}
