//! The kernels that modules are for. Each has its own symbols, and its modules see no exports of another kernel's.
//!
//! The modules of a tree are for one kernel, whatever their vermagic says: modprobe would load them into it. A tree with
//! modules for several machines has one kernel for each machine. Other files are for the kernel that their vermagic
//! names, and join a tree of that kernel.

use super::exports::Header;
use super::find::Found;
use super::machine::MachineId;
use crate::text::decoded;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A kernel whose modules are checked together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// Its release, such as `6.1.0-56-amd64`: the one that most of its modules have in their vermagic, or else the name
    /// of the tree's directory. `None` for files that were named and do not say.
    pub release: Option<String>,
    /// The machine of its modules.
    pub machine: MachineId,
    /// ELF's e_flags of its first module.
    pub flags: u32,
    /// The tree: a directory like /lib/modules/VERSION.
    pub tree: Option<PathBuf>,
    /// The directories on the command line that are no trees and contain modules of this kernel.
    pub directories: Vec<PathBuf>,
    /// The path of its first module.
    pub first: PathBuf,
    /// The number of its modules.
    pub modules: usize,
}

/// Finds the kernels, and the index of each file's kernel. A file that cannot be read has none.
pub(super) fn group(found: &Found, headers: &[Option<&Header>]) -> (Vec<Kernel>, Vec<Option<usize>>) {
    let mut kernels = Vec::new();
    let mut of = vec![None; headers.len()];
    let known = || found.modules.iter().zip(headers).enumerate().filter_map(|(at, (f, h))| Some((at, f, (*h)?)));
    let mut in_trees: BTreeMap<(usize, MachineId), Vec<(usize, Option<&str>)>> = BTreeMap::new();
    for (at, file, header) in known() {
        if let Some(tree) = file.tree.filter(|tree| found.is_tree(*tree)) {
            in_trees.entry((tree, header.machine)).or_default().push((at, header.release.as_deref()));
        }
    }
    for ((tree, machine), files) in in_trees {
        let tree = &found.trees[tree];
        let release = most_frequent(files.iter().filter_map(|(_, release)| *release)).or_else(|| name_of(tree));
        files.iter().for_each(|(at, _)| of[*at] = Some(kernels.len()));
        let (tree, first) = (Some(tree.clone()), found.modules[files[0].0].path.clone());
        let flags = headers[files[0].0].map_or(0, |header| header.flags);
        kernels.push(Kernel { release, machine, flags, tree, directories: Vec::new(), first, modules: files.len() });
    }
    let trees = kernels.len();
    let mut others: BTreeMap<(Option<&str>, MachineId), usize> = BTreeMap::new();
    for (at, file, header) in known() {
        if of[at].is_some() {
            continue;
        }
        let release = header.release.as_deref();
        let joined = tree_for(&kernels[..trees], &file.path, release, header.machine);
        let kernel = joined.unwrap_or_else(|| {
            *others.entry((release, header.machine)).or_insert_with(|| {
                let (release, machine, first) = (release.map(ToOwned::to_owned), header.machine, file.path.clone());
                let (tree, directories, flags) = (None, Vec::new(), header.flags);
                kernels.push(Kernel { release, machine, flags, tree, directories, first, modules: 0 });
                kernels.len() - 1
            })
        });
        of[at] = Some(kernel);
        kernels[kernel].modules += 1;
        let directory = file.tree.map(|tree| &found.trees[tree]);
        if let Some(directory) = directory.filter(|directory| !kernels[kernel].directories.contains(directory)) {
            kernels[kernel].directories.push(directory.clone());
        }
    }
    (kernels, of)
}

/// The tree whose kernel a file outside of all trees is for: the one that contains its path, or else the only one of
/// its release and machine. A file or a tree that does not say its release fits to every other.
fn tree_for(trees: &[Kernel], path: &Path, release: Option<&str>, machine: MachineId) -> Option<usize> {
    let fits = |tree: &Kernel| {
        let same = release.is_none() || tree.release.is_none() || release == tree.release.as_deref();
        tree.machine == machine && same
    };
    let mut fitting = (0..trees.len()).filter(|at| fits(&trees[*at]));
    let contains = |at: &usize| trees[*at].tree.as_ref().is_some_and(|tree| path.starts_with(tree));
    match (fitting.clone().find(contains), fitting.next(), fitting.next()) {
        (Some(containing), ..) => Some(containing),
        (None, Some(only), None) => Some(only),
        _ => None,
    }
}

fn most_frequent<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    names.for_each(|name| *counts.entry(name).or_default() += 1);
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(name, _)| name.to_owned())
}

fn name_of(tree: &Path) -> Option<String> {
    let real = std::fs::canonicalize(tree).ok()?;
    Some(decoded(real.file_name()?.as_encoded_bytes()))
}
