//! Whether this machine is strict: see [`strict`](crate::strict).

use relobox_core::files::{self, Kind};
use relobox_core::limits;
use std::path::Path;

/// The file that makes a system strict, below its root.
pub(crate) const SETTING: &str = "etc/relobox/strict";

/// Returns whether the system in `root` is strict: it has the file, and the kernel's command line does not revoke it.
pub(crate) fn is_set(root: &Path) -> bool {
    let exists = root.join(SETTING).try_exists().unwrap_or(true);
    exists && command_line(root) != Some(false)
}

/// What `relobox.strict=` on the kernel's command line says, if it is there. The last one counts, as for the kernel.
pub(crate) fn command_line(root: &Path) -> Option<bool> {
    let path = root.join("proc/cmdline");
    let text = files::read_text(&path, Kind::Regular, limits::MODPROBE_CONFIG).unwrap_or_default();
    // What follows '--' is for init.
    let words = text.split_whitespace().take_while(|word| *word != "--").map(|word| word.trim_matches('"'));
    words.filter_map(|word| word.strip_prefix("relobox.strict=")).filter_map(truth).last()
}

/// Reads a value as `kstrtobool` of the kernel does.
pub(crate) fn truth(text: &str) -> Option<bool> {
    match text.as_bytes() {
        [b'y' | b'Y' | b't' | b'T' | b'1', ..] | [b'o' | b'O', b'n' | b'N', ..] => Some(true),
        [b'n' | b'N' | b'f' | b'F' | b'0', ..] | [b'o' | b'O', b'f' | b'F', ..] => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_revokes_the_file() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        assert!(!is_set(root));
        for file in [SETTING, "proc/cmdline"].map(|file| root.join(file)) {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "").unwrap();
        }
        for (line, strict) in [
            ("", true),
            ("quiet", true),
            ("quiet relobox.strict=0", false),
            ("relobox.strict=off ro", false),
            ("\"relobox.strict=n\" ro", false),
            ("relobox.strict=1", true),
            ("relobox.strict=0 relobox.strict=Y", true),
            ("relobox.strict=1 relobox.strict=N", false),
            // These are other words, or no value.
            ("norelobox.strict=0", true),
            ("relobox.strict=perhaps", true),
            ("relobox.strict", true),
            ("relobox.strictly=0", true),
            ("ro -- relobox.strict=0", true),
        ] {
            std::fs::write(root.join("proc/cmdline"), line).unwrap();
            assert_eq!(is_set(root), strict, "{line}");
        }
        // The command line alone does not make it strict: the file is the machine's decision.
        std::fs::remove_file(root.join(SETTING)).unwrap();
        std::fs::write(root.join("proc/cmdline"), "relobox.strict=1").unwrap();
        assert!(!is_set(root));
    }
}
