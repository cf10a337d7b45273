//! List, allocate, put and call. Only the connection that owns an area can use it.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod common;

use common::{Kernel, RETURN_42, code, kernel_symbol, refusal, settled};
use relobox_simkernel::protocol::{AreaRequest, Protection};
use relobox_simkernel::{Client, ClientError, RELEASE, SimError, VERMAGIC, bind, limits, start};

const PAGE: AreaRequest = AreaRequest { size: 4096, align: 4096 };

#[test]
fn an_empty_kernel_lists_itself() {
    let kernel = Kernel::start();
    let mut client = kernel.client();
    let list = client.list().unwrap();
    assert_eq!((list.release.as_str(), list.vermagic.as_str()), (RELEASE, VERMAGIC));
    assert_eq!((list.modules.len(), list.allocated, list.heap), (0, 0, 0));
    assert!(list.arena_address + list.arena_size <= 1 << 31);
    for export in &list.exports {
        assert!((list.arena_address..list.arena_address + list.arena_size).contains(&export.address));
    }
    assert!(client.log().unwrap()[0].text.starts_with("relobox simulated kernel"));
}

#[test]
fn code_that_was_put_is_called() {
    let kernel = Kernel::start();
    let mut client = kernel.client();
    let text = code(&mut client, &RETURN_42);
    assert!(text < 1 << 31);
    assert_eq!(client.call(text).unwrap(), 42);
    let minus = code(&mut client, &common::returning(-19));
    assert_eq!(client.call(minus).unwrap(), -19);
}

#[test]
fn a_closed_connection_frees_what_it_had_at_every_step() {
    let kernel = Kernel::start();
    let mut watcher = kernel.client();
    for steps in 0..5 {
        let mut client = kernel.client();
        let mut area = 0;
        if steps > 0 {
            area = client.allocate(&[PAGE, PAGE]).unwrap()[0].address;
            assert_eq!(watcher.list().unwrap().allocated, 8192);
        }
        if steps > 1 {
            client.put(area, &RETURN_42).unwrap();
        }
        if steps > 2 {
            client.protect(area, Protection::ReadExecute).unwrap();
        }
        if steps > 3 {
            client.call(area).unwrap();
        }
        drop(client);
        settled(&mut watcher, 0);
    }
}

#[test]
fn memory_is_writable_or_executable_and_never_again_writable() {
    let kernel = Kernel::start();
    let mut client = kernel.client();
    let area = client.allocate(&[PAGE]).unwrap()[0].address;
    assert!(matches!(refusal(client.call(area)), SimError::NotExecutable { .. }));
    assert_eq!(refusal(client.protect(area, Protection::ReadWrite)), SimError::NeverWritable { address: area });
    client.put(area, &RETURN_42).unwrap();
    client.protect(area, Protection::ReadExecute).unwrap();
    assert_eq!(refusal(client.put(area, &[0])), SimError::Protected { address: area });
    assert_eq!(refusal(client.protect(area, Protection::ReadWrite)), SimError::NeverWritable { address: area });
    assert_eq!(refusal(client.protect(area, Protection::ReadOnly)), SimError::Protected { address: area });
    assert_eq!(client.call(area).unwrap(), 42);
}

#[test]
fn nobody_reaches_what_is_not_theirs() {
    let kernel = Kernel::start();
    let (mut owner, mut other) = (kernel.client(), kernel.client());
    let text = code(&mut owner, &RETURN_42);
    let data = owner.allocate(&[PAGE]).unwrap()[0].address;
    let printk = kernel_symbol(&mut other, "_printk");
    for address in [text, data, printk, 0, 1 << 20, u64::MAX, data + 4096, data - 1] {
        assert!(matches!(refusal(other.call(address)), SimError::NotOwned { .. }), "{address:#x}");
        assert!(matches!(refusal(other.put(address, &[0])), SimError::NotOwned { .. }), "{address:#x}");
        assert!(matches!(refusal(other.release(address)), SimError::NotOwned { .. }), "{address:#x}");
        let protect = other.protect(address, Protection::ReadOnly);
        assert!(matches!(refusal(protect), SimError::NotOwned { .. }), "{address:#x}");
    }
    assert!(matches!(refusal(owner.put(data + 4095, &[0, 0])), SimError::NotOwned { .. }));
    assert!(matches!(refusal(owner.call(printk)), SimError::NotOwned { .. }));
    owner.release(data).unwrap();
    assert!(matches!(refusal(owner.put(data, &[0])), SimError::NotOwned { .. }));
}

#[test]
fn allocation_is_all_or_nothing_and_bounded() {
    let kernel = Kernel::start();
    let mut client = kernel.client();
    let area = |size, align| AreaRequest { size, align };
    for bad in [area(0, 1), area(1, 0), area(1, 3), area(u64::MAX, 1), area(1, 1 << 40)] {
        assert!(matches!(refusal(client.allocate(&[PAGE, bad])), SimError::BadArea { .. }));
    }
    let many = vec![PAGE; limits::AREAS_PER_CONNECTION + 1];
    assert!(matches!(refusal(client.allocate(&many)), SimError::TooMany { .. }));
    let large = area(limits::BYTES_PER_CONNECTION, 1);
    assert!(matches!(refusal(client.allocate(&[large.clone(), PAGE])), SimError::TooMany { .. }));
    assert!(matches!(refusal(client.allocate(&[area(1 << 63, 1), area(1 << 63, 1)])), SimError::TooMany { .. }));
    assert_eq!(client.list().unwrap().allocated, 0);
    // Other connections fill the arena. A request that only fits in part gets nothing.
    let mut others: Vec<Client> = Vec::new();
    loop {
        let mut other = kernel.client();
        match other.allocate(std::slice::from_ref(&large)) {
            Ok(_) => others.push(other),
            Err(ClientError::Refused(SimError::NoSpace { .. })) => break,
            Err(error) => panic!("{error}"),
        }
    }
    let before = client.list().unwrap().allocated;
    let quarter = area(limits::BYTES_PER_CONNECTION / 4, 1);
    assert!(matches!(refusal(client.allocate(&[PAGE, quarter])), SimError::NoSpace { .. }));
    assert_eq!(client.list().unwrap().allocated, before);
    drop(others);
    settled(&mut client, 0);
}

#[test]
fn large_contents_arrive_in_pieces_and_whole() {
    let kernel = Kernel::start();
    let mut client = kernel.client();
    // Nops that fill several messages, and the function after them.
    let slide = [vec![0x90; limits::CHUNK * 2 + 5], RETURN_42.to_vec()].concat();
    let area = client.allocate(&[AreaRequest { size: slide.len() as u64, align: 1 }]).unwrap()[0].address;
    client.put(area, &slide).unwrap();
    client.protect(area, Protection::ReadExecute).unwrap();
    assert_eq!(client.call(area).unwrap(), 42);
}

#[test]
fn one_kernel_per_socket_in_a_private_directory() {
    use std::os::unix::fs::PermissionsExt;
    let mut kernel = Kernel::start();
    assert_eq!(bind(&kernel.socket).unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    // start() finds the running kernel.
    start(std::path::Path::new("/nonexistent"), &[], &kernel.socket).unwrap();
    // A kernel that is gone leaves its socket. The next one replaces it.
    kernel.client().power_off().unwrap();
    assert!(kernel.ended().success());
    assert!(matches!(Client::connect(&kernel.socket), Err(ClientError::Io { .. })));
    kernel.child = relobox_simkernel::spawn(common::exe(), &[], &kernel.socket).unwrap();
    kernel.client().list().unwrap();

    let open = common::directory("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(bind(&open.join("socket")).unwrap_err().kind(), std::io::ErrorKind::PermissionDenied);
    std::fs::remove_dir(&open).unwrap();
}

#[test]
fn too_many_connections_are_told_so() {
    let kernel = Kernel::start();
    let mut clients: Vec<Client> = (0..limits::CONNECTIONS).map(|_| kernel.client()).collect();
    clients.iter_mut().for_each(|client| drop(client.list().unwrap()));
    let mut late = kernel.client();
    assert!(matches!(refusal(late.list()), SimError::TooMany { .. }));
    clients.iter_mut().for_each(|client| drop(client.list().unwrap()));
}

#[test]
fn a_stream_listener_is_refused() {
    let directory = common::directory("stream");
    std::fs::create_dir(&directory).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(directory.join("socket")).unwrap();
    // This fails before the process gives up anything, so the test continues.
    let refused = relobox_simkernel::serve(listener);
    assert!(matches!(refused, Err(relobox_simkernel::ServeError::NotSeqpacket)), "{refused:?}");
    std::fs::remove_dir_all(directory).unwrap();
}
