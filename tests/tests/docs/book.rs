//! docs/SUMMARY.md is the table of contents of the book that scripts/build-book makes.

use crate::{path, read};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

/// The targets of links in a page, outside of code, as they are written.
fn links(text: &str) -> Vec<String> {
    let prose: String = text.split("```").step_by(2).collect();
    let targets = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next().map(str::to_owned));
    targets.filter(|target| !target.contains("://")).collect()
}

/// A link of a page in the repository, without `..`.
fn resolved(page: &str, target: &str) -> String {
    let mut out = PathBuf::new();
    for part in Path::new(page).parent().expect("a directory").join(target).components() {
        match part {
            Component::ParentDir => assert!(out.pop(), "{page}: {target} leads out of the repository"),
            part => out.push(part),
        }
    }
    out.display().to_string()
}

/// The pages of the book.
fn pages() -> Vec<String> {
    links(&read("docs/SUMMARY.md")).iter().map(|target| resolved("docs/SUMMARY.md", target)).collect()
}

/// The anchors of a page's headings, as GitHub and mdBook make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let prose: String = text.split("\n```").step_by(2).collect::<Vec<_>>().join("\n");
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let headings = prose.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let slug = |heading: &str| -> String {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
    };
    let mut numbered = |slug: String| {
        let count = seen.entry(slug.clone()).or_default();
        *count += 1;
        if *count == 1 { slug } else { format!("{slug}-{}", *count - 1) }
    };
    headings.map(|heading| numbered(slug(heading))).collect()
}

#[test]
fn the_book_has_every_page_once() {
    let listed = pages();
    let once: BTreeSet<&String> = listed.iter().collect();
    assert_eq!(once.len(), listed.len(), "{listed:?}");
    let mut wanted = Vec::new();
    for directory in ["docs", "docs/decisions"] {
        for entry in std::fs::read_dir(path(directory)).expect("docs") {
            let name = entry.expect("an entry").file_name().into_string().expect("a name");
            wanted.extend((name.ends_with(".md") && name != "SUMMARY.md").then(|| format!("{directory}/{name}")));
        }
    }
    assert!(wanted.len() > 20, "{wanted:?}");
    let missing: Vec<_> = wanted.iter().filter(|page| !once.contains(page)).collect();
    assert!(missing.is_empty(), "docs/SUMMARY.md does not list {missing:?}");
}

/// Links between pages lead to a page of the book, a heading in it, or a file.
#[test]
fn no_link_of_the_book_is_dead() {
    let pages = pages();
    let texts: BTreeMap<&str, String> = pages.iter().map(|page| (page.as_str(), read(page))).collect();
    let (mut seen, mut dead) = (0, Vec::new());
    for (page, text) in &texts {
        for link in links(text) {
            let (target, anchor) = link.split_once('#').map_or((link.as_str(), None), |(a, b)| (a, Some(b)));
            let target = if target.is_empty() { (*page).to_owned() } else { resolved(page, target) };
            seen += 1;
            let there = match (texts.get(target.as_str()), anchor) {
                (Some(text), Some(anchor)) => anchors(text).contains(anchor),
                (Some(_), None) => true,
                (None, _) => path(&target).is_file() && !target.ends_with(".md"),
            };
            if !there {
                dead.push(format!("{page}: {link}"));
            }
        }
    }
    assert!(seen > 100, "only {seen} links");
    assert!(dead.is_empty(), "{dead:#?}");
}
