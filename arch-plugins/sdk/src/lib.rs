//! Write a relocation plugin for relobox.
//!
//! An architecture is one crate with one file: it teaches the instruction set's oddities, names its
//! [`Field`]s, and lists its relocations in [`architecture!`]. What a row cannot say is a function
//! beside the table, named in the row's formula; what needs to be known before addresses are given
//! (GOT, PLT, veneers) is the row's column `needs`; [`Hooks`] do what that cannot say.
//!
//! | file | what it holds |
//! |---|---|
//! | `value` | [`Value`]: 64-bit arithmetic that wraps, as the psABIs' does |
//! | `field` | [`Field`]: bit slices, and how to write and read them |
//! | `rule` | [`Rule`]: what a field admits |
//! | `job` | [`Job`]: a checked view of what the host wrote |
//! | `finding` | [`Trouble`]: what is wrong with a relocation; [`Findings`]: everything that is wrong |
//! | `plan` | [`Plan`]: what to ask for; [`Synthetic`] sections |
//! | `cx` | [`Cx`]: where the relocation at hand stands |
//! | `lows` | low halves, for [`Cx::with_low`]: addends in two halves, in place |
//! | `hooks` | [`Hooks`]: what an architecture does beyond its table |
//! | `needs` | what a row needs before there are addresses |
//! | `tables` | [`Table`]: GOT, PLT and stubs, an entry for each symbol or each symbol and addend |
//! | `near` | [`NearStubs`]: stubs before the code that calls them |
//! | `code` | [`code!`]: code of stubs, as templates with fields |
//! | `reason` | why types are refused |
//! | `about` | [`About`]: what an architecture says of itself |
//! | `table`, `row` | [`architecture!`] |
//! | `form` | byte order, class and place of addends: what is constant in a table's code |
//! | `formula` | what can be read off a formula |
//! | `verify` | what a table may say, checked while it is compiled |
//! | `run` | the two calls, plan and apply, natively |
//! | `testing` | a made-up module for the tests of an architecture |
//! | `guest` | the same two calls as exports of a Wasm module |
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod about;
mod code;
mod cx;
#[doc(hidden)]
pub mod decoding_text;
mod field;
mod finding;
mod form;
mod formula;
mod guest;
mod hooks;
mod job;
mod lows;
mod near;
pub mod needs;
mod plan;
mod reason;
mod row;
mod rule;
mod run;
mod synthetic;
mod table;
mod tables;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod value;
mod verify;

pub use about::{About, Refused, Remade, RowInfo};
pub use cx::{Cx, put_address};
pub use field::{Field, slice};
pub use finding::{Finding, Findings, Trouble};
#[doc(hidden)]
pub use form::Form;
pub use hooks::{Hooks, Site};
pub use job::Job;
pub use lows::Lows;
pub use near::NearStubs;
pub use plan::Plan;
pub use reason::{DYNAMIC, TLS};
pub use relobox_abi as abi;
pub use rule::Rule;
pub use run::{Architecture, Session};
pub use synthetic::Synthetic;
pub use tables::{Entry, Table, Tables, sort};
pub use value::{Value, ha, lo12, page};

#[doc(hidden)]
pub use relobox_guest as __guest;

#[doc(hidden)]
pub use cx::place as __place;
#[doc(hidden)]
pub use decoding_text as __decoding;
#[doc(hidden)]
pub use formula::{effect_of as __effect_of, names as __names, shown as __shown};
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub use guest::{Kept as __Kept, apply as __apply, describe as __describe, index as __index, plan as __plan};
#[doc(hidden)]
pub use row::{High, for_target as __for_target, in_place_too as __in_place_too};
#[doc(hidden)]
pub use run::each as __each;
#[doc(hidden)]
pub use table::{unknown as __unknown, wrong_addends as __wrong_addends};
#[doc(hidden)]
pub use verify::{row as __verify_row, table as __verify_table};
