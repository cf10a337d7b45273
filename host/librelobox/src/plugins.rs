//! The plugins that a context finds, and their pins.

use crate::context::{Context, Settings};
use crate::objects::Objects;
use crate::report::or_null;
use crate::types::{self, PluginFlag};
use relobox_cabi::boundary::c_text;
use relobox_core::error::{Error, Result};
use relobox_core::text::hex;
use relobox_guests::catalogue;
use relobox_plugins::compiled;
use relobox_plugins::index::Machines;
use relobox_plugins::pins::{Pin, Pins};
use relobox_plugins::registry::Plugins;
use std::ffi::CString;

pub(crate) static PLUGINS: Objects<Vec<Found>> = Objects::new();

/// A plugin that was found.
pub(crate) struct Found {
    name: CString,
    sha256: CString,
    path: Option<CString>,
    machines: CString,
    flags: u32,
}

impl Found {
    pub(crate) fn get(&self) -> types::Plugin {
        types::Plugin {
            name: self.name.as_ptr(),
            sha256: self.sha256.as_ptr(),
            path: or_null(self.path.as_ref()),
            machines: self.machines.as_ptr(),
            flags: self.flags,
        }
    }
}

fn machines(machines: &Machines) -> CString {
    c_text(machines.texts().collect::<Vec<_>>().join(","))
}

/// Lists the plugins: those that are built in, then those in files.
///
/// # Errors
/// If a directory or the file of pins cannot be read.
pub(crate) fn list(context: &Context) -> Result<Vec<Found>> {
    let plugins = context.settings().plugins()?;
    let Plugins { files, chosen, pins, .. } = &plugins;
    let bit = |there: bool, bit: PluginFlag| if there { bit as u32 } else { 0 };
    let own = catalogue().iter().filter(|entry| entry.is_plugin()).map(|entry| Found {
        name: c_text(entry.name),
        sha256: c_text(hex(&entry.digest)),
        path: None,
        machines: machines(&Machines::of_section(entry.machines)),
        flags: PluginFlag::BuiltIn as u32
            | PluginFlag::Compiled as u32
            | bit(pins.has(&entry.digest), PluginFlag::Pinned)
            | bit(chosen.contains(&entry.digest), PluginFlag::Chosen),
    });
    let mut found: Vec<_> = own.collect();
    for file in files {
        let pinned = pins.has(&file.digest);
        found.push(Found {
            name: c_text(&file.name),
            sha256: c_text(hex(&file.digest)),
            path: Some(c_text(file.origin.path().as_os_str().as_encoded_bytes())),
            machines: machines(&Machines::of_wasm(&file.wasm)),
            flags: bit(pinned, PluginFlag::Pinned)
                | bit(chosen.contains(&file.digest), PluginFlag::Chosen)
                | bit(pinned && compiled::open(pins, &file.digest)?.is_some(), PluginFlag::Compiled),
        });
    }
    Ok(found)
}

/// Pins a plugin: a name, a digest or a file.
///
/// # Errors
/// If there is no such plugin, or the file of pins cannot be written.
pub(crate) fn pin(settings: &Settings, named: &str, comment: &str) -> Result<()> {
    let mut plugins = settings.unpinned()?;
    let digest = plugins.one(named, None)?;
    let file = plugins.files.iter().find(|file| file.digest == digest);
    let file = file.ok_or_else(|| Error::Usage(format!("plugin {named:?} is built in, and needs no pin")))?;
    if !file.wasm.starts_with(b"\0asm") {
        return Err(Error::Usage(format!("{}: this is not WebAssembly", file.origin)));
    }
    let pin = Pin::of(file, comment);
    Pins::edit(&settings.pin_file()?, |pins| {
        pins.add(pin);
        Ok(())
    })
}

/// Removes the pins of this name or digest, and the compiled code of their plugins.
///
/// # Errors
/// If there is none, or the file of pins cannot be written.
pub(crate) fn unpin(settings: &Settings, named: &str) -> Result<()> {
    let path = settings.pin_file()?;
    let gone = Pins::edit(&path, |pins| {
        let gone = pins.remove(named);
        if gone.is_empty() {
            return Err(Error::Usage(format!("{}: no pin is named {named:?}", path.display())));
        }
        Ok(gone)
    })?;
    gone.iter().for_each(|pin| compiled::forget(&path, &pin.digest));
    Ok(())
}
