//! Starts a kernel: makes a socket in a private directory, and a process that gets it as standard input.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::fs::FlockOperation;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::client::{Client, ClientError};

/// Makes the kernel's listening socket at `socket`.
///
/// Its directory is created if necessary, with mode 0700. It must belong to this user alone, because a process that can
/// connect to the socket can run code. If a kernel that is gone has left a socket, it is replaced.
///
/// # Errors
/// `AddrInUse` if a kernel serves the socket, `PermissionDenied` if others have access to its directory, or the error
/// of a system call.
pub fn bind(socket: &Path) -> io::Result<UnixListener> {
    let directory = private_directory(socket)?;
    // The lock keeps two processes from replacing each other's new socket.
    rustix::fs::flock(&directory, FlockOperation::LockExclusive)?;
    let address = SocketAddrUnix::new(socket)?;
    let new = || rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
    let listener = new()?;
    match rustix::net::bind(&listener, &address) {
        Err(Errno::ADDRINUSE) if rustix::net::connect(new()?, &address) == Err(Errno::CONNREFUSED) => {
            fs::remove_file(socket)?;
            rustix::net::bind(&listener, &address)?;
        }
        other => other?,
    }
    rustix::net::listen(&listener, crate::limits::CONNECTIONS as i32)?;
    Ok(UnixListener::from(listener))
}

fn private_directory(socket: &Path) -> io::Result<File> {
    let path = match socket.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the kernel's socket needs a directory of its own",
            ));
        }
    };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let directory = OpenOptions::new()
        .read(true)
        .custom_flags((rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::NOFOLLOW).bits() as i32)
        .open(path)?;
    let meta = directory.metadata()?;
    if meta.uid() != rustix::process::geteuid().as_raw() || meta.mode() & 0o077 != 0 {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("{} must belong to this user, and no other user may have access to it (chmod 700)", path.display()),
        ));
    }
    Ok(directory)
}

/// Binds `socket` and starts `exe args` with the listener as standard input. That program must call
/// [`serve_stdin`](crate::serve_stdin). Its console is a file beside the socket with the extension `.console`.
///
/// # Errors
/// As [`bind`], or if the program cannot be started.
pub fn spawn(exe: &Path, args: &[OsString], socket: &Path) -> io::Result<Child> {
    let listener = bind(socket)?;
    let console = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(socket.with_extension("console"))?;
    Command::new(exe)
        .args(args)
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .stdout(Stdio::null())
        .stderr(Stdio::from(console))
        .spawn()
}

/// How often and how long to wait for a kernel that is dying, which takes milliseconds.
const PATIENCE: (u32, Duration) = (200, Duration::from_millis(10));

/// Connects to the kernel at `socket`, or starts one with [`spawn`] and connects to it.
///
/// A kernel that has crashed may listen for another moment without answering. Then this waits until the socket is free.
///
/// # Errors
/// [`ClientError::Io`] if the program cannot be started, [`ClientError::KernelDied`] if it ends at once.
pub fn start(exe: &Path, args: &[OsString], socket: &Path) -> Result<Client, ClientError> {
    // The first answer shows that the kernel serves.
    let serving = || {
        let mut client = Client::connect(socket)?;
        client.list()?;
        Ok(client)
    };
    if let Ok(client) = serving() {
        return Ok(client);
    }
    let mut tries = 0;
    loop {
        let started = match spawn(exe, args, socket) {
            // The child is not waited for, because it outlives this process.
            Ok(_child) => true,
            // Another process was faster, or the old kernel is still dying.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => false,
            Err(error) => {
                return Err(ClientError::Io { during: format!("start the simulated kernel {}", exe.display()), error });
            }
        };
        tries += 1;
        // The listener exists already, so connecting waits for the new process.
        return match serving() {
            Err(ClientError::KernelDied { .. } | ClientError::Io { .. }) if !started && tries < PATIENCE.0 => {
                std::thread::sleep(PATIENCE.1);
                continue;
            }
            // The connection was refused or closed without an answer: the kernel ended. Its console may have the
            // reason.
            Err(ClientError::KernelDied { .. } | ClientError::Io { .. }) => {
                let console = fs::read_to_string(socket.with_extension("console")).unwrap_or_default();
                let report = Some(console.trim_end().to_owned()).filter(|text| !text.is_empty());
                Err(ClientError::KernelDied { during: "start".into(), report })
            }
            other => other,
        };
    }
}
