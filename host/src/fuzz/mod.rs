//! Fuzzing of guests: coverage without their source, mutators that know the records, oracles that know the contract.

pub mod instrument;
