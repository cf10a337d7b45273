//! x86-64 relocations for relobox
