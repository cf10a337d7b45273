//! Measures the compile time and memory of the worst guests that the host accepts: for each shape, the largest accepted
//! one, whole and split into as many smaller functions as are accepted. Prints the table of docs/containment.md.
//!
//! `cargo run --release -p relobox-tests --bin compile_bombs [NAME...]`

use relobox::sandbox::Sandbox;
use relobox_tests::hostile::bombs::{BOMBS, Bomb};
use std::process::Command;

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [one, name, count, copies] = &args[..]
        && one == "--one"
    {
        return compile(name, count.parse()?, copies.parse()?);
    }
    let sandbox = Sandbox::for_one_job(None)?;
    println!("| shape | many | functions | bytes | seconds | MB | stopped by |\n|---|---:|---:|---:|---:|---:|---|");
    for bomb in BOMBS.iter().filter(|b| args.is_empty() || args.iter().any(|name| name == b.name)) {
        let admitted = |count, copies| sandbox.check_complexity(&(bomb.make)(count, copies));
        let most = largest(bomb.refused.0, |count| admitted(count, 1).is_ok());
        let Err(refusal) = admitted(most + 1, 1) else { continue };
        let mut worst = (0.0, String::new());
        for part in [1, 2, 4, 16, 64].into_iter().filter(|part| most / part > 0) {
            let copies = largest(1 << 13, |copies| admitted(most / part, copies).is_ok());
            let (seconds, megabytes) = measured(bomb, most / part, copies)?;
            if seconds >= worst.0 {
                let bytes = (bomb.make)(most / part, copies).len();
                let line = format!("{} | {copies} | {bytes} | {seconds:.2} | {megabytes}", most / part);
                worst = (seconds, line);
            }
            // The shape has no functions, so the number of copies is not limited.
            if copies == 1 << 13 {
                break;
            }
        }
        println!("| `{}`: {} | {} | {refusal} |", bomb.name, bomb.what, worst.1);
    }
    Ok(())
}

/// Returns the largest number up to `most` for which `good` is true; it must be true for all smaller ones.
fn largest(most: usize, good: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, most);
    while low < high {
        let middle = (low + high).div_ceil(2);
        if good(middle) { low = middle } else { high = middle - 1 }
    }
    low
}

/// Compiles a bomb in a process of its own. Returns seconds of processor time and peak memory in megabytes.
fn measured(bomb: &Bomb, count: usize, copies: usize) -> anyhow::Result<(f64, u64)> {
    let program = std::env::current_exe()?;
    let output = Command::new(program).args(["--one", bomb.name, &count.to_string(), &copies.to_string()]).output()?;
    let text = String::from_utf8(output.stdout)?;
    let (seconds, megabytes) = text.trim().split_once(' ').unwrap_or_default();
    Ok((seconds.parse()?, megabytes.parse()?))
}

fn compile(name: &str, count: usize, copies: usize) -> anyhow::Result<()> {
    let bomb = BOMBS.iter().find(|bomb| bomb.name == name).expect("a bomb");
    let wasm = (bomb.make)(count, copies);
    let sandbox = Sandbox::for_one_job(None)?;
    let before = processor_time()?;
    // Unexpected imports and missing exports are errors as well, but only after compilation.
    let _ = sandbox.load(name, &wasm);
    let seconds = processor_time()? - before;
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse()?;
    println!("{seconds} {}", kilobytes / 1024);
    Ok(())
}

/// Returns the processor time of this process in seconds; Linux counts hundredths.
fn processor_time() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    Ok((fields[11].parse::<f64>()? + fields[12].parse::<f64>()?) / 100.0)
}
