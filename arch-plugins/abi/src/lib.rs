//! The records and exports that relobox's host and guests share
