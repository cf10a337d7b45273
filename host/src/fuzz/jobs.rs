//! Several processes that exchange inputs, through LibAFL's broker.

use super::driver::{Plan, Progress, Summary};
use super::subject::Subject;
use crate::error::{Error, Result};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// How many, and with whom they exchange.
#[derive(Clone, Copy, Debug)]
pub struct Jobs {
    /// How many processes.
    pub count: usize,
    /// Where their broker listens, on the loopback interface.
    pub port: u16,
    /// Another broker to exchange with.
    pub join: Option<SocketAddr>,
}

/// Sets `stop` at the first Ctrl-C; the second ends the process.
pub fn stop_on_interrupt(stop: &Arc<AtomicBool>) -> Result<()> {
    let fail = |e| Error::Usage(format!("cannot listen for Ctrl-C: {e}"));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(stop)).map_err(fail)?;
        signal_hook::flag::register(signal, Arc::clone(stop)).map_err(fail)?;
    }
    Ok(())
}

/// Runs a campaign in several processes.
pub fn run<S: Subject>(_: &Jobs, _: &Plan<'_>, _: impl Fn() -> Result<S>, _: impl FnMut(&Progress)) -> Result<Summary> {
    Err(Error::Usage("not yet".into()))
}
