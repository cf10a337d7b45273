//! The files that depmod writes.

use crate::builtin;
use crate::graph::Graph;
use crate::log::Log;
use crate::scanned::TEXTS;
use crate::trie::{NotAscii, Trie};
use crate::{Options, normalized};
pub use relobox_modprobe::depmod::FILES;

/// What the kernel's build says of what is built in; or a warning that a file is missing.
#[derive(Clone, Copy, Debug)]
pub struct BuiltIn<'a> {
    /// The text of modules.builtin.
    pub names: Result<&'a [u8], &'a [u8]>,
    /// The text of modules.builtin.modinfo.
    pub modinfo: Result<&'a [u8], &'a [u8]>,
}

/// Makes an index of a text. Without the text, it is an empty file.
fn index(
    text: Result<&[u8], &[u8]>,
    log: &mut Log,
    make: fn(&[u8], &mut Log) -> Result<Vec<u8>, NotAscii>,
) -> Result<Vec<u8>, NotAscii> {
    match text {
        Ok(text) => make(text, log),
        Err(missing) => {
            log.warning(&[missing]);
            Ok(Vec::new())
        }
    }
}

/// The contents of the files, in the order of [`FILES`]. With `-n` the binary ones are empty. Fewer files are the ones
/// before the first that cannot be written; the log says why.
#[must_use]
pub fn files(options: &Options, graph: &Graph<'_>, built_in: BuiltIn<'_>, log: &mut Log) -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    for name in FILES {
        let bytes = match name {
            _ if name.ends_with(".bin") && options.dry_run => Ok(Vec::new()),
            "modules.dep" => Ok(dependencies(graph)),
            "modules.dep.bin" => dependencies_bin(options, graph, log),
            "modules.alias" => Ok(aliases(graph)),
            "modules.alias.bin" => aliases_bin(options, graph, log),
            "modules.softdep" => Ok(texts(graph, 1, "# Soft dependencies extracted from modules themselves.\n")),
            "modules.weakdep" => Ok(texts(graph, 2, "# Weak dependencies extracted from modules themselves.\n")),
            "modules.symbols" => Ok(symbols(graph)),
            "modules.symbols.bin" => symbols_bin(options, graph, log),
            "modules.builtin.bin" => index(built_in.names, log, builtin::names),
            "modules.builtin.alias.bin" => index(built_in.modinfo, log, builtin::aliases),
            _ => Ok(device_names(graph, log)),
        };
        match bytes {
            Ok(bytes) => files.push(bytes),
            Err(bad) => {
                bad.report(log);
                break;
            }
        }
    }
    files
}

fn line_of_dependencies(graph: &Graph<'_>, module: usize) -> Vec<u8> {
    let mut line = [graph.modules[module].shown(), b":"].concat();
    for need in graph.all_needs(module) {
        line.push(b' ');
        line.extend(graph.modules[need].shown());
    }
    line
}

fn dependencies(graph: &Graph<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    for module in 0..graph.modules.len() {
        out.extend(line_of_dependencies(graph, module));
        out.push(b'\n');
    }
    out
}

/// Reports the entries that an index has twice, if `-w` asks for that. `text` is the message about an entry.
fn duplicates(options: &Options, trie: &Trie<'_>, log: &mut Log, text: impl Fn(usize) -> Vec<u8>) {
    if options.duplicates {
        for (i, _) in trie.duplicates().enumerate().filter(|(_, is)| *is) {
            log.warning(&[&text(i)]);
        }
    }
}

fn dependencies_bin(options: &Options, graph: &Graph<'_>, log: &mut Log) -> Result<Vec<u8>, NotAscii> {
    let mut trie = Trie::default();
    for (i, module) in (0..).zip(graph.modules) {
        trie.insert(&module.name[..], line_of_dependencies(graph, i as usize), i)?;
    }
    let text = |i| [&b"duplicate module deps:\n"[..], &line_of_dependencies(graph, i)[..]].concat();
    duplicates(options, &trie, log, text);
    Ok(trie.bytes())
}

fn aliases(graph: &Graph<'_>) -> Vec<u8> {
    let mut out = b"# Aliases extracted from modules themselves.\n".to_vec();
    for (module, scanned) in graph.modules.iter().zip(&graph.scanned) {
        for alias in &scanned.texts[0] {
            for part in [&b"alias "[..], alias, b" ", &module.name, b"\n"] {
                out.extend(part);
            }
        }
    }
    out
}

fn aliases_bin(options: &Options, graph: &Graph<'_>, log: &mut Log) -> Result<Vec<u8>, NotAscii> {
    let (mut trie, mut entries) = (Trie::default(), Vec::new());
    for (i, (module, scanned)) in (0..).zip(graph.modules.iter().zip(&graph.scanned)) {
        for value in &scanned.texts[0] {
            match normalized(value) {
                Some(alias) => {
                    if options.duplicates {
                        entries.push([&alias[..], b" ", &module.name].concat());
                    }
                    trie.insert(alias, &module.name[..], i)?;
                }
                None => log.warning(&[b"Unmatched bracket in ", value]),
            }
        }
    }
    duplicates(options, &trie, log, |i| [&b"duplicate module alias:\n"[..], &entries[i][..]].concat());
    Ok(trie.bytes())
}

fn texts(graph: &Graph<'_>, which: usize, head: &str) -> Vec<u8> {
    let mut out = head.as_bytes().to_vec();
    for (module, scanned) in graph.modules.iter().zip(&graph.scanned) {
        for text in &scanned.texts[which] {
            out.extend([TEXTS[which], b" ", &module.name, b" ", text, b"\n"].concat());
        }
    }
    out
}

fn exported<'g>(graph: &'g Graph<'_>) -> impl Iterator<Item = (&'g [u8], u32)> {
    graph.symbols.iter().filter_map(|(name, symbol)| Some((name, symbol.owner?)))
}

fn symbols(graph: &Graph<'_>) -> Vec<u8> {
    let mut out = b"# Aliases for symbols, used by symbol_request().\n".to_vec();
    for (name, owner) in exported(graph) {
        for part in [&b"alias symbol:"[..], name, b" ", &graph.modules[owner as usize].name, b"\n"] {
            out.extend(part);
        }
    }
    out
}

fn symbols_bin(options: &Options, graph: &Graph<'_>, log: &mut Log) -> Result<Vec<u8>, NotAscii> {
    let mut trie = Trie::default();
    for (name, owner) in exported(graph) {
        trie.insert([b"symbol:", name].concat(), &graph.modules[owner as usize].name[..], owner)?;
    }
    // A table of symbols has no name twice.
    duplicates(options, &trie, log, |_| b"duplicate module syms:".to_vec());
    Ok(trie.bytes())
}

/// The device nodes that may be made before their module is loaded.
fn device_names(graph: &Graph<'_>, log: &mut Log) -> Vec<u8> {
    let mut out = Vec::new();
    for (module, scanned) in graph.modules.iter().zip(&graph.scanned) {
        let (mut name, mut numbers) = (None, None);
        for alias in &scanned.texts[0] {
            if let Some(device) = alias.strip_prefix(b"devname:") {
                name = Some(device);
            } else if let Some(found) = [("c", &b"char-major-"[..]), ("b", &b"block-major-"[..])]
                .into_iter()
                .find_map(|(kind, start)| Some((kind, two_numbers(alias.strip_prefix(start)?)?)))
            {
                numbers = Some(found);
            }
            if name.is_some() && numbers.is_some() {
                break;
            }
        }
        match (name, numbers) {
            (Some(name), Some((kind, (major, minor)))) => {
                if out.is_empty() {
                    out.extend(b"# Device nodes to trigger on-demand module loading.\n");
                }
                let numbers = format!(" {kind}{major}:{minor}\n");
                out.extend([&module.name[..], b" ", name, numbers.as_bytes()].concat());
            }
            (Some(name), None) => {
                let text = b") but lacks major and minor information. Ignoring.";
                log.error(&[b"Module '", &module.name, b"' has devname (", name, text]);
            }
            (None, _) => {}
        }
    }
    out
}

/// `MAJOR-MINOR` and anything.
fn two_numbers(text: &[u8]) -> Option<(u32, u32)> {
    let number = |text: &[u8]| -> Option<(u32, usize)> {
        let len = text.iter().take_while(|b| b.is_ascii_digit()).count();
        Some((std::str::from_utf8(&text[..len]).ok()?.parse().ok()?, len))
    };
    let (major, len) = number(text)?;
    let (minor, _) = number(text[len..].strip_prefix(b"-")?)?;
    Some((major, minor))
}
