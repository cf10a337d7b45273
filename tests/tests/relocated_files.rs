//! Modules whose calls go through veneers, as files for Linux's own loader: what it would make of each file is computed
//! here from the file alone, and must be what the module was relocated for.
//!
//! Needs `tests/scripts/fetch-corpora arm64`, and in `RELOBOX_ORACLES` how many modules are to be taken.

use anyhow::{Context as _, Result, ensure};
use object::LittleEndian as LE;
use object::elf::{self, FileHeader64, SectionHeader64, Sym64};
use object::read::elf::{FileHeader as _, SectionHeader as _};
use relobox::areas::{ABSENT, Kind};
use relobox::cache::Cache;
use relobox::guests::Guests;
use relobox::kernel::{Linux, LinuxAreas};
use relobox::link::{load, prepare};
use relobox::open::Source;
use relobox::resolve::Sources;
use relobox::sandbox::Sandbox;
use relobox::symbols::Symbols;
use relobox_needs::{ExitCode, oracles, test, tool};
use relobox_tests::corpus::{self, Corpus, Module};
use relobox_tests::oracle;
use std::collections::BTreeMap;
use std::process::Command;

const PAGE: u64 = 4096;

fn main() -> ExitCode {
    let needs = [oracles(), tool("readelf")].into_iter().chain(corpus::needs("arm64"));
    relobox_needs::run([test!(a_file_with_veneers_is_laid_out_as_it_was_linked).needs(needs)])
}

/// A section as the loader sees it.
struct Seen {
    name: Vec<u8>,
    flags: u64,
    size: u64,
    align: u64,
    kind: elf::SectionType,
}

/// Which area each section is in, and where; the areas' sizes.
struct Laid {
    sections: Vec<Option<(Kind, u64)>>,
    sizes: BTreeMap<Kind, u64>,
}

/// load_module() up to move_module(), of arm64 without KALLSYMS_ALL.
fn linux(file: &[u8], areas: LinuxAreas) -> Result<Laid> {
    let header = FileHeader64::<LE>::parse(file).map_err(|e| anyhow::anyhow!("{e}"))?;
    let table = header.section_headers(LE, file)?;
    let strings = header.section_strings(LE, file, table)?;
    let mut seen = Vec::new();
    for s in table {
        let name = s.name(LE, strings)?.to_vec();
        let flags = s.sh_flags(LE).0;
        seen.push(Seen { name, flags, size: s.sh_size(LE), align: s.sh_addralign(LE), kind: s.sh_type(LE) });
        if !matches!(s.sh_type(LE), elf::SHT_NULL | elf::SHT_NOBITS) {
            let end = s.sh_offset(LE).checked_add(s.sh_size(LE)).context("a section's end")?;
            ensure!(end <= file.len() as u64, "a section is not in the file");
        }
    }
    frob(&mut seen, areas);
    let first =
        |seen: &[Seen], name: &[u8]| seen.iter().position(|s| s.flags & elf::SHF_ALLOC.0 != 0 && s.name == name);
    for name in [&b".modinfo"[..], b"__versions", b".data..percpu"] {
        if let Some(i) = first(&seen, name) {
            seen[i].flags &= !elf::SHF_ALLOC.0;
        }
    }
    let after_init = [first(&seen, b".data..ro_after_init"), first(&seen, b"__jump_table")];
    let mut laid = Laid { sections: vec![None; seen.len()], sizes: BTreeMap::new() };
    for init in [false, true] {
        // Executable; read-only; read-only after init; writable.
        for mask in 0..4 {
            let kind = kind(init, mask);
            for (i, s) in seen.iter().enumerate() {
                let has = |flag: elf::SectionFlags| s.flags & flag.0 != 0;
                let fits = match mask {
                    0 => has(elf::SHF_EXECINSTR),
                    1 => !has(elf::SHF_WRITE),
                    2 => after_init.contains(&Some(i)),
                    _ => has(elf::SHF_WRITE),
                };
                if has(elf::SHF_ALLOC) && fits && laid.sections[i].is_none() && s.name.starts_with(b".init") == init {
                    laid.sections[i] = Some(laid.add(areas, kind, s.size, s.align));
                }
            }
            laid.end(areas, kind);
        }
    }
    symbols(file, table, &seen, areas, &mut laid)?;
    Ok(laid)
}

/// module_frob_arch_sections().
fn frob(seen: &mut [Seen], areas: LinuxAreas) {
    let one = areas == LinuxAreas::Seven;
    let mut made: Vec<(&[u8], u64, u64)> =
        vec![(b".plt", 12, 64), (b".init.plt", 12, 64), (b".text.ftrace_trampoline", if one { 12 } else { 24 }, 4)];
    if one {
        made.push((b".init.text.ftrace_trampoline", 12, 4));
    }
    for (name, size, align) in made {
        if let Some(s) = seen.iter_mut().rfind(|s| s.name == name) {
            s.flags = elf::SHF_ALLOC.0 | elf::SHF_EXECINSTR.0;
            (s.kind, s.size, s.align) = (elf::SHT_NOBITS, size, align);
        }
    }
}

fn kind(init: bool, mask: usize) -> Kind {
    let core = [Kind::Text, Kind::RoData, Kind::RoAfterInit, Kind::Data];
    if init { [Kind::InitText, Kind::InitRoData, Kind::InitData, Kind::InitData][mask] } else { core[mask] }
}

impl Laid {
    fn area(areas: LinuxAreas, kind: Kind) -> Kind {
        match (areas, kind) {
            (LinuxAreas::Seven, _) => kind,
            (_, Kind::InitText | Kind::InitRoData | Kind::InitData) => Kind::Init,
            _ => Kind::Core,
        }
    }

    fn add(&mut self, areas: LinuxAreas, kind: Kind, size: u64, align: u64) -> (Kind, u64) {
        let area = Self::area(areas, kind);
        let end = self.sizes.entry(area).or_default();
        let at = end.next_multiple_of(align.max(1));
        *end = at + size;
        (area, at)
    }

    /// Kinds that share an area have pages of their own.
    fn end(&mut self, areas: LinuxAreas, kind: Kind) {
        if areas == LinuxAreas::Seven {
            return;
        }
        let end = self.sizes.entry(Self::area(areas, kind)).or_default();
        *end = end.next_multiple_of(PAGE);
    }
}

/// layout_symtab().
fn symbols(
    file: &[u8],
    table: &[SectionHeader64<LE>],
    seen: &[Seen],
    areas: LinuxAreas,
    laid: &mut Laid,
) -> Result<()> {
    let symtab = seen.iter().position(|s| s.kind == elf::SHT_SYMTAB).context("a symbol table")?;
    let strtab = table[symtab].sh_link(LE) as usize;
    let all: &[Sym64<LE>] = table[symtab].data_as_array(LE, file)?;
    let strings = table[strtab].data(LE, file)?;
    let (mut count, mut names) = (0, 0);
    for (i, s) in all.iter().enumerate() {
        let (section, name) = (usize::from(s.st_shndx.get(LE).0), s.st_name.get(LE) as usize);
        let stays = section != 0
            && name != 0
            && section < seen.len()
            && seen[section].flags & elf::SHF_ALLOC.0 != 0
            && seen[section].flags & elf::SHF_EXECINSTR.0 != 0
            && !matches!(laid.sections[section], Some((Kind::Init | Kind::InitText, _)));
        if i == 0 || stays {
            count += 1;
            names += strings[name..].iter().position(|b| *b == 0).context("a name's end")? as u64 + 1;
        }
    }
    laid.add(areas, Kind::Data, count * 24, seen[symtab].align);
    laid.add(areas, Kind::Data, names, 1);
    laid.add(areas, Kind::Data, count, 1);
    laid.end(areas, Kind::Data);
    laid.sections[symtab] = Some(laid.add(areas, Kind::InitData, seen[symtab].size, seen[symtab].align));
    laid.sections[strtab] = Some(laid.add(areas, Kind::InitData, seen[strtab].size, seen[strtab].align));
    laid.add(areas, Kind::InitData, 32, 8);
    laid.add(areas, Kind::InitData, all.len() as u64, 1);
    laid.end(areas, Kind::InitData);
    Ok(())
}

/// Bytes of veneers and the like.
fn compare(guests: &Guests, module: &Module, areas: LinuxAreas, readelf: &std::path::Path) -> Result<u64> {
    let name = module.path.display().to_string();
    let mut prepared = prepare(guests, load(guests, &name, Source::open(&module.path)?)?, &[])?;
    let linux_is = Linux { areas, kallsyms_all: false };
    prepared.measured = relobox::layout_linux::measure(&prepared.module.records(), prepared.needs(), linux_is)?;
    let (base, kernel) = (prepared.machine.base, prepared.machine.kernel);
    let layout = prepared.measured.at(base);
    let linked = prepared.link(layout.clone(), Sources { symbols: &Symbols::new(), assume: Some(kernel) })?;
    let bytes = linked.synthetic.iter().map(|s| s.contents.len() as u64).sum();
    let made: Vec<_> = linked.synthetic.iter().map(|s| (s.address, s.contents.clone())).collect();
    let file = linked.emit(relobox_abi::emit::RELOCATED_KO)?;

    let laid = linux(&file, areas)?;
    let sizes: BTreeMap<Kind, u64> =
        layout.areas.iter().filter(|a| a.kind != Kind::PerCpu).map(|a| (a.kind, a.size)).collect();
    let expected: BTreeMap<Kind, u64> =
        laid.sizes.iter().filter(|(_, s)| **s != 0).map(|(k, s)| (*k, s.next_multiple_of(PAGE))).collect();
    ensure!(sizes == expected, "areas are {sizes:?} instead of {expected:?}");
    let mut ours = layout.addresses.clone();
    if !layout.synthetic.is_empty() {
        ours.extend(&layout.synthetic);
        ours.push(ABSENT);
    }
    ensure!(ours.len() == laid.sections.len(), "{} sections instead of {}", ours.len(), laid.sections.len());
    let base = |kind: Kind| layout.areas.iter().find(|a| a.kind == kind).map_or(0, |a| a.address);
    let percpu = layout.areas.iter().find(|a| a.kind == Kind::PerCpu);
    for (i, (at, section)) in ours.iter().zip(&laid.sections).enumerate() {
        let found = section.map_or(ABSENT, |(kind, offset)| base(kind) + offset);
        let elsewhere = section.is_none() && percpu.is_some_and(|a| (a.address..a.address + a.size).contains(at));
        ensure!(*at == found || elsewhere, "section {i} is at {at:#x} instead of {found:#x}");
    }
    let header = FileHeader64::<LE>::parse(&*file).map_err(|e| anyhow::anyhow!("{e}"))?;
    let table = header.section_headers(LE, &*file)?;
    for ((_, contents), section) in made.iter().zip(&table[layout.addresses.len()..]) {
        ensure!(section.data(LE, &*file)? == &contents[..], "a synthetic section has other contents");
    }
    ensure!(!table.iter().any(|s| s.sh_type(LE) == elf::SHT_RELA), "there is still a relocation section");

    std::fs::write(readelf, &file)?;
    let said = Command::new("readelf").args(["--wide", "--file-header", "--section-headers"]).arg(readelf).output()?;
    let complaint = String::from_utf8_lossy(&said.stderr).into_owned();
    ensure!(said.status.success() && complaint.is_empty(), "readelf: {complaint}");
    Ok(bytes)
}

fn a_file_with_veneers_is_laid_out_as_it_was_linked() -> Result<()> {
    let (limit, corpus) = (oracle::sample_size()?, Corpus::get("arm64")?);
    let sample = corpus.sample(64, limit);
    let guests = Guests::new(Sandbox::new(Cache::from_environment())?, &[])?;
    for areas in [LinuxAreas::CoreInit, LinuxAreas::Seven] {
        let (guests, halves) = (&guests, sample.chunks(sample.len().div_ceil(2)));
        let run = |half: &[&Module]| {
            let mut wrong = Vec::new();
            let (mut bytes, mut with) = (0, 0);
            let file = tempfile::NamedTempFile::new().expect("a temporary file");
            for module in half {
                match compare(guests, module, areas, file.path()) {
                    Ok(made) => (bytes, with) = (bytes + made, with + usize::from(made != 0)),
                    Err(error) => wrong.push(format!("{}: {error:#}", module.name())),
                }
            }
            (bytes, with, wrong)
        };
        let results: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = halves.map(|half| scope.spawn(move || run(half))).collect();
            threads.into_iter().map(|t| t.join().expect("no panic")).collect()
        });
        let bytes: u64 = results.iter().map(|r| r.0).sum();
        let with: usize = results.iter().map(|r| r.1).sum();
        println!("{areas:?}: {} modules, {with} with {bytes} bytes of veneers and the like", sample.len());
        let wrong: Vec<_> = results.into_iter().flat_map(|r| r.2).collect();
        let shown = wrong.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
        ensure!(wrong.is_empty(), "{} are wrong:\n{shown}", wrong.len());
        ensure!(with * 2 > sample.len(), "hardly any module needs a veneer");
    }
    Ok(())
}
