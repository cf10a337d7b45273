//! Tests of reading and choosing.

use super::*;

#[test]
fn the_three_formats() {
    let mut s = Symbols::new();
    assert_eq!(s.read(b"rub\nffffffff8100 T a\n", |_| false), Err(SymbolFileError::Line(1)));
    s.read(b"ffffffff81000000 T _text\nffffffffc0000010 t helper\t[xfs]\n0000000000001000 A percpu_x\n", |_| true)
        .unwrap();
    s.read(b"0x12345678\t_text\tvmlinux\tEXPORT_SYMBOL_GPL\tNS\n0x1\tnew\tfs/xfs/xfs\tEXPORT_SYMBOL\t\n", |_| true)
        .unwrap();
    let text = s.get(b"_text").unwrap();
    assert_eq!((text.address, text.crc, text.gpl), (Some(0xffff_ffff_8100_0000), Some(0x1234_5678), true));
    assert_eq!(&*text.namespace, "NS");
    assert_eq!(s.get(b"helper").unwrap().owner.as_deref(), Some("xfs"));
    assert_eq!(s.get(b"new").unwrap().owner.as_deref(), Some("xfs"));
    assert_eq!(s.get(b"new").unwrap().address, None);
    assert_eq!(s.read(b"ffffffff81000000 T a\nrubbish\n", |_| true), Err(SymbolFileError::Line(2)));
}

fn chosen(text: &[u8], name: &[u8]) -> (Option<u64>, Option<String>) {
    let mut symbols = Symbols::new();
    symbols.read(text, |wanted| wanted == name).unwrap();
    let found = symbols.get(name).unwrap();
    (found.address, found.owner.as_deref().map(str::to_owned))
}

#[test]
fn a_global_symbol_beats_a_static_one_of_the_kernel() {
    let text = b"ffffffff81000010 t init\nffffffff81000020 T init\nffffffff81000030 t init\n";
    assert_eq!(chosen(text, b"init"), (Some(0xffff_ffff_8100_0020), None));
}

/// The form of /proc/kallsyms on a running kernel: both letters are lower case, and the static symbol comes first.
#[test]
fn a_modules_export_is_known_by_its_export_table() {
    let text = b"ffffffff81000010 t helper\nffffffffc0000010 t helper\t[other]\n\
        ffffffffc0000100 r __ksymtab_helper\t[owner]\nffffffffc0000020 t helper\t[owner]\n\
        ffffffffc0000030 t helper\t[owner]\nffffffffc0000040 t helper\t[third]\n";
    assert_eq!(chosen(text, b"helper"), (Some(0xffff_ffff_c000_0030), Some("owner".into())));
    let reversed: Vec<_> = text.split(|b| *b == b'\n').rev().collect::<Vec<_>>().join(&b'\n');
    assert_eq!(chosen(&reversed, b"helper"), (Some(0xffff_ffff_c000_0020), Some("owner".into())));
}

/// An export of a module does not make a static symbol of the kernel an export.
#[test]
fn the_kernels_exports_are_global() {
    let text = b"ffffffff81000010 t helper\nffffffff81000100 r __ksymtab_helper\nffffffff81000020 T helper\n\
        ffffffffc0000010 t helper\t[other]\n";
    assert_eq!(chosen(text, b"helper"), (Some(0xffff_ffff_8100_0020), None));
}

#[test]
fn module_symvers_decides_in_either_order() {
    let symvers: &[u8] = b"0x1\thelper\tdrivers/md/dm-mod\tEXPORT_SYMBOL_GPL\t\n";
    let kallsyms: &[u8] = b"ffffffff81000010 T helper\nffffffffc0000010 t helper\t[dm_mod]\n";
    for files in [[symvers, kallsyms], [kallsyms, symvers]] {
        let mut s = Symbols::new();
        files.iter().for_each(|file| s.read(file, |_| true).unwrap());
        let found = s.get(b"helper").unwrap();
        assert_eq!((found.address, found.crc), (Some(0xffff_ffff_c000_0010), Some(1)));
        assert_eq!(found.owner.as_deref(), Some("dm_mod"));
    }
    // A module that is not loaded has no address, whatever other symbols of that name there are.
    let mut s = Symbols::new();
    s.read(symvers, |_| true).unwrap();
    s.read(b"ffffffff81000010 t helper\n", |_| true).unwrap();
    assert_eq!(s.get(b"helper").unwrap().address, None);
}

/// The forms that the kernel, older kernels and scripts write.
#[test]
fn hidden_addresses_are_no_addresses() {
    let hidden: [&[u8]; 7] = [
        b"0000000000000000 A fixed_percpu_data\n0000000000000000 T _text\n0000000000000000 D jiffies\n",
        b"00000000 T _text\n00000000 t helper\t[xfs]\n",
        b"0 T _text\n",
        // Absolute symbols and data have addresses, and code has none.
        b"0000000000001000 A percpu_x\n0000000000000000 T _text\nffffffff82000000 D jiffies\n",
        b"(ptrval) T _text\n",
        b"(____ptrval____) T _text\nffffffff82000000 D jiffies\n",
        b"          (null) T _text\n          (null) t helper\t[xfs]\n",
    ];
    for text in hidden {
        for wanted in [true, false] {
            let said = Symbols::new().read(text, |_| wanted);
            assert_eq!(said, Err(SymbolFileError::Hidden), "{}", String::from_utf8_lossy(text));
        }
    }
}

/// In a file with some addresses, symbols with value 0 have none.
#[test]
fn some_addresses_are_hidden() {
    let mut s = Symbols::new();
    let text = b"ffffffff81000000 T _text\n0000000000000000 T _printk\n0000000000000000 D jiffies\n\
        0000000000000000 t helper\t[xfs]\n0000000000000000 d data\t[xfs]\n0000000000000000 A absolute\n\
        0000000000000000 w weak\n0000000000000000 W defined\n";
    s.read(text, |_| true).unwrap();
    for name in [&b"_printk"[..], b"jiffies", b"helper", b"data", b"defined"] {
        assert_eq!(s.get(name).unwrap().address, None, "{}", String::from_utf8_lossy(name));
        assert!(s.hides(name), "{}", String::from_utf8_lossy(name));
    }
    assert_eq!(s.get(b"absolute").unwrap().address, Some(0));
    assert!(s.get(b"weak").is_none() && !s.hides(b"weak") && !s.hides(b"_text"));
    assert_eq!(s.address_in("xfs", b"helper"), None);
}

/// System.map of x86-64 before Linux 6.15 has per-CPU offsets, the first of which is 0.
#[test]
fn per_cpu_data_may_begin_at_0() {
    let map =
        b"0000000000000000 D __per_cpu_start\n0000000000000000 D fixed_percpu_data\n0000000000002000 D cpu_info\n\
        000000000002c000 D __per_cpu_end\nffffffff81000000 T _text\n";
    let mut s = Symbols::new();
    s.read(map, |_| true).unwrap();
    assert_eq!(s.get(b"fixed_percpu_data").unwrap().address, Some(0));
    assert_eq!(s.get(b"cpu_info").unwrap().address, Some(0x2000));
    // Too many symbols at 0 cannot all be the first ones of per-CPU data.
    let mut many = map.to_vec();
    for i in 0..20 {
        many.extend(format!("0000000000000000 D data_{i}\n").bytes());
    }
    let mut s = Symbols::new();
    s.read(&many, |_| true).unwrap();
    assert_eq!(s.get(b"data_3").unwrap().address, None);
    // If all of them are 0, so is the end.
    let mut s = Symbols::new();
    s.read(b"0 D __per_cpu_start\n0 D cpu_info\n0 D __per_cpu_end\nffffffff81000000 T _text\n", |_| true).unwrap();
    assert_eq!(s.get(b"cpu_info").unwrap().address, None);
}

#[test]
fn a_file_without_symbols_says_so() {
    for text in [&b""[..], b"\n\n", b"0000000000000000 w weak\n                 \n", b"0 U printk\n"] {
        let said = Symbols::new().read(text, |_| true);
        assert!(matches!(said, Err(SymbolFileError::Empty | SymbolFileError::Line(_))), "{said:?}");
    }
    let debian = b"ffffffffffffffff B The real System.map is in the linux-image-<version>-dbg package\n";
    assert_eq!(Symbols::new().read(debian, |_| true), Err(SymbolFileError::Placeholder(String::new())));
    // A line with more words has another format.
    assert_eq!(Symbols::new().read(b"ffffffff81000000 T a b c\n", |_| true), Err(SymbolFileError::Line(1)));
    assert!(matches!(Symbols::new().read(b"BZh91AY&SY", |_| true), Err(SymbolFileError::Packed("bzip2"))));
}

/// Linux 5.4 and 5.5 have the namespace third, and older kernels have none.
#[test]
fn every_order_of_module_symvers() {
    let lines: [(&[u8], &str, bool, &str); 8] = [
        (b"0x1\tf\tvmlinux\tEXPORT_SYMBOL", "vmlinux", false, ""),
        (b"0x1\tf\tvmlinux\tEXPORT_SYMBOL_GPL\t", "vmlinux", true, ""),
        (b"0x1\tf\tdrivers/a-b\tEXPORT_SYMBOL\tNS", "a_b", false, "NS"),
        (b"0x1\tf\t\tvmlinux\tEXPORT_SYMBOL", "vmlinux", false, ""),
        (b"0x1\tf\tNS\tdrivers/a-b\tEXPORT_SYMBOL_GPL", "a_b", true, "NS"),
        (b"0x1\tf\tNS\tdrivers/a-b\tEXPORT_UNUSED_SYMBOL_GPL\r", "a_b", true, "NS"),
        // A namespace may have any name.
        (b"0x1\tf\tdrivers/a.b\tEXPORT_SYMBOL\tEXPORT_SYMBOL", "a.b", false, "EXPORT_SYMBOL"),
        (b"0x1\tf\tvmlinux\tEXPORT_SYMBOL_GPL\tmodule:kvm,kvm-*", "vmlinux", true, "module:kvm,kvm-*"),
    ];
    for (text, owner, gpl, namespace) in lines {
        let mut s = Symbols::new();
        s.read(text, |_| true).unwrap();
        let found = s.get(b"f").unwrap();
        let seen = (found.owner.as_deref().unwrap_or("vmlinux"), found.gpl, &*found.namespace);
        assert_eq!(seen, (owner, gpl, namespace), "{}", String::from_utf8_lossy(text));
        assert_eq!(s.know_kernel(), owner == "vmlinux");
    }
    for text in [&b"0x1\tf\tvmlinux"[..], b"0x1\tf\ta\tb\tc", b"0x1\tf\tvmlinux\tEXPORT_SYMBOL\tNS\tmore", b"0x1"] {
        assert_eq!(Symbols::new().read(text, |_| true), Err(SymbolFileError::Line(1)));
    }
}

#[test]
fn who_exports_is_certain_or_unknown() {
    let mut s = Symbols::new();
    s.read(b"ffffffff81000010 T global\nffffffff81000020 T both\nffffffff81000100 r __ksymtab_both\n", |_| true)
        .unwrap();
    s.read(b"0x1\tlisted\tdrivers/prov\tEXPORT_SYMBOL\t\n", |_| true).unwrap();
    let (listed, both) = (s.exporter(b"listed").unwrap(), s.exporter(b"both").unwrap());
    assert_eq!((listed.as_deref(), both.as_deref()), (Some("prov"), None));
    // A global symbol is not necessarily exported.
    assert!(s.exporter(b"global").is_none() && s.exporter(b"nothing").is_none());
}
