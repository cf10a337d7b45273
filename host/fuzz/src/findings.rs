//! What was found: confirmed, made small, told apart, and kept in files that can be replayed.

use super::target::{FuzzTarget, Suspicion};
use relobox_core::error::{Error, Result};
use relobox_core::files::{self, Kind};
use relobox_core::limits;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// One confirmed finding.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Which oracle says so.
    pub oracle: String,
    /// What it is about.
    pub about: String,
    /// What happened, for people.
    pub detail: String,
    /// Its file.
    pub path: PathBuf,
    /// When it was found, after the start.
    pub after: Duration,
}

/// All findings of a campaign.
pub struct Findings {
    dir: PathBuf,
    start: Instant,
    /// What was seen before it was made small: oracle, thing, and edges for those that this does not tell apart.
    considered: BTreeSet<(&'static str, String, u64)>,
    /// Names of those that were kept.
    kept: BTreeSet<String>,
    /// What was kept.
    pub list: Vec<Finding>,
    /// Suspicions that the original guest did not bear out.
    pub unreproduced: u64,
}

impl Findings {
    /// None so far; they go into `dir`, which is made when there is one.
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

    /// Looks into a suspicion. `path` tells apart executions that took different ways. True if it is a new finding.
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
        // Another job may have found the same.
        match std::fs::File::create_new(&path) {
            Ok(mut file) => {
                file.write_all(target.write(input, &remarks).as_bytes()).map_err(Error::io(&path))?;
            }
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                // It is one of this campaign all the same.
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

/// How a remark begins that says which fuel is enough.
const BOUND: &str = "fuel at most ";

/// The fuel that was enough for the case of a finding's file, if that is what was wrong with it.
#[must_use]
pub fn bound_of(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("# ")?.strip_prefix(BOUND)?.trim().parse().ok())
}

/// A finding's file name: the same for the same finding, whoever finds it.
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

/// The simplest input that the same oracle still says the same of.
pub fn minimise<S: FuzzTarget>(target: &S, input: &S::Input, what: Suspicion) -> (S::Input, Suspicion) {
    let mut last = what;
    let small = target.minimise(input, &mut |candidate| {
        let same = target.reproduce(candidate, Some(last.oracle)).filter(|s| s.about == last.about);
        same.map(|s| last = s).is_some()
    });
    (small, last)
}

/// What an earlier job left in `dir`: the findings' files, as their remarks have them.
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
