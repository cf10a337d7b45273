//! Which kernel a command is about.

use super::output;
use super::sim::{Socket, connect, unreachable};
use clap::{Args, ValueEnum};
use relobox::inserted::refusal;
use relobox::kernel::{Failure, Kernel, Mode};
use relobox::kernels::device::{self, Device, Flat};
use relobox::kernels::vet::Vet;
use relobox::{Error, Result};
use std::collections::HashMap;
use std::sync::OnceLock;

/// The kernel that modules go into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Choice {
    /// This machine's: by the device if it is there and can load, else vetted, with a warning that says why
    Auto,
    /// This machine's, which relocates nothing: /dev/relobox steers its loader
    Device,
    /// This machine's, which is given the original file after it was linked here without a fault
    Vet,
    /// A simulated one, for trying out: no privilege needed
    Sim,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Which {
    /// The kernel that modules go into
    #[arg(
        long = "kernel",
        value_name = "KERNEL",
        value_enum,
        default_value = "auto",
        env = "RELOBOX_KERNEL",
        hide_env_values = true
    )]
    choice: Choice,
    #[arg(skip)]
    decided: OnceLock<Decided>,
    #[command(flatten)]
    pub(crate) socket: Socket,
}

/// The choice, with `auto` decided.
#[derive(Clone, Debug)]
struct Decided {
    choice: Choice,
    /// Why `auto` is not the device.
    downgrade: Option<String>,
}

impl Which {
    /// The choice, with `auto` decided: once, since that opens the device.
    pub(crate) fn choice(&self) -> Choice {
        self.decided().choice
    }

    fn decided(&self) -> &Decided {
        self.decided.get_or_init(|| {
            let as_said = |choice| Decided { choice, downgrade: None };
            match self.choice {
                Choice::Auto if self.socket.given() => as_said(Choice::Sim),
                Choice::Auto => decide(Device::open().map(|device| device.cannot_load())),
                choice => as_said(choice),
            }
        })
    }

    /// Who relocates what is loaded.
    pub(crate) fn mode(&self) -> Mode {
        match self.choice() {
            Choice::Device => Mode::Device,
            Choice::Vet | Choice::Auto => Mode::Vet,
            Choice::Sim => Mode::Sim,
        }
    }

    /// Whether code is called in the simulated kernel, and not by the device: there is no other that calls any.
    pub(crate) fn calls_in_sim(&self) -> Result<bool> {
        match self.choice {
            Choice::Sim => Ok(true),
            Choice::Auto => Ok(self.socket.given()),
            Choice::Device => Ok(false),
            Choice::Vet => Err(Error::Usage("'--kernel vet' calls nothing: only the device does, and 'sim'".into())),
        }
    }

    /// Says that the kernel will relocate modules itself, where `auto` had to decide so, and why.
    pub(crate) fn warn_of_downgrade(&self) {
        if let Some(why) = &self.decided().downgrade {
            output::warning(format_args!(
                "{why}; so the kernel relocates modules itself, after they were found to link here ('--kernel vet' says \
                 nothing of this)"
            ));
        }
    }

    /// A connection for removing. It does not hold the device, so that the device's own module can be removed.
    pub(crate) fn remover(&self) -> Result<Box<dyn Kernel>> {
        Ok(match self.choice() {
            Choice::Sim => Box::new(connect(&self.socket)?),
            Choice::Device | Choice::Vet | Choice::Auto => Box::new(Vet::without_file()),
        })
    }

    /// How often each module of this machine's kernel is used, while this program does not hold the device.
    pub(crate) fn use_counts(&self) -> Result<HashMap<String, Option<u32>>, Failure> {
        match self.choice() {
            Choice::Device => {
                let modules = Vet::without_file().list(None)?.modules;
                Ok(modules.into_iter().map(|m| (m.name, m.use_count)).collect())
            }
            // What these list is all that there is to know.
            Choice::Vet | Choice::Sim | Choice::Auto => Ok(HashMap::new()),
        }
    }

    /// A connection for everything but loading.
    pub(crate) fn connect(&self) -> Result<Box<dyn Kernel>> {
        Ok(match self.choice() {
            Choice::Sim => Box::new(connect(&self.socket)?),
            Choice::Device => Box::new(open_device()?),
            Choice::Vet | Choice::Auto => Box::new(Vet::without_file()),
        })
    }
}

/// What `auto` comes to, by what the device said when it was opened: why it cannot load modules, if it cannot.
fn decide(device: Result<Option<String>, Failure>) -> Decided {
    let why = match device {
        Ok(None) => return Decided { choice: Choice::Device, downgrade: None },
        Ok(Some(why)) => format!("{}: {why}", device::PATH),
        Err(failure) => format!("{failure}{}", missing()),
    };
    Decided { choice: Choice::Vet, downgrade: Some(why) }
}

/// What to do about a device that is not there.
fn missing() -> &'static str {
    if device::exists() { "" } else { " (is the module relobox loaded? See kernel/README.md)" }
}

pub(crate) fn open_device() -> Result<Device> {
    let hint = missing();
    let device = Device::open().map_err(|failure| match failure {
        Failure::Unreachable(text) => Error::Usage(format!("{text}{hint}")),
        failure => refusal(device::PATH, &failure),
    })?;
    match device.cannot_load() {
        None => Ok(device),
        Some(why) => Err(Error::Usage(format!("{}: {why}; '--kernel vet' may do", device::PATH))),
    }
}

/// The device, open for code that is called.
pub(crate) fn open_flat() -> Result<Flat> {
    let hint = missing();
    Flat::open().map_err(|failure| match failure {
        Failure::Unreachable(text) => Error::Usage(format!("{text}{hint}")),
        failure => refusal(device::PATH, &failure),
    })
}

/// A failure as the person should read it.
pub(crate) fn failed(subject: &str, failure: &Failure) -> Error {
    match failure {
        Failure::Unreachable(_) => unreachable(failure.clone()),
        _ => refusal(subject, failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_is_the_device_or_says_why_not() {
        let decided = decide(Ok(None));
        assert_eq!((decided.choice, decided.downgrade), (Choice::Device, None));
        for (device, words) in [
            (
                Ok(Some("this kernel loads signed modules only".into())),
                "/dev/relobox: this kernel loads signed modules",
            ),
            (Err(Failure::Unreachable("/dev/relobox: no such file".into())), "/dev/relobox: no such file"),
            (Err(Failure::NotAllowed("CAP_SYS_MODULE".into())), "not allowed: CAP_SYS_MODULE"),
        ] {
            let decided = decide(device);
            assert_eq!(decided.choice, Choice::Vet);
            let why = decided.downgrade.unwrap();
            assert!(why.starts_with(words), "{why}");
        }
    }
}
