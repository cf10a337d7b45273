//! relobox's command line, asked for the bytes that a running kernel has.
