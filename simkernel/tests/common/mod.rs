//! A kernel for each test, and hand-assembled modules for it.
#![allow(dead_code, unreachable_pub, reason = "each test binary includes this file and uses a part")]

use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::atomic::{AtomicU32, Ordering};

use relobox_simkernel::protocol::{AfterInit, AreaRequest, Export, Load, LoadArea, Protection};
use relobox_simkernel::{Client, ClientError, SimError, spawn};

/// mov $42,%eax; ret
pub const RETURN_42: [u8; 6] = [0xb8, 42, 0, 0, 0, 0xc3];
/// xor %eax,%eax; ret
pub const RETURN_0: [u8; 3] = [0x31, 0xc0, 0xc3];

/// mov $value,%eax; ret
pub fn returning(value: i32) -> Vec<u8> {
    [&[0xb8][..], &value.to_le_bytes(), &[0xc3]].concat()
}

/// A running kernel, which ends with the test.
pub struct Kernel {
    directory: PathBuf,
    pub socket: PathBuf,
    pub child: Child,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

pub fn directory(name: &str) -> PathBuf {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("relobox-sim-{}-{number}-{name}", std::process::id()))
}

impl Kernel {
    pub fn start() -> Kernel {
        let directory = directory("kernel");
        let socket = directory.join("kernel.socket");
        let child = spawn(exe(), &[], &socket).unwrap();
        Kernel { directory, socket, child }
    }

    pub fn client(&self) -> Client {
        Client::connect(&self.socket).unwrap()
    }

    pub fn console(&self) -> String {
        std::fs::read_to_string(self.socket.with_extension("console")).unwrap()
    }

    /// Waits until the kernel has ended.
    pub fn ended(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

pub fn exe() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_relobox-simkernel"))
}

/// Allocates a page, puts `code` there and makes it executable.
pub fn code(client: &mut Client, code: &[u8]) -> u64 {
    let address = client.allocate(&[AreaRequest { size: 4096, align: 16 }]).unwrap()[0].address;
    client.put(address, code).unwrap();
    client.protect(address, Protection::ReadExecute).unwrap();
    address
}

/// A module whose init and exit are the code at `text`.
pub fn module(name: &str, text: u64) -> Load {
    Load {
        name: name.into(),
        areas: vec![LoadArea { address: text, after_init: AfterInit::Keep }],
        init: Some(text),
        exit: Some(text),
        exports: vec![],
        uses: vec![],
        params: None,
        args: String::new(),
    }
}

pub fn export(name: &str, address: u64) -> Export {
    Export { name: name.into(), address, gpl: false }
}

/// The address of one of the kernel's exports.
pub fn kernel_symbol(client: &mut Client, name: &str) -> u64 {
    client.list().unwrap().exports.iter().find(|export| export.name == name).unwrap().address
}

pub fn refusal<T: std::fmt::Debug>(result: Result<T, ClientError>) -> SimError {
    match result {
        Err(ClientError::Refused(refusal)) => refusal,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

/// Repeats a request until the kernel has seen the end of another connection. Events are handled in their order, so no
/// clock is needed: each answer lets the kernel look at all connections.
pub fn settled(client: &mut Client, allocated: u64) {
    for _ in 0..1000 {
        if client.list().unwrap().allocated == allocated {
            return;
        }
    }
    panic!("still allocated: {:?}", client.list().unwrap().allocated);
}
