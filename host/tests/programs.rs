//! The programs that are installed, as `scripts/build-programs` has built them: how large they are, what is in them and what is
//! not, and that what links a module never makes memory executable.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod test_env;

use relobox_needs::ExitCode;

fn main() -> ExitCode {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    let tests = linux::tests();
    #[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
    let tests = [];
    relobox_needs::run(tests)
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod linux {
    use crate::test_env::{TestEnv, compiled};
    use object::read::elf::{ElfFile64, ProgramHeader as _};
    use object::{Endianness, Object as _, elf};
    use relobox::built_in;
    use relobox::isolate::{ATTEMPTS, Linker, Options};
    use relobox::kernels::linux;
    use relobox::kernels::sim::Sim;
    use relobox::pins::{Pin, Pins};
    use relobox::registry::{Plugins, Search};
    use relobox::sealed::seal;
    use relobox_needs::{Test, programs, programs_root, root, test};
    use std::io::{Read as _, Seek as _, Write as _};
    use std::os::fd::AsFd as _;
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    pub(crate) fn tests() -> [Test; 7] {
        [
            test!(they_are_small_and_static).needs([programs()]),
            test!(what_is_privileged_has_no_guest_and_no_sandbox).needs([programs()]),
            test!(what_links_has_no_compiler_and_its_guests_are_code).needs([programs()]),
            test!(nothing_is_possible_from_inside).needs([programs(), root()]),
            test!(it_links_where_no_memory_may_become_executable).needs([programs()]),
            test!(pinned_plugins_come_compiled).needs([programs()]),
            test!(code_of_another_version_is_refused).needs([programs()]),
        ]
    }

    fn program(name: &str) -> std::path::PathBuf {
        programs_root().join(name)
    }

    fn bytes(name: &str) -> Vec<u8> {
        std::fs::read(program(name)).unwrap()
    }

    fn contains(bytes: &[u8], what: &[u8]) -> bool {
        bytes.windows(what.len()).any(|window| window == what)
    }

    /// The goals of the initial ramdisk, which gets these two.
    fn they_are_small_and_static() {
        for (name, most) in [("relobox-kmod", 2_500_000), ("relobox-linker", 6_000_000)] {
            let bytes = bytes(name);
            assert!(bytes.len() <= most, "{name} has {} bytes, and the goal is {most}", bytes.len());
            let file = ElfFile64::<Endianness>::parse(&*bytes).unwrap();
            let endian = file.endian();
            let segments = file.elf_program_headers();
            assert!(segments.iter().all(|s| s.p_type(endian) != elf::PT_INTERP), "{name} has an interpreter");
            assert_eq!(file.symbols().count(), 0, "{name} is not stripped");
            // Never writable and executable.
            for segment in segments {
                let both = elf::PF_W | elf::PF_X;
                assert_ne!(segment.p_flags(endian) & both, both, "{name}");
            }
        }
    }

    /// Strings that those crates leave in every program that they are in.
    fn what_is_privileged_has_no_guest_and_no_sandbox() {
        let (kmod, linker, all) = (bytes("relobox-kmod"), bytes("relobox-linker"), bytes("relobox"));
        for word in ["wasmtime-", "cranelift-codegen-", "libafl-", "wasmparser-"] {
            assert!(!contains(&kmod, word.as_bytes()), "{word} is in relobox-kmod");
        }
        // The same question finds them where they are.
        assert!(contains(&linker, b"wasmtime-"));
        assert!(contains(&all, b"cranelift-codegen-") && contains(&all, b"wasmparser-"));
        assert!(!contains(&all, b"libafl-"));
        for entry in built_in::catalogue() {
            let wasm = built_in::wasm_of(entry.name).unwrap();
            let part = &wasm[wasm.len() / 2..][..64];
            assert!(!contains(&kmod, part) && contains(&all, part), "{}", entry.name);
            assert!(contains(&kmod, &entry.digest), "{}: its digest", entry.name);
        }
    }

    fn what_links_has_no_compiler_and_its_guests_are_code() {
        let linker = bytes("relobox-linker");
        for word in ["cranelift-codegen-", "cranelift-frontend-", "regalloc2-", "wasmparser-", "libafl-"] {
            assert!(!contains(&linker, word.as_bytes()), "{word} is in relobox-linker");
        }
        let file = ElfFile64::<Endianness>::parse(&*linker).unwrap();
        let endian = file.endian();
        let code = |segment: &&elf::ProgramHeader64<Endianness>| {
            segment.p_type(endian) == elf::PT_LOAD && segment.p_flags(endian) & elf::PF_X == elf::PF_X
        };
        let segments = file.elf_program_headers().iter().filter(code);
        let segment = segments.max_by_key(|segment| segment.p_filesz(endian)).expect("code");
        let data = segment.data(endian, &*linker).unwrap();
        // Compiled guests are ELF files of wasmtime's own kind, each on the boundary of every page that there is.
        let page = 1 << 16;
        let skip = (page - segment.p_vaddr(endian) as usize % page) % page;
        let pages = data[skip..].chunks(page);
        let guests = pages.filter(|page| page.starts_with(&elf::ELFMAG) && page.len() > 64).count();
        assert_eq!(guests, 3, "engine, unpacker, and the plugin of this machine");
        // Those of other machines lie beside it.
        let others = std::fs::read_dir(program("guests")).unwrap().count();
        assert_eq!(others + guests, built_in::catalogue().len());
    }

    fn nothing_is_possible_from_inside() {
        let output = Command::new(program("relobox-kmod")).arg("prove").output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{said}");
        for what in ATTEMPTS {
            assert!(said.lines().any(|line| line.starts_with(&format!("{what}: "))), "{what} was not tried");
        }
    }

    fn linker(options: Options) -> Linker {
        Linker::start(&Options { machine: Some(linux::machine()), ..options }).unwrap()
    }

    fn links(w: &TestEnv, linker: &Linker) -> relobox::Result<relobox::inserted::Inserted> {
        let path = w.sample("hello");
        let (file, _) = seal(&path)?;
        let socket = &w.socket;
        w.succeed("sim", &["start"]);
        let mut kernel = Sim::connect(socket).unwrap();
        linker.insmod(&mut kernel, "hello.ko", file.as_fd(), "")
    }

    /// `PR_SET_MDWE` as systemd's `MemoryDenyWriteExecute=` sets it, inherited by the linking program.
    fn it_links_where_no_memory_may_become_executable() {
        let w = TestEnv::new();
        let mut prove = Command::new(program("relobox-kmod"));
        prove.args(["prove", "--kernel", "vet"]);
        never_executable(&mut prove);
        let output = prove.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("turn data into code: refused"), "{said}");
        // The workshop compiles, and so cannot: what was forbidden is.
        let mut workshop = Command::new(env!("CARGO_BIN_EXE_relobox"));
        workshop.args(["__linker", "--prove"]).env("RELOBOX_CACHE", "");
        never_executable(&mut workshop);
        let output = workshop.output().unwrap();
        assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        // And it links: under the same rule, which the program sets itself before it does anything.
        let linker = linker(Options { program: program("relobox-linker"), ..Options::default() });
        let inserted = links(&w, &linker).unwrap();
        assert_eq!((&*inserted.name, &*inserted.plugin), ("hello", "x86_64"));
    }

    #[allow(unsafe_code, reason = "between fork and exec")]
    fn never_executable(command: &mut Command) {
        // SAFETY: one system call.
        unsafe {
            command.pre_exec(|| {
                relobox::linker::never_executable();
                Ok(())
            });
        }
    }

    /// The built-in plugin, and a custom section, so that it is another one.
    fn pinned(w: &TestEnv) -> Plugins {
        let plugins = w.directory.join("plugins");
        std::fs::create_dir(&plugins).unwrap();
        let mut wasm = built_in::wasm_of("x86_64").unwrap().to_vec();
        wasm.extend([0, 5, 4, b'm', b'i', b'n', b'e']);
        std::fs::write(plugins.join("mine.wasm"), wasm).unwrap();
        let search = Search { given: vec![plugins], ..Search::default() };
        let mut found = Plugins::find(&search, &[], Pins::default()).unwrap();
        found.files.iter().for_each(|file| found.pins.add(Pin::of(file, "")));
        found
    }

    fn pinned_plugins_come_compiled() {
        let w = TestEnv::new();
        let options = Options { program: program("relobox-linker"), plugins: pinned(&w), ..Options::default() };
        let error = Linker::start(&options).unwrap_err().to_string();
        assert!(error.contains("pinned but not compiled") && error.contains("relobox plugin compile"), "{error}");
        let linker = linker(Options { compiled, ..options });
        assert_eq!(links(&w, &linker).unwrap().plugin, "mine");
    }

    fn code_of_another_version_is_refused() {
        let w = TestEnv::new();
        let stale = |pins: &Pins, plugin: &relobox::plugin_file::PluginFile| {
            let mut code = Vec::new();
            let mut file = std::fs::File::from(compiled(pins, plugin)?);
            file.rewind().unwrap();
            file.read_to_end(&mut code).unwrap();
            // A version of the format, the length of wasmtime's own version, and that.
            let at = code.windows(4).position(|window| window == b"\0\x0248").expect("wasmtime's version");
            code[at + 3] = b'7';
            let mut file = relobox::memfd::create("stale").unwrap();
            file.write_all(&code).unwrap();
            Ok(relobox::memfd::seal(file).unwrap())
        };
        let options =
            Options { program: program("relobox-linker"), plugins: pinned(&w), compiled: stale, ..Options::default() };
        let error = links(&w, &linker(options)).unwrap_err();
        let said = error.to_string();
        assert!(said.contains("its compiled code cannot be used") && said.contains("relobox plugin compile"), "{said}");
        assert_eq!(error.exit_code(), 3);
    }
}
