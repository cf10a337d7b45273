//! Generators of bad input: modules that lie, and guests that break the contract.
//!
//! | file | what it makes |
//! |---|---|
//! | `sample` | a small, well-formed x86-64 module |
//! | `damage` | that module with one thing wrong, for everything that can be |
//! | `crafted` | modules written byte by byte: any names, and any number of them |
//! | `flips` | that module, or any file, with random bytes changed, the same ones every time |
//! | `bombs` | guests that are valid, small, and a burden for a compiler |
//! | `guest` | a guest from a `.wat` file of `tests/hostile/` |

pub mod bombs;
pub mod crafted;
pub mod damage;
pub mod flips;
pub mod guest;
pub mod sample;
