//! The confinement of the process, and crashes of module code.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod common;

use common::{Kernel, RETURN_0, code, kernel_symbol, module};
use relobox_simkernel::ClientError;
use relobox_simkernel::protocol::AreaRequest;

const EPERM: i32 = 1;

/// A function that makes a system call and returns its result.
fn system_call(number: i64, arguments: [u64; 6]) -> Vec<u8> {
    let mut code = Vec::new();
    // movabs to rdi, rsi, rdx, r10, r8, r9.
    for (register, value) in
        [[0x48, 0xbf], [0x48, 0xbe], [0x48, 0xba], [0x49, 0xba], [0x49, 0xb8], [0x49, 0xb9]].into_iter().zip(arguments)
    {
        code.extend(register);
        code.extend(value.to_le_bytes());
    }
    code.push(0xb8); // mov $number,%eax
    code.extend((number as i32).to_le_bytes());
    code.extend([0x0f, 0x05, 0xc3]); // syscall; ret
    code
}

#[test]
fn system_calls_that_serving_does_not_need_are_refused() {
    let kernel = Kernel::start();
    let mut client = kernel.client();
    let path = client.allocate(&[AreaRequest { size: 4096, align: 1 }]).unwrap()[0].address;
    client.put(path, b"/etc/passwd\0").unwrap();
    let executable = code(&mut client, &RETURN_0);
    let (rwx, rx) =
        ((libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC) as u64, (libc::PROT_READ | libc::PROT_EXEC) as u64);
    let anonymous = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
    for (name, number, arguments) in [
        ("open", libc::SYS_open, [path, 0, 0, 0, 0, 0]),
        ("openat", libc::SYS_openat, [libc::AT_FDCWD as u64, path, 0, 0, 0, 0]),
        ("socket", libc::SYS_socket, [libc::AF_UNIX as u64, libc::SOCK_STREAM as u64, 0, 0, 0, 0]),
        ("connect", libc::SYS_connect, [3, path, 12, 0, 0, 0]),
        ("execve", libc::SYS_execve, [path, 0, 0, 0, 0, 0]),
        ("fork", libc::SYS_fork, [0; 6]),
        ("clone", libc::SYS_clone, [0; 6]),
        ("clone3", libc::SYS_clone3, [0; 6]),
        ("ptrace", libc::SYS_ptrace, [0; 6]),
        ("kill", libc::SYS_kill, [1, 0, 0, 0, 0, 0]),
        ("tgkill", libc::SYS_tgkill, [1, 1, 0, 0, 0, 0]),
        ("setuid", libc::SYS_setuid, [0; 6]),
        ("unlink", libc::SYS_unlink, [path, 0, 0, 0, 0, 0]),
        ("bpf", libc::SYS_bpf, [0; 6]),
        ("memfd_create", libc::SYS_memfd_create, [path, 0, 0, 0, 0, 0]),
        ("process_vm_writev", libc::SYS_process_vm_writev, [1, 0, 0, 0, 0, 0]),
        ("prctl", libc::SYS_prctl, [libc::PR_SET_DUMPABLE as u64, 1, 0, 0, 0, 0]),
        ("write to another descriptor", libc::SYS_write, [3, path, 1, 0, 0, 0]),
        ("mmap rwx", libc::SYS_mmap, [0, 4096, rwx, anonymous, u64::MAX, 0]),
        ("mmap rx", libc::SYS_mmap, [0, 4096, rx, anonymous, u64::MAX, 0]),
        ("mprotect rwx", libc::SYS_mprotect, [executable, 4096, rwx, 0, 0, 0]),
        ("pkey_mprotect rwx", libc::SYS_pkey_mprotect, [executable, 4096, rwx, u64::MAX, 0, 0]),
        ("mremap", libc::SYS_mremap, [executable, 4096, 8192, 1, 0, 0]),
        ("io_uring_setup", libc::SYS_io_uring_setup, [1, path, 0, 0, 0, 0]),
    ] {
        let text = code(&mut client, &system_call(number, arguments));
        assert_eq!(client.call(text).unwrap(), -EPERM, "{name}");
        client.release(text).unwrap();
    }
}

#[test]
fn the_process_has_no_privileges_left() {
    let kernel = Kernel::start();
    kernel.client().list().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", kernel.child.id())).unwrap();
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
        assert_eq!(u64::from_str_radix(&field(set), 16).unwrap(), 0, "{set}");
    }
    assert_eq!(field("NoNewPrivs:"), "1");
    assert_eq!(field("Seccomp:"), "2");
    assert_eq!(field("Threads:"), "1");
}

#[test]
fn a_crash_ends_the_kernel_and_everybody_is_told() {
    for (what, blob) in [
        ("invalid memory access", vec![0x31, 0xc0, 0x8b, 0x00, 0xc3]), // xor %eax,%eax; mov (%rax),%eax
        ("invalid instruction", vec![0x0f, 0x0b]),                     // ud2
        ("arithmetic fault", vec![0x31, 0xc9, 0xf7, 0xf9]),            // xor %ecx,%ecx; idiv %ecx
        ("breakpoint", vec![0xcc]),
        // A stack overflow: the handler has a stack of its own. push %rax; jmp to it.
        ("invalid memory access", vec![0x50, 0xeb, 0xfd]),
        // The end of a page of code is followed by an inaccessible page.
        ("invalid memory access", vec![0x90; 4096]),
    ] {
        let mut kernel = Kernel::start();
        let (mut client, mut bystander) = (kernel.client(), kernel.client());
        bystander.list().unwrap();
        let text = code(&mut client, &blob);
        let died = client.load(&module("crash", text)).unwrap_err();
        let ClientError::KernelDied { during, report: Some(report) } = &died else { panic!("{died:?}") };
        assert_eq!(during, "load 'crash'");
        assert!(report.starts_with(&format!("oops: {what}")) && report.ends_with("in init of 'crash'"), "{report}");
        assert!(matches!(bystander.list(), Err(ClientError::KernelDied { report: None, .. })));
        assert_eq!(kernel.ended().code(), Some(70));
        assert_eq!(kernel.console().trim_end(), report);
    }
}

#[test]
fn the_kernels_own_checks_are_an_oops_too() {
    for (symbol, what) in [
        ("kfree", "oops: kfree of 0x1234, which is not allocated"),
        ("__stack_chk_fail", "oops: a stack canary was overwritten"),
    ] {
        let kernel = Kernel::start();
        let mut client = kernel.client();
        let address = kernel_symbol(&mut client, symbol);
        // mov $0x1234,%edi; movabs $address,%rax; jmp *%rax
        let text = code(
            &mut client,
            &[&[0xbf, 0x34, 0x12, 0, 0, 0x48, 0xb8][..], &address.to_le_bytes(), &[0xff, 0xe0]].concat(),
        );
        let Err(ClientError::KernelDied { report: Some(report), .. }) = client.call(text) else { panic!("{symbol}") };
        assert!(report.starts_with(what), "{report}");
    }
}

#[test]
fn the_stack_protectors_canary_is_there() {
    let kernel = Kernel::start();
    let mut client = kernel.client();
    // mov %gs:40,%rax; shr $32,%rax; ret
    let text = code(&mut client, &[0x65, 0x48, 0x8b, 0x04, 0x25, 40, 0, 0, 0, 0x48, 0xc1, 0xe8, 32, 0xc3]);
    assert_eq!(client.call(text).unwrap() as u32, 0x6f62_6f6c);
}

#[test]
fn a_kernel_that_does_not_start_is_reported_as_dead() {
    let directory = common::directory("broken");
    let error = relobox_simkernel::start(std::path::Path::new("/bin/false"), &[], &directory.join("socket"));
    assert!(matches!(&error, Err(ClientError::KernelDied { during, .. }) if during == "start"), "{error:?}");
    std::fs::remove_dir_all(directory).unwrap();
}
