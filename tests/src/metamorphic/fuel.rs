//! The cost oracle: twice the relocations must take twice the fuel.

use super::sample::sample;
use crate::module_spec::Linker;
use relobox_abi::Machine;

/// The first step must be large compared with the constant cost of a job.
const UNITS: usize = 1000;

/// Checks that the fuel for each additional relocation varies by at most a tenth between 1,000 and 8,000 units.
///
/// # Errors
///
/// A description of the variation, or of the refusal.
pub fn fuel_is_linear(linker: &dyn Linker, machine: Machine, in_place: bool) -> Result<(), String> {
    let mut points = Vec::new();
    for times in [1, 2, 4, 8] {
        let sample = sample(linker, machine, in_place, (UNITS * times, 0x10, false), 2002);
        let answer = linker.link(&sample.module).map_err(|refusal| format!("refused: {refusal:?}"))?;
        let fuel = answer.fuel.ok_or("its fuel is not counted")?;
        points.push((sample.module.relocations() as f64, fuel as f64));
    }
    let slopes: Vec<f64> = points.windows(2).map(|p| (p[1].1 - p[0].1) / (p[1].0 - p[0].0)).collect();
    let (least, most) = slopes.iter().fold((f64::MAX, f64::MIN), |(a, b), s| (a.min(*s), b.max(*s)));
    if least > 0.0 && most <= 1.1 * least {
        return Ok(());
    }
    Err(format!("fuel for each more relocation went from {least:.1} to {most:.1} units: {slopes:.1?}"))
}
