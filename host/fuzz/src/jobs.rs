//! Several processes that exchange inputs through LibAFL's broker.
//!
//! The broker runs in this process. Each job is another process of the same program that connects to it. Jobs are not
//! forked, because the threads of a process that runs Wasm do not survive a fork. The broker listens on the loopback
//! interface only; brokers on several machines can be connected through tunnels.

use super::driver::{CampaignOptions, Progress, State, Summary, campaign};
use super::findings::read_findings;
use super::target::FuzzTarget;
use libafl::events::llmp::{LlmpEventManager, LlmpEventManagerBuilder};
use libafl::events::{EventConfig, SendExiting as _, StdLlmpEventHook};
use libafl::inputs::Input;
use libafl::monitors::Monitor;
use libafl::monitors::stats::{ClientStatsManager, UserStatsValue};
use libafl_bolts::ClientId;
use libafl_bolts::llmp::LlmpBroker;
use libafl_bolts::shmem::{ShMemProvider as _, StdShMem, StdShMemProvider};
use libafl_bolts::tuples::tuple_list;
use relobox_core::error::{Error, Result};
use std::cell::RefCell;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// The number of jobs and the addresses of brokers.
#[derive(Clone, Copy, Debug)]
pub struct Jobs {
    /// The number of processes.
    pub count: usize,
    /// The port of the broker, on the loopback interface.
    pub port: u16,
    /// The address of another broker to exchange inputs with.
    pub join: Option<SocketAddr>,
}

/// Sets `stop` on the first SIGINT or SIGTERM; the second one ends the process with exit code 130.
///
/// # Errors
///
/// [`Error::Usage`] if the signal handlers cannot be installed.
pub fn stop_on_interrupt(stop: &Arc<AtomicBool>) -> Result<()> {
    let fail = |e| Error::Usage(format!("cannot listen for Ctrl-C: {e}"));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(stop)).map_err(fail)?;
        signal_hook::flag::register(signal, Arc::clone(stop)).map_err(fail)?;
    }
    Ok(())
}

fn broker_error(error: libafl_bolts::Error) -> Error {
    Error::Usage(format!("the broker: {error}"))
}

/// Runs a job: a campaign that exchanges inputs with the broker at `port`.
///
/// # Errors
///
/// As [`campaign`], and [`Error::Usage`] if the broker cannot be reached.
pub fn run_job<S: FuzzTarget>(target: &S, options: &CampaignOptions<'_>, port: u16) -> Result<Summary> {
    let memory = StdShMemProvider::new().map_err(broker_error)?;
    let mut events: LlmpEventManager<(), S::Input, State<S::Input>, StdShMem, StdShMemProvider> =
        LlmpEventManagerBuilder::new().build_on_port(memory, port, EventConfig::AlwaysUnique).map_err(broker_error)?;
    let summary = campaign(target, options, &mut events, |_| ());
    let _ = events.send_exiting();
    summary
}

/// Runs the broker and its jobs until all jobs end. `command` makes the command of each job from its number, which
/// counts from 0. `I` is the type of the inputs that jobs exchange.
///
/// # Errors
///
/// [`Error::Io`] if a job cannot be started, [`Error::Usage`] if the broker fails or all jobs fail.
pub fn run_broker<I: Input>(
    jobs: &Jobs,
    options: &CampaignOptions<'_>,
    mut command: impl FnMut(usize) -> Command,
    mut on_progress: impl FnMut(&Progress),
) -> Result<Summary> {
    let (start, since) = (Instant::now(), SystemTime::now());
    let latest = Rc::new(RefCell::new(Progress::default()));
    let memory = StdShMemProvider::new().map_err(broker_error)?;
    let hook =
        StdLlmpEventHook::<I, _>::new(ProgressMonitor { latest: Rc::clone(&latest), start, of: PhantomData::<I> });
    let hooks = tuple_list!(hook.map_err(broker_error)?);
    let mut broker = LlmpBroker::create_attach_to_tcp(memory, hooks, jobs.port).map_err(broker_error)?;
    if let Some(address) = jobs.join {
        broker.inner_mut().connect_b2b(address).map_err(broker_error)?;
    }
    let mut children = JobProcesses(Vec::new());
    for n in 0..jobs.count {
        let mut command = command(n);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let program = command.get_program().to_owned();
        children.0.push(command.spawn().map_err(Error::io(program))?);
    }
    let (mut failed, mut stopped) = (0, false);
    while !children.0.is_empty() {
        let busy = broker.broker_once().map_err(broker_error)?;
        children.0.retain_mut(|child| match child.try_wait() {
            Ok(None) => true,
            Ok(Some(status)) => {
                failed += usize::from(!matches!(status.code(), Some(0 | 1)));
                false
            }
            Err(_) => false,
        });
        let mut progress = *latest.borrow();
        progress.time = start.elapsed();
        on_progress(&progress);
        if options.stop.load(Ordering::Relaxed) && !stopped {
            // Only once, since a second signal would end the jobs immediately.
            stopped = true;
            children.stop();
        }
        if !busy {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    if failed == jobs.count {
        return Err(Error::Usage("all jobs failed; run with --jobs 1 to see why".into()));
    }
    let recent = |path: &std::path::Path| {
        let changed = std::fs::metadata(path).and_then(|m| m.modified());
        changed.is_ok_and(|at| at + Duration::from_secs(1) >= since)
    };
    let findings: Vec<_> = read_findings(options.findings).into_iter().filter(|f| recent(&f.path)).collect();
    let mut progress = *latest.borrow();
    (progress.time, progress.findings) = (start.elapsed(), findings.len());
    Ok(Summary { progress, findings, unreproduced: 0, covered: Vec::new() })
}

/// Child processes that are killed when this is dropped.
struct JobProcesses(Vec<Child>);

impl JobProcesses {
    /// Sends SIGTERM to each job. Jobs in the foreground of a terminal get SIGINT from Ctrl-C anyway.
    fn stop(&self) {
        for child in &self.0 {
            let id = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
            let _ = id.map(|id| rustix::process::kill_process(id, rustix::process::Signal::TERM));
        }
    }
}

impl Drop for JobProcesses {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A LibAFL monitor that aggregates the progress of all jobs.
struct ProgressMonitor<I> {
    latest: Rc<RefCell<Progress>>,
    start: Instant,
    of: PhantomData<I>,
}

impl<I> Monitor for ProgressMonitor<I> {
    fn display(
        &mut self,
        clients: &mut ClientStatsManager,
        _: &str,
        _: ClientId,
    ) -> std::result::Result<(), libafl::Error> {
        let mut sum = Progress { time: self.start.elapsed(), ..Progress::default() };
        for client in clients.client_stats().values() {
            sum.executions += client.executions();
            // Jobs exchange inputs, so their corpora converge.
            sum.corpus = sum.corpus.max(client.corpus_size() as usize);
            sum.findings = sum.findings.max(client.objective_size() as usize);
            if let Some(UserStatsValue::Ratio(taken, all)) = client.get_user_stats("edges").map(|s| s.value()) {
                (sum.edges, sum.all_edges) = (sum.edges.max(*taken as usize), *all as usize);
            }
        }
        *self.latest.borrow_mut() = sum;
        Ok(())
    }
}
