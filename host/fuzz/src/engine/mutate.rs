//! Mutations of files: structural edits first, then damage in place.

use super::model::Model;
use super::{edit, fields};
use relobox_core::limits;
use relobox_core::rng::Rng;

/// Applies one to six mutations to a file.
pub(crate) fn mutate(file: &mut Vec<u8>, other: Option<&[u8]>, rng: &mut Rng, constants: &[i64]) {
    let mut steps = 1 + rng.below(6);
    if !rng.one_in(3)
        && let Some(mut model) = Model::read(file)
    {
        let other = other.filter(|_| rng.one_in(3)).and_then(Model::read);
        for _ in 0..1 + rng.below(steps) {
            edit::edit(&mut model, other.as_ref(), rng);
            steps -= 1;
        }
        if let Some(written) = model.write() {
            *file = written;
        }
        if rng.one_in(2) {
            return;
        }
    }
    for _ in 0..steps.max(1) {
        fields::damage(file, rng, constants);
    }
    file.truncate(limits::FUZZ_FILE);
}
