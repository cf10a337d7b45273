//! The kernel's format strings: its subset of printf. Its pointer extensions print plain addresses.

use std::ffi::{CStr, c_char};

use crate::limits;

/// The `va_list` of the System V ABI for x86-64. The registers that a variadic stub stores make one as well.
#[repr(C)]
#[derive(Debug)]
pub(super) struct VaList {
    gp_offset: u32,
    fp_offset: u32,
    overflow: *const u64,
    registers: *const u64,
}

impl VaList {
    /// For a variadic function with `named` arguments before the variable ones.
    pub(super) fn new(registers: *const u64, overflow: *const u64, named: u32) -> VaList {
        VaList { gp_offset: named * 8, fp_offset: 48, overflow, registers }
    }

    fn next(&mut self) -> u64 {
        // SAFETY: by C's contract, the caller passed as many arguments as its format names. The first lie in the six
        // stored registers, the rest on its stack.
        unsafe {
            if self.gp_offset < 48 {
                let value = self.registers.byte_add(self.gp_offset as usize).read();
                self.gp_offset += 8;
                value
            } else {
                let value = self.overflow.read();
                self.overflow = self.overflow.add(1);
                value
            }
        }
    }
}

/// Reads a string of module code, up to a limit.
pub(super) fn text(pointer: *const c_char) -> Vec<u8> {
    if pointer.is_null() {
        return b"(null)".to_vec();
    }
    bounded(pointer, limits::C_STRING)
}

fn bounded(pointer: *const c_char, most: usize) -> Vec<u8> {
    // SAFETY: module code passes a NUL-terminated string, or one of at least `most` bytes.
    unsafe {
        let len = libc::strnlen(pointer, most);
        std::slice::from_raw_parts(pointer.cast::<u8>(), len).to_vec()
    }
}

#[derive(Default)]
struct Spec {
    left: bool,
    zero: bool,
    plus: bool,
    space: bool,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
    /// The number of bits of the argument.
    bits: u32,
}

impl Spec {
    /// Writes sign or prefix, digits, and the padding.
    fn number(&self, out: &mut Vec<u8>, prefix: &str, digits: &str) {
        let zeros = self.precision.unwrap_or(0).saturating_sub(digits.len());
        let body = prefix.len() + zeros + digits.len();
        let fill = self.width.saturating_sub(body);
        let pad_zero = self.zero && !self.left && self.precision.is_none();
        if !self.left && !pad_zero {
            out.extend(std::iter::repeat_n(b' ', fill));
        }
        out.extend_from_slice(prefix.as_bytes());
        out.extend(std::iter::repeat_n(b'0', zeros + if pad_zero { fill } else { 0 }));
        out.extend_from_slice(digits.as_bytes());
        if self.left {
            out.extend(std::iter::repeat_n(b' ', fill));
        }
    }

    fn string(&self, out: &mut Vec<u8>, text: &[u8]) {
        let fill = self.width.saturating_sub(text.len());
        if !self.left {
            out.extend(std::iter::repeat_n(b' ', fill));
        }
        out.extend_from_slice(text);
        if self.left {
            out.extend(std::iter::repeat_n(b' ', fill));
        }
    }
}

/// Formats like the kernel's vsnprintf, into at most `most` bytes.
pub(super) fn format(template: *const c_char, args: &mut VaList, most: usize) -> Vec<u8> {
    // SAFETY: a format is a NUL-terminated string.
    let template = unsafe { CStr::from_ptr(template) }.to_bytes();
    let mut out = Vec::new();
    let mut rest = template;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if out.len() >= most {
            break;
        }
        if byte == b'%' {
            rest = conversion(rest, args, &mut out);
        } else {
            out.push(byte);
        }
    }
    out.truncate(most);
    out
}

/// Formats one conversion, which begins after its percent sign. Returns the rest of the format.
fn conversion<'a>(mut rest: &'a [u8], args: &mut VaList, out: &mut Vec<u8>) -> &'a [u8] {
    let mut spec = Spec { bits: 32, ..Spec::default() };
    while let Some((&flag, after)) = rest.split_first() {
        match flag {
            b'-' => spec.left = true,
            b'0' => spec.zero = true,
            b'+' => spec.plus = true,
            b' ' => spec.space = true,
            b'#' => spec.alternate = true,
            _ => break,
        }
        rest = after;
    }
    if let Some((width, after)) = size(rest, args) {
        spec.left |= width < 0;
        spec.width = (width.unsigned_abs() as usize).min(limits::LOG_LINE);
        rest = after;
    }
    if let Some((b'.', after)) = rest.split_first() {
        let (precision, after) = size(after, args).unwrap_or((0, after));
        spec.precision = usize::try_from(precision).ok().map(|p| p.min(limits::LOG_LINE));
        rest = after;
    }
    while let Some((&length, after)) = rest.split_first() {
        spec.bits = match length {
            b'h' if spec.bits == 16 => 8,
            b'h' => 16,
            b'l' | b'q' | b'L' | b'z' | b'Z' | b't' | b'j' => 64,
            _ => break,
        };
        rest = after;
    }
    let Some((&kind, after)) = rest.split_first() else { return rest };
    convert(kind, &spec, args, out);
    if kind == b'p' {
        // %px, %pS, %pK and so on print one address.
        let letters = after.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        return &after[letters..];
    }
    after
}

fn convert(kind: u8, spec: &Spec, args: &mut VaList, out: &mut Vec<u8>) {
    let unused = 64 - spec.bits;
    match kind {
        b'%' => out.push(b'%'),
        b'c' => spec.string(out, &[args.next() as u8]),
        b's' => {
            let pointer = std::ptr::with_exposed_provenance::<c_char>(args.next() as usize);
            let shown = match spec.precision {
                Some(most) if !pointer.is_null() => bounded(pointer, most),
                _ => text(pointer),
            };
            spec.string(out, &shown);
        }
        b'd' | b'i' => {
            let value = (args.next() << unused) as i64 >> unused;
            let sign = match (value < 0, spec.plus, spec.space) {
                (true, ..) => "-",
                (_, true, _) => "+",
                (_, _, true) => " ",
                _ => "",
            };
            spec.number(out, sign, &value.unsigned_abs().to_string());
        }
        b'u' | b'x' | b'X' | b'o' => {
            let value = args.next() << unused >> unused;
            let (prefix, digits) = match kind {
                b'u' => ("", value.to_string()),
                b'o' => ("0", format!("{value:o}")),
                b'x' => ("0x", format!("{value:x}")),
                _ => ("0X", format!("{value:X}")),
            };
            spec.number(out, if spec.alternate { prefix } else { "" }, &digits);
        }
        b'p' => {
            let address = args.next();
            spec.string(out, format!("{address:016x}").as_bytes());
        }
        // This is not a conversion. It is printed as it is, and takes no argument.
        other => out.extend_from_slice(&[b'%', other]),
    }
}

/// Reads a number, or the argument that a star stands for.
fn size<'a>(rest: &'a [u8], args: &mut VaList) -> Option<(i32, &'a [u8])> {
    if let Some((b'*', after)) = rest.split_first() {
        return Some((args.next() as i32, after));
    }
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let value = std::str::from_utf8(&rest[..digits]).ok()?.parse::<u32>();
    (digits > 0).then(|| (value.map_or(i32::MAX, |v| v.min(i32::MAX as u32) as i32), &rest[digits..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(template: &CStr, values: &[u64]) -> String {
        let mut registers = [0u64; 6];
        let split = values.len().min(5);
        registers[1..=split].copy_from_slice(&values[..split]);
        let stack = values[split..].to_vec();
        let mut args = VaList::new(registers.as_ptr(), stack.as_ptr(), 1);
        String::from_utf8(format(template.as_ptr(), &mut args, limits::LOG_LINE)).unwrap()
    }

    #[test]
    fn conversions() {
        let minus = -7i32 as u32 as u64;
        let name = c"eth0".as_ptr() as u64;
        for (template, values, wanted) in [
            (c"%d %u %x", vec![minus, minus, 255], "-7 4294967289 ff"),
            (c"%ld %llu %lx", vec![-7i64 as u64, u64::MAX, 1 << 40], "-7 18446744073709551615 10000000000"),
            (c"%hhd %hu", vec![0xff, 0x1_0001], "-1 1"),
            (c"[%5d][%-5d][%05d][%+d]", vec![42, 42, 42, 42], "[   42][42   ][00042][+42]"),
            (c"%#x %#o %.4d %08x", vec![16, 8, 7, 0xbeef], "0x10 010 0007 0000beef"),
            (c"%s|%6s|%-6s|%.2s", vec![name; 4], "eth0|  eth0|eth0  |et"),
            (c"%s %c%%", vec![0, b'x' as u64], "(null) x%"),
            (c"%p %pS!", vec![0x1000, 0x2000], "0000000000001000 0000000000002000!"),
            (c"%*d|%-*d", vec![4, 1, 4, 1], "   1|1   "),
            (c"%d%d%d%d%d%d%d", vec![1, 2, 3, 4, 5, 6, 7], "1234567"),
            (c"%y %", vec![], "%y "),
        ] {
            assert_eq!(shown(template, &values), wanted, "{template:?}");
        }
    }
}
