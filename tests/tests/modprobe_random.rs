//! modprobe plans what kmod 34's modprobe plans, for module trees and configurations made at random.
//!
//! Needs `tests/scripts/fetch-kmod` and root, for each scenario's own /proc/cmdline and /sys/module.
//! `RELOBOX_SCENARIOS` sets the number of scenarios, `RELOBOX_SEED` the first one. Where the two are meant to differ,
//! a rule of [`RULES`] says how. Each rule changes the scenario, so that kmod must then do what relobox does with the
//! unchanged one; a difference without such a rule is a failure. The test prints how often each rule was needed.

use anyhow::{Context as _, Result, bail, ensure};
use relobox::kernel::{KernelError, Module};
use relobox::modprobe::remove::{Modules, RemoveOptions, Removed, remove};
use relobox::modprobe::{Action, Config, Request, Step, Tree, plan, resolve};
use relobox_needs::{ExitCode, kmod, root, test};
use relobox_tests::kmod::scenario::{COMMAND_END, DIRECTORIES, File, Kind, Line, Mode, Query, Scenario};
use relobox_tests::kmod::{Answer, modprobe, random};
use relobox_tests::parallel;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Mutex;

/// A named difference: how a scenario is changed.
type Rule = (&'static str, fn(&mut Scenario));

/// The intended differences, which docs/modprobe.md describes.
const RULES: [Rule; 5] = [
    ("a module that 'install' switches off has no soft dependencies", without_softdeps_of_switched_off),
    ("two blanks before the first word of a softdep", with_single_blanks),
    ("dashes and quotes in modprobe.blacklist=", with_plain_blacklists),
    ("a required module without its file is planned", with_all_files),
    ("text that is not UTF-8", with_replaced_text),
];

fn main() -> ExitCode {
    relobox_needs::run([test!(plans_are_kmods).needs([kmod(), root()])])
}

fn plans_are_kmods() -> Result<()> {
    let number = |name: &str, default| std::env::var(name).map_or(Ok(default), |text| text.parse().context(text));
    let (first, count): (u64, u64) = (number("RELOBOX_SEED", 1)?, number("RELOBOX_SCENARIOS", 60)?);
    let counts = Mutex::new(BTreeMap::new());
    let scenarios: Vec<u64> = (first..first + count).collect();
    let failures = parallel::failures(&scenarios, |seed| *seed, |seed| compare(&random::scenario(*seed), &counts));
    for (what, count) in counts.into_inner()? {
        println!("{count:>6} {what}");
    }
    ensure!(failures.is_empty(), "{} of {count} scenarios:\n{}", failures.len(), failures.join("\n"));
    Ok(())
}

fn compare(scenario: &Scenario, counts: &Mutex<BTreeMap<String, usize>>) -> Result<()> {
    let count = |what: &str| *counts.lock().expect("no panic").entry(what.to_owned()).or_default() += 1;
    let directory = tempfile::tempdir()?;
    scenario.write(directory.path())?;
    let own = ours(scenario, directory.path())?;
    let kmods = modprobe(scenario, directory.path())?;
    // What kmod makes of the scenario that a rule, or all of them, changed; each made when it is first needed.
    let every = ("several of these", RULES.iter().map(|(_, rule)| *rule).collect());
    let rules = RULES.iter().map(|(name, rule)| (*name, vec![*rule])).chain([every]);
    let mut changed: Vec<_> = rules.map(|(name, rules)| (name, rules, None)).collect();
    for (at, ((query, own), kmod)) in scenario.queries.iter().zip(&own).zip(&kmods).enumerate() {
        count(&format!("queries: {:?}", query.mode));
        // Soft dependencies on each other: it recurses without an end.
        if kmod.crashed && query.mode == Mode::Remove {
            count("different: kmod crashes");
            continue;
        }
        if !query.words[1..].is_empty() {
            count("queries with parameters");
        }
        let mut verdict = same(scenario, query, own, kmod);
        for (name, rules, answers) in &mut changed {
            if verdict.is_some() {
                break;
            }
            let answers = match answers {
                Some(answers) => answers,
                None => answers.insert(by_rules(scenario, rules, directory.path())?),
            };
            if let Some(answer) = answers.get(at) {
                verdict = same(scenario, query, own, answer).map(|_| *name);
            }
        }
        match verdict {
            Some("") => count("same"),
            Some(name) => count(&format!("different: {name}")),
            None => {
                let last = changed.last().and_then(|(_, _, answers)| answers.as_ref()?.get(at));
                let kept = directory.keep();
                bail!("{query:?} in {}\n  kmod {kmod:#?}\n  by all rules {last:#?}\n  ours {own:#?}", kept.display())
            }
        }
    }
    Ok(())
}

/// What kmod answers if `rules` change the scenario. Nothing if they change nothing.
fn by_rules(scenario: &Scenario, rules: &[fn(&mut Scenario)], at: &Path) -> Result<Vec<Answer>> {
    let mut other = scenario.clone();
    rules.iter().for_each(|rule| rule(&mut other));
    if other == *scenario {
        return Ok(Vec::new());
    }
    let place = tempfile::tempdir()?;
    other.write(place.path())?;
    Ok(modprobe(&other, place.path())?.iter().map(|answer| moved(answer, place.path(), at)).collect())
}

/// How relobox's answer is the same as kmod's: the name of the difference that was left out, or an empty one. `None` if
/// it is not the same.
fn same(scenario: &Scenario, query: &Query, own: &Answer, kmod: &Answer) -> Option<&'static str> {
    let messages = &kmod.messages;
    let (kmod, own) = (once(kmod), once(own));
    if kmod == own {
        return Some(if kmod.repeats { "kmod repeats modules" } else { "" });
    }
    let built_in = |line: &String| {
        let files = scenario.modules.iter().filter(|m| scenario.built_in.iter().any(|(name, _)| *name == m.name));
        files.into_iter().any(|m| line.split(' ').nth(1).is_some_and(|path| path.ends_with(&m.path)))
    };
    let mut loaded = kmod.clone();
    if query.mode == Mode::DryRun {
        loaded.lines.retain(|line| !built_in(line));
    }
    if loaded == own {
        return Some("a built-in module with a file is not loaded for another one");
    }
    // relobox stops at the command of the module that was named, and goes on at one of a soft dependency.
    let (commands, rest): (Vec<_>, Vec<_>) = kmod.lines.iter().partition(|line| line.starts_with("remove "));
    let own_lines: Vec<_> = own.lines.iter().collect();
    if !commands.is_empty() && rest.starts_with(&own_lines) {
        return Some("remove commands are refused");
    }
    let in_use = query.mode == Mode::Remove && messages.contains(" is in use.") && !kmod.success;
    if in_use && own.lines.starts_with(&kmod.lines) {
        return Some("kmod gives up at a soft dependency that is in use");
    }
    // relobox has one step for the module: that of the requirement.
    let mut kmods = kmod.lines.iter();
    let in_order = own.lines.iter().all(|line| kmods.any(|other| other == line));
    if query.ignore && in_order && kmod.success == own.success && kmod.lines.iter().any(|line| is_install(line)) {
        return Some("a module that --ignore-install names is required by another one, and has a command");
    }
    // All but the parameters on the command line.
    let plain = |lines: &[String]| {
        let mut lines: Vec<_> = lines.iter().map(|line| line.replace(" own=1", "")).collect();
        lines.dedup();
        lines
    };
    let lost = kmod.repeats && query.words.len() > 1 && own.success == kmod.success;
    (lost && plain(&loaded.lines) == plain(&own.lines)).then_some("kmod loses parameters in a cycle through an alias")
}

/// An answer without the lines for modules that were named before: such a module is loaded already.
#[derive(Clone, Debug)]
struct Once {
    lines: Vec<String>,
    success: bool,
    /// True if there were such lines.
    repeats: bool,
}

impl PartialEq for Once {
    fn eq(&self, other: &Self) -> bool {
        (&self.lines, self.success) == (&other.lines, other.success)
    }
}

fn is_install(line: &str) -> bool {
    line.starts_with("install ")
}

fn once(answer: &Answer) -> Once {
    let (mut seen, mut lines) = (HashSet::new(), answer.lines.clone());
    lines.retain(|line| match line.split_once(' ') {
        // All lines for a module have the path in common; parameters can differ.
        Some(("insmod", rest)) => seen.insert(rest.split(' ').next().unwrap_or_default().to_owned()),
        // The lines of all modules with this command.
        Some(("install", rest)) => seen.insert(rest.split(COMMAND_END).next().unwrap_or_default().to_owned()),
        _ => seen.insert(line.clone()),
    });
    let repeats = lines.len() < answer.lines.len();
    // Nothing is done for these, so their order does not matter.
    let (mut built_in, mut lines): (Vec<_>, Vec<_>) = lines.into_iter().partition(|line| line.starts_with("builtin "));
    built_in.sort();
    lines.extend(built_in);
    Once { lines, success: answer.success, repeats }
}

/// An answer about files in another directory.
fn moved(answer: &Answer, from: &Path, to: &Path) -> Answer {
    let (from, to) = (from.display().to_string(), to.display().to_string());
    Answer { lines: answer.lines.iter().map(|line| line.replace(&from, &to)).collect(), ..answer.clone() }
}

/// What relobox does.
fn ours(scenario: &Scenario, root: &Path) -> Result<Vec<Answer>> {
    let tree = Tree::open(&scenario.tree(root))?;
    let directories: Vec<_> = scenario.config().map(|name| root.join(name)).collect();
    let mut config = Config::read(&directories, Some(&tree))?;
    config.parse_command_line(&scenario.command_line);
    let answer = |query: &Query| {
        let (lines, success) = match query.mode {
            Mode::Depends | Mode::DryRun => planned(scenario, &tree, &config, query),
            Mode::Resolve => {
                let names = resolve(&tree, &config, &query.words[0])?;
                let success = !names.is_empty();
                (names, success)
            }
            Mode::Remove => removed(scenario, &tree, &config, query),
        };
        // Parameters can contain the end of a line.
        let lines = lines.iter().flat_map(|line| line.split('\n')).map(|line| line.trim_end().to_owned());
        let lines = lines.filter(|line| !line.is_empty()).collect();
        Ok(Answer { lines, messages: String::new(), success, crashed: false })
    };
    scenario.queries.iter().map(answer).collect()
}

fn planned(scenario: &Scenario, tree: &Tree, config: &Config, query: &Query) -> (Vec<String>, bool) {
    let live = match query.mode {
        Mode::DryRun => scenario.live.iter().map(|(name, _)| name.clone()).collect(),
        _ => HashSet::new(),
    };
    let plan = plan(
        tree,
        config,
        &Request {
            names: &query.words[..1],
            args: &query.words[1..].join(" "),
            blacklist: query.blacklist,
            ignore_commands: query.ignore,
            show_depends: query.mode == Mode::Depends,
            live: &live,
            inspect: &|path| panic!("{} is newer than depmod", path.display()),
        },
    );
    let line = |Step { name, action, args, command, .. }: &Step| match (action, command) {
        (Action::Live, _) => None,
        (_, Some(command)) => Some(format!("install {command} {args}")),
        (Action::Load(path), _) => Some(format!("insmod {} {args}", path.display())),
        (Action::BuiltIn, _) if query.mode == Mode::Depends => Some(format!("builtin {name}")),
        _ => None,
    };
    (plan.steps.iter().filter_map(line).collect(), plan.errors.is_empty())
}

/// A kernel whose modules stay, as in kmod's dry run.
struct Still<'a>(&'a Scenario, Vec<String>);

impl Modules for Still<'_> {
    fn list(&mut self) -> Result<Vec<Module>, KernelError> {
        let module = |(name, count): &(String, u32)| {
            let (areas, users, uses, exports) = Default::default();
            Module { name: name.clone(), live: true, areas, use_count: Some(*count), users, uses, exports }
        };
        Ok(self.0.live.iter().map(module).collect())
    }

    fn remove(&mut self, name: &str) -> Result<(), KernelError> {
        match self.0.live.iter().find(|(live, _)| live == name) {
            Some((name, count @ 1..)) => {
                Err(KernelError::InUse { name: name.clone(), users: Vec::new(), count: Some(*count) })
            }
            _ => {
                self.1.push(format!("rmmod {name}"));
                Ok(())
            }
        }
    }
}

fn removed(scenario: &Scenario, tree: &Tree, config: &Config, query: &Query) -> (Vec<String>, bool) {
    let mut kernel = Still(scenario, Vec::new());
    let options = RemoveOptions { first_time: false, ignore_commands: query.ignore };
    let result = remove(tree, config, &mut kernel, &query.words[0], options, &mut Removed::default());
    (kernel.1, result.is_ok())
}

fn lines(scenario: &mut Scenario) -> impl Iterator<Item = &mut Line> {
    let texts = scenario.files.iter_mut().filter_map(|file| match &mut file.kind {
        Kind::Text(lines, _) => Some(lines),
        _ => None,
    });
    texts.flatten()
}

/// Adds a first file with an empty softdep for each module that is switched off: only the first one counts.
fn without_softdeps_of_switched_off(scenario: &mut Scenario) {
    let place = tempfile::tempdir().expect("a directory");
    scenario.write(place.path()).expect("a scenario");
    let directories: Vec<_> = scenario.config().map(|name| place.path().join(name)).collect();
    let config = Config::read(&directories, None).expect("a configuration");
    let first = |name: &&String| config.install.iter().find(|line| relobox::modprobe::glob::matches(&line.name, name));
    let switched_off = |name: &&String| {
        let program = first(name).and_then(|line| line.value.split_whitespace().next());
        matches!(program, Some("/bin/true" | "/bin/false" | "/usr/bin/false"))
    };
    let names =
        scenario.modules.iter().map(|module| &module.name).chain(scenario.built_in.iter().map(|(name, _)| name));
    let line = |name: &String| Line {
        command: "softdep ".into(),
        name: name.clone(),
        gap: " ".into(),
        rest: b"none".to_vec(),
    };
    let text = Kind::Text(names.filter(switched_off).map(line).collect(), "\n");
    if matches!(&text, Kind::Text(lines, _) if lines.is_empty()) {
        return;
    }
    scenario.files.push(File { directory: DIRECTORIES[0], name: "!.conf".into(), kind: text });
}

/// kmod takes a single blank in front of the first word for a part of it.
fn with_single_blanks(scenario: &mut Scenario) {
    for line in lines(scenario).filter(|line| line.command.contains("softdep")) {
        line.gap = " ".into();
        line.rest = line.rest.trim_ascii_start().to_vec();
    }
}

/// kmod neither replaces dashes nor removes quotes there.
fn with_plain_blacklists(scenario: &mut Scenario) {
    let plain = |word: &str| match word.contains("modprobe.blacklist=") {
        true => word.replace('-', "_").replace('"', ""),
        false => word.to_owned(),
    };
    let words: Vec<_> = scenario.command_line.split(' ').map(plain).collect();
    scenario.command_line = words.join(" ");
}

/// kmod forgets what a module needs if one of the files is missing.
fn with_all_files(scenario: &mut Scenario) {
    scenario.modules.iter_mut().for_each(|module| module.missing = false);
}

fn with_replaced_text(scenario: &mut Scenario) {
    for line in lines(scenario) {
        line.rest = String::from_utf8_lossy(&line.rest).into_owned().into_bytes();
    }
}
