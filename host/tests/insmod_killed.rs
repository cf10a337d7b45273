//! `kill -9` of insmod at the entry of every one of its system calls: the kernel then holds the live module, or
//! nothing.
//!
//! Without the test harness, since the process that is traced must ask for it itself, between fork and exec: this
//! program runs itself, asks, and becomes relobox.

mod test_env;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod tracing;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod killed {
    use crate::test_env::{TestEnv, cache};
    use crate::tracing::{Stop, Tracee, trace_me};
    use relobox_needs::{ExitCode, test};
    use relobox_simkernel::Client;
    use relobox_simkernel::protocol::AreaRequest;
    use std::os::unix::process::CommandExt as _;
    use std::process::{Command, Stdio};

    const TRACED: &str = "RELOBOX_TEST_TRACED";
    /// More system calls than any insmod makes.
    const ENDLESS: usize = 20_000;

    /// What an insmod that was killed at some point left.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Left {
        Nothing,
        Live,
    }

    /// Where it ended.
    enum End {
        /// Killed when it was about to make its nth system call, before or after it had a connection.
        Killed { connected: bool },
        /// It made fewer.
        Exited(i32),
    }

    pub(crate) fn main() -> ExitCode {
        if std::env::var_os(TRACED).is_some() {
            become_traced();
        }
        relobox_needs::run([test!(at_every_system_call_it_leaves_a_live_module_or_nothing)])
    }

    fn at_every_system_call_it_leaves_a_live_module_or_nothing() {
        let mut w = TestEnv::new();
        w.sample("math_provider");
        w.succeed("sim", &["start"]);
        // Compiles the guests, so that what follows takes their code from the cache.
        w.succeed("insmod", &["math_provider.ko"]);
        w.succeed("rmmod", &["math_provider"]);
        w.assert_empty();
        with_a_kernel(&w);
        w.succeed("sim", &["stop"]);
        starting_one(&mut w);
    }

    /// Every system call of an insmod into a kernel that is there.
    fn with_a_kernel(w: &TestEnv) {
        let mut client = w.client();
        // An area of a client that has not ended is noticed, so that something left over would be, too.
        let mut other = w.client();
        other.allocate(&[AreaRequest { size: 1, align: 1 }]).unwrap();
        assert!(look(&mut client).is_err(), "what is left goes unnoticed");
        drop(other);
        assert_eq!(look(&mut client), Ok(Left::Nothing));

        let mut left = Vec::new();
        let calls = loop {
            let n = left.len() + 1;
            assert!(n < ENDLESS, "insmod does not end");
            match insmod_killed_at(w, n) {
                End::Killed { connected } => left.push((connected, clean_up(&mut client, n))),
                End::Exited(code) => {
                    assert_eq!((code, clean_up(&mut client, n)), (0, Left::Live), "insmod without a kill");
                    break n - 1;
                }
            }
        };
        let outcome = |connected, what| left.iter().filter(|l| **l == (connected, what)).count();
        let (nothing, live) = (outcome(true, Left::Nothing), outcome(true, Left::Live));
        println!(
            "insmod killed at each of its {calls} system calls: {} before it had a connection, then {nothing} that \
             left nothing and {live} that left a live module",
            calls - nothing - live
        );
        assert_eq!(outcome(false, Left::Live), 0, "without a connection there is no module");
        assert!(calls >= 100 && nothing >= 10 && live >= 1, "too few to mean something");
        // Once it is live, it stays: there is no way back.
        let first_live = left.iter().position(|l| l.1 == Left::Live).unwrap_or(0);
        assert!(left[first_live..].iter().all(|l| l.1 == Left::Live), "{left:?}");
    }

    /// The same without a kernel, so that insmod starts one: the next insmod works with what the killed one left.
    fn starting_one(w: &mut TestEnv) {
        const STRIDE: usize = 16;
        let (mut n, mut near, mut seen) = (1, false, Vec::new());
        loop {
            assert!(n < ENDLESS, "insmod does not end");
            // A kernel that was powered off may still be on its way: each has a place of its own.
            w.socket = w.directory.join(format!("kernel-{n}-{near}")).join("socket");
            let end = insmod_killed_at(w, n);
            if !near && matches!(end, End::Killed { connected: true }) {
                // From a little before it first tried to connect, all of them.
                (near, n) = (true, n.saturating_sub(STRIDE).max(1));
                w.succeed("sim", &["start"]);
                w.succeed("sim", &["stop"]);
                continue;
            }
            w.succeed("sim", &["start"]);
            let mut client = w.client();
            let left = clean_up(&mut client, n);
            client.power_off().unwrap();
            if let End::Exited(code) = end {
                assert_eq!((code, left), (0, Left::Live), "insmod without a kill");
                break;
            }
            seen.push(left);
            n += if near { 1 } else { STRIDE };
        }
        let live = seen.iter().filter(|left| **left == Left::Live).count();
        println!(
            "insmod that starts a kernel, killed at {} of its {} system calls: {live} left a live module, the others \
             nothing; each time the next insmod had a kernel",
            seen.len(),
            n - 1
        );
        assert!(near && seen.len() > 100 && live >= 1 && seen.len() - live > 50, "too few to mean something");
    }

    /// What a shell would start, but traced from its first instruction.
    fn become_traced() {
        trace_me();
        let mut args = std::env::args_os().skip(1);
        let error = Command::new(args.next().unwrap()).args(args).env_remove(TRACED).exec();
        panic!("{error}");
    }

    fn insmod_killed_at(w: &TestEnv, n: usize) -> End {
        let child = Command::new(std::env::current_exe().unwrap())
            .current_dir(&w.directory)
            .env("RELOBOX_CACHE", cache())
            .env(TRACED, "1")
            .args([env!("CARGO_BIN_EXE_relobox"), "insmod", "math_provider.ko", "--socket"])
            .arg(&w.socket)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut tracee = Tracee::of(child);
        let (mut entries, mut inside, mut connecting, mut connected) = (0, false, false, false);
        loop {
            match tracee.go_on() {
                Stop::SystemCall if inside => {
                    inside = false;
                    connected |= connecting;
                }
                Stop::SystemCall => {
                    inside = true;
                    entries += 1;
                    connecting = tracee.system_call() == libc::SYS_connect;
                    if entries == n {
                        tracee.kill();
                        return End::Killed { connected };
                    }
                }
                Stop::Exited(code) => return End::Exited(code),
            }
        }
    }

    /// What is left, and takes it away; must be one of the two.
    fn clean_up(client: &mut Client, n: usize) -> Left {
        let left = look(client).unwrap_or_else(|what| panic!("killed at system call {n}: {what}"));
        if left == Left::Live {
            client.remove("math_provider").unwrap();
            assert_eq!(look(client), Ok(Left::Nothing), "after its removal");
        }
        left
    }

    fn look(client: &mut Client) -> Result<Left, String> {
        // Requests of a process that is gone may still be in its socket: each answer lets the kernel look there.
        for _ in 0..1000 {
            let list = client.list().unwrap();
            match list.modules.first() {
                None if (list.allocated, list.heap) == (0, 0) => return Ok(Left::Nothing),
                None => {}
                Some(module) => {
                    assert_eq!((list.modules.len(), &*module.name, module.exports.len()), (1, "math_provider", 3));
                    // Nothing beside it, once the kernel has seen that its loader is gone.
                    if list.allocated == module.areas.iter().map(|area| area.size).sum::<u64>() {
                        return Ok(Left::Live);
                    }
                }
            }
        }
        Err(format!("this is left: {:?}", client.list().unwrap()))
    }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn main() -> std::process::ExitCode {
    killed::main()
}

/// The tracing is written for x86-64's registers.
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
fn main() -> std::process::ExitCode {
    let x86_64 = relobox_needs::Need::new("kernel x86-64", Err("Linux on x86-64".into()));
    relobox_needs::run([relobox_needs::test("insmod_killed", || ()).needs([x86_64])])
}
