//! The same two calls as exports of a Wasm module.

/// Exports an [`Architecture`](crate::Architecture) from a guest; [`architecture!`](crate::architecture) does it for
/// you.
#[macro_export]
#[doc(hidden)]
macro_rules! guest {
    ($arch:ty) => {
        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code, reason = "exports have C names, and the host writes into our memory")]
        mod exports {
            use super::*;
            use $crate::__guest as guest;

            static SESSION: guest::Session<$crate::__Kept<$arch>> = guest::session();

            /// What the plugin links, where a host finds it without running anything.
            #[used]
            #[unsafe(link_section = "relobox.machines")]
            static MACHINES: [[u8; 12]; <$arch as $crate::Architecture>::ABOUT.machines.len()] =
                $crate::__index(<$arch as $crate::Architecture>::ABOUT.machines);

            #[unsafe(no_mangle)]
            extern "C" fn relobox_abi() -> u32 {
                $crate::abi::ABI_VERSION
            }

            #[unsafe(no_mangle)]
            extern "C" fn relobox_reserve(bytes: u32) -> u32 {
                guest::reserve(bytes)
            }

            #[unsafe(no_mangle)]
            extern "C" fn relobox_describe() -> u32 {
                $crate::__describe(&<$arch as $crate::Architecture>::ABOUT)
            }

            #[unsafe(no_mangle)]
            extern "C" fn relobox_plan(job: u32) -> u32 {
                // SAFETY: the host reserved the job and wrote its length into it; nothing else refers to it.
                let (session, answer) = unsafe { $crate::__plan::<$arch>(job) };
                SESSION.put(session);
                answer
            }

            #[unsafe(no_mangle)]
            extern "C" fn relobox_apply(job: u32) -> u32 {
                // SAFETY: as in plan, whose borrow has ended.
                SESSION.take().map_or(0, |session| unsafe { $crate::__apply::<$arch>(job, session) })
            }
        }
    };
}

#[cfg(target_arch = "wasm32")]
pub use wasm::{Kept, apply, describe, index, plan};

#[cfg(target_arch = "wasm32")]
#[allow(unsafe_code, reason = "the host writes the job, and the addresses of synthetic sections, into our memory")]
mod wasm {
    use crate::{About, Architecture, Findings, RowInfo, Session, abi};
    use alloc::vec::Vec;
    use relobox_guest::{job_bytes, keep, keep_bytes, keep_one};

    /// [`abi::MACHINES`]: the first twelve bytes of each machine's record.
    #[must_use]
    pub const fn index<const N: usize>(machines: &[abi::Machine]) -> [[u8; 12]; N] {
        let (mut out, mut i) = ([[0; 12]; N], 0);
        while i < N {
            let m = &machines[i];
            let ([a, b], [c, d, e, f]) = (m.machine.to_le_bytes(), m.flags_mask.to_le_bytes());
            let [g, h, j, k] = m.flags_value.to_le_bytes();
            out[i] = [a, b, m.class, m.order, c, d, e, f, g, h, j, k];
            i += 1;
        }
        out
    }

    /// What stays between plan and apply.
    pub struct Kept<A: Architecture> {
        session: Session<A>,
        /// Where the host writes the synthetic sections' addresses.
        synthetic: u32,
    }

    fn faults(findings: Findings) -> (abi::Table, u32) {
        let list = findings.list.into_iter();
        let faults: Vec<_> = list.map(|f| abi::Fault { text: keep_bytes(f.text.as_bytes()), ..f.fault }).collect();
        (keep(faults), findings.more)
    }

    unsafe fn job(at: u32) -> &'static mut [u8] {
        // SAFETY: the caller's promise: a whole job lies there, and its header says how long it is.
        unsafe {
            let len = (*(at as usize as *const abi::Job)).len;
            job_bytes(at, len)
        }
    }

    /// # Safety
    /// `at` is a job that the host wrote; no reference to it is alive.
    pub unsafe fn plan<A: Architecture>(at: u32) -> (Kept<A>, u32) {
        // SAFETY: the caller's promise.
        let (session, plan) = Session::<A>::plan(unsafe { job(at) });
        let (faults, more_faults) = faults(plan.findings);
        let synthetic = plan.synthetic.iter().zip(&session.synthetic).map(|(s, kept)| abi::Synthetic {
            address: 0,
            size: kept.contents.len() as u64,
            align: s.align,
            name: keep_bytes(s.name.as_bytes()),
            kind: s.kind,
            placement: s.placement,
            section: s.section,
            contents: kept.contents.as_ptr() as usize as u32,
            reserved: 0,
        });
        let synthetic = keep(synthetic.collect());
        let mut supplied = plan.supplied;
        for (symbol, name) in plan.renamed {
            let (how, name) = (abi::supply::RENAME, keep_bytes(name.leak()));
            supplied.push(abi::Supplied { symbol, how, name, ..Default::default() });
        }
        let answer = abi::Plan {
            faults,
            synthetic,
            alignments: keep(plan.alignments),
            windows: keep(plan.windows),
            supplied: keep(supplied),
            more_faults,
            descriptors: keep(plan.descriptors),
            reserved: 0,
        };
        (Kept { session, synthetic: synthetic.at }, keep_one(answer))
    }

    /// # Safety
    /// As for [`plan`], with the same job.
    pub unsafe fn apply<A: Architecture>(at: u32, mut kept: Kept<A>) -> u32 {
        for (i, section) in kept.session.synthetic.iter_mut().enumerate() {
            // SAFETY: plan kept this table, with as many records as there are sections.
            section.address = unsafe { (*(kept.synthetic as usize as *const abi::Synthetic).add(i)).address };
        }
        // SAFETY: the caller's promise.
        let findings = kept.session.apply(unsafe { job(at) });
        let (faults, more_faults) = faults(findings);
        // The contents stay where plan said they are.
        core::mem::forget(kept);
        keep_one(abi::Applied { faults, more_faults, reserved: 0 })
    }

    fn row(row: &RowInfo) -> abi::Row {
        let text = |s: &'static str| keep_bytes(s.as_bytes());
        abi::Row {
            kind: row.kind,
            flags: row.flags,
            name: text(row.name),
            formula: text(row.formula),
            field: text(row.field),
            slices: abi::Table { at: row.slices.as_ptr() as usize as u32, count: row.slices.len() as u32 },
            width: row.width,
            order: row.order,
            rule: row.rule.kind,
            bits: row.rule.bits,
            align: row.rule.align,
            window_align: row.window.2,
            window_start: row.window.0,
            window_len: row.window.1,
            extra: row.extra,
            pairing: row.pair.0,
            effect: row.effect,
            round: row.round,
            partner: row.pair.1,
        }
    }

    /// The self-description as records.
    pub fn describe(about: &'static About) -> u32 {
        let mut rows: Vec<_> = about.every_row().map(|r| row(&r)).collect();
        // By hand: the library's sort is 7 KB, and rows come nearly sorted.
        for i in 1..rows.len() {
            let at = rows[..i].partition_point(|r| r.kind <= rows[i].kind);
            rows[at..=i].rotate_right(1);
        }
        let text = |s: &'static str| keep_bytes(s.as_bytes());
        let inputs = about.inputs.iter().map(|(name, value)| abi::Input { name: text(name), value: *value });
        let remade = about.remade.iter().map(|r| abi::Remade {
            name: text(r.name),
            loaders: r.loaders,
            kind: r.kind,
            size: r.size,
            align: r.align,
            reserved: 0,
        });
        let machines = abi::Table { at: about.machines.as_ptr() as usize as u32, count: about.machines.len() as u32 };
        keep_one(abi::Description {
            abi: abi::ABI_VERSION,
            kind_mask: about.kind_mask,
            name: text(about.name),
            title: text(about.title),
            psabi: text(about.psabi),
            machines,
            rows: keep(rows),
            inputs: keep(inputs.collect()),
            remade: keep(remade.collect()),
            details: abi::Table { at: about.details.as_ptr() as usize as u32, count: about.details.len() as u32 },
        })
    }
}
