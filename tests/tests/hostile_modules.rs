//! Modules that lie: each links, or is refused with exit code 1, in so many words; no guest traps or runs
//! out of anything, nothing panics.
//!
//! The engine runs twice: natively, where arithmetic that overflows and indices that are out of range
//! panic, and in the sandbox. Both must come to the same verdict.

mod verdict;

use relobox::error::Error;
use relobox::guests::Guests;
use relobox::link::{load, prepare};
use relobox::open::Source;
use relobox::resolve::Sources;
use relobox::rng::Rng;
use relobox::symbols::Symbols;
use relobox_simkernel::samples;
use relobox_tests::hostile::damage::{self, Damaged, Elf};
use relobox_tests::hostile::flips::mutate;
use relobox_tests::hostile::sample;
use std::path::Path;
use verdict::{guests, judge, link, mutations, quietly, report};

#[test]
fn the_sample_itself_links() {
    let linked = link(&guests(), sample::module(0)).expect("a linked sample");
    let file = linked.emit(relobox_abi::emit::LINKED).expect("a file");
    assert_eq!(file[..4], *b"\x7fELF");
    assert_eq!(relobox_engine::parse(&sample::module(0), 0).expect("records").relocations.len(), 10);
}

#[test]
fn every_lie_is_refused_for_what_it_is() {
    let (guests, mut wrong) = (guests(), Vec::new());
    for (words, Damaged { what, bytes }) in damage::inconsistencies(&sample::module(0)) {
        match link(&guests, bytes) {
            Err(error @ Error::Module(_)) if error.exit_code() == 1 && error.to_string().contains(words) => {}
            Err(error) => wrong.push(format!("{what}: exit code {}, {error}", error.exit_code())),
            Ok(_) => wrong.push(format!("{what}: links")),
        }
    }
    report(&wrong);
}

#[test]
fn cut_off_anywhere() {
    let (guests, sample) = (guests(), sample::module(0));
    let wrong: Vec<String> = quietly(|| {
        damage::truncations(&sample)
            .filter_map(|Damaged { what, bytes }| {
                // The section table comes last, so that no part of the file can be missed.
                let linked = link(&guests, bytes.clone()).is_ok();
                let missed = linked.then(|| format!("{what}: links"));
                missed.or_else(|| judge(&guests, &what, &bytes, true))
            })
            .collect()
    });
    report(&wrong);
}

#[test]
fn every_field_at_its_extremes() {
    let (guests, sample) = (guests(), sample::module(0));
    let mut count = 0;
    let wrong: Vec<String> = quietly(|| {
        damage::fields(&sample)
            .inspect(|_| count += 1)
            .filter_map(|Damaged { what, bytes }| judge(&guests, &what, &bytes, true))
            .collect()
    });
    assert!(count > 5000, "only {count} files");
    report(&wrong);
}

/// The same changes in every run: 20,000 natively, every tenth of them also in the sandbox.
#[test]
fn random_bytes_changed() {
    let (guests, sample) = (guests(), sample::module(0));
    let mut rng = Rng::new(20_020_927);
    let wrong: Vec<String> = quietly(|| {
        (0..20_000)
            .filter_map(|n| {
                let mut file = sample.clone();
                mutate(&mut file, &mut rng);
                judge(&guests, &format!("mutation {n}"), &file, n % 10 == 0)
            })
            .collect()
    });
    report(&wrong);
}

/// Modules that a compiler made, damaged: those of the simulated kernel's samples. Debian's are in `damaged_modules.rs`.
#[test]
fn random_bytes_changed_in_compiled_modules() {
    report(&mutations(&compiled_samples()));
}

/// The samples, compiled by `cc`.
fn compiled_samples() -> Vec<(String, Vec<u8>)> {
    let dir = tempfile::tempdir().expect("a directory");
    let put = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect(name);
    put(samples::HEADER.0, samples::HEADER.1);
    let compiled = |(name, text): &(&str, &str)| {
        put(name, text);
        let object = dir.path().join(format!("{name}.ko"));
        let mut cc = std::process::Command::new("cc");
        cc.args(samples::CFLAGS).arg(dir.path().join(name)).arg("-o").arg(&object);
        assert!(cc.status().expect("cc").success(), "cc does not compile {name}");
        ((*name).to_owned(), std::fs::read(object).expect("an object"))
    };
    samples::SOURCES.iter().map(compiled).collect()
}

/// A module's signature: with a length that is true, one that is a lie, and one that overflows.
#[test]
fn signatures() {
    const MAGIC: &[u8] = b"~Module signature appended~\n";
    let (guests, sample) = (guests(), sample::module(0));
    let signed = |len: u32, body: usize| {
        let trailer = [&[0, 0, 2, 0, 0, 0, 0, 0][..], &len.to_be_bytes()].concat();
        [&sample[..], &vec![0x30; body], &trailer, MAGIC].concat()
    };
    let signature = |file: &[u8]| relobox_engine::parse(file, 0).expect("a module").signature as usize;
    assert_eq!(signature(&signed(256, 256)), 256 + 12 + MAGIC.len());
    for lie in [u32::MAX, i32::MAX as u32, 1 << 20, sample.len() as u32 + 257] {
        assert_eq!(signature(&signed(lie, 256)), 0, "{lie}");
        link(&guests, signed(lie, 256)).expect("trailing rubbish is no matter");
    }
    // A length that is too long by a little eats the section table.
    let error = link(&guests, signed(300, 256)).map(|_| ()).expect_err("a module without its section table");
    assert!(matches!(error, Error::Module(_)), "{error}");
    for bare in [MAGIC.to_vec(), [&[0xff; 12][..], MAGIC].concat(), [&[0; 12][..], MAGIC].concat()] {
        let error = link(&guests, bare).map(|_| ()).expect_err("a signature without a module");
        assert!(matches!(error, Error::Module(_)), "{error}");
    }
}

#[test]
fn modinfo_without_an_end_or_a_beginning() {
    let sample = sample::module(0);
    let mut elf = Elf { bytes: sample.clone() };
    let (at, size) = elf.contents(elf.named(".modinfo"));
    for (fill, pairs) in [(0, 0), (b'=', 1), (b'x', 1)] {
        elf.bytes[at..at + size].fill(fill);
        if fill != 0 {
            let refused = relobox_engine::parse(&elf.bytes, 0).err().map(|finding| finding.text);
            assert_eq!(refused, Some("its last text does not end: sh_size"));
        }
        elf.bytes[at + size - 1] = 0;
        let module = relobox_engine::parse(&elf.bytes, 0).expect("a module");
        assert_eq!(module.modinfo.len(), pairs);
        assert_eq!(judge(&guests(), "modinfo", &elf.bytes, true), None);
    }
}

#[test]
fn a_symbol_that_does_not_exist() {
    let guests = guests();
    let module = load(&guests, "sample.ko", Source::Bytes(sample::module(0))).expect("a module");
    let prepared = prepare(&guests, module, &[]).expect("a plan");
    let layout = prepared.measured.at(prepared.machine.base);
    let mut symbols = Symbols::new();
    symbols.read(b"ffffffff81000010 T printk\n", |_| true).expect("symbols");
    let error = prepared.link(layout, Sources { symbols: &symbols, assume: None }).map(|_| ()).expect_err("an error");
    assert_eq!(error.exit_code(), 1);
    let Error::Module(problems) = &error else { panic!("{error}") };
    assert_eq!(
        (problems.len(), problems[0].kind, problems[0].symbol.as_deref()),
        (1, "undefined-symbol", Some("helper"))
    );
}

/// Many symbols whose names are the same long run of bytes: the work, and what is copied, stays in proportion.
#[test]
fn names_on_top_of_each_other() {
    let guests = guests();
    let (names, symbols) = (100_000, 20_000);
    let mut file = sample::module(0);
    let mut elf = Elf { bytes: file.clone() };
    let symtab = elf.header(elf.named(".symtab"));
    let strtab = elf.header(elf.named(".strtab"));
    let at = file.len().next_multiple_of(8);
    file.resize(at, 0);
    file.extend(std::iter::once(0).chain(std::iter::repeat_n(b'x', names - 2)).chain([0]));
    let table = file.len().next_multiple_of(8);
    file.resize(table + 24, 0);
    for _ in 0..symbols {
        let mut symbol = [0; 24];
        symbol[0] = 1;
        symbol[4] = 0x10;
        file.extend(symbol);
    }
    elf.bytes = file;
    for (header, at, size) in [(strtab, at, names), (symtab, table, 24 * (symbols + 1))] {
        elf.set(header + 24, 8, at as u64);
        elf.set(header + 32, 8, size as u64);
    }
    assert_eq!(judge(&guests, "names", &elf.bytes, true), None);
}

/// As many sections as a file of a few megabytes can have.
#[test]
fn very_many_sections() {
    let guests = guests();
    for count in [60_000usize, 100_000] {
        let mut elf = Elf { bytes: sample::module(0) };
        let (old, sections) = (elf.header(0), elf.sections());
        let table = elf.bytes.len().next_multiple_of(8);
        elf.bytes.resize(table, 0);
        let headers = elf.bytes[old..old + sections * 64].to_vec();
        elf.bytes.extend(headers);
        // The rest are like .bss: in memory, without contents.
        let bss = elf.header(elf.named(".bss"));
        let bss = elf.bytes[bss..bss + 64].to_vec();
        for _ in sections..count {
            elf.bytes.extend_from_slice(&bss);
        }
        elf.set(40, 8, table as u64);
        if count < 0xff00 {
            elf.set(60, 2, count as u64);
        } else {
            elf.set(60, 2, 0);
            elf.set(table + 32, 8, count as u64);
        }
        assert_eq!(judge(&guests, "sections", &elf.bytes, true), None);
        let linked = link(&guests, elf.bytes).expect("a module with many sections");
        // A linked file has none with 32-bit indices, and says so.
        match linked.emit(relobox_abi::emit::LINKED) {
            Ok(file) => assert!(count < 0xff00 && file.len() > count * 64),
            Err(error) => assert!(count > 0xff00 && error.exit_code() == 1, "{error}"),
        }
    }
}

mod packed {
    use super::*;

    fn vector(name: &str) -> Vec<u8> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../unpack-wasm/tests/vectors");
        std::fs::read(dir.join(name)).expect(name)
    }

    /// Refused, in words about the stream or what was in it; never a guest's fault.
    fn refused(guests: &Guests, what: &str, file: Vec<u8>) {
        match link(guests, file) {
            Err(error @ Error::Module(_)) => assert!(error.to_string().starts_with("sample.ko: "), "{what}: {error}"),
            Err(error) => panic!("{what}: exit code {}, {error}", error.exit_code()),
            Ok(_) => panic!("{what}: links"),
        }
    }

    /// These streams hold a text, not a module: they end in an error about that, or about the stream.
    #[test]
    fn damaged_streams() {
        let guests = guests();
        let mut rng = Rng::new(7);
        for name in ["small.gz", "small.xz", "small.zst"] {
            let whole = vector(name);
            for len in 0..whole.len() {
                refused(&guests, &format!("{name} cut off after {len} bytes"), whole[..len].to_vec());
            }
            for n in 0..100 {
                let mut file = whole.clone();
                mutate(&mut file, &mut rng);
                refused(&guests, &format!("{name} mutation {n}"), file);
            }
        }
    }

    /// 1 GiB of zeros, packed; the repository keeps them packed once more.
    #[test]
    fn bombs() {
        let guests = guests();
        for name in ["bomb.gz.xz", "bomb.xz.xz", "bomb.zst.xz"] {
            let Ok(bomb) = relobox_unpack::unpack(&vector(name), 4 << 20) else { panic!("{name} is not a vector") };
            match link(&guests, bomb) {
                Err(Error::Module(problems)) => assert_eq!(problems[0].kind, "too-large", "{name}"),
                Err(error) => panic!("{name}: exit code {}, {error}", error.exit_code()),
                Ok(_) => panic!("{name}: links"),
            }
        }
    }

    #[test]
    fn dictionaries_and_windows_of_absurd_size() {
        let guests = guests();
        for name in ["dictionary-96M.xz", "window-256M.zst"] {
            refused(&guests, name, vector(name));
        }
    }
}
