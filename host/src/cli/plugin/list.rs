//! `relobox plugin list`: lists the plugins.

use crate::cli::common::{self, Common};
use crate::cli::{output, table};
use relobox::Result;
use relobox::guests::{Guests, Plugin};
use relobox::plugin_file::Origin;
use relobox::text::hex;
use relobox::text::order_of;
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
    source: &'static str,
    pinned: bool,
    relocation_types: usize,
    conflicts_with: Vec<String>,
}

#[derive(Serialize)]
struct Kind {
    machine: u16,
    class: u8,
    byte_order: &'static str,
    flags_mask: u32,
    flags_value: u32,
    base: u64,
    kernel: u64,
    reach: u64,
}

impl Kind {
    fn of(m: &relobox_abi::Machine) -> Self {
        Self {
            machine: m.machine,
            class: m.class,
            byte_order: order_of(m.order),
            flags_mask: m.flags_mask,
            flags_value: m.flags_value,
            base: m.base,
            kernel: m.kernel,
            reach: m.reach,
        }
    }
}

impl Listed {
    pub(super) fn of(guests: &Guests, plugin: &Plugin) -> Self {
        let machines = plugin.about.machines.iter();
        Self {
            name: plugin.about.name.clone(),
            title: plugin.about.title.clone(),
            machines: machines.map(Kind::of).collect(),
            abi: plugin.about.abi,
            sha256: hex(plugin.guest.digest()),
            origin: plugin.origin.to_string(),
            source: plugin.origin.word(),
            pinned: guests.is_pinned(plugin),
            relocation_types: plugin.about.rows.iter().filter(|r| r.writes()).count(),
            conflicts_with: rivals(guests, plugin),
        }
    }

    /// The cells of the plugin's row in the table.
    fn cells(&self, plugin: &Plugin) -> [String; 9] {
        let lines = |cell: &dyn Fn(&Kind) -> String| self.machines.iter().map(cell).collect::<Vec<_>>().join("\n");
        let pinned = match (&plugin.origin, self.pinned) {
            (_, false) => "no",
            (Origin::BuiltIn, true) => "by relobox",
            (_, true) => "yes",
        };
        [
            output::cell(&self.name),
            lines(&|kind| kind.machine.to_string()),
            lines(&|kind| kind.class.to_string()),
            lines(&|kind| kind.byte_order.to_owned()),
            self.relocation_types.to_string(),
            self.abi.to_string(),
            format!("{}…", &self.sha256[..16]),
            pinned.to_owned(),
            match plugin.origin {
                Origin::System(_) => format!("{} (system)", output::cell(&self.origin)),
                Origin::User(_) => format!("{} (user)", output::cell(&self.origin)),
                _ => output::cell(&self.origin),
            },
        ]
    }
}

/// The digests of other plugins that link the same machine, if none of them was chosen.
fn rivals(guests: &Guests, plugin: &Plugin) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for m in &plugin.about.machines {
        let found = guests.plugins_for(m.machine, m.class, m.order, m.flags_value).unwrap_or_default();
        let digests: Vec<_> = found.iter().map(|(other, _)| hex(other.guest.digest())).collect();
        let own = hex(plugin.guest.digest());
        if digests.contains(&own) {
            out.extend(digests.into_iter().filter(|digest| *digest != own));
        }
    }
    out.sort();
    out.dedup();
    out
}

pub(super) fn run(common: &Common) -> Result<ExitCode> {
    let guests = common::guests(common)?;
    let told: Vec<_> = guests.unusable().map(|(_, error)| error.to_string()).collect();
    let (mut listed, mut failed) = (Vec::new(), None);
    for (_, plugin) in guests.plugins() {
        match plugin {
            Ok(plugin) => listed.push((Listed::of(&guests, plugin), plugin)),
            Err(error) if told.contains(&error.to_string()) => {}
            Err(error) => {
                output::error(&error, false);
                failed = Some(error.exit_code());
            }
        }
    }
    // In the order of the search: built-in plugins, the system's, the user's, all others.
    let place = |plugin: &Plugin| match plugin.origin {
        Origin::BuiltIn => 0,
        Origin::System(_) => 1,
        Origin::User(_) => 2,
        Origin::File(_) => 3,
    };
    listed.sort_by_key(|(_, plugin)| place(plugin));
    if common.json {
        output::json(&listed.iter().map(|(listed, _)| listed).collect::<Vec<_>>());
    } else {
        print(&listed);
    }
    Ok(ExitCode::from(failed.unwrap_or(0)))
}

fn print(listed: &[(Listed, &std::sync::Arc<Plugin>)]) {
    let header = ["name", "machine", "class", "order", "types", "ABI", "SHA-256", "pinned", "from"];
    let cells: Vec<Vec<String>> = listed.iter().map(|(row, plugin)| row.cells(plugin).into()).collect();
    table::plain(&header, &cells, |column| matches!(column, 1 | 2 | 4 | 5));
    for (row, _) in listed.iter().filter(|(row, _)| !row.conflicts_with.is_empty()) {
        let others: Vec<_> = row.conflicts_with.iter().map(|digest| format!("{}…", &digest[..16])).collect();
        output::warning(format_args!(
            "{} ({}) links the same machine as {}: choose one with --plugin, or pin it",
            row.name,
            row.origin,
            others.join(" and ")
        ));
    }
}
