//! AArch64, little-endian, with a GOT and veneers.

use alloc::vec::Vec;
use relobox_plugin::abi::{Machine, order, symbol_flag};
use relobox_plugin::{Cx, DYNAMIC, Field, Hooks, Job, Plan, Table, Trouble, Value, architecture, code, page, slice};

const WORD32: Field = Field::data(4);
const WORD64: Field = Field::data(8);
const IMM26: Field = Field::insn(4, order::LITTLE, &[slice(2, 0, 26)]);
const IMM12: Field = Field::insn(4, order::LITTLE, &[slice(0, 10, 12)]);
const IMM12_8: Field = Field::insn(4, order::LITTLE, &[slice(3, 10, 12)]);
const ADRP: Field = Field::insn(4, order::LITTLE, &[slice(12, 29, 2), slice(14, 5, 19)]);

architecture! {
    name: "planted-arm64-got",
    title: "AArch64 with GOT and veneers, to be fuzzed",
    psabi: "https://github.com/ARM-software/abi-aa/blob/main/aaelf64/aaelf64.rst",
    machines: [Machine {
        machine: 183,
        class: 64,
        order: order::LITTLE,
        flags_mask: 0,
        flags_value: 0,
        reserved: 0,
        base: 0xffff_8000_0100_0000,
        kernel: 0xffff_8000_0800_0000,
        reach: 0x0800_0000,
    }],
    addends: explicit,
    state: Tables,
    letters: (cx, S, A, P),
    rows: {
        R_AARCH64_ABS64            = 257: S + A,                         WORD64,  unchecked;
        R_AARCH64_PREL32           = 261: S + A - P,                     WORD32,  signed 32;
        R_AARCH64_ADR_PREL_PG_HI21 = 275: page(S + A) - page(P),         ADRP,    signed 33;
        R_AARCH64_ADD_ABS_LO12_NC  = 277: (S + A) & 0xfff,               IMM12,   unchecked, is in_page,
                                          low R_AARCH64_ADR_PREL_PG_HI21;
        R_AARCH64_JUMP26           = 282: S + A - P,                     IMM26,   signed 28, align 4,
                                          else veneer(cx, S, A) - P;
        R_AARCH64_CALL26           = 283: S + A - P,                     IMM26,   signed 28, align 4,
                                          else veneer(cx, S, A) - P;
        R_AARCH64_ADR_GOT_PAGE     = 311: page(G(cx, S + A)?) - page(P), ADRP,    signed 33;
        R_AARCH64_LD64_GOT_LO12_NC = 312: G(cx, S + A)? & 0xfff,         IMM12_8, unchecked, align 8,
                                          low R_AARCH64_ADR_GOT_PAGE;
    }
    ignored: { R_AARCH64_NONE = 0 }
    refused: { DYNAMIC => 1024 [R_AARCH64_COPY]; }
}

/// `ldr x16, .+8; br x16` and the target.
const VENEER: usize = 16;
const CODE: u64 = 0xd61f_0200_5800_0050;

/// GOT and veneers, an entry each for symbol plus addend. The bugs are in what is counted, so it is counted here.
#[derive(Default)]
pub struct Tables {
    got: Table,
    veneers: Table,
}

/// What a slot is for.
fn target(symbol: u32, addend: i64) -> (u32, i64) {
    if cfg!(feature = "stale_got") { (symbol, 0) } else { (symbol, addend) }
}

impl Hooks for Tables {
    fn plan(&mut self, job: &Job<'_>, plan: &mut Plan) {
        let outside = |symbol: u32| {
            let flags = symbol_flag::UNDEFINED | symbol_flag::ABSOLUTE;
            job.symbols.get(symbol as usize).is_some_and(|s| s.section == 0 || s.flags & flags != 0)
        };
        let mut seen = Vec::new();
        for r in job.relocations {
            match r.kind {
                types::R_AARCH64_ADR_GOT_PAGE | types::R_AARCH64_LD64_GOT_LO12_NC => {
                    let (symbol, addend) = target(r.symbol, r.addend);
                    self.got.want(job, symbol, addend);
                }
                types::R_AARCH64_JUMP26 | types::R_AARCH64_CALL26 if outside(r.symbol) => {
                    if cfg!(feature = "quadratic_veneers") {
                        // One for each target: unless it has been counted before.
                        if seen.contains(&(r.symbol, r.addend)) {
                            continue;
                        }
                        seen.push((r.symbol, r.addend));
                    }
                    self.veneers.want(job, r.symbol, r.addend);
                }
                _ => {}
            }
        }
        let (slots, veneers) = (self.got.seal(), self.veneers.seal());
        self.got.lies_in(plan.rodata(".relobox.got", slots * 8, 8), 8);
        self.veneers.lies_in(plan.text(".relobox.veneers", veneers * VENEER, VENEER as u64), VENEER);
    }
}

/// `G(GDAT(S + A))`: the address of the slot for symbol plus addend, which gets filled in.
#[allow(non_snake_case, reason = "the psABI's letter")]
fn G(cx: &mut Cx<'_, Tables>, value: Value) -> Result<Value, Trouble> {
    const NO_SLOT: Trouble = Trouble::unpaired("no GOT slot was planned for it");
    let (symbol, addend) = target(cx.relocation.symbol, cx.relocation.addend);
    let slot = cx.state.got.of(cx.synthetic, symbol, addend).ok_or(NO_SLOT)?;
    let value = if cfg!(feature = "got_addend") { value - cx.relocation.addend } else { value };
    let half = cfg!(feature = "got_half") && cx.relocation.kind == types::R_AARCH64_LD64_GOT_LO12_NC;
    let word = if half { WORD32 } else { WORD64 };
    word.put(slot.bytes, false, value.0);
    Ok(slot.address)
}

/// The veneer that leads to symbol plus addend, which gets filled in, or their sum if there is none.
#[cold]
fn veneer(cx: &mut Cx<'_, Tables>, symbol: Value, addend: Value) -> Value {
    let value = symbol + addend.0;
    if value.0 & 3 != 0 {
        return value;
    }
    let Some(veneer) = cx.state.veneers.of(cx.synthetic, cx.relocation.symbol, addend.0) else { return value };
    code! { veneer.bytes, false;
        WORD64(CODE) // ldr x16, .+8; br x16
        WORD64(0, value)
    }
    veneer.address
}
