//! The dependencies of modules, their order, and cycles.

use crate::Options;
use crate::choose::Module;
use crate::log::{Level, Log};
use crate::scanned::Scanned;
use crate::symbols::{Symbol, Symbols};
use relobox_core::limits;
use std::collections::{BTreeSet, VecDeque};

/// The modules of the indices with everything that is known of them.
pub struct Graph<'a> {
    /// The modules, in the order of the indices.
    pub modules: &'a [Module],
    /// What was read of each.
    pub scanned: Vec<Scanned<'a>>,
    /// All symbols.
    pub symbols: Symbols<'a>,
    /// For each module those that it needs itself.
    needs: Vec<Vec<u32>>,
    /// The place of each module in an order in which none comes before one that needs it.
    order: Vec<u32>,
}

impl<'a> Graph<'a> {
    /// Links modules by their symbols. `scanned` has one entry for each module.
    ///
    /// # Errors
    /// If the modules need each other in a cycle. The log has the cycles.
    pub fn link(
        options: &Options,
        modules: &'a [Module],
        scanned: Vec<Scanned<'a>>,
        mut symbols: Symbols<'a>,
        log: &mut Log,
    ) -> Result<Self, Cyclic> {
        for (owner, (module, scanned)) in (0..).zip(modules.iter().zip(&scanned)) {
            if scanned.error != 0 {
                let why = errno_text(scanned.error);
                log.error(&[b"failed to load symbols from ", &module.path, b": ", why.as_bytes()]);
            }
            for link in &scanned.exports {
                symbols.add(link.name, Symbol { owner: Some(owner), crc: link.crc.map(u64::from) });
            }
        }
        let mut graph = Self { modules, scanned, symbols, needs: Vec::new(), order: Vec::new() };
        graph.needs = (0..modules.len()).map(|module| graph.needs_of(options, module, log)).collect();
        graph.order = graph.sorted(log)?;
        Ok(graph)
    }

    fn needs_of(&self, options: &Options, module: usize, log: &mut Log) -> Vec<u32> {
        let (path, mut needs, mut seen) = (&self.modules[module].path, Vec::new(), BTreeSet::new());
        for link in &self.scanned[module].imports {
            let Some(symbol) = self.symbols.find(link.name) else {
                if options.unknown && !link.weak {
                    log.warning(&[path, b" needs unknown symbol ", link.name]);
                }
                continue;
            };
            if options.versions && options.unknown && !link.weak && symbol.crc != link.crc.map(u64::from) {
                log.warning(&[path, b" disagrees about version of symbol ", link.name]);
            }
            let Some(owner) = symbol.owner.filter(|owner| seen.insert(*owner)) else { continue };
            needs.push(owner);
            if log.keeps(Level::Shown) {
                let name = link.name.strip_prefix(b".").unwrap_or(link.name);
                let name = match name {
                    [first, rest @ ..] if Some(*first) == options.prefix => rest,
                    name => name,
                };
                let by = &self.modules[owner as usize].path;
                log.add(Level::Shown, &[path, b" needs \"", name, b"\": ", by]);
            }
        }
        needs
    }

    /// Orders the modules so that each comes before those that it needs.
    fn sorted(&self, log: &mut Log) -> Result<Vec<u32>, Cyclic> {
        let mut users = vec![0u32; self.modules.len()];
        for need in self.needs.iter().flatten() {
            users[*need as usize] += 1;
        }
        let mut order = vec![u32::MAX; users.len()];
        let mut unused: Vec<usize> = (0..users.len()).filter(|i| users[*i] == 0).collect();
        let mut place = 0;
        while let Some(module) = unused.pop() {
            order[module] = place;
            place += 1;
            for need in &self.needs[module] {
                let need = *need as usize;
                users[need] -= 1;
                if users[need] == 0 {
                    unused.push(need);
                }
            }
        }
        if place as usize == order.len() {
            return Ok(order);
        }
        self.report_cycles((0..users.len()).filter(|i| users[*i] != 0).collect(), log);
        Err(Cyclic)
    }

    /// Reports the cycles among `roots`, the modules that a cycle needs or that lie in one, in kmod's order and words.
    fn report_cycles(&self, mut roots: VecDeque<usize>, log: &mut Log) {
        let (mut visited, mut cyclic, mut named) = (vec![false; self.modules.len()], BTreeSet::new(), 0);
        // kmod's list is a circle: to remove an entry makes the next one the first.
        let remove = |roots: &mut VecDeque<usize>, module: usize| {
            if let Some(i) = roots.iter().position(|root| *root == module) {
                roots.rotate_left(i);
                roots.pop_front();
            }
        };
        while let Some(root) = roots.pop_front() {
            // Each vertex knows the one that it was reached from.
            let mut vertices: Vec<(usize, Option<usize>)> = vec![(root, None)];
            let mut stack = vec![0];
            while let Some(vertex) = stack.pop() {
                let (module, parent) = vertices[vertex];
                if visited[module] && module == root {
                    let path = parent.map_or(Vec::new(), |parent| path_to(&vertices, parent));
                    named += path.len();
                    cyclic.extend(path.iter().copied());
                    let mut text = b"Cycle detected: ".to_vec();
                    for module in path.into_iter().rev() {
                        text.extend([&self.modules[module].name[..], b" -> "].concat());
                        remove(&mut roots, module);
                    }
                    log.error(&[&text, &self.modules[root].name]);
                    continue;
                }
                visited[module] = true;
                if self.needs[module].is_empty() {
                    remove(&mut roots, module);
                    continue;
                }
                if vertices.len() > limits::CYCLE_STEPS || named > limits::CYCLE_STEPS {
                    break;
                }
                // A path that comes back to a module other than the root does so again and again.
                let on_path = path_to(&vertices, vertex);
                for need in self.needs[module].iter().map(|need| *need as usize) {
                    if need == root || !on_path.contains(&need) {
                        stack.push(vertices.len());
                        vertices.push((need, Some(vertex)));
                    }
                }
            }
        }
        log.error(&[format!("Found {} modules in dependency cycles!", cyclic.len()).as_bytes()]);
    }

    /// All that a module needs, in the order in which modules.dep lists them: what is loaded last comes first.
    #[must_use]
    pub fn all_needs(&self, module: usize) -> Vec<usize> {
        let mut all = BTreeSet::new();
        let mut open = vec![module];
        while let Some(next) = open.pop() {
            open.extend(self.needs[next].iter().map(|need| *need as usize).filter(|need| all.insert(*need)));
        }
        let mut all: Vec<usize> = all.into_iter().collect();
        all.sort_by_key(|need| self.order[*need]);
        all
    }
}

/// The modules from a vertex back to the root.
fn path_to(vertices: &[(usize, Option<usize>)], vertex: usize) -> Vec<usize> {
    let (mut path, mut next) = (Vec::new(), Some(vertex));
    while let Some((module, parent)) = next.map(|i| vertices[i]) {
        path.push(module);
        next = parent;
    }
    path
}

/// The modules need each other in a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cyclic;

/// What the C library says of the errors of a file that kmod cannot read.
#[must_use]
pub fn errno_text(errno: u32) -> String {
    let text = std::io::Error::from_raw_os_error(errno as i32).to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scanned::Link;

    fn link(name: &str) -> Link<'_> {
        Link { name: name.as_bytes(), crc: Some(0), weak: false }
    }

    /// Modules that export their own name, and need these.
    fn graph(needs: &[(&str, &[&str])]) -> (Result<Vec<String>, Cyclic>, Vec<String>) {
        let module = |(file, (name, _)): (usize, &(&str, &[&str]))| {
            let name = name.as_bytes();
            let path = [b"/", name, b".ko"].concat();
            let config = crate::config::Config::default();
            let tree = crate::choose::Tree { config: &config, directory: b"" };
            let mut chosen = tree.choose(&[path], true, None, &mut Log::new(0)).unwrap();
            let mut module = chosen.remove(0);
            module.file = file;
            module
        };
        let modules: Vec<_> = needs.iter().enumerate().map(module).collect();
        let scanned = needs.iter().map(|(name, needs)| Scanned {
            exports: vec![link(name)],
            imports: needs.iter().map(|need| link(need)).collect(),
            ..Scanned::default()
        });
        let mut log = Log::new(0);
        let graph = Graph::link(&Options::default(), &modules, scanned.collect(), Symbols::new(None), &mut log);
        let texts = log.take().into_iter().map(|(_, text)| String::from_utf8(text).unwrap()).collect();
        let listed = |graph: Graph<'_>| {
            let line =
                |i: usize| graph.all_needs(i).into_iter().map(|need| needs[need].0).collect::<Vec<_>>().join(" ");
            (0..needs.len()).map(line).collect()
        };
        (graph.map(listed), texts)
    }

    #[test]
    fn what_is_needed_by_others_comes_last() {
        let (listed, texts) = graph(&[("a", &["c", "b"]), ("b", &["c", "d"]), ("c", &["d", "x"]), ("d", &[])]);
        assert_eq!(listed.unwrap(), ["b c d", "c d", "d", ""]);
        assert!(texts.is_empty());
    }

    /// The modules of the test `detect-loop` of kmod.
    #[test]
    fn cycles_are_reported_in_kmods_words() {
        let (listed, texts) = graph(&[("a", &["b"]), ("b", &["a", "c"]), ("c", &[]), ("d", &["a"])]);
        assert_eq!(listed, Err(Cyclic));
        assert_eq!(texts, ["Cycle detected: a -> b -> a", "Found 2 modules in dependency cycles!"]);
        // Two cycles that share a module: kmod's search does not end from one of the others.
        let (_, texts) = graph(&[("c", &["a"]), ("a", &["b", "c"]), ("b", &["a"])]);
        assert_eq!(texts.last().unwrap(), "Found 2 modules in dependency cycles!", "{texts:?}");
    }
}
