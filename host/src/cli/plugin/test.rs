//! `relobox plugin test`: the conformance kit.

use clap::Args;
use relobox::kit::{Subject, Wanted, prove};
use relobox::{Error, Result};
use std::process::ExitCode;

/// Prove a plugin: the conformance kit
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    plugin: String,
    #[arg(long)]
    filter: Option<String>,
    #[command(flatten)]
    pub(crate) common: crate::cli::Common,
}

pub(super) fn run(args: TestArgs) -> Result<ExitCode> {
    let guests = args.common.guests()?;
    let mut found = None;
    for (name, plugin) in guests.plugins() {
        if name == args.plugin { found = Some(plugin?); }
    }
    let Some(plugin) = found else { return Err(Error::Usage("no".into())) };
    let subject = Subject::new(plugin);
    let mut n = 0;
    let mut record = |_: &str, _| n += 1;
    let proof = prove(&subject, Wanted { filter: args.filter.as_deref(), against: None }, &mut record);
    for c in &proof.checks {
        println!("{}/{} cases {} failed {} {:?}", c.group.word(), c.name, c.cases, c.failed, c.partly);
        for f in &c.failures {
            println!("    {}", f.complaint);
            if let Some((o, case)) = &f.reproducer {
                println!("  oracle {o}\n{}", relobox::kit::Recorded { case: case.clone(), expected: None });
            }
        }
    }
    println!("foretold {}", proof.foretold.len());
    Ok(ExitCode::SUCCESS)
}
