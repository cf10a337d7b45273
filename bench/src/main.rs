//! Stage table (work in progress).
use relobox::{cache::Cache, guests::Guests, sandbox::Sandbox, symbols::Symbols};
fn main() -> anyhow::Result<()> {
    let guests = Guests::new(Sandbox::new(Cache::from_environment())?, &[])?;
    for path in std::env::args().skip(1) {
        let path = std::path::PathBuf::from(path);
        let (n, s) = relobox_bench::compare(&guests, &path, &Symbols::new(), 31)?;
        println!("{}\n  native    {n:?}\n  sandboxed {s:?}", path.display());
    }
    Ok(())
}
