//! How areas become a module: init, exit, exports, users.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod common;

use common::{Kernel, RETURN_0, code, export, kernel_symbol, module, refusal, returning, settled};
use relobox_simkernel::protocol::{AfterInit, AreaRequest, LoadArea, Protection, State};
use relobox_simkernel::{Client, SimError, limits};

/// call *symbol through a register, aligned or not, then xor %eax,%eax; ret.
fn calling(first: u64, second: u64, symbol: u64) -> Vec<u8> {
    let mut code = vec![0x53]; // push %rbx
    code.extend([&[0x48, 0xbf][..], &first.to_le_bytes()].concat()); // movabs $first,%rdi
    code.extend([&[0x48, 0xbe][..], &second.to_le_bytes()].concat()); // movabs $second,%rsi
    code.extend([&[0x48, 0xb8][..], &symbol.to_le_bytes()].concat()); // movabs $symbol,%rax
    code.extend([0xff, 0xd0, 0x5b, 0x31, 0xc0, 0xc3]); // call *%rax; pop %rbx; xor %eax,%eax; ret
    code
}

fn data(client: &mut Client, bytes: &[u8]) -> u64 {
    let address = client.allocate(&[AreaRequest { size: bytes.len() as u64, align: 8 }]).unwrap()[0].address;
    client.put(address, bytes).unwrap();
    address
}

fn texts(client: &mut Client) -> Vec<String> {
    client.log().unwrap().into_iter().map(|line| line.text).collect()
}

#[test]
fn a_module_outlives_its_connection_and_is_removed() {
    let kernel = Kernel::start();
    let mut watcher = kernel.client();
    let mut client = kernel.client();
    let text = code(&mut client, &RETURN_0);
    let mut load = module("hello", text);
    load.exports = vec![export("hello_there", text)];
    assert_eq!(client.load(&load).unwrap().returned, 0);
    // From here on, the kernel owns the area.
    assert!(matches!(refusal(client.call(text)), SimError::NotOwned { .. }));
    assert!(matches!(refusal(client.release(text)), SimError::NotOwned { .. }));
    drop(client);
    let listed = &watcher.list().unwrap().modules[0];
    assert_eq!((listed.name.as_str(), listed.state, listed.areas[0].address), ("hello", State::Live, text));
    assert_eq!(listed.exports, load.exports);
    watcher.remove("hello").unwrap();
    settled(&mut watcher, 0);
    assert_eq!(refusal(watcher.remove("hello")), SimError::Unknown { name: "hello".into() });
}

#[test]
fn init_prints_and_allocates_and_its_own_areas_go() {
    let kernel = Kernel::start();
    let mut client = kernel.client();
    let printk = kernel_symbol(&mut client, "_printk");
    let format = data(&mut client, b"\x016hello from %#x\n\0");
    client.protect(format, Protection::ReadOnly).unwrap();
    let init = code(&mut client, &calling(format, 0xbeef, printk));
    let kmalloc = kernel_symbol(&mut client, "__kmalloc");
    let exit = code(&mut client, &calling(100, 0, kmalloc));
    let settings = data(&mut client, &[7; 16]);
    let mut load = module("hello", init);
    load.exit = Some(exit);
    load.areas =
        [(init, AfterInit::Free), (exit, AfterInit::Keep), (format, AfterInit::Keep), (settings, AfterInit::ReadOnly)]
            .map(|(address, after_init)| LoadArea { address, after_init })
            .into();
    client.load(&load).unwrap();
    let line = client.log().unwrap().pop().unwrap();
    assert_eq!((line.level, line.text.as_str()), (6, "hello from 0xbeef"));
    let list = client.list().unwrap();
    let listed = &list.modules[0];
    assert_eq!((listed.init, listed.exit, list.allocated), (None, Some(exit), 3 * 4096));
    assert_eq!(listed.areas.last().unwrap().protection, Protection::ReadOnly);
    client.remove("hello").unwrap();
    let list = client.list().unwrap();
    assert_eq!((list.allocated, list.heap), (0, 100), "memory that module code leaks shows");
}

#[test]
fn a_failed_init_leaves_nothing_and_nobody_can_depend_on_it() {
    let kernel = Kernel::start();
    let mut client = kernel.client();
    let text = code(&mut client, &returning(-19));
    let failed = refusal(client.load(&module("failing", text)));
    assert_eq!(failed, SimError::InitFailed { name: "failing".into(), errno: -19 });
    let list = client.list().unwrap();
    assert_eq!((list.modules.len(), list.allocated), (0, 0));
    let text = code(&mut client, &RETURN_0);
    let mut load = module("dependent", text);
    load.uses = vec!["failing".into()];
    let missing = SimError::NeedsMissing { name: "dependent".into(), needed: "failing".into() };
    assert_eq!(refusal(client.load(&load)), missing);
    // Refused before module code ran: the connection still owns the areas.
    assert_eq!(client.call(text).unwrap(), 0);
    assert!(texts(&mut client).contains(&"failing: init failed with -19".to_owned()));
}

#[test]
fn use_counts_rise_and_fall() {
    let kernel = Kernel::start();
    let mut client = kernel.client();
    let text = code(&mut client, &RETURN_0);
    client.load(&module("provider", text)).unwrap();
    for user in ["first", "second"] {
        let text = code(&mut client, &RETURN_0);
        let mut load = module(user, text);
        // A module that is named twice counts once.
        load.uses = vec!["provider".into(), "provider".into()];
        client.load(&load).unwrap();
    }
    // A user whose init fails is not counted.
    let text = code(&mut client, &returning(-1));
    let mut load = module("third", text);
    load.uses = vec!["provider".into()];
    refusal(client.load(&load));
    let users = vec!["first".to_owned(), "second".to_owned()];
    assert_eq!(client.list().unwrap().modules[0].users, users);
    assert_eq!(refusal(client.remove("provider")), SimError::InUse { name: "provider".into(), users });
    client.remove("first").unwrap();
    refusal(client.remove("provider"));
    client.remove("second").unwrap();
    client.remove("provider").unwrap();
    assert_eq!(client.list().unwrap().allocated, 0);
}

#[test]
fn what_is_used_must_be_what_was_listed() {
    let kernel = Kernel::start();
    let (mut looks, mut swaps) = (kernel.client(), kernel.client());
    let text = code(&mut swaps, &RETURN_0);
    swaps.load(&module("provider", text)).unwrap();
    looks.list().unwrap();
    let text = code(&mut looks, &RETURN_0);
    let mut load = module("user", text);
    load.uses = vec!["provider".into()];
    // The module is removed and loaded again, and may have other addresses.
    swaps.remove("provider").unwrap();
    let text = code(&mut swaps, &RETURN_0);
    swaps.load(&module("provider", text)).unwrap();
    let stale = SimError::Stale { name: "user".into(), used: "provider".into() };
    assert_eq!(refusal(looks.load(&load)), stale);
    assert_eq!(looks.list().unwrap().modules[0].users, [""; 0]);
    // After another list, the connection may use it.
    looks.load(&load).unwrap();
    // A module that the connection has loaded itself needs no list.
    for (name, uses) in [("own", None), ("depends", Some("own"))] {
        let text = code(&mut looks, &RETURN_0);
        let mut load = module(name, text);
        load.uses = uses.into_iter().map(str::to_owned).collect();
        looks.load(&load).unwrap();
    }
}

#[test]
fn a_name_and_a_symbol_exist_once() {
    let kernel = Kernel::start();
    let (mut one, mut two) = (kernel.client(), kernel.client());
    let text = code(&mut one, &RETURN_0);
    let mut load = module("same", text);
    load.exports = vec![export("shared", text)];
    one.load(&load).unwrap();
    let text = code(&mut two, &RETURN_0);
    assert_eq!(refusal(two.load(&module("same", text))), SimError::Exists { name: "same".into() });
    for (symbol, owner) in [("shared", "module 'same'"), ("_printk", "the kernel")] {
        let mut load = module("other", text);
        load.exports = vec![export(symbol, text)];
        let wanted = SimError::DuplicateExport { name: "other".into(), symbol: symbol.into(), owner: owner.into() };
        assert_eq!(refusal(two.load(&load)), wanted);
    }
    let mut load = module("other", text);
    load.exports = vec![export("twice", text), export("twice", text)];
    assert!(matches!(refusal(two.load(&load)), SimError::DuplicateExport { .. }));
}

#[test]
fn without_exit_there_is_no_removal() {
    let kernel = Kernel::start();
    let mut client = kernel.client();
    let text = code(&mut client, &RETURN_0);
    let mut load = module("permanent", text);
    load.exit = None;
    client.load(&load).unwrap();
    assert_eq!(refusal(client.remove("permanent")), SimError::Permanent { name: "permanent".into() });
    // A library has neither init nor exit, and can be removed.
    let text = code(&mut client, &RETURN_0);
    let mut load = module("library", text);
    (load.init, load.exit) = (None, None);
    client.load(&load).unwrap();
    client.remove("library").unwrap();
}

#[test]
fn everything_in_a_load_is_checked() {
    let kernel = Kernel::start();
    let (mut client, mut other) = (kernel.client(), kernel.client());
    let text = code(&mut client, &RETURN_0);
    let plain = data(&mut client, b"data");
    let foreign = code(&mut other, &RETURN_0);
    let good = module("checked", text);
    let mut refused = |change: &dyn Fn(&mut relobox_simkernel::protocol::Load)| {
        let mut load = good.clone();
        change(&mut load);
        refusal(client.load(&load))
    };
    let long = "n".repeat(limits::MODULE_NAME + 1);
    for name in ["", "a/b", "..", "a b", "n\u{e9}", long.as_str()] {
        assert!(matches!(refused(&|l| l.name = name.into()), SimError::BadName { .. }), "{name:?}");
    }
    let area = |address, after_init| LoadArea { address, after_init };
    assert!(matches!(refused(&|l| l.areas.push(area(foreign, AfterInit::Keep))), SimError::NotOwned { .. }));
    assert!(matches!(refused(&|l| l.areas.push(area(text, AfterInit::Keep))), SimError::Twice { .. }));
    assert!(matches!(refused(&|l| l.areas[0].after_init = AfterInit::ReadOnly), SimError::Protected { .. }));
    for address in [foreign, plain, 0, u64::MAX, text + 4096] {
        assert!(matches!(refused(&|l| l.init = Some(address)), SimError::NotExecutable { .. }));
        assert!(matches!(refused(&|l| l.exit = Some(address)), SimError::NotExecutable { .. }));
        assert!(matches!(refused(&|l| l.exports = vec![export("x", address)]), SimError::Outside { .. }));
    }
    // Memory that is freed after init can contain neither exit nor exports.
    assert!(matches!(refused(&|l| l.areas[0].after_init = AfterInit::Free), SimError::NotExecutable { .. }));
    assert!(matches!(refused(&|l| l.exports = vec![export("", text)]), SimError::BadName { .. }));
    assert!(matches!(refused(&|l| l.uses = vec!["checked".into()]), SimError::NeedsMissing { .. }));
    assert!(matches!(refused(&|l| l.args = "x".repeat(limits::ARGS + 1)), SimError::TooMany { .. }));
    for (address, count) in [(plain, 1), (text, u64::MAX), (u64::MAX, 1), (u64::MAX - 8, 256), (0, 1), (text, 1)] {
        let table = relobox_simkernel::protocol::ParamTable { address, count };
        assert!(matches!(refused(&|l| l.params = Some(table.clone())), SimError::BadParams { .. }));
    }
    // The refusals have changed nothing.
    client.load(&good).unwrap();
}

/// A `struct kernel_param` table: (name, operations, argument).
fn table(client: &mut Client, data: u64, rows: &[(&str, &str, u64)]) -> Vec<u8> {
    let names = data + 40 * rows.len() as u64;
    let (mut bytes, mut strings) = (Vec::new(), Vec::new());
    for (name, ops, argument) in rows {
        let ops = kernel_symbol(client, ops);
        for word in [names + strings.len() as u64, 0, ops, 0o444, *argument] {
            bytes.extend(word.to_le_bytes());
        }
        strings.extend_from_slice(name.as_bytes());
        strings.push(0);
    }
    [bytes, strings].concat()
}

#[test]
fn arguments_reach_the_modules_variables() {
    let kernel = Kernel::start();
    let mut client = kernel.client();
    let areas = client.allocate(&[AreaRequest { size: 4096, align: 8 }, AreaRequest { size: 4096, align: 8 }]).unwrap();
    let (data, constants) = (areas[0].address, areas[1].address);
    let rows = [
        ("count", "param_ops_int", data),
        ("who", "param_ops_charp", data + 8),
        ("on_off", "param_ops_bool", data + 16),
    ];
    let bytes = table(&mut client, constants, &rows);
    client.put(constants, &bytes).unwrap();
    client.protect(constants, Protection::ReadOnly).unwrap();
    // mov data,%eax; ret: init returns the data that arrived. 8b 04 25 takes a 32-bit absolute address.
    let text = code(&mut client, &[&[0x8b, 0x04, 0x25][..], &(data as u32).to_le_bytes(), &[0xc3]].concat());
    let mut load = module("params", text);
    load.areas.extend([data, constants].map(|address| LoadArea { address, after_init: AfterInit::Keep }));
    load.params = Some(relobox_simkernel::protocol::ParamTable { address: constants, count: 3 });
    load.args = "count=0x17 who=\"the world\" on-off nonsense=1".into();
    let loaded = client.load(&load).unwrap();
    assert_eq!((loaded.returned, loaded.unknown_args), (23, vec!["nonsense".to_owned()]));
    assert_eq!(client.list().unwrap().heap, "the world\0".len() as u64);
    client.remove("params").unwrap();
    assert_eq!(client.list().unwrap().heap, 0, "the string went with the module");
}

#[test]
fn a_refused_argument_frees_the_module() {
    let kernel = Kernel::start();
    let mut client = kernel.client();
    for (args, errno) in [("count=many", -22), ("count=99999999999", -34), ("count", -22)] {
        let area = client.allocate(&[AreaRequest { size: 4096, align: 8 }]).unwrap()[0].address;
        let bytes = table(&mut client, area, &[("count", "param_ops_int", area + 2048)]);
        client.put(area, &bytes).unwrap();
        let text = code(&mut client, &RETURN_0);
        let mut load = module("params", text);
        load.areas.push(LoadArea { address: area, after_init: AfterInit::Keep });
        load.params = Some(relobox_simkernel::protocol::ParamTable { address: area, count: 1 });
        load.args = args.into();
        let wanted = SimError::BadArgument { name: "params".into(), argument: "count".into(), errno };
        assert_eq!(refusal(client.load(&load)), wanted);
        assert_eq!(client.list().unwrap().allocated, 0);
    }
}

#[test]
fn a_kernels_stack_alignment_is_enough() {
    let kernel = Kernel::start();
    let mut client = kernel.client();
    let printk = kernel_symbol(&mut client, "_printk");
    let format = data(&mut client, b"%s %d\n\0");
    // Without the push and the pop, the stack is aligned to 8 bytes only, as in a kernel.
    let mut unaligned = calling(format, format, printk);
    unaligned.remove(0);
    unaligned.remove(unaligned.len() - 4);
    let text = code(&mut client, &unaligned);
    assert_eq!(client.call(text).unwrap(), 0);
    assert!(texts(&mut client)[1].starts_with("%s %d"));
}
