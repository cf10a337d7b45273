//! Reads the list of planted bugs, `tests/planted/bugs.txt`, and writes tables into the page about them.

use anyhow::{Context as _, Result};
use std::path::Path;

/// The list of planted bugs.
#[derive(Debug, Default)]
pub struct PlantedBugs {
    /// The correct plugins from which the faulty ones are derived.
    pub plugins: Vec<CorrectPlugin>,
    /// The bugs.
    pub bugs: Vec<Bug>,
}

/// A correct plugin.
#[derive(Debug, Default)]
pub struct CorrectPlugin {
    /// The plugin's name, which is also the name of its file.
    pub name: String,
    /// A description of the files that it links.
    pub title: String,
}

/// A planted bug.
#[derive(Debug, Default)]
pub struct Bug {
    /// The bug's name, which is also the name of its plugin's file.
    pub name: String,
    /// The name of the correct plugin from which this one is derived.
    pub twin: String,
    /// Whether only a comparison with a second plugin can find the bug.
    pub against: bool,
    /// The real bug on which it is modelled.
    pub model: String,
    /// A description of the wrong behaviour.
    pub does: String,
    /// The observation that reveals the bug.
    pub shows: String,
    /// The group of the conformance kit's checks that finds it.
    pub kit: String,
}

impl PlantedBugs {
    /// Reads the list.
    ///
    /// # Panics
    /// If the list, which is part of the repository, is malformed.
    #[must_use]
    pub fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("planted/bugs.txt");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut planted = Self::default();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (key, rest) = line.split_once(' ').unwrap_or((line, ""));
            let rest = rest.trim();
            match (key, planted.bugs.last_mut()) {
                ("plugin", _) => {
                    let mut words = rest.split_whitespace();
                    let name = words.next().expect("a plugin's name").to_owned();
                    let title = words.skip(2).collect::<Vec<_>>().join(" ");
                    planted.plugins.push(CorrectPlugin { name, title });
                }
                ("bug", _) => planted.bugs.push(Bug { name: rest.to_owned(), ..Bug::default() }),
                ("in", Some(bug)) => rest.clone_into(&mut bug.twin),
                ("against", Some(bug)) => bug.against = true,
                ("model", Some(bug)) => rest.clone_into(&mut bug.model),
                ("does", Some(bug)) => rest.clone_into(&mut bug.does),
                ("shows", Some(bug)) => rest.clone_into(&mut bug.shows),
                ("kit", Some(bug)) => rest.clone_into(&mut bug.kit),
                _ => panic!("{}: what is {line:?}?", path.display()),
            }
        }
        for bug in &planted.bugs {
            assert!(planted.plugins.iter().any(|p| p.name == bug.twin), "{} is in {:?}", bug.name, bug.twin);
            assert!(![&bug.model, &bug.does, &bug.shows, &bug.kit].iter().any(|text| text.is_empty()), "{}", bug.name);
        }
        planted
    }

    /// Returns the list as a table in Markdown.
    #[must_use]
    pub fn table(&self) -> String {
        let rows = self
            .bugs
            .iter()
            .map(|b| format!("| `{}` | {} | {} | {} | {} |\n", b.name, b.does, b.model, b.shows, b.kit));
        let head =
            "| bug | what is wrong | modelled on | how it can be seen | the kit's checks |\n|---|---|---|---|---|\n";
        let head = head.to_owned();
        rows.fold(head, |all, row| all + &row)
    }
}

/// Replaces the table between the marks in a page.
///
/// # Errors
/// If the page cannot be read or written, or has no such marks.
pub fn write_table(page: &Path, mark: &str, table: &str) -> Result<()> {
    let text = std::fs::read_to_string(page).with_context(|| page.display().to_string())?;
    let (begin, end) = (format!("<!-- {mark} -->\n"), format!("<!-- /{mark} -->"));
    let (before, rest) = text.split_once(&begin).with_context(|| format!("{begin} is missing"))?;
    let (_, after) = rest.split_once(&end).with_context(|| format!("{end} is missing"))?;
    std::fs::write(page, format!("{before}{begin}{table}{end}{after}"))?;
    Ok(())
}
