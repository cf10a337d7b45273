//! Metamorphic properties: what must hold between two links of the same made-up module, whatever a
//! relocation means.
//!
//! | file | what it does |
//! |---|---|
//! | `sample` | the generator: modules from a table's description, a seed, and a distance that all fields can move |
//! | `properties` | the oracles: shift, permute, poison, repeat |
//! | `edges` | the oracle that asks for both sides of every range |
//! | `fuel` | the oracle that asks for twice the fuel for twice the relocations |
//! | `wrong` | plugins that are deliberately wrong, each in one way, to see each oracle fire |
//!
//! Generators know no oracle and oracles no generator; both take any [`Linker`](crate::module_spec::Linker).

mod edges;
mod fuel;
mod properties;
mod sample;
pub mod wrong;

pub use edges::edges;
pub use fuel::fuel_is_linear;
pub use properties::{PROPERTIES, Property, permute, poison, repeat, shift_everything, shift_symbols};
pub use sample::{Effect, Sample, Unit, distances, sample};
