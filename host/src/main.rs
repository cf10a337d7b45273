//! The relobox command.
fn main() {}
