//! Names of modules, as programs write them.

/// A name as the kernel has it: with `_` for `-`, and up to the first dot.
pub(crate) fn module(name: &[u8]) -> String {
    let stem = name.split(|byte| *byte == b'.').next().unwrap_or_default();
    String::from_utf8_lossy(stem).replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_named_as_in_the_kernel() {
        assert_eq!(module(b"snd-hda-intel"), "snd_hda_intel");
        assert_eq!(module(b"ext4.ko.xz"), "ext4");
        assert_eq!(module(b".hidden"), "");
    }
}
