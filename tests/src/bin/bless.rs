//! Records the golden vectors again: `cargo run -p relobox-tests --bin bless [ARCHITECTURE...]`.

use anyhow::{Context as _, Result};
use relobox_tests::golden::{architectures, path, record};
use std::process::ExitCode;

fn main() -> ExitCode {
    match bless() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bless: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn bless() -> Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    for arch in architectures()? {
        if !wanted.is_empty() && !wanted.contains(&arch) {
            continue;
        }
        let text = record(&arch).with_context(|| arch.clone())?;
        let path = path(&arch);
        let same = std::fs::read_to_string(&path).is_ok_and(|old| old == text);
        std::fs::write(&path, &text).with_context(|| path.display().to_string())?;
        println!("{}: {} lines, {}", path.display(), text.lines().count(), if same { "as before" } else { "changed" });
    }
    Ok(())
}
