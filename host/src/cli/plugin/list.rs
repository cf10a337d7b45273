//! `relobox plugin list`: which plugins there are.

use crate::cli::{Common, output};
use relobox::Result;
use relobox::guests::Plugin;
use relobox::sandbox::hex;
use relobox::support::order_of;
use serde::Serialize;
use std::process::ExitCode;

#[derive(Serialize)]
pub(super) struct Listed {
    name: String,
    title: String,
    machines: Vec<Kind>,
    abi: u32,
    sha256: String,
    origin: String,
    relocation_types: usize,
}

#[derive(Serialize)]
struct Kind {
    machine: u16,
    class: u8,
    byte_order: &'static str,
}

impl Listed {
    pub(super) fn of(plugin: &Plugin) -> Self {
        let machines = plugin.about.machines.iter();
        Self {
            name: plugin.about.name.clone(),
            title: plugin.about.title.clone(),
            machines: machines
                .map(|m| Kind { machine: m.machine, class: m.class, byte_order: order_of(m.order) })
                .collect(),
            abi: plugin.about.abi,
            sha256: hex(plugin.guest.digest()),
            origin: plugin.origin.to_string(),
            relocation_types: plugin.about.rows.iter().filter(|r| r.writes()).count(),
        }
    }
}

pub(super) fn run(common: &Common) -> Result<ExitCode> {
    let guests = common.guests()?;
    let (mut listed, mut failed) = (Vec::new(), None);
    for (name, plugin) in guests.plugins() {
        match plugin {
            Ok(plugin) => listed.push(Listed::of(plugin)),
            Err(error) => {
                output::error(&error, false);
                failed = Some(error.exit_code());
                let _ = name;
            }
        }
    }
    if common.json {
        output::json(&listed);
    } else {
        for p in &listed {
            let kinds: Vec<_> =
                p.machines.iter().map(|m| format!("{}/{}/{}", m.machine, m.class, m.byte_order)).collect();
            output::line(format_args!(
                "{:<10} {:>3} types  ABI {}  {}…  {:<22} {}",
                p.name,
                p.relocation_types,
                p.abi,
                &p.sha256[..16],
                kinds.join(" "),
                p.origin
            ));
        }
    }
    Ok(ExitCode::from(failed.unwrap_or(0)))
}
