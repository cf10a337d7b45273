//! The kernel's log: a bounded ring of the lines that printk writes.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::limits;
use crate::protocol::LogLine;

#[derive(Debug)]
struct Ring {
    lines: VecDeque<LogLine>,
    bytes: usize,
    next: u64,
    /// True if the last line had no line break yet, so a continuation can extend it.
    open: bool,
}

// A static, because module code cannot pass our state to its functions. There is one thread, so the lock never blocks.
static RING: Mutex<Ring> = Mutex::new(Ring { lines: VecDeque::new(), bytes: 0, next: 0, open: false });

const DEFAULT_LEVEL: u8 = 4;

fn ring() -> MutexGuard<'static, Ring> {
    RING.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ring {
    fn push(&mut self, level: u8, text: String) {
        self.bytes += text.len();
        self.lines.push_back(LogLine { number: self.next, level, text });
        self.next += 1;
        while self.bytes > limits::LOG {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.bytes -= oldest.text.len();
        }
    }
}

/// Logs a line of the kernel itself.
pub(crate) fn log(level: u8, text: &str) {
    let mut ring = ring();
    ring.open = false;
    ring.push(level, text.to_owned());
}

/// Logs the text of a printk: an optional level (SOH and a digit, or `c` to continue), and one or more lines.
pub(crate) fn print(text: &str) {
    let mut ring = ring();
    let (level, continues, text) = match text.as_bytes() {
        [1, level @ b'0'..=b'7', ..] => (level - b'0', false, &text[2..]),
        [1, b'c', ..] => (DEFAULT_LEVEL, true, &text[2..]),
        _ => (DEFAULT_LEVEL, false, text),
    };
    if text.is_empty() {
        return;
    }
    let (body, ends) = match text.strip_suffix('\n') {
        Some(body) => (body, true),
        None => (text, false),
    };
    let mut lines = body.split('\n');
    if continues && ring.open {
        let more = lines.next().unwrap_or_default();
        let room = ring.lines.back().map_or(0, |last| limits::LOG_LINE.saturating_sub(last.text.len()));
        let more: String = more.chars().take(room / 4).collect();
        ring.bytes += more.len();
        if let Some(last) = ring.lines.back_mut() {
            last.text.push_str(&more);
        }
    }
    for line in lines {
        ring.push(level, line.to_owned());
    }
    ring.open = !ends;
}

/// All lines that are still in the ring.
pub(crate) fn lines() -> Vec<LogLine> {
    ring().lines.iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_lines_and_continuations() {
        print("\u{1}6klog-test one\ntwo\n");
        print("\u{1}3klog-test half");
        print("\u{1}c, whole\n");
        print("\u{1}cnot a continuation\n");
        let all = lines();
        let at = all.iter().position(|l| l.text == "klog-test one").unwrap();
        let seen: Vec<_> = all[at..at + 4].iter().map(|l| (l.level, l.text.as_str())).collect();
        assert_eq!(seen, [(6, "klog-test one"), (6, "two"), (3, "klog-test half, whole"), (4, "not a continuation")]);
        for _ in 0..400 {
            log(7, &"x".repeat(1024));
        }
        assert!(lines().iter().map(|l| l.text.len()).sum::<usize>() <= limits::LOG);
    }
}
