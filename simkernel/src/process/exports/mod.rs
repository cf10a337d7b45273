//! The kernel's exports: functions with the C calling convention, and some data.

mod all;
mod entry;
mod format;
mod heap;
mod image;
mod numbers;
mod param;
mod print;
mod string;
mod sync;
mod thunks;

pub(crate) use heap::held;
pub(crate) use image::Image;
