//! insmod by the device with one deliberate error, which the kernel side must detect. Runs inside a test's kernel.
//!
//! `misload HOW FILE.ko [OTHER.ko]` (`compare` takes many files), where HOW is
//! * `right`: no error;
//! * `layout`: the file is relocated for addresses one page away from the granted ones;
//! * `size`: one page more is reserved than the kernel will ask for;
//! * `symbol`: the first symbol of another module has a wrong value;
//! * `held`: the owner of a symbol (OTHER) is removed between look-up and load, which must fail;
//! * `reloaded`: OTHER is removed and loaded again between look-up and load, without being held;
//! * `steered`: the addresses are right, but the file is the original one, so the kernel applies the relocations;
//! * `compare`: as `steered`, and then what the kernel relocated is compared with what relobox did, byte by byte, in
//!   the state before any of the module's code ran (`tests/kernel/snapshot` must be loaded).
//!
//! Prints `live` or the reason of the failure; the exit code is 0 or 1.

use anyhow::Context as _;
use relobox::Result;
use relobox::cache::Cache;
use relobox::guests::Guests;
use relobox::insmod::insmod;
use relobox::kernel::{Image, Kernel, KernelError, Listing, Load, Loaded, Protection, Request};
use relobox::kernels::device::Device;
use relobox::link::load;
use relobox::open::Source;
use relobox::sandbox::Sandbox;
use relobox::sealed::seal;
use relobox_tests::snapshot::{self, Comparison};
use std::io::{Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

struct FaultyLoader {
    device: Device,
    how: String,
    file: PathBuf,
    other: Option<PathBuf>,
    placeholder: Option<Device>,
}

impl FaultyLoader {
    fn other(&self) -> &Path {
        self.other.as_deref().expect("OTHER.ko")
    }

    fn other_name(&self) -> String {
        relobox::names::of_file(self.other())
    }
}

fn run_tool(command: &str, argument: &str) -> bool {
    Command::new(command).arg(argument).status().is_ok_and(|status| status.success())
}

impl Kernel for FaultyLoader {
    fn list(&mut self, wanted: Option<&[&[u8]]>) -> Result<Listing, KernelError> {
        if self.how == "reloaded" {
            // Use another connection, which is closed at once, so that nothing is held.
            return Device::open()?.list(wanted);
        }
        let mut listing = self.device.list(wanted)?;
        if self.how == "symbol"
            && let Some(first) = listing.exports.first_mut()
        {
            first.address += 16;
        }
        Ok(listing)
    }

    fn allocate(&mut self, areas: &[Request]) -> Result<Vec<u64>, KernelError> {
        let mut areas = areas.to_vec();
        if self.how == "size" {
            areas[0].size += 4096;
        }
        let mut granted = self.device.allocate(&areas)?;
        if self.how == "layout" {
            granted[0] += 4096;
        }
        Ok(granted)
    }

    fn put(&mut self, address: u64, bytes: &[u8]) -> Result<(), KernelError> {
        self.device.put(address, bytes)
    }

    fn protect(&mut self, area: u64, protection: Protection) -> Result<(), KernelError> {
        self.device.protect(area, protection)
    }

    fn load(&mut self, load: &Load) -> Result<Loaded, KernelError> {
        match self.how.as_str() {
            "held" => {
                let removed = self.device.remove(&self.other_name());
                println!("rmmod {}: {}", self.other_name(), removed.map_or_else(|e| e.to_string(), |()| "done".into()));
            }
            "reloaded" => {
                assert!(run_tool("rmmod", &self.other_name()), "rmmod");
                // Let another allocation take its place first.
                let mut placeholder = Device::open()?;
                let area = Request { kind: relobox::areas::Kind::Core, size: 1 << 16, align: 4096 };
                placeholder.allocate(&[area; 8])?;
                self.placeholder = Some(placeholder);
                assert!(run_tool("insmod", &self.other().to_string_lossy()), "insmod");
            }
            "steered" | "compare" => {
                let (file, _) = seal(&self.file).map_err(|e| KernelError::Refused(e.to_string()))?;
                let Some(Image { sections, symbols, .. }) = &load.image else { unreachable!("the device takes files") };
                let image = Image { file, sections: sections.clone(), symbols: symbols.clone() };
                let loaded = self.device.load(&Load {
                    name: load.name.clone(),
                    areas: load.areas.clone(),
                    init: load.init,
                    exit: load.exit,
                    exports: load.exports.clone(),
                    uses: load.uses.clone(),
                    params: load.params,
                    args: load.args.clone(),
                    image: Some(image),
                });
                // Compare also if init failed, since the module was in memory before.
                if self.how == "compare" {
                    println!("{}: {}", load.name, compared(load));
                }
                return loaded;
            }
            _ => {}
        }
        self.device.load(load)
    }

    fn remove(&mut self, name: &str) -> Result<(), KernelError> {
        self.device.remove(name)
    }
}

fn compared(load: &Load) -> String {
    let compare = || -> anyhow::Result<String> {
        let image = load.image.as_ref().context("no image")?;
        let snapshot = std::fs::read("/proc/relobox-snapshot")?;
        let mut file = std::fs::File::from(image.file.try_clone()?);
        let mut bytes = Vec::new();
        file.rewind()?;
        file.read_to_end(&mut bytes)?;
        let areas = snapshot::areas(&snapshot)?;
        anyhow::ensure!(
            load.areas.iter().any(|(address, _)| areas.iter().any(|(start, _)| start == address)),
            "the kernel did not come so far"
        );
        let found = snapshot::compare(&areas, &bytes, &image.sections)?;
        let Comparison { equal, sections, this_module, unexplained } = found;
        let verdict = if unexplained.is_empty() { "same".into() } else { format!("differs {unexplained:?}") };
        Ok(format!("{verdict}, {equal} bytes of {sections} sections; struct module {this_module}"))
    };
    compare().unwrap_or_else(|e| format!("not compared: {e:#}"))
}

fn run(guests: &Guests, how: &str, file: PathBuf, other: Option<PathBuf>) -> Result<()> {
    let module = load(guests, &file.display().to_string(), Source::open(&file)?)?;
    let device = Device::open().map_err(|e| relobox::inserted::kernel_error("device", &e))?;
    let mut kernel = FaultyLoader { device, how: how.to_owned(), file, other, placeholder: None };
    insmod(guests, &mut kernel, module, "", &[]).map(drop)
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let (Some(how), Some(file)) = (args.next(), args.next()) else {
        eprintln!(
            "misload right|layout|size|symbol|held|reloaded|steered FILE.ko [OTHER.ko]\nmisload compare FILE.ko..."
        );
        return ExitCode::from(2);
    };
    let guests = Sandbox::new(Cache::from_environment()).and_then(|sandbox| Guests::new(sandbox, &[]));
    let run = |file: String, other| {
        guests
            .as_ref()
            .map_err(ToString::to_string)
            .and_then(|guests| run(guests, &how, file.into(), other).map_err(|e| e.to_string()))
    };
    if how == "compare" {
        for file in std::iter::once(file).chain(args) {
            if let Err(error) = run(file, None) {
                println!("{error}");
            }
        }
        return ExitCode::SUCCESS;
    }
    match run(file, args.next().map(PathBuf::from)) {
        Ok(()) => {
            println!("live");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("{error}");
            ExitCode::from(1)
        }
    }
}
