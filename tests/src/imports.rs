//! The import graph of a crate, computed from its source. The module tree is followed as the compiler follows it, and
//! every path in the tokens is resolved, whether in a `use`, in code, or in a macro.
//!
//! A file uses another one if it names its module or something in it. Re-exports are followed: with `pub use
//! child::Item` in `mod.rs`, a file that names `crate::parent::Item` uses the child, and `mod.rs` itself uses the child
//! only if its own code names the item. `mod child;` alone is not a use. Code that is compiled only for tests does not
//! count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, Item, UseTree};

/// The edges between files, by their paths below the crate's source directory.
pub type Graph = BTreeMap<PathBuf, BTreeSet<PathBuf>>;

/// A module with its file and its submodules.
struct Module {
    file: PathBuf,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    /// The names that `use` imports into the module, with their paths.
    imported: BTreeMap<String, Vec<String>>,
    /// The paths in its code and in its private imports, and the paths of those re-exports that its code names.
    paths: Vec<Vec<String>>,
}

/// Returns the import graph of the crate with the root file `root`, such as `host/src/lib.rs`.
///
/// # Errors
///
/// If a file cannot be read or parsed.
pub fn graph(root: &Path) -> Result<Graph> {
    let dir = root.parent().context("a root without a directory")?;
    let mut modules = Vec::new();
    read(root, dir, true, None, &mut modules)?;
    let mut graph = Graph::new();
    for (at, module) in modules.iter().enumerate() {
        let from = graph.entry(module.file.clone()).or_default();
        for path in &module.paths {
            let Some(to) = resolve(&modules, at, path, 0) else { continue };
            if modules[to].file != module.file {
                from.insert(modules[to].file.clone());
            }
        }
    }
    Ok(graph)
}

/// Returns the cycles: sets of files that reach each other. A file that only uses itself is no cycle.
#[must_use]
pub fn cycles(graph: &Graph) -> Vec<BTreeSet<PathBuf>> {
    let reach: BTreeMap<&PathBuf, BTreeSet<&PathBuf>> = graph
        .keys()
        .map(|from| {
            let (mut seen, mut todo) = (BTreeSet::new(), vec![from]);
            while let Some(file) = todo.pop() {
                todo.extend(graph.get(file).into_iter().flatten().filter(|to| seen.insert(*to)));
            }
            (from, seen)
        })
        .collect();
    let cycles: BTreeSet<BTreeSet<PathBuf>> = reach
        .iter()
        .filter(|(file, seen)| seen.contains(*file))
        .map(|(file, seen)| seen.iter().filter(|to| reach[*to].contains(file)).map(|file| (*file).clone()).collect())
        .collect();
    cycles.into_iter().collect()
}

/// Reads the file of a module and the files of its submodules, and returns the index of the module.
fn read(path: &Path, dir: &Path, owns: bool, parent: Option<usize>, modules: &mut Vec<Module>) -> Result<usize> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let source = syn::parse_file(&text).with_context(|| path.display().to_string())?;
    let file = path.strip_prefix(dir).unwrap_or(path).to_owned();
    // The files of submodules are beside `mod.rs` and the root file, otherwise in a directory with the name of the
    // module.
    let folder = if owns { path.with_file_name("") } else { path.with_extension("") };
    module(source.items, &file, &folder, dir, parent, modules)
}

fn module(
    items: Vec<Item>,
    file: &Path,
    folder: &Path,
    dir: &Path,
    parent: Option<usize>,
    modules: &mut Vec<Module>,
) -> Result<usize> {
    let at = modules.len();
    modules.push(Module {
        file: file.to_owned(),
        parent,
        children: BTreeMap::new(),
        imported: BTreeMap::new(),
        paths: Vec::new(),
    });
    let (mut code, mut public) = (Vec::new(), Vec::new());
    for item in items {
        let Item::Mod(declared) = item else {
            if attributes(&item).iter().any(for_tests) {
                continue;
            }
            let Item::Use(item) = item else {
                collect(&item.to_token_stream().into_iter().collect::<Vec<_>>(), &mut code);
                continue;
            };
            let mut imports = Vec::new();
            expand(&item.tree, &mut Vec::new(), &mut imports);
            if matches!(item.vis, syn::Visibility::Inherited) {
                code.extend(imports.iter().map(|(_, path)| path.clone()));
            } else {
                public.extend(imports.iter().cloned());
            }
            modules[at].imported.extend(imports);
            continue;
        };
        if declared.attrs.iter().any(for_tests) {
            continue;
        }
        let name = declared.ident.to_string();
        let child = match declared.content {
            Some((_, items)) => module(items, file, &folder.join(&name), dir, Some(at), modules)?,
            None => {
                // The path is relative to the file that declares the module.
                let named = named_path(&declared.attrs).map(|path| dir.join(file).with_file_name(path));
                let (path, owns) = match named {
                    Some(path) => (path, true),
                    None if folder.join(&name).join("mod.rs").exists() => (folder.join(&name).join("mod.rs"), true),
                    None => (folder.join(format!("{name}.rs")), false),
                };
                read(&path, dir, owns, Some(at), modules)?
            }
        };
        modules[at].children.insert(name, child);
    }
    let named: Vec<_> = public
        .into_iter()
        .filter(|(name, _)| name == "*" || code.iter().any(|path| path[0] == *name))
        .map(|(_, path)| path)
        .collect();
    code.extend(named);
    modules[at].paths = code;
    Ok(at)
}

/// Expands a `use` tree to the imported names and their paths; a glob has the name `*`.
fn expand(tree: &UseTree, prefix: &mut Vec<String>, found: &mut Vec<(String, Vec<String>)>) {
    let mut add = |name: String, last: Option<String>| {
        let path = prefix.iter().cloned().chain(last.filter(|last| last != "self")).collect();
        found.push((name, path));
    };
    match tree {
        UseTree::Path(path) => {
            prefix.push(path.ident.to_string());
            expand(&path.tree, prefix, found);
            prefix.pop();
        }
        UseTree::Name(name) if name.ident == "self" => add(prefix.last().cloned().unwrap_or_default(), None),
        UseTree::Name(name) => add(name.ident.to_string(), Some(name.ident.to_string())),
        UseTree::Rename(rename) => add(rename.rename.to_string(), Some(rename.ident.to_string())),
        UseTree::Glob(_) => add("*".to_owned(), Some("*".to_owned())),
        UseTree::Group(group) => group.items.iter().for_each(|tree| expand(tree, prefix, found)),
    }
}

fn for_tests(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg") && attribute.meta.to_token_stream().to_string().replace(' ', "") == "cfg(test)"
}

/// Returns the file in `#[path = "file"]`.
fn named_path(attributes: &[Attribute]) -> Option<String> {
    let attribute = attributes.iter().find(|a| a.path().is_ident("path"))?;
    let syn::Expr::Lit(literal) = &attribute.meta.require_name_value().ok()?.value else { return None };
    let syn::Lit::Str(text) = &literal.lit else { return None };
    Some(text.value())
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Collects every path in `tokens`, including single names and `use` items inside functions.
fn collect(tokens: &[TokenTree], found: &mut Vec<Vec<String>>) {
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Ident(word) if word == "use" => {
                let end = tokens[at..].iter().position(|t| matches!(t, TokenTree::Punct(p) if p.as_char() == ';'));
                let end = at + end.map_or(1, |end| end + 1);
                let item: TokenStream = tokens[at..end].iter().cloned().collect();
                if let Ok(item) = syn::parse2::<syn::ItemUse>(item) {
                    let mut imports = Vec::new();
                    expand(&item.tree, &mut Vec::new(), &mut imports);
                    found.extend(imports.into_iter().map(|(_, path)| path));
                }
                at = end;
            }
            TokenTree::Ident(_) => {
                let mut path = Vec::new();
                while let Some(TokenTree::Ident(name)) = tokens.get(at) {
                    path.push(name.to_string());
                    at += 1;
                    if !is_colons(tokens, at) {
                        break;
                    }
                    at += 2;
                }
                found.push(path);
            }
            TokenTree::Group(group) => {
                collect(&group.stream().into_iter().collect::<Vec<_>>(), found);
                at += 1;
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => at += 1,
        }
    }
}

fn is_colons(tokens: &[TokenTree], at: usize) -> bool {
    let colon = |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == ':');
    colon(at) && colon(at + 1)
}

/// Returns the module that contains the item of `path`, as seen from module `at`, or `None` if it is in another crate.
fn resolve(modules: &[Module], at: usize, path: &[String], depth: usize) -> Option<usize> {
    let (mut module, mut rest) = match path.first()?.as_str() {
        // Without a further segment this is a visibility or a value.
        "crate" | "self" | "super" if path.len() == 1 => return None,
        "crate" => (0, &path[1..]),
        "self" => (at, &path[1..]),
        "super" => (at, path),
        child if path.len() > 1 => (*modules[at].children.get(child)?, &path[1..]),
        _ => return None,
    };
    while let [name, after @ ..] = rest {
        match (name.as_str(), modules[module].children.get(name), modules[module].imported.get(name)) {
            ("super", ..) => module = modules[module].parent?,
            ("self", ..) => {}
            (_, Some(child), _) => module = *child,
            // Only globs, which are not followed, can make imports cyclic; the limit is a precaution.
            (_, None, Some(import)) if depth < 16 => {
                let path: Vec<_> = import.iter().chain(after).cloned().collect();
                return resolve(modules, module, &path, depth + 1);
            }
            _ => break,
        }
        rest = after;
    }
    Some(module)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crate_of(files: &[(&str, &str)]) -> Graph {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        graph(&dir.path().join("lib.rs")).unwrap()
    }

    fn arrows(graph: &Graph) -> Vec<String> {
        graph
            .iter()
            .flat_map(|(from, to)| to.iter().map(move |to| format!("{} {}", from.display(), to.display())))
            .collect()
    }

    #[test]
    fn every_form_of_use_is_an_edge() {
        for text in [
            "use crate::b::X;",
            "use super::b;",
            "use super::{b::{X, Y as Z}};",
            "pub use crate::b::*;",
            "pub(crate) fn f() { use crate::{b as c}; c::f(self, super::a) }",
            "fn f() { use crate::{b as c}; }",
            "fn f() -> super::b::X { todo!() }",
            "fn f() { println!(\"{}\", crate::b::X) }",
            "impl crate::b::T for u8 {}",
            "mod inner { use super::super::b::X; }",
        ] {
            let graph = crate_of(&[("lib.rs", "mod a; mod b;"), ("a.rs", text), ("b.rs", "pub struct X;")]);
            assert_eq!(arrows(&graph), ["a.rs b.rs"], "{text}");
        }
    }

    #[test]
    fn a_child_is_used_by_name_and_a_parent_by_super() {
        let files =
            [("lib.rs", "mod a;"), ("a/mod.rs", "mod b; fn f() { b::f() } pub struct P;"), ("a/b.rs", "use super::P;")];
        let graph = crate_of(&files);
        assert_eq!(arrows(&graph), ["a/b.rs a/mod.rs", "a/mod.rs a/b.rs"]);
        assert_eq!(cycles(&graph), [BTreeSet::from(["a/b.rs".into(), "a/mod.rs".into()])]);
    }

    #[test]
    fn reexports_are_followed() {
        let files = [("lib.rs", "mod a; mod c;"), ("a/b.rs", "use super::P;"), ("c.rs", "use crate::a::X;")];
        for (text, expected) in [
            ("mod b; pub use b::X; pub struct P;", vec!["a/b.rs a/mod.rs", "c.rs a/b.rs"]),
            ("mod b; pub use b::Y as X; pub struct P;", vec!["a/b.rs a/mod.rs", "c.rs a/b.rs"]),
            ("mod b; pub use b::X; pub struct P(X);", vec!["a/b.rs a/mod.rs", "a/mod.rs a/b.rs", "c.rs a/b.rs"]),
            ("mod b; pub use b::*; pub struct P;", vec!["a/b.rs a/mod.rs", "a/mod.rs a/b.rs", "c.rs a/mod.rs"]),
        ] {
            let graph = crate_of(&[&files[..], &[("a/mod.rs", text)]].concat());
            assert_eq!(arrows(&graph), expected, "{text}");
        }
    }

    #[test]
    fn other_text_is_no_edge() {
        for text in [
            "mod b;",
            "mod b; use std::b::X;",
            "mod b; #[cfg(test)] mod tests { use super::b::X; }",
            "mod b; #[cfg(test)] use b::X;",
            "mod b; pub use b::X;",
            "mod b; fn f(b: u8) -> u8 { b }",
            "mod b; const TEXT: &str = \"crate::b::X\"; // b::X",
        ] {
            let graph = crate_of(&[("lib.rs", text), ("b.rs", "pub struct X;")]);
            assert_eq!(arrows(&graph), [""; 0], "{text}");
        }
    }
}
