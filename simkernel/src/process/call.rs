//! Calling into module code, and what happens when that goes wrong.
//!
//! There is no recovery: module code may have died with half of anything done. The handler says what happened, on the
//! console and to the client that is waiting, and ends the process, which frees everything.

use std::fmt::{self, Write};
use std::io;
use std::sync::atomic::{AtomicI32, AtomicU8, AtomicUsize, Ordering::Relaxed};

use crate::limits;
use crate::protocol::{OOPS_TAG, VERSION};

/// The exit status of a kernel that died of an oops.
const EXIT_OOPS: i32 = 70;

/// What runs now, as text for the handler: it can neither allocate nor wait for a lock.
static WHAT: [AtomicU8; 96] = [const { AtomicU8::new(0) }; 96];
static WHAT_LEN: AtomicUsize = AtomicUsize::new(0);
/// The socket of the client that waits for it.
static WAITING: AtomicI32 = AtomicI32::new(-1);

/// A place in module code, who asked, and what to call it when it fails.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// For people: "init of 'hello'".
    pub(crate) what: &'a str,
    /// The client's socket.
    pub(crate) client: i32,
    /// The function; the caller has checked that it lies in an executable area.
    pub(crate) address: u64,
}

impl Call<'_> {
    /// Calls it with up to two arguments; a function that takes fewer does not look at the rest.
    pub(crate) fn run(&self, first: u64, second: u64) -> i32 {
        let what = self.what.as_bytes();
        let len = what.len().min(WHAT.len());
        for (to, from) in WHAT.iter().zip(what) {
            to.store(*from, Relaxed);
        }
        WHAT_LEN.store(len, Relaxed);
        WAITING.store(self.client, Relaxed);
        watchdog(limits::CALL_CPU_SECONDS);
        let code = std::ptr::with_exposed_provenance::<()>(self.address as usize);
        // SAFETY: the address lies in an area that is executable and holds what a client put there as code. That the
        // code behaves cannot be known: it is kernel code, and this process exists to run it. Rust holds no lock and
        // no reference into the arena while it runs.
        let value = unsafe {
            let function: extern "C" fn(u64, u64) -> i32 = std::mem::transmute(code);
            function(first, second)
        };
        watchdog(0);
        WAITING.store(-1, Relaxed);
        WHAT_LEN.store(0, Relaxed);
        value
    }
}

/// Processor time, so that a busy machine changes no verdict. Zero switches it off.
fn watchdog(seconds: i64) {
    const ITIMER_VIRTUAL: i32 = 1;
    let none = libc::timeval { tv_sec: 0, tv_usec: 0 };
    let timer = libc::itimerval { it_interval: none, it_value: libc::timeval { tv_sec: seconds, tv_usec: 0 } };
    // SAFETY: the pointer is to a live value, and a null one says that the old setting is not wanted.
    unsafe {
        libc::syscall(libc::SYS_setitimer, ITIMER_VIRTUAL, &raw const timer, std::ptr::null_mut::<libc::itimerval>())
    };
}

/// A line of text without an allocator.
struct Line {
    bytes: [u8; 512],
    len: usize,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if self.len < self.bytes.len() {
                self.bytes[self.len] = byte;
                self.len += 1;
            }
        }
        Ok(())
    }
}

/// Says what happened and ends the process. Safe to call from a signal handler.
pub(crate) fn oops(reason: fmt::Arguments<'_>) -> ! {
    // The client's message is header and text in one buffer: version, tag, length, text.
    const HEADER: usize = 6;
    let mut line = Line { bytes: [0; 512], len: HEADER };
    let _ = line.write_fmt(format_args!("oops: {reason}"));
    let what = WHAT_LEN.load(Relaxed);
    if what > 0 {
        let _ = line.write_str(" in ");
        for byte in &WHAT[..what] {
            // Names are ASCII, and the text around them is too.
            let _ = line.write_char(char::from(byte.load(Relaxed) & 0x7f));
        }
    }
    let text = line.len - HEADER;
    line.bytes[0] = VERSION;
    line.bytes[1] = OOPS_TAG;
    line.bytes[2..HEADER].copy_from_slice(&(text as u32).to_le_bytes());
    let client = WAITING.load(Relaxed);
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    let end = line.len.min(line.bytes.len() - 1);
    // SAFETY: send, write and _exit may be called in a signal handler, and the lengths are the buffer's.
    unsafe {
        if client >= 0 {
            libc::send(client, line.bytes.as_ptr().cast(), line.len, flags);
        }
        line.bytes[end] = b'\n';
        libc::write(2, line.bytes[HEADER..].as_ptr().cast(), end + 1 - HEADER);
        libc::_exit(EXIT_OOPS)
    }
}

extern "C" fn handler(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the system passes both, for SA_SIGINFO.
    let (address, instruction) = unsafe {
        let context = &*context.cast::<libc::ucontext_t>();
        ((*info).si_addr() as u64, context.uc_mcontext.gregs[libc::REG_RIP as usize] as u64)
    };
    let name = match signal {
        libc::SIGSEGV => "invalid memory access",
        libc::SIGBUS => "bus error",
        libc::SIGILL => "invalid instruction",
        libc::SIGFPE => "arithmetic fault",
        libc::SIGTRAP => "breakpoint",
        libc::SIGABRT => "the kernel aborted",
        libc::SIGVTALRM => {
            oops(format_args!("lockup, {} s of processor time, at {instruction:#x}", limits::CALL_CPU_SECONDS))
        }
        _ => "fault",
    };
    oops(format_args!("{name} at {instruction:#x}, address {address:#x},"))
}

/// Installs the handler, on a stack of its own: module code may have run off the end of the other one.
pub(crate) fn catch_faults() -> io::Result<()> {
    let stack = Box::leak(vec![0u8; 64 * 1024].into_boxed_slice());
    let stack = libc::stack_t { ss_sp: stack.as_mut_ptr().cast(), ss_flags: 0, ss_size: stack.len() };
    // SAFETY: the stack is leaked, so it lives as long as the process; the handler has the signature that SA_SIGINFO
    // asks for and only does what a handler may; all pointers are to live values.
    unsafe {
        if libc::sigaltstack(&stack, std::ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigfillset(&mut action.sa_mask);
        for signal in
            [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP, libc::SIGABRT, libc::SIGVTALRM]
        {
            if libc::sigaction(signal, &action, std::ptr::null_mut()) != 0 {
                return Err(io::Error::last_os_error());
            }
        }
    }
    Ok(())
}
