//! The trusted certificates and the policy for signatures, as files: their bytes, which nothing here parses.

use crate::error::{Error, Result};
use crate::files::{self, Kind, Untrusted};
use crate::limits;
use crate::signature::Policy;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The directories of certificates for this machine's kernel: the administrator's, and that of packages.
pub const DIRECTORIES: [&str; 2] = ["/etc/relobox/keys", "/usr/share/relobox/keys"];

/// The file with the policy for this machine's kernel.
pub const POLICY: &str = "/etc/relobox/signatures";

/// The list of the kernel's keys.
const KERNEL_KEYS: &str = "/proc/keys";

/// The bytes of certificates.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    /// The files: path and contents.
    pub files: Vec<(String, Vec<u8>)>,
    /// What the kernel says of its own keys. It is no reason to trust a signature: nobody can read those keys.
    pub kernel: Vec<u8>,
}

/// What is done about signatures, and whom they are believed.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// What is done.
    pub policy: Policy,
    /// The certificates. None are read if nothing is done.
    pub keys: Keys,
}

impl Trust {
    /// Uses the policy that was `given`, or else the one in [`POLICY`], which only root can write; and the certificates
    /// in `directories`, or else in [`DIRECTORIES`].
    ///
    /// # Errors
    /// [`Error::Usage`] if others could have written the policy, a certificate or a directory of them, if the policy is no
    /// word for one, or if there are too many certificates. [`Error::Io`] if a file cannot be read.
    pub fn of_machine(given: Option<Policy>, directories: &[PathBuf]) -> Result<Self> {
        let policy = given.map_or_else(|| policy(Path::new(POLICY), &[0]), Ok)?;
        if policy == Policy::Off {
            return Ok(Self::default());
        }
        let own = rustix::process::geteuid().as_raw();
        let mut keys = match directories {
            [] => Keys::read(&DIRECTORIES.map(PathBuf::from), Some(&[0]), false)?,
            given => Keys::read(given, Some(&[0, own]), true)?,
        };
        // Without it, the message about an unknown key is shorter.
        keys.kernel = files::read(Path::new(KERNEL_KEYS), Kind::Regular, limits::PROC).unwrap_or_default();
        Ok(Self { policy, keys })
    }
}

/// Reads a policy, which one of `owners` must have written: one word, and comments that begin with `#`. No file means
/// [`Policy::Off`].
///
/// # Errors
/// As [`Trust::of_machine`].
fn policy(path: &Path, owners: &[u32]) -> Result<Policy> {
    let text = match files::read_trusted(path, owners, limits::POLICY) {
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => return Ok(Policy::Off),
        read => read?.map_err(not_used)?,
    };
    let text = String::from_utf8_lossy(&text);
    let words = text.lines().filter_map(|line| line.split('#').next()).flat_map(str::split_whitespace);
    let word = words.collect::<Vec<_>>().join(" ");
    word.parse().map_err(|error| Error::Usage(format!("{}: {error}", path.display())))
}

impl Keys {
    /// Reads all files in directories, in the order of their names, but for those that begin with a dot. If there are
    /// `owners`, only they may be able to write files and directories. A directory that `must_exist` is an error if it
    /// does not.
    ///
    /// # Errors
    /// As [`Trust::of_machine`].
    pub fn read(directories: &[PathBuf], owners: Option<&[u32]>, must_exist: bool) -> Result<Self> {
        let mut found = Vec::new();
        let mut room = limits::KEYS;
        for directory in directories {
            for path in in_directory(directory, must_exist)? {
                let bytes = match owners {
                    Some(owners) => files::read_trusted(&path, owners, room)?.map_err(not_used)?,
                    None => files::read(&path, Kind::Regular, room)?,
                };
                room -= bytes.len() as u64;
                found.push((path.display().to_string(), bytes));
                if found.len() > limits::KEY_FILES {
                    let text = format!("{}: more than {} certificates", directory.display(), limits::KEY_FILES);
                    return Err(Error::Usage(text));
                }
            }
        }
        Ok(Self { files: found, kernel: Vec::new() })
    }
}

fn in_directory(directory: &Path, must_exist: bool) -> Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound && !must_exist => return Ok(Vec::new()),
        entries => entries.map_err(Error::io(directory))?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::io(directory))?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

fn not_used(untrusted: Untrusted) -> Error {
    let Untrusted { path, why } = untrusted;
    Error::Usage(format!("{}: other users may write it: {why}; it is not used", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    /// A directory of its own, which is removed.
    struct Directory(PathBuf);

    impl Directory {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("relobox-keys-{}-{name}", std::process::id()));
            std::fs::create_dir(&path).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            Self(path)
        }

        fn write(&self, name: &str, bytes: &[u8], mode: u32) -> PathBuf {
            let path = self.0.join(name);
            std::fs::write(&path, bytes).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            path
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn own() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    #[test]
    fn a_policy_is_one_word() {
        let directory = Directory::new("policy");
        let read = |text: &[u8], mode| policy(&directory.write("signatures", text, mode), &[own()]);
        assert_eq!(read(b"require\n", 0o644).unwrap(), Policy::Require);
        assert_eq!(read(b"# As the kernel.\n\n  warn # for now\n", 0o600).unwrap(), Policy::Warn);
        assert_eq!(policy(&directory.0.join("missing"), &[own()]).unwrap(), Policy::Off);
        // What cannot be read is no reason to look away.
        for wrong in [&b""[..], b"require warn", b"Require", b"\xff", &b"#".repeat(1 << 20)] {
            assert!(matches!(read(wrong, 0o644), Err(Error::Usage(_))), "{wrong:?}");
        }
        assert!(matches!(read(b"off", 0o666), Err(Error::Usage(_))));
        assert!(matches!(policy(&directory.write("x", b"off", 0o644), &[own() + 1]), Err(Error::Usage(_))));
    }

    #[test]
    fn keys_that_others_may_write_are_not_read() {
        let directory = Directory::new("files");
        directory.write("b.pem", b"B", 0o644);
        directory.write("a.der", b"A", 0o644);
        directory.write(".hidden", b"H", 0o666);
        let read = |owners: Option<&[u32]>| Keys::read(std::slice::from_ref(&directory.0), owners, true);
        let names = |keys: Keys| keys.files.into_iter().map(|(_, bytes)| bytes).collect::<Vec<_>>();
        assert_eq!(names(read(Some(&[own()])).unwrap()), [b"A", b"B"]);
        assert!(matches!(read(Some(&[own() + 1])), Err(Error::Usage(_))));
        directory.write("c.der", b"C", 0o666);
        assert!(matches!(read(Some(&[own()])), Err(Error::Usage(_))));
        assert_eq!(names(read(None).unwrap()), [b"A", b"B", b"C"]);
        directory.write("c.der", &vec![0; limits::KEYS as usize], 0o644);
        assert!(matches!(read(None), Err(Error::Usage(_))));
        let missing = [directory.0.join("missing")];
        assert!(Keys::read(&missing, None, true).is_err());
        assert!(Keys::read(&missing, None, false).unwrap().files.is_empty());
    }

    #[test]
    fn the_number_of_keys_is_limited() {
        let directory = Directory::new("many");
        for i in 0..=limits::KEY_FILES {
            directory.write(&i.to_string(), b"", 0o644);
        }
        let read = || Keys::read(std::slice::from_ref(&directory.0), None, true);
        assert!(matches!(read(), Err(Error::Usage(_))));
        std::fs::remove_file(directory.0.join("0")).unwrap();
        assert_eq!(read().unwrap().files.len(), limits::KEY_FILES);
    }
}
