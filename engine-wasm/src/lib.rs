//! The engine guest of relobox: ELF bytes to flat records, and back
