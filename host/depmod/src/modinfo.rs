//! What modinfo prints.

use crate::log::Log;
use crate::signature::Signature;

/// What is printed of each module, and how.
#[derive(Clone, Debug, Default)]
pub struct Format {
    /// Print only this field (`-F`).
    pub field: Option<Vec<u8>>,
    /// Print a NUL after each entry instead of a line break (`-0`).
    pub null: bool,
}

/// A module of which something is printed.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// The path of its file. `None` if it is built into the kernel.
    pub path: Option<&'a [u8]>,
    /// The entries of its modinfo: key and value; or what kmod says if they cannot be read.
    pub info: Result<&'a [(&'a [u8], &'a [u8])], &'a str>,
    /// Its signature.
    pub signature: Option<&'a Signature>,
    /// What came of the check of its signature, if that was asked for.
    pub verified: Option<&'a [u8]>,
}

/// Splits an entry `key=value`. An entry without `=` is a key.
#[must_use]
pub fn pair(entry: &[u8]) -> (&[u8], &[u8]) {
    match entry.iter().position(|b| *b == b'=') {
        Some(at) => (&entry[..at], &entry[at + 1..]),
        None => (entry, &[]),
    }
}

/// A parameter: its name, its description and its type.
struct Parameter<'a> {
    name: &'a [u8],
    about: Option<&'a [u8]>,
    kind: Option<&'a [u8]>,
}

/// The parameters, the last one first. An entry of one without a colon is an error.
#[derive(Default)]
struct Parameters<'a>(Vec<Parameter<'a>>);

impl<'a> Parameters<'a> {
    fn add(&mut self, key: &[u8], value: &'a [u8], log: &mut Log) {
        let Some(colon) = value.iter().position(|b| *b == b':') else {
            log.error(&[b"Found invalid \"", key, b"=", value, b"\": missing ':'"]);
            return;
        };
        let (name, text) = (&value[..colon], &value[colon + 1..]);
        let known = self.0.iter().rposition(|parameter| parameter.name == name);
        let at = known.unwrap_or_else(|| {
            self.0.push(Parameter { name, about: None, kind: None });
            self.0.len() - 1
        });
        let parameter = &mut self.0[at];
        *if key == b"parm" { &mut parameter.about } else { &mut parameter.kind } = Some(text);
    }

    /// Appends a line for each. `start` is before it, and `bare` before the type of one without description.
    fn print(self, start: &[u8], bare: [&[u8]; 2], end: u8, out: &mut Vec<u8>) {
        for Parameter { name, about, kind } in self.0.into_iter().rev() {
            out.extend([start, name, b":"].concat());
            match (about, kind) {
                (None, kind) => out.extend([bare[0], kind.unwrap_or_default(), bare[1]].concat()),
                (Some(about), Some(kind)) => out.extend([about, b" (", kind, b")"].concat()),
                (Some(about), None) => out.extend(about),
            }
            out.push(end);
        }
    }
}

/// Appends what is printed of a module. Returns false if that is an error.
pub fn print(format: &Format, about: &About<'_>, out: &mut Vec<u8>, log: &mut Log) -> bool {
    let end = if format.null { 0 } else { b'\n' };
    let field = format.field.as_deref();
    let mut line = |parts: &[&[u8]]| {
        out.extend(parts.concat());
        out.push(end);
    };
    if about.path.is_none() && field.is_none_or(|field| field == b"name") {
        line(&[if field.is_none() { &b"name:           "[..] } else { b"" }, about.name]);
    }
    let path = about.path.unwrap_or(b"(builtin)");
    match field {
        Some(b"filename") => {
            line(&[path]);
            return true;
        }
        None => line(&[b"filename:       ", path]),
        Some(_) => {}
    }
    let info = match about.info {
        Ok(info) => info,
        Err(why) => {
            log.error(&[b"could not get modinfo from '", about.name, b"': ", why.as_bytes()]);
            return false;
        }
    };
    let signed = about.signature.map(|signature| signature.entries().to_vec()).unwrap_or_default();
    let verified = about.verified.map(|verified| (&b"sig_verified"[..], verified));
    let signed = signed.iter().map(|(key, value)| (key.as_bytes(), &value[..]));
    let all = info.iter().copied().chain(signed).chain(verified);
    let mut parameters = Parameters::default();
    for (key, value) in all {
        let is_parameter = matches!(key, b"parm" | b"parmtype");
        match field {
            Some(b"parm") | None if is_parameter => parameters.add(key, value, log),
            Some(field) if field == key => line(&[value]),
            Some(_) => {}
            None if format.null => line(&[key, b"=", value]),
            None => line(&[key, b":", &b"               "[key.len().min(15)..], value]),
        }
    }
    match field {
        Some(b"parm") => parameters.print(b"", [b" (", b")"], end, out),
        None => parameters.print(b"parm:           ", [b"", b""], end, out),
        Some(_) => {}
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(field: Option<&str>, null: bool, entries: &[&str]) -> (String, usize) {
        let info: Vec<_> = entries.iter().map(|entry| pair(entry.as_bytes())).collect();
        let about = About { name: b"m", path: Some(b"/m.ko"), info: Ok(&info), signature: None, verified: None };
        let format = Format { field: field.map(|field| field.as_bytes().to_vec()), null };
        let (mut out, mut log) = (Vec::new(), Log::new(0));
        assert!(print(&format, &about, &mut out, &mut log));
        (String::from_utf8(out).unwrap(), log.take().len())
    }

    #[test]
    fn parameters_come_last_and_the_last_one_first() {
        let entries = ["license=GPL", "parmtype=a:int", "parm=a:the a", "parmtype=b:charp", "parm=c:the c", "parm=d"];
        let start = "filename:       /m.ko\nlicense:        GPL\n";
        let parameters = "parm:           c:the c\nparm:           b:charp\nparm:           a:the a (int)\n";
        assert_eq!(printed(None, false, &entries), (format!("{start}{parameters}"), 1));
        assert_eq!(printed(Some("parm"), false, &entries).0, "c:the c\nb: (charp)\na:the a (int)\n");
        assert_eq!(printed(Some("license"), true, &entries).0, "GPL\0");
        assert_eq!(printed(Some("parmtype"), false, &entries).0, "a:int\nb:charp\n");
        assert_eq!(printed(None, true, &["a=b"]).0, "filename:       /m.ko\0a=b\0");
        let long = "a-key-that-is-longer=v";
        assert_eq!(printed(None, false, &[long]).0, "filename:       /m.ko\na-key-that-is-longer:v\n");
    }
}
