//! Calls module code, and handles its crashes.
//!
//! A crash cannot be undone, because module code may have stopped in the middle of anything. The signal handler reports
//! it on the console and to the waiting client, and ends the process, which frees everything.

use std::fmt::{self, Write};
use std::io;
use std::sync::atomic::{AtomicI32, AtomicU8, AtomicUsize, Ordering::Relaxed};

use crate::limits;
use crate::protocol::{OOPS_TAG, VERSION};

/// The exit status of a kernel that died of an oops.
const EXIT_OOPS: i32 = 70;

/// A description of the running call, for the handler, which cannot allocate or wait for a lock.
static WHAT: [AtomicU8; 96] = [const { AtomicU8::new(0) }; 96];
static WHAT_LEN: AtomicUsize = AtomicUsize::new(0);
/// The socket of the client that waits for the call.
static WAITING: AtomicI32 = AtomicI32::new(-1);

/// A call into module code.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// A description for people, such as "init of 'hello'".
    pub(crate) what: &'a str,
    /// The socket of the client.
    pub(crate) client: i32,
    /// The address of the function. The caller has checked that it lies in an executable area.
    pub(crate) address: u64,
}

impl Call<'_> {
    /// Calls the function with two arguments. A function that takes fewer ignores the rest.
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
        // SAFETY: the address lies in an executable area that contains what a client put there as code. Whether the
        // code is correct cannot be known: this process exists to run it. Rust holds no lock and no reference into the
        // arena while it runs.
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

/// Sets the timer of processor time, which does not depend on how busy the machine is. Zero switches it off.
fn watchdog(seconds: i64) {
    const ITIMER_VIRTUAL: i32 = 1;
    let none = libc::timeval { tv_sec: 0, tv_usec: 0 };
    let timer = libc::itimerval { it_interval: none, it_value: libc::timeval { tv_sec: seconds, tv_usec: 0 } };
    // SAFETY: one pointer is to a live value, and null means that the old setting is not returned.
    unsafe {
        libc::syscall(libc::SYS_setitimer, ITIMER_VIRTUAL, &raw const timer, std::ptr::null_mut::<libc::itimerval>())
    };
}

/// A buffer for text, without an allocator.
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

/// Reports an oops and ends the process. Can be called from a signal handler.
pub(crate) fn oops(reason: fmt::Arguments<'_>) -> ! {
    // The message to the client is one buffer: version, tag, length, text.
    const HEADER: usize = 6;
    let mut line = Line { bytes: [0; 512], len: HEADER };
    let _ = line.write_fmt(format_args!("oops: {reason}"));
    let what = WHAT_LEN.load(Relaxed);
    if what > 0 {
        let _ = line.write_str(" in ");
        for byte in &WHAT[..what] {
            // Names are ASCII, and so is the text around them.
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
    // SAFETY: a signal handler may call send, write and _exit. The lengths are those of the buffer.
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
    // SAFETY: with SA_SIGINFO, the system passes both pointers.
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

/// Installs the handler, on a stack of its own, because a stack overflow may be what it has to report.
pub(crate) fn catch_faults() -> io::Result<()> {
    let stack = Box::leak(vec![0u8; 64 * 1024].into_boxed_slice());
    let stack = libc::stack_t { ss_sp: stack.as_mut_ptr().cast(), ss_flags: 0, ss_size: stack.len() };
    // SAFETY: the stack is leaked, so it lives as long as the process. The handler has the signature for SA_SIGINFO,
    // and only does what a handler may do. All pointers are to live values.
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
