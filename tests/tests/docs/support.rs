//! The support table is what the plugins say, and who judged them.

use crate::hold;
use anyhow::{Context as _, Result};
use relobox::guests::Guests;
use relobox::picture::svg;
use relobox::sandbox::Sandbox;
use relobox::support::page;
use relobox_abi::Machine;
use relobox_tests::arch::{self, Target, Variant};
use relobox_tests::golden;
use relobox_tests::module_spec::{Linker as _, guest};
use std::collections::BTreeSet;
use std::fmt::Write as _;

#[test]
fn the_support_table_is_current() {
    let guests = Guests::new(Sandbox::new(None).expect("the sandbox"), &[]).expect("guests");
    let types = page(&guests).unwrap_or_else(|e| panic!("{e}"));
    let (totals, each) = types.split_once("\n## ").expect("a section for each plugin");
    let judges = judges().unwrap_or_else(|e| panic!("{e:#}"));
    let mut each = format!("\n## {each}");
    for (name, plugin) in guests.plugins() {
        let about = &plugin.unwrap_or_else(|e| panic!("{name}: {e}")).about;
        let name = &about.name;
        hold(&format!("docs/pictures/{name}.svg"), &svg(about));
        let head = format!("\n## {name}\n\n");
        // A link to itself, since a page shows the picture smaller than it is.
        let picture = format!("pictures/{name}.svg");
        let shown = format!("[![Where the bits of each value go]({picture})]({picture})");
        each = each.replace(&head, &format!("{head}{shown}\n\n"));
    }
    hold("docs/relocation-support.md", &format!("{totals}\n{judges}{each}"));
}

/// Returns the table of what judged each plugin, from the tests' own files.
fn judges() -> Result<String> {
    let mut text = String::from(
        "## Judges\n\n\
         *Golden vectors* are single relocations at the ends of their ranges, in poisoned bytes, with the answers of GNU ld\n\
         and lld (`tests/golden`). *By hand* are those whose answer neither gives, or where relobox deliberately differs;\n\
         each says why, and the next column names the types that have no others; *run* are those that a program does with\n\
         what relobox linked, under qemu-user (`tests/tests/executed.rs`), as it calls through PLTs of RISC-V and s390x.\n\
         *Real modules* are Debian's, or built of Debian's sources (`built-…`). Every one of them links\n\
         (`tests/scripts/check-corpora`), and samples are compared with what the linkers make of them.\n\n\
         | target | plugin | GNU ld | lld | by hand | types without a linker | real modules |\n\
         |---|---|---:|---:|---:|---|---|\n",
    );
    let counted = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/corpora.txt"))?;
    for arch in arch::ALL {
        let vectors = golden::committed(arch.name)?;
        let guest = guest::named(arch.name)?;
        let mut corpora = Vec::new();
        for name in arch.corpora.iter().chain(arch.built) {
            let line = counted.lines().find(|line| line.split(' ').next() == Some(name));
            let line = line.with_context(|| format!("tests/scripts/check-corpora --record {name}"))?;
            let words: Vec<&str> = line.split(' ').collect();
            // A built corpus is named after its target; of Debian's, the first target has most.
            let of = |v: &&Variant| name.strip_prefix("built-") == Some(v.name);
            let row = arch.variants.iter().find(of).unwrap_or(&arch.variants[0]);
            corpora.push((row.name, format!("{} of {name} {}", words[2], words[1])));
        }
        for variant in arch.variants {
            let is = |machine: &Machine| Target::of_machine(machine).is_ok_and(|t| t.variant.name == variant.name);
            let names: Vec<String> = guest.machines().iter().filter(|m| is(m)).flat_map(golden::names).collect();
            let of: Vec<_> = vectors.iter().filter(|v| names.contains(&v.machine)).collect();
            let by = |who: &str| of.iter().filter(|v| v.by.split(' ').any(|by| by == who)).count();
            let judged = |name: &str| vectors.iter().any(|v| v.name == name && v.by != "psABI" && v.after.is_linked());
            let alone: BTreeSet<&str> = of.iter().map(|v| v.name.as_str()).filter(|name| !judged(name)).collect();
            let run = |name: &str| if arch.executed.contains(&name) { " (run)" } else { "" };
            let alone: Vec<String> = alone.iter().map(|name| format!("`{name}`{}", run(name))).collect();
            writeln!(
                text,
                "| {} | `{}` | {} | {} | {} | {} | {} |",
                variant.name,
                arch.name,
                by("ld"),
                by("lld"),
                by("psABI"),
                if alone.is_empty() { "none".to_owned() } else { alone.join(", ") },
                corpora
                    .iter()
                    .filter(|(row, _)| *row == variant.name)
                    .map(|c| c.1.as_str())
                    .collect::<Vec<_>>()
                    .join("; "),
            )?;
        }
    }
    text.push_str(
        "\nUser-mode Linux has no plugin of its own: its modules are those of x86-64 and i386, at other addresses\n\
         (`tests/tests/user_mode_linux.rs`).\n",
    );
    Ok(text)
}
