//! Answers the questions of librelobox: links, checks and inspects modules that no kernel gets.

use crate::inspect::{inspect, letters, relocations_of_sections};
use crate::parent::{Parent, text};
use cap_std::fs::File;
use relobox_core::areas::ABSENT;
use relobox_core::error::{Error, Result};
use relobox_core::limits;
use relobox_core::linker_error::LinkerError;
use relobox_core::symbols::{Definition, NameFilter, Symbols};
use relobox_core::text::decoded;
use relobox_isolate::message::{Answer as Failure, Name, Request};
use relobox_isolate::wire::{decode, send_to_parent, write_buffer};
use relobox_link::assumed::Place;
use relobox_link::guests::{Guests, Plugin};
use relobox_link::link::{Linked, Prepared, load, plugin_of, prepare_by};
use relobox_link::stages::layout::Layout;
use relobox_link::stages::open::{Source, unpacked};
use relobox_link::stages::parse::Module;
use relobox_link::stages::resolve::Sources;
use relobox_questions::{
    Answer, AreaForm, FileForm, LinkedForm, LinkedSection, PluginForm, Question, SymbolForm, Task,
};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::sync::Arc;

/// Answers a question. `files` are those of the symbol texts, then that of the module.
pub(super) fn answer(
    guests: &Guests,
    parent: &Parent<'_>,
    question: &str,
    files: Vec<OwnedFd>,
) -> Result<(), LinkerError> {
    let question: Question = decode(question.as_bytes())?;
    let request = match told(guests, parent, question, files) {
        Ok(answer) => {
            let json = serde_json::to_string(&answer).map_err(|e| LinkerError::Malformed(e.to_string()))?;
            Request::Told(json)
        }
        Err(error) => Request::Answer(Box::new(Failure::failed(error))),
    };
    send_to_parent(parent.socket.as_fd(), parent.buffers.messages.as_fd(), &request)
}

fn told(guests: &Guests, parent: &Parent<'_>, question: Question, mut files: Vec<OwnedFd>) -> Result<Answer> {
    let Question { texts, symbols, task } = question;
    let of_module = files.split_off(texts.len().min(files.len())).into_iter().next();
    let module = |file: FileForm| {
        let fd = of_module.ok_or(LinkerError::Protocol("a question without its file"))?;
        load(guests, &file.name, Source::File(File::from_std(fd.into()), file.len))
    };
    let read = Texts { guests, texts: &texts, files: &files, symbols: &symbols };
    match task {
        Task::Symbols(names) => {
            let symbols = read.symbols(|_| true)?;
            let mut found = Vec::new();
            for name in names {
                found.push(symbols.get(&name.bytes()?).map(symbol));
            }
            Ok(Answer::Symbols { count: symbols.len() as u64, found })
        }
        Task::Inspect(file) => Ok(Answer::Inspected(Box::new(inspect(guests, &module(file)?.records())?))),
        Task::Check { file, inputs } => check(guests, module(file)?, &inputs, &read),
        Task::Link { file, base, sections, inputs } => {
            let prepared = prepare(guests, module(file)?, &inputs)?;
            let symbols = read.wanted(&prepared)?;
            let layout = lay(&prepared, base, &sections)?;
            let linked = prepared.link(layout, Sources { symbols: &symbols, assume: None })?;
            output(parent, linked)
        }
    }
}

fn prepare(guests: &Guests, module: Module, inputs: &[(String, u64)]) -> Result<Prepared> {
    let plugin = plugin_of(guests, &module.records(), None)?;
    prepare_by(plugin, module, inputs)
}

/// What the question says of symbols.
struct Texts<'a> {
    guests: &'a Guests,
    texts: &'a [FileForm],
    files: &'a [OwnedFd],
    symbols: &'a [(Name, u64)],
}

impl Texts<'_> {
    /// Reads the definitions of names that `wanted` accepts.
    fn symbols(&self, wanted: impl Fn(&[u8]) -> bool) -> Result<Symbols> {
        let mut symbols = Symbols::new();
        for (form, file) in self.texts.iter().zip(self.files) {
            let path = Path::new(&form.name);
            let contents = unpacked(self.guests, path, text(file, form.len)?)?;
            symbols.read_contents(path, &contents, &wanted)?;
        }
        for (name, address) in self.symbols {
            let name = name.bytes()?;
            if wanted(&name) {
                symbols.define(&name, Definition { address: Some(*address), exported: true, ..Definition::default() });
            }
        }
        Ok(symbols)
    }

    /// Reads the definitions that a module needs.
    fn wanted(&self, prepared: &Prepared) -> Result<Symbols> {
        let records = prepared.module.records();
        let names: NameFilter<'_> = prepared.needs().looked_up(&records).map(|(_, name)| name).collect();
        self.symbols(|name| names.contains(name))
    }
}

fn symbol(definition: &Definition) -> SymbolForm {
    SymbolForm {
        address: definition.address,
        crc: definition.crc,
        owner: definition.owner.as_deref().map(str::to_owned),
        gpl: definition.gpl,
        namespace: definition.namespace.to_string(),
        exported: definition.exported,
    }
}

/// Links a module near its kernel, or where its plugin says that both usually are.
fn check(guests: &Guests, module: Module, inputs: &[(String, u64)], read: &Texts<'_>) -> Result<Answer> {
    let plugin = plugin_of(guests, &module.records(), None)?;
    let reads = |name: &str| plugin.about.inputs.iter().any(|(read, _)| read == name);
    let inputs: Vec<_> = inputs.iter().filter(|(name, _)| reads(name)).cloned().collect();
    let prepared = prepare_by(Arc::clone(&plugin), module, &inputs)?;
    let symbols = {
        let records = prepared.module.records();
        let needed = prepared.needs().looked_up(&records).map(|(_, name)| name);
        let names: NameFilter<'_> = needed.chain(Place::NAMES).collect();
        read.symbols(|name| names.contains(name))?
    };
    let place = Place::of(&plugin.about.name, &prepared.machine, &symbols);
    let relocations = prepared.module.records().relocations.len() as u64;
    let layout = prepared.measured.at(place.base);
    prepared.link(layout, Sources { symbols: &symbols, assume: Some(place.kernel) })?;
    Ok(Answer::Checked { plugin: form(&plugin), relocations })
}

fn form(plugin: &Plugin) -> PluginForm {
    PluginForm { name: plugin.about.name.clone(), digest: *plugin.guest.digest() }
}

fn lay(prepared: &Prepared, base: Option<u64>, sections: &[(Name, u64)]) -> Result<Layout> {
    if !sections.is_empty() {
        let given = sections.iter().map(|(name, address)| Ok((name.bytes()?, *address)));
        let given = given.collect::<Result<Vec<_>, LinkerError>>()?;
        return prepared.measured.at_sections(&prepared.module.records(), &given, base);
    }
    if let Some(base) = base {
        prepared.check_base(base).map_err(|why| Error::Usage(format!("the base {base:#x} is {why}")))?;
    }
    Ok(prepared.measured.at(base.unwrap_or(prepared.machine.base)))
}

/// Writes the ELF file and the contents of the sections to the buffer, and describes them.
fn output(parent: &Parent<'_>, mut linked: Linked) -> Result<Answer> {
    let (plugin, uses) = (form(&linked.plugin), linked.resolved.uses.clone());
    let (mut sections, mut contents) = (Vec::new(), Vec::new());
    let records = linked.module.records();
    let counts = relocations_of_sections(&records);
    for (i, (section, address)) in (0..).zip(records.sections.iter().zip(&linked.layout.addresses)) {
        if *address == ABSENT {
            continue;
        }
        let bytes = records.bytes(section.data);
        let form = LinkedSection {
            name: records.section_name(i),
            address: *address,
            size: section.size,
            align: section.align,
            flags: letters(section.flags),
            relocations: counts[i as usize],
            synthetic: false,
            contents: bytes.len() as u64,
        };
        sections.push((form, bytes.to_vec()));
    }
    for made in &linked.synthetic {
        let size = made.contents.len() as u64;
        let form = LinkedSection {
            name: decoded(made.wanted.name.as_bytes()),
            address: made.address,
            size,
            align: made.wanted.record.align.max(1),
            flags: "A".to_owned(),
            relocations: 0,
            synthetic: true,
            contents: size,
        };
        sections.push((form, made.contents.clone()));
    }
    let left = records.left_to_the_kernel().map(|section| records.section_name(section)).collect();
    let relocations = records.relocations.len() as u64;
    sections.sort_by_key(|(form, _)| form.address);
    let areas = linked.layout.areas.iter();
    let areas = areas.map(|a| AreaForm { kind: a.kind, address: a.address, size: a.size, align: a.align }).collect();
    linked.emit_to(relobox_abi::emit::LINKED, Path::new(""), &mut contents)?;
    let file = contents.len() as u64;
    sections.iter().for_each(|(_, bytes)| contents.extend_from_slice(bytes));
    write_buffer(parent.buffers.file.as_fd(), &contents, limits::LINKED)?;
    let sections = sections.into_iter().map(|(form, _)| form).collect();
    Ok(Answer::Linked(Box::new(LinkedForm { plugin, relocations, uses, left, areas, sections, file })))
}
