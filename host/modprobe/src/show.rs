//! The configuration and the indices as `modprobe --showconfig` prints them.

use super::config::{Config, Line, Softdep};
use super::glob::alias_name;
use super::read_text;
use relobox_core::error::Result;
use relobox_core::limits;
use relobox_core::names::underscored;
use std::path::Path;

/// The lines of the configuration, in the form of modprobe.d(5), each kind for itself. `module_blacklist=` of the kernel's
/// command line is not among them.
#[must_use]
pub fn config(config: &Config) -> Vec<String> {
    let lines = |command: &'static str, of: &[Line]| -> Vec<String> {
        let line = |Line { name, value, .. }: &Line| format!("{command} {name} {value}").trim_end().to_owned();
        of.iter().map(line).collect()
    };
    let names = |when: &str, names: &[String]| match names.is_empty() {
        true => String::new(),
        false => format!(" {when}: {}", names.join(" ")),
    };
    let softdep =
        |Softdep { name, pre, post }: &Softdep| format!("softdep {name}{}{}", names("pre", pre), names("post", post));
    let aliases: Vec<Line> =
        config.aliases.iter().map(|line| Line { value: underscored(&line.value), ..line.clone() }).collect();
    let mut all = lines("blacklist", &config.blacklist);
    all.extend(lines("install", &config.install));
    all.extend(lines("remove", &config.remove));
    all.extend(lines("alias", &aliases));
    all.extend(lines("options", &config.options));
    all.extend(config.softdeps.iter().map(softdep));
    all
}

/// The lines of modules.alias and modules.symbols in `root`, sorted, with underscores as in depmod's binary indices. An
/// index that does not exist has none.
///
/// # Errors
/// If an index cannot be read or is larger than [`limits::MODPROBE_INDEX`].
pub fn indices(root: &Path) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for name in ["modules.alias", "modules.symbols"] {
        let text = read_text(&root.join(name), limits::MODPROBE_INDEX)?.unwrap_or_default();
        let lines = text.lines().filter_map(|line| line.strip_prefix("alias ")?.rsplit_once(' '));
        // Patterns with unmatched brackets are left out, as by depmod.
        let mut lines: Vec<(String, &str)> =
            lines.filter_map(|(pattern, module)| Some((alias_name(pattern)?, module))).collect();
        // The order of modules with the same alias is that of the file.
        lines.sort_by(|(one, _), (other, _)| one.cmp(other));
        all.extend(lines.into_iter().map(|(pattern, module)| format!("alias {pattern} {module}")));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_line_for_itself() {
        let mut read = Config::default();
        read.parse(
            "a.conf",
            "softdep x-y pre: a b post: c\noptions x-y n=1\nalias a-* x-y\nblacklist q\ninstall i /bin/true\n\
             softdep z post: c\n",
        );
        read.parse_command_line("module_blacklist=no m.k");
        assert_eq!(
            config(&read),
            [
                "blacklist q",
                "install i /bin/true",
                "alias a_* x_y",
                "options x_y n=1",
                "options m k",
                "softdep x_y pre: a b post: c",
                "softdep z post: c",
            ]
        );
    }
}
