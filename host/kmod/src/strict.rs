//! `relobox-kmod strict`: only modules that relobox relocated are loaded, by means of the device.
//!
//! Three places say so: a file for relobox itself, a line of modprobe.d for the device in the next boot, and the parameter
//! of the device that is loaded. See docs/strict.md.

use crate::strict_setting::{SETTING, command_line, truth};
use clap::{Args, Subcommand};
use relobox_cli::output::{self, Level};
use relobox_core::error::{Error, Result};
use relobox_core::files;
use relobox_core::inserted::kernel_error;
use relobox_kernels::device::{self, Device};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const SETTING_TEXT: &[u8] =
    b"# Written by 'relobox-kmod strict on'. While this file exists, relobox loads modules with the \
    device only.\n# 'relobox-kmod strict off' removes it.\n";
const NEXT_BOOT: &str = "etc/modprobe.d/relobox-strict.conf";
const NEXT_BOOT_TEXT: &[u8] =
    b"# Written by 'relobox-kmod strict on'. 'relobox-kmod strict off' removes it.\noptions relobox strict=1\n";
const PARAMETER: &str = "/sys/module/relobox/parameters/strict";

/// Load only modules that relobox relocated, by means of the device
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:
  relobox-kmod strict on
  relobox-kmod strict status
  relobox-kmod strict off                   # without a reboot
  relobox-kmod strict on --root /mnt        # for a system that will be booted

'on' writes /etc/relobox/strict, for relobox, and /etc/modprobe.d/relobox-strict.conf, for the
device in the next boot; and it sets the device's parameter, if the device is loaded. 'off' takes
back all three. With relobox.strict=0 on the kernel's command line, the two files do not count.
Exit codes of status: 0 all are on, 1 all are off, 4 some are on. See docs/strict.md."
)]
pub struct StrictArgs {
    #[command(subcommand)]
    what: What,
    /// Only change the files of the system in DIR, not the running kernel
    #[arg(long, global = true, value_name = "DIR", default_value = "/")]
    root: PathBuf,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum What {
    /// Be strict from now on, and after the next boot
    On,
    /// Be strict no longer
    Off,
    /// Print what each of the three places says
    Status,
}

/// Runs `relobox-kmod strict`.
///
/// # Errors
/// If the kernel refuses, or a file cannot be written or removed.
pub fn run(args: &StrictArgs) -> Result<ExitCode> {
    let here = args.root == Path::new("/");
    let places = Places { root: &args.root, parameter: here.then_some(Path::new(PARAMETER)) };
    match args.what {
        What::On => {
            if here && Path::new(PARAMETER).exists() {
                usable()?;
            }
            places.on()?;
            if here {
                advise();
            }
        }
        What::Off => places.off()?,
        What::Status => {
            let (lines, code) = places.status()?;
            lines.iter().for_each(output::line);
            return Ok(ExitCode::from(code));
        }
    }
    if here {
        let text = "the initial ramdisk has a copy of these files: make it anew (update-initramfs -u -k all, dracut \
             --regenerate-all -f, or mkinitcpio -P)";
        output::message(Level::Notice, text);
    }
    Ok(ExitCode::SUCCESS)
}

/// Checks that the device, which is loaded, can load modules. If it cannot, nothing could be loaded any more.
fn usable() -> Result<()> {
    match Device::open().map_err(|failure| kernel_error(device::PATH, &failure))?.cannot_load() {
        None => Ok(()),
        Some(why) => Err(Error::Usage(format!("{}: {why}; so nothing was changed", device::PATH))),
    }
}

/// Warns of what this machine lacks to load modules from now on.
fn advise() {
    if !Path::new(PARAMETER).exists() {
        output::warning("the device is not loaded; until 'modprobe relobox' loads it, relobox loads no other module");
    }
    let requests = std::fs::read_to_string("/proc/sys/kernel/modprobe").unwrap_or_default();
    let program = std::fs::canonicalize(requests.trim()).unwrap_or_default();
    if !["relobox-kmod", "instead-of-kmod"].iter().any(|own| program.ends_with(own)) {
        let text = format!(
            "the kernel's own requests go to {}, which is not relobox, so they will be refused: see relobox-divert(8)",
            program.display()
        );
        output::warning(text);
    }
}

/// The places of a system that say whether it is strict.
struct Places<'a> {
    root: &'a Path,
    /// The parameter of the device, whether it is loaded or not. `None` if this is not the running system.
    parameter: Option<&'a Path>,
}

impl Places<'_> {
    fn files(&self) -> [(PathBuf, &'static [u8]); 2] {
        [(self.root.join(SETTING), SETTING_TEXT), (self.root.join(NEXT_BOOT), NEXT_BOOT_TEXT)]
    }

    /// The kernel comes first: if it refuses, nothing is written.
    fn on(&self) -> Result<()> {
        self.set(true)?;
        for (path, text) in self.files() {
            if let Some(directory) = path.parent() {
                std::fs::create_dir_all(directory).map_err(Error::io(directory))?;
            }
            files::write(&path, files::PUBLIC & !0o022, text)?;
        }
        Ok(())
    }

    /// Takes back what it can. The first error is returned, and the others are printed.
    fn off(&self) -> Result<()> {
        let removed = self.files().map(|(path, _)| match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io(path)(error)),
            _ => Ok(()),
        });
        let mut errors = removed.into_iter().chain([self.set(false)]).filter_map(Result::err);
        let first = errors.next();
        errors.for_each(|error| output::plain(&error));
        first.map_or(Ok(()), Err)
    }

    /// Sets the parameter, if the device is loaded.
    fn set(&self, on: bool) -> Result<()> {
        let Some(path) = self.parameter else { return Ok(()) };
        let written = std::fs::OpenOptions::new().write(true).open(path).and_then(|mut file| {
            let text: &[u8] = if on { b"1\n" } else { b"0\n" };
            file.write_all(text)
        });
        match written {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io(path)(error)),
            _ => Ok(()),
        }
    }

    /// A line for each place, and the exit code.
    fn status(&self) -> Result<(Vec<String>, u8)> {
        let (mut lines, mut all) = (Vec::new(), Vec::new());
        let mut add = |what: &str, state: &str, place: String| lines.push(format!("{what:<10} {state:<11} {place}"));
        for ((path, _), what) in self.files().into_iter().zip(["relobox", "next boot"]) {
            let on = path.try_exists().map_err(Error::io(&path))?;
            all.push(on);
            add(what, word(on), path.display().to_string());
        }
        if let Some(path) = self.parameter {
            let on = match std::fs::read_to_string(path) {
                Ok(text) => truth(&text),
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                Err(error) => return Err(Error::io(path)(error)),
            };
            all.push(on == Some(true));
            add("kernel", on.map_or("not loaded", word), path.display().to_string());
        }
        if let Some(on) = command_line(self.root) {
            let effect = if on { "" } else { " on the kernel's command line: the files do not count in this boot" };
            add("this boot", word(on), format!("relobox.strict={}{effect}", u8::from(on)));
        }
        let code = match (all.contains(&true), all.contains(&false)) {
            (true, false) => 0,
            (false, _) => 1,
            (true, true) => 4,
        };
        Ok((lines, code))
    }
}

fn word(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_places_are_switched_together() {
        let root = tempfile::tempdir().unwrap();
        let parameter = root.path().join("strict");
        let places = Places { root: root.path(), parameter: Some(&parameter) };
        let code = || places.status().unwrap().1;
        assert_eq!(code(), 1);
        // Without the device the files are still written.
        places.on().unwrap();
        assert!(!parameter.exists());
        assert_eq!(code(), 4);
        std::fs::write(&parameter, "N\n").unwrap();
        places.on().unwrap();
        assert_eq!(std::fs::read_to_string(&parameter).unwrap(), "1\n");
        assert_eq!(code(), 0);
        assert!(places.status().unwrap().0.iter().all(|line| line[11..].starts_with("on  ")));
        let line = std::fs::read_to_string(root.path().join(NEXT_BOOT)).unwrap();
        assert!(line.ends_with("\noptions relobox strict=1\n"), "{line}");
        places.off().unwrap();
        assert_eq!(std::fs::read_to_string(&parameter).unwrap(), "0\n");
        assert_eq!(code(), 1);
        places.off().unwrap();
    }

    #[test]
    fn off_takes_back_what_it_can() {
        let root = tempfile::tempdir().unwrap();
        let parameter = root.path().join("strict");
        std::fs::write(&parameter, "1\n").unwrap();
        let places = Places { root: root.path(), parameter: Some(&parameter) };
        places.on().unwrap();
        // A directory cannot be removed as a file.
        let setting = root.path().join(SETTING);
        std::fs::remove_file(&setting).unwrap();
        std::fs::create_dir(&setting).unwrap();
        let error = places.off().unwrap_err().to_string();
        assert!(error.starts_with(&setting.display().to_string()), "{error}");
        assert!(!root.path().join(NEXT_BOOT).exists());
        assert_eq!(std::fs::read_to_string(&parameter).unwrap(), "0\n");
    }

    #[test]
    fn what_the_kernel_refuses_is_not_written_down() {
        let root = tempfile::tempdir().unwrap();
        // Opening a directory for writing fails.
        let places = Places { root: root.path(), parameter: Some(root.path()) };
        assert!(places.on().is_err());
        assert!(!root.path().join(SETTING).exists() && !root.path().join(NEXT_BOOT).exists());
    }
}
