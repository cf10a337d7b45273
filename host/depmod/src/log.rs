//! Messages, in the order in which they are printed.

/// How important a message is. The numbers are those of syslog(3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing can be done any more: `FATAL`.
    Fatal = 2,
    /// `ERROR`.
    Error = 3,
    /// `WARNING`.
    Warning = 4,
    /// A line of `-v`, on standard output.
    Shown = 5,
    /// `INFO`, with `-v` twice.
    Info = 6,
}

impl Level {
    /// The level of a number.
    #[must_use]
    pub fn of(number: u8) -> Option<Self> {
        [Self::Fatal, Self::Error, Self::Warning, Self::Shown, Self::Info].into_iter().find(|l| *l as u8 == number)
    }

    /// The word before a message. A shown line has none.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Fatal => "FATAL",
            Self::Error => "ERROR",
            Self::Warning => "WARNING",
            Self::Shown => "",
            Self::Info => "INFO",
        }
    }
}

/// The messages of a run.
#[derive(Debug, Default)]
pub struct Log {
    verbose: u8,
    messages: Vec<(Level, Vec<u8>)>,
}

impl Log {
    /// A log that keeps what `verbose` times `-v` asks for.
    #[must_use]
    pub fn new(verbose: u8) -> Self {
        Self { verbose, messages: Vec::new() }
    }

    /// Whether a message of this level is kept.
    #[must_use]
    pub fn keeps(&self, level: Level) -> bool {
        level as u8 <= (Level::Warning as u8).saturating_add(self.verbose)
    }

    /// Adds a message, which is the sum of its parts. It has no line break at its end.
    pub fn add(&mut self, level: Level, parts: &[&[u8]]) {
        if self.keeps(level) {
            self.messages.push((level, parts.concat()));
        }
    }

    /// Adds an error.
    pub fn error(&mut self, parts: &[&[u8]]) {
        self.add(Level::Error, parts);
    }

    /// Adds a warning.
    pub fn warning(&mut self, parts: &[&[u8]]) {
        self.add(Level::Warning, parts);
    }

    /// Takes the messages that were added since the last time.
    pub fn take(&mut self) -> Vec<(Level, Vec<u8>)> {
        std::mem::take(&mut self.messages)
    }
}
