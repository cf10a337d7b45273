//! What independent linkers made of the same places, and what they were not asked.

use super::Arch;
use super::erratum::{forbidden, safe_alignment};
use super::types::*;
use relobox_plugin::Architecture;
use relobox_plugin::abi::{Machine, Symbol, fault, order, rule, symbol_flag};
use relobox_plugin::testing::{Linked, Module, words};

const BASE: u64 = 0xffff_8000_0100_0000;
const LITTLE: Machine = Arch::ABOUT.machines[0];
const BIG: Machine = Arch::ABOUT.machines[1];

/// Type, offset from `BASE`, S, A, the place before, the place after. From GNU ld 2.40 (--no-relax), and
/// the same from its aarch64linuxb; ld.lld 22 agrees where it is not said to differ: it adds bits where
/// others clear first, makes every JUMP26 a `b`, and keeps `movz` for MOVW_PREL_G3.
#[rustfmt::skip]
const VECTORS: &[(u32, u64, u64, i64, u64, u64)] = &[
    (R_AARCH64_ABS64, 0x0, 0xffff800008123456, -16, 0x0, 0xffff800008123446),
    (R_AARCH64_ABS64, 0x10, 0xffff800008123456, -16, 0xffffffffffffffff, 0xffff800008123446),
    (R_AARCH64_ABS32, 0x20, 0xfedcba98, -16, 0x0, 0xfedcba88),
    (R_AARCH64_ABS32, 0x30, 0xfedcba98, 16, 0xffffffff, 0xfedcbaa8),
    (R_AARCH64_ABS32, 0x40, 0x7fffffff, -16, 0x0, 0x7fffffef),
    (R_AARCH64_ABS32, 0x50, 0x7fffffff, 16, 0xffffffff, 0x8000000f),
    (R_AARCH64_ABS32, 0x60, 0xffffffff80000010, -16, 0x0, 0x80000000),
    (R_AARCH64_ABS32, 0x70, 0xffffffff80000010, 16, 0xffffffff, 0x80000020),
    (R_AARCH64_ABS16, 0x80, 0xffee, -16, 0x0, 0xffde),
    (R_AARCH64_ABS16, 0x90, 0xffffffffffff8010, -16, 0x0, 0x8000),
    (R_AARCH64_PREL64, 0xa0, 0xffff6dcbaa8765e8, -4, 0x0, 0xffffedcba9876544),
    (R_AARCH64_PREL64, 0xb0, 0xffff6dcbaa8765f8, -4, 0xffffffffffffffff, 0xffffedcba9876544),
    (R_AARCH64_PREL32, 0xc0, 0xffff8000810000b7, 8, 0x0, 0x7fffffff),
    (R_AARCH64_PREL32, 0xd0, 0xffff8000810000c7, 8, 0xffffffff, 0x7fffffff),
    (R_AARCH64_PREL32, 0xe0, 0xffff7fff810000d8, 8, 0x0, 0x80000000),
    (R_AARCH64_PREL32, 0xf0, 0xffff7fff810000e8, 8, 0xffffffff, 0x80000000),
    (R_AARCH64_PREL16, 0x100, 0xffff8000010080f7, 8, 0x0, 0x7fff),
    (R_AARCH64_PREL16, 0x110, 0xffff800000ff8108, 8, 0x0, 0x8000),
    (R_AARCH64_MOVW_UABS_G0, 0x120, 0xffe0, -16, 0x0, 0x1ffa00),
    (R_AARCH64_MOVW_UABS_G0, 0x130, 0xffe0, 16, 0xffffffff, 0xfffffe1f),
    (R_AARCH64_MOVW_UABS_G0_NC, 0x140, 0xffff800008123456, -16, 0x0, 0x688c0),
    (R_AARCH64_MOVW_UABS_G0_NC, 0x150, 0xffff800008123456, 16, 0xffffffff, 0xffe68cdf),
    (R_AARCH64_MOVW_UABS_G1, 0x160, 0xfedcba90, -16, 0x0, 0x1fdb80),
    (R_AARCH64_MOVW_UABS_G1, 0x170, 0xfedcba90, 16, 0xffffffff, 0xffffdb9f),
    (R_AARCH64_MOVW_UABS_G1_NC, 0x180, 0xffff800008123456, -16, 0x0, 0x10240),
    (R_AARCH64_MOVW_UABS_G1_NC, 0x190, 0xffff800008123456, 16, 0xffffffff, 0xffe1025f),
    (R_AARCH64_MOVW_UABS_G2, 0x1a0, 0xfedcba987650, -16, 0x0, 0x1fdb80),
    (R_AARCH64_MOVW_UABS_G2, 0x1b0, 0xfedcba987650, 16, 0xffffffff, 0xffffdb9f),
    (R_AARCH64_MOVW_UABS_G2_NC, 0x1c0, 0xffff800008123456, -16, 0x0, 0x100000),
    (R_AARCH64_MOVW_UABS_G2_NC, 0x1d0, 0xffff800008123456, 16, 0xffffffff, 0xfff0001f),
    (R_AARCH64_MOVW_UABS_G3, 0x1e0, 0xffff800008123456, -16, 0x0, 0x1fffe0),
    (R_AARCH64_MOVW_UABS_G3, 0x1f0, 0xffff800008123456, 16, 0xffffffff, 0xffffffff),
    (R_AARCH64_MOVW_SABS_G0, 0x200, 0x8765, -16, 0x92800001, 0xd290eaa1),
    (R_AARCH64_MOVW_SABS_G0, 0x210, 0x8765, 16, 0xffffffff, 0xfff0eebf), // lld: 0xffffffff
    (R_AARCH64_MOVW_SABS_G0, 0x220, 0xffffffffffff789b, -16, 0x92800001, 0x9290ee81),
    (R_AARCH64_MOVW_SABS_G0, 0x230, 0xffffffffffff789b, 16, 0xffffffff, 0xbff0ea9f), // lld: 0xffffffff
    (R_AARCH64_MOVW_SABS_G0, 0x240, 0xffffffffffff0010, -16, 0x92800001, 0x929fffe1),
    (R_AARCH64_MOVW_SABS_G0, 0x250, 0xffffffffffff0010, 16, 0xffffffff, 0xbffffbff), // lld: 0xffffffff
    (R_AARCH64_MOVW_PREL_G0, 0x260, 0xffff800001010263, -4, 0xd2800001, 0xd29fffe1),
    (R_AARCH64_MOVW_PREL_G0, 0x270, 0xffff800001010273, -4, 0xffffffff, 0xffffffff),
    (R_AARCH64_MOVW_PREL_G0, 0x280, 0xffff800000ff0278, 8, 0xd2800001, 0x929fffe1),
    (R_AARCH64_MOVW_PREL_G0, 0x290, 0xffff800000ff0288, 8, 0xffffffff, 0xbfffffff), // lld: 0xffffffff
    (R_AARCH64_MOVW_PREL_G0, 0x2a0, 0xffff800000ff8d66, 8, 0xd2800001, 0x928ea621),
    (R_AARCH64_MOVW_PREL_G0, 0x2b0, 0xffff800000ff8d76, 8, 0xffffffff, 0xbfeea63f), // lld: 0xffffffff
    (R_AARCH64_MOVW_PREL_G0_NC, 0x2c0, 0x1233d6789bbce1b4, -4, 0xf2800001, 0xf29bde01),
    (R_AARCH64_MOVW_PREL_G0_NC, 0x2d0, 0x1233d6789bbce1c4, -4, 0xffffffff, 0xfffbde1f), // lld: 0xffffffff
    (R_AARCH64_MOVW_PREL_G0_NC, 0x2e0, 0xedcb2987664323f4, -4, 0xf2800001, 0xf2842201),
    (R_AARCH64_MOVW_PREL_G0_NC, 0x2f0, 0xedcb298766432404, -4, 0xffffffff, 0xffe4221f), // lld: 0xffffffff
    (R_AARCH64_MOVW_SABS_G1, 0x300, 0x87650000, -16, 0x92800001, 0xd290ec81),
    (R_AARCH64_MOVW_SABS_G1, 0x310, 0x87650000, 16, 0xffffffff, 0xfff0ecbf), // lld: 0xffffffff
    (R_AARCH64_MOVW_SABS_G1, 0x320, 0xffffffff789b0000, -16, 0x92800001, 0x9290eca1),
    (R_AARCH64_MOVW_SABS_G1, 0x330, 0xffffffff789b0000, 16, 0xffffffff, 0xbff0ec9f), // lld: 0xffffffff
    (R_AARCH64_MOVW_SABS_G1, 0x340, 0xffffffff00000010, -16, 0x92800001, 0x929fffe1),
    (R_AARCH64_MOVW_SABS_G1, 0x350, 0xffffffff00000010, 16, 0xffffffff, 0xbfffffff), // lld: 0xffffffff
    (R_AARCH64_MOVW_PREL_G1, 0x360, 0xffff800101000363, -4, 0xd2800001, 0xd29fffe1),
    (R_AARCH64_MOVW_PREL_G1, 0x370, 0xffff800101000373, -4, 0xffffffff, 0xffffffff),
    (R_AARCH64_MOVW_PREL_G1, 0x380, 0xffff7fff01000378, 8, 0xd2800001, 0x929fffe1),
    (R_AARCH64_MOVW_PREL_G1, 0x390, 0xffff7fff01000388, 8, 0xffffffff, 0xbfffffff), // lld: 0xffffffff
    (R_AARCH64_MOVW_PREL_G1, 0x3a0, 0xffff7fff8bcf0397, 8, 0xd2800001, 0x928ea621),
    (R_AARCH64_MOVW_PREL_G1, 0x3b0, 0xffff7fff8bcf03a7, 8, 0xffffffff, 0xbfeea63f), // lld: 0xffffffff
    (R_AARCH64_MOVW_PREL_G1_NC, 0x3c0, 0x1233d6789bbce2b4, -4, 0xf2800001, 0xf2935781),
    (R_AARCH64_MOVW_PREL_G1_NC, 0x3d0, 0x1233d6789bbce2c4, -4, 0xffffffff, 0xfff3579f), // lld: 0xffffffff
    (R_AARCH64_MOVW_PREL_G1_NC, 0x3e0, 0xedcb2987664324f4, -4, 0xf2800001, 0xf28ca861),
    (R_AARCH64_MOVW_PREL_G1_NC, 0x3f0, 0xedcb298766432504, -4, 0xffffffff, 0xffeca87f), // lld: 0xffffffff
    (R_AARCH64_MOVW_SABS_G2, 0x400, 0x876500000000, -16, 0x92800001, 0xd290ec81),
    (R_AARCH64_MOVW_SABS_G2, 0x410, 0x876500000000, 16, 0xffffffff, 0xfff0ecbf), // lld: 0xffffffff
    (R_AARCH64_MOVW_SABS_G2, 0x420, 0xffff789b00000000, -16, 0x92800001, 0x9290eca1),
    (R_AARCH64_MOVW_SABS_G2, 0x430, 0xffff789b00000000, 16, 0xffffffff, 0xbff0ec9f), // lld: 0xffffffff
    (R_AARCH64_MOVW_SABS_G2, 0x440, 0xffff000000000010, -16, 0x92800001, 0x929fffe1),
    (R_AARCH64_MOVW_SABS_G2, 0x450, 0xffff000000000010, 16, 0xffffffff, 0xbfffffff), // lld: 0xffffffff
    (R_AARCH64_MOVW_PREL_G2, 0x460, 0x800001000463, -4, 0xd2800001, 0xd29fffe1),
    (R_AARCH64_MOVW_PREL_G2, 0x470, 0x800001000473, -4, 0xffffffff, 0xffffffff),
    (R_AARCH64_MOVW_PREL_G2, 0x480, 0xfffe800001000478, 8, 0xd2800001, 0x929fffe1),
    (R_AARCH64_MOVW_PREL_G2, 0x490, 0xfffe800001000488, 8, 0xffffffff, 0xbfffffff), // lld: 0xffffffff
    (R_AARCH64_MOVW_PREL_G2, 0x4a0, 0xffff0acf01000497, 8, 0xd2800001, 0x928ea621),
    (R_AARCH64_MOVW_PREL_G2, 0x4b0, 0xffff0acf010004a7, 8, 0xffffffff, 0xbfeea63f), // lld: 0xffffffff
    (R_AARCH64_MOVW_PREL_G2_NC, 0x4c0, 0x1233d6789bbce3b4, -4, 0xf2800001, 0xf28acf01),
    (R_AARCH64_MOVW_PREL_G2_NC, 0x4d0, 0x1233d6789bbce3c4, -4, 0xffffffff, 0xffeacf1f), // lld: 0xffffffff
    (R_AARCH64_MOVW_PREL_G2_NC, 0x4e0, 0xedcb2987664325f4, -4, 0xf2800001, 0xf29530e1),
    (R_AARCH64_MOVW_PREL_G2_NC, 0x4f0, 0xedcb298766432604, -4, 0xffffffff, 0xfff530ff), // lld: 0xffffffff
    (R_AARCH64_MOVW_PREL_G3, 0x500, 0x1233d6789bbce3f4, -4, 0xd2800001, 0xd2824681),
    (R_AARCH64_MOVW_PREL_G3, 0x510, 0x1233d6789bbce404, -4, 0xffffffff, 0xffe2469f), // lld: 0xffffffff
    (R_AARCH64_MOVW_PREL_G3, 0x520, 0xedcb298766432634, -4, 0xd2800001, 0x92824681), // lld: 0xd29db961
    (R_AARCH64_MOVW_PREL_G3, 0x530, 0xedcb298766432644, -4, 0xffffffff, 0xbfe2469f), // lld: 0xffffffff
    (R_AARCH64_LD_PREL_LO19, 0x540, 0xffff800001100540, -4, 0x0, 0x7fffe0),
    (R_AARCH64_LD_PREL_LO19, 0x550, 0xffff800001100550, -4, 0xffffffff, 0xff7fffff),
    (R_AARCH64_LD_PREL_LO19, 0x560, 0xffff800000f00558, 8, 0x0, 0x800000),
    (R_AARCH64_LD_PREL_LO19, 0x570, 0xffff800000f00568, 8, 0xffffffff, 0xff80001f),
    (R_AARCH64_ADR_PREL_LO21, 0x580, 0xffff800001100583, -4, 0x0, 0x607fffe0),
    (R_AARCH64_ADR_PREL_LO21, 0x590, 0xffff800001100593, -4, 0xffffffff, 0xff7fffff),
    (R_AARCH64_ADR_PREL_LO21, 0x5a0, 0xffff800000f00598, 8, 0x0, 0x800000),
    (R_AARCH64_ADR_PREL_LO21, 0x5b0, 0xffff800000f005a8, 8, 0xffffffff, 0x9f80001f),
    (R_AARCH64_ADR_PREL_LO21, 0x5c0, 0xffff800000fee27f, -4, 0x0, 0x60f6e5c0),
    (R_AARCH64_ADR_PREL_LO21, 0x5d0, 0xffff800000fee28f, -4, 0xffffffff, 0xfff6e5df),
    (R_AARCH64_ADR_PREL_PG_HI21, 0x5e0, 0xffff800100fffac0, -4, 0x0, 0x607fffe0),
    (R_AARCH64_ADR_PREL_PG_HI21, 0x5f0, 0xffff800100fffac0, -4, 0xffffffff, 0xff7fffff),
    (R_AARCH64_ADR_PREL_PG_HI21, 0x600, 0xffff800100fffac0, -4, 0x90000000, 0xf07fffe0),
    (R_AARCH64_ADR_PREL_PG_HI21, 0x610, 0xffff7fff01000ab4, 8, 0x0, 0x800000),
    (R_AARCH64_ADR_PREL_PG_HI21, 0x620, 0xffff7fff01000ab4, 8, 0xffffffff, 0x9f80001f),
    (R_AARCH64_ADR_PREL_PG_HI21, 0x630, 0xffff7fff01000ab4, 8, 0x90000000, 0x90800000),
    (R_AARCH64_ADR_PREL_PG_HI21, 0x640, 0xffff800013345ac0, -4, 0x0, 0x20091a20),
    (R_AARCH64_ADR_PREL_PG_HI21, 0x650, 0xffff800013345ac0, -4, 0xffffffff, 0xbf091a3f),
    (R_AARCH64_ADR_PREL_PG_HI21, 0x660, 0xffff800013345ac0, -4, 0x90000000, 0xb0091a20),
    (R_AARCH64_ADR_PREL_PG_HI21, 0x670, 0xffff7fffeecbaac0, -4, 0x0, 0x40f6e5c0),
    (R_AARCH64_ADR_PREL_PG_HI21, 0x680, 0xffff7fffeecbaac0, -4, 0xffffffff, 0xdff6e5df),
    (R_AARCH64_ADR_PREL_PG_HI21, 0x690, 0xffff7fffeecbaac0, -4, 0x90000000, 0xd0f6e5c0),
    (R_AARCH64_ADR_PREL_PG_HI21_NC, 0x6a0, 0xffff800100fffac0, -4, 0x0, 0x607fffe0),
    (R_AARCH64_ADR_PREL_PG_HI21_NC, 0x6b0, 0xffff800100fffac0, -4, 0xffffffff, 0xff7fffff),
    (R_AARCH64_ADR_PREL_PG_HI21_NC, 0x6c0, 0xffff800100fffac0, -4, 0x90000000, 0xf07fffe0),
    (R_AARCH64_ADR_PREL_PG_HI21_NC, 0x6d0, 0xffff7fff01000ab4, 8, 0x0, 0x800000),
    (R_AARCH64_ADR_PREL_PG_HI21_NC, 0x6e0, 0xffff7fff01000ab4, 8, 0xffffffff, 0x9f80001f),
    (R_AARCH64_ADR_PREL_PG_HI21_NC, 0x6f0, 0xffff7fff01000ab4, 8, 0x90000000, 0x90800000),
    (R_AARCH64_ADR_PREL_PG_HI21_NC, 0x700, 0xffff800013345ac0, -4, 0x0, 0x20091a20),
    (R_AARCH64_ADR_PREL_PG_HI21_NC, 0x710, 0xffff800013345ac0, -4, 0xffffffff, 0xbf091a3f),
    (R_AARCH64_ADR_PREL_PG_HI21_NC, 0x720, 0xffff800013345ac0, -4, 0x90000000, 0xb0091a20),
    (R_AARCH64_ADR_PREL_PG_HI21_NC, 0x730, 0xffff7fffeecbaac0, -4, 0x0, 0x40f6e5c0),
    (R_AARCH64_ADR_PREL_PG_HI21_NC, 0x740, 0xffff7fffeecbaac0, -4, 0xffffffff, 0xdff6e5df),
    (R_AARCH64_ADR_PREL_PG_HI21_NC, 0x750, 0xffff7fffeecbaac0, -4, 0x90000000, 0xd0f6e5c0),
    (R_AARCH64_ADD_ABS_LO12_NC, 0x760, 0xffff800008123456, -16, 0x0, 0x111800),
    (R_AARCH64_ADD_ABS_LO12_NC, 0x770, 0xffff800008123456, 16, 0xffffffff, 0xffd19bff),
    (R_AARCH64_LDST8_ABS_LO12_NC, 0x780, 0xffff800008123456, -16, 0x0, 0x111800),
    (R_AARCH64_LDST8_ABS_LO12_NC, 0x790, 0xffff800008123456, 16, 0xffffffff, 0xffd19bff),
    (R_AARCH64_LDST16_ABS_LO12_NC, 0x7a0, 0xffff800008123ff0, -16, 0x0, 0x1fc000),
    (R_AARCH64_LDST16_ABS_LO12_NC, 0x7b0, 0xffff800008123ff0, 16, 0xffffffff, 0xffc003ff),
    (R_AARCH64_LDST32_ABS_LO12_NC, 0x7c0, 0xffff800008123ff0, -16, 0x0, 0xfe000),
    (R_AARCH64_LDST32_ABS_LO12_NC, 0x7d0, 0xffff800008123ff0, 16, 0xffffffff, 0xffc003ff),
    (R_AARCH64_LDST64_ABS_LO12_NC, 0x7e0, 0xffff800008123ff0, -16, 0x0, 0x7f000),
    (R_AARCH64_LDST64_ABS_LO12_NC, 0x7f0, 0xffff800008123ff0, 16, 0xffffffff, 0xffc003ff),
    (R_AARCH64_LDST128_ABS_LO12_NC, 0x800, 0xffff800008123ff0, -16, 0x0, 0x3f800),
    (R_AARCH64_LDST128_ABS_LO12_NC, 0x810, 0xffff800008123ff0, 16, 0xffffffff, 0xffc003ff),
    (R_AARCH64_TSTBR14, 0x820, 0xffff800001008814, 8, 0x0, 0x3ffe0),
    (R_AARCH64_TSTBR14, 0x830, 0xffff800001008824, 8, 0xffffffff, 0xfffbffff),
    (R_AARCH64_TSTBR14, 0x840, 0xffff800000ff8838, 8, 0x0, 0x40000),
    (R_AARCH64_TSTBR14, 0x850, 0xffff800000ff8848, 8, 0xffffffff, 0xfffc001f),
    (R_AARCH64_CONDBR19, 0x860, 0xffff800001100860, -4, 0x0, 0x7fffe0),
    (R_AARCH64_CONDBR19, 0x870, 0xffff800001100870, -4, 0xffffffff, 0xff7fffff),
    (R_AARCH64_CONDBR19, 0x880, 0xffff800000f00878, 8, 0x0, 0x800000),
    (R_AARCH64_CONDBR19, 0x890, 0xffff800000f00888, 8, 0xffffffff, 0xff80001f),
    (R_AARCH64_JUMP26, 0x8a0, 0xffff800009000894, 8, 0x0, 0x1ffffff), // lld: 0x15ffffff
    (R_AARCH64_JUMP26, 0x8b0, 0xffff8000090008a4, 8, 0xffffffff, 0xfdffffff), // lld: 0x15ffffff
    (R_AARCH64_JUMP26, 0x8c0, 0xffff7ffff90008b8, 8, 0x0, 0x2000000), // lld: 0x16000000
    (R_AARCH64_JUMP26, 0x8d0, 0xffff7ffff90008c8, 8, 0xffffffff, 0xfe000000), // lld: 0x16000000
    (R_AARCH64_JUMP26, 0x8e0, 0xffff800001123d2c, 8, 0x0, 0x48d15), // lld: 0x14048d15
    (R_AARCH64_JUMP26, 0x8f0, 0xffff800001123d3c, 8, 0xffffffff, 0xfc048d15), // lld: 0x14048d15
    (R_AARCH64_CALL26, 0x900, 0xffff8000090008f4, 8, 0x0, 0x1ffffff),
    (R_AARCH64_CALL26, 0x910, 0xffff800009000904, 8, 0xffffffff, 0xfdffffff),
    (R_AARCH64_CALL26, 0x920, 0xffff7ffff9000918, 8, 0x0, 0x2000000),
    (R_AARCH64_CALL26, 0x930, 0xffff7ffff9000928, 8, 0xffffffff, 0xfe000000),
    (R_AARCH64_CALL26, 0x940, 0xffff800001123d8c, 8, 0x0, 0x48d15),
    (R_AARCH64_CALL26, 0x950, 0xffff800001123d9c, 8, 0xffffffff, 0xfc048d15),
];

fn width(kind: u32) -> usize {
    Arch::ABOUT.rows.iter().find(|r| r.kind == kind).unwrap().width.into()
}

/// Data has the module's byte order, instructions are little-endian.
fn bytes(machine: Machine, kind: u32, word: u64) -> Vec<u8> {
    let mut bytes = word.to_le_bytes()[..width(kind)].to_vec();
    if machine.order == BIG.order && (kind < R_AARCH64_MOVW_UABS_G0 || DATA.contains(&kind)) {
        bytes.reverse();
    }
    bytes
}

const DATA: [u32; 4] = [R_AARCH64_PLT32, R_AARCH64_GOTREL64, R_AARCH64_GOTREL32, R_AARCH64_GOTPCREL32];

/// One relocation against one undefined symbol: the place afterwards, or the fault.
fn one(machine: Machine, kind: u32, at: u64, s: u64, a: i64, before: u64) -> Result<Vec<u8>, u32> {
    let mut m = Module::<Arch>::for_machine(machine);
    let text = m.section(".text", at, &bytes(machine, kind, before));
    let symbol = m.symbol("s", s);
    m.relocate(text, 0, kind, symbol, a);
    m.link().map(|out| out.section(text).to_vec()).map_err(|faults| faults[0].fault.kind)
}

fn faults(m: Module<Arch>) -> Vec<u32> {
    m.link().unwrap_err().iter().map(|f| f.fault.kind).collect()
}

#[test]
fn independent_linkers_agree() {
    for machine in [LITTLE, BIG] {
        for (kind, offset, s, a, before, after) in VECTORS {
            let made = one(machine, *kind, BASE + offset, *s, *a, *before);
            assert_eq!(made, Ok(bytes(machine, *kind, *after)), "{kind} {s:#x}{a:+} {before:#x} {}", machine.order);
        }
    }
}

/// ld.lld 22 takes and refuses the same values at these edges, except PREL32 and PREL16, whose upper
/// bound AAELF64 has lowered since. GNU ld 2.40 refuses negative ABS32 and ABS16, as Linux does.
#[test]
fn ranges_end_where_they_should() {
    let mut seen = 0;
    for row in Arch::ABOUT.rows {
        if row.rule.kind == rule::NONE || row.formula.contains('G') {
            continue;
        }
        if matches!(row.kind, R_AARCH64_CALL26 | R_AARCH64_JUMP26 | R_AARCH64_PLT32) {
            continue;
        }
        let place = if row.formula.contains('P') { BASE } else { 0 };
        let step = if row.kind == R_AARCH64_ADR_PREL_PG_HI21 { 4096 } else { i64::from(row.rule.align) };
        let (min, max) = (row.rule.min(), row.rule.max() & -step);
        for (x, good) in [(min, true), (max, true), (min - step, false), (max + step, false)] {
            let made = one(LITTLE, row.kind, BASE, place.wrapping_add_signed(x), 0, 0);
            if good {
                assert!(made.is_ok(), "{} {x:#x}", row.name);
            } else {
                assert_eq!(made, Err(fault::OUT_OF_RANGE), "{} {x:#x}", row.name);
            }
        }
        seen += 1;
    }
    assert_eq!(seen, 18);
}

#[test]
fn values_that_would_lose_bits_are_refused() {
    for (kind, size) in [
        (R_AARCH64_LDST16_ABS_LO12_NC, 2),
        (R_AARCH64_LDST32_ABS_LO12_NC, 4),
        (R_AARCH64_LDST64_ABS_LO12_NC, 8),
        (R_AARCH64_LDST128_ABS_LO12_NC, 16),
        (R_AARCH64_LD_PREL_LO19, 4),
        (R_AARCH64_TSTBR14, 4),
        (R_AARCH64_CONDBR19, 4),
        (R_AARCH64_JUMP26, 4),
        (R_AARCH64_CALL26, 4),
    ] {
        assert!(one(LITTLE, kind, BASE, BASE + size, 0, 0).is_ok());
        assert_eq!(one(LITTLE, kind, BASE, BASE + size / 2, 0, 0), Err(fault::MISALIGNED));
        assert_eq!(one(LITTLE, kind, BASE, BASE + size, -1, 0), Err(fault::MISALIGNED));
    }
}

/// From ld.lld 22 with .got at the same address, little- and big-endian.
#[test]
fn got_slots_as_lld_makes_them() {
    for (kind, before, after) in [
        (R_AARCH64_ADR_GOT_PAGE, 0x9000_0000, [0xd000_0000, 0xf000_0000]),
        (R_AARCH64_LD64_GOT_LO12_NC, 0xf940_0000, [0xf947_fc00, 0xf940_0000]),
        (R_AARCH64_LD64_GOTPAGE_LO15, 0xf940_0000, [0xf947_fc00, 0xf948_0000]),
        (R_AARCH64_GOT_LD_PREL19, 0x5800_0000, [0x5801_7fc0, 0x5801_7f80]),
        (R_AARCH64_GOTPCREL32, 0x5800_0000, [0x3008, 0x3000]),
    ] {
        for machine in [LITTLE, BIG] {
            let (places, slots) = got(machine, kind, before, &["first", "second"]);
            assert_eq!(places, after.map(|word| bytes(machine, kind, word)), "{kind}");
            let values = [0xffff_8000_0812_3458u64, 0xffff_8000_0812_3460];
            let values = values.map(|v| if machine.order == BIG.order { v.to_be_bytes() } else { v.to_le_bytes() });
            assert_eq!(slots, values.concat());
        }
    }
}

/// From GNU ld 2.40, which puts a reserved word first, and then the slots last symbol first.
#[test]
fn got_offsets_as_gnu_ld_makes_them() {
    for (kind, before, after) in [
        (R_AARCH64_ADR_GOT_PAGE, 0xffff_ffff, [0xff00_001f; 2]),
        (R_AARCH64_LD64_GOT_LO12_NC, 0xffff_ffff, [0xffc0_07ff, 0xffc0_03ff]),
        (R_AARCH64_LD64_GOTPAGE_LO15, 0xffff_ffff, [0xffc8_07ff, 0xffc8_03ff]),
        (R_AARCH64_GOT_LD_PREL19, 0xffff_ffff, [0xff01_805f, 0xff01_7f9f]),
        (R_AARCH64_LD64_GOTOFF_LO15, 0xffff_ffff, [0xffc0_0bff, 0xffc0_07ff]),
        (R_AARCH64_MOVW_GOTOFF_G1, 0xd280_0001, [0xd280_0001; 2]),
        (R_AARCH64_MOVW_GOTOFF_G0_NC, 0xf280_0001, [0xf280_0201, 0xf280_0101]),
        // Neither linker knows the next ones: from the formula.
        (R_AARCH64_MOVW_GOTOFF_G0, 0x9280_0001, [0xd280_0201, 0xd280_0101]),
        (R_AARCH64_MOVW_GOTOFF_G1_NC, 0xf280_0001, [0xf280_0001; 2]),
        (R_AARCH64_MOVW_GOTOFF_G2, 0x9280_0001, [0xd280_0001; 2]),
        (R_AARCH64_MOVW_GOTOFF_G2_NC, 0xf280_0001, [0xf280_0001; 2]),
        (R_AARCH64_MOVW_GOTOFF_G3, 0x9280_0001, [0xd280_0001; 2]),
    ] {
        let (places, _) = got(LITTLE, kind, before, &["reserved", "second", "first"]);
        assert_eq!(places, after.map(|word| bytes(LITTLE, kind, word)), "{kind}");
    }
}

/// The places of `first` and `second`, when slots are wanted in this order, and the slots.
fn got(machine: Machine, kind: u32, before: u64, order: &[&str]) -> ([Vec<u8>; 2], Vec<u8>) {
    let mut m = Module::<Arch>::for_machine(machine);
    let wishes = m.section(".wishes", BASE + 0x100, &[0; 4]);
    let text = m.section(".text", BASE, &bytes(machine, kind, before).repeat(8));
    m.synthetic_at(0xffff_8000_0100_2ff8);
    let symbols = ["first", "second", "reserved"];
    let symbols = symbols.map(|name| {
        let value = 0xffff_8000_0812_3458 + if name == "second" { 8 } else { 0 };
        (name, m.symbol(name, value))
    });
    for wish in order {
        let symbol = symbols.iter().find(|s| s.0 == *wish).unwrap().1;
        m.relocate(wishes, 0, R_AARCH64_LD64_GOT_LO12_NC, symbol, 0);
    }
    let a = if kind == R_AARCH64_GOTPCREL32 { 16 } else { 0 };
    m.relocate(text, 0, kind, symbols[0].1, a);
    m.relocate(text, 16, kind, symbols[1].1, a);
    let out = m.link().unwrap();
    let at = |i: usize| out.section(text)[i..i + width(kind)].to_vec();
    ([at(0), at(16)], out.synthetic[0].contents.clone())
}

#[test]
fn the_got_can_be_named() {
    let mut m = Module::<Arch>::new();
    let text = m.section(".text", BASE, &[0; 24]);
    m.synthetic_at(BASE + 0x2000);
    let got = m.symbol("_GLOBAL_OFFSET_TABLE_", 0);
    let s = m.symbol("s", BASE + 0x2345);
    m.relocate(text, 0, R_AARCH64_ADR_PREL_LO21, got, 0);
    m.relocate(text, 8, R_AARCH64_GOTREL64, s, 1);
    m.relocate(text, 16, R_AARCH64_GOTREL32, s, -0x346);
    let out = m.link().unwrap();
    assert_eq!(words(order::LITTLE, out.section(text)), [0x1_0000, 0, 0x346, 0, 0xffff_ffff, 0]);
    assert_eq!(out.synthetic[0].contents, [0; 8]);
}

#[test]
fn a_slot_has_no_addend() {
    assert_eq!(one(LITTLE, R_AARCH64_ADR_GOT_PAGE, BASE, BASE, 8, 0), Err(fault::OTHER));
    assert!(one(LITTLE, R_AARCH64_ADR_GOT_PAGE, BASE, BASE, 0, 0).is_ok());
}

/// GNU ld 2.40 makes the same veneer for the same distance; the longer ones are llvm-mc's words for
/// `mov x16, #...; movk; movk; br x16`.
#[test]
fn veneers_reach_everything() {
    let near = vec![0x9040_11b0, 0x9115_a210, 0xd61f_0200, 0];
    let top = vec![0x9287_dbf0, 0xf2b0_2470, 0xf2d8_0010, 0xd61f_0200];
    let low = vec![0xd288_ad10, 0xf2b0_2470, 0xf2c2_4690, 0xd61f_0200];
    for (target, code) in [(0xffff_8000_8123_4568, near), (0xffff_c000_8123_c120, top), (0x1234_8123_4568, low)] {
        for machine in [LITTLE, BIG] {
            let mut m = Module::<Arch>::for_machine(machine);
            let text = m.section(".text", BASE, &[0, 0, 0, 0x94]);
            m.synthetic_at(BASE + 0x40);
            let target = m.symbol("far", target - 4);
            m.relocate(text, 0, R_AARCH64_CALL26, target, 4);
            let out = m.link().unwrap();
            assert_eq!(words(order::LITTLE, out.section(text)), [0x9400_0010]);
            assert_eq!(words(order::LITTLE, &out.synthetic[0].contents), code);
        }
    }
    // Where no code can be.
    assert_eq!(one(LITTLE, R_AARCH64_CALL26, BASE, 0x1_0000_0000_0000, 0, 0), Err(fault::OUT_OF_RANGE));
    assert_eq!(one(LITTLE, R_AARCH64_CALL26, BASE, 0xfffe_ffff_ffff_fffc, 0, 0), Err(fault::OUT_OF_RANGE));
}

#[test]
fn one_veneer_for_one_target() {
    let mut m = Module::<Arch>::new();
    let text = m.section(".text", BASE, &[0; 24]);
    let other = m.section(".text.other", BASE + 0x100, &[0; 8]);
    m.synthetic_at(BASE + 0x200);
    let (far, near) = (m.symbol("far", BASE + 0x1000_0000), m.symbol("near", BASE + 0x1000));
    let label = m.label(text, 20);
    for (i, (symbol, addend)) in [(far, 0), (far, 8), (near, 0), (label, 0), (far, 0), (far, 8)].into_iter().enumerate()
    {
        m.relocate(text, 4 * i as u64, R_AARCH64_JUMP26, symbol, addend);
    }
    m.relocate(other, 0, R_AARCH64_CALL26, far, 0);
    m.relocate(other, 4, R_AARCH64_PLT32, far, 8);
    let out = m.link().unwrap();
    // far, near, far + 8
    assert_eq!(out.synthetic[0].contents.len(), 48);
    assert_eq!(words(order::LITTLE, out.section(text)), [0x80, 0x87, 0x3fe, 2, 0x7c, 0x83]);
    // What a word of data can say itself needs no veneer.
    assert_eq!(words(order::LITTLE, out.section(other)), [0x40, 0x0fff_ff04]);
    let veneers = words(order::LITTLE, &out.synthetic[0].contents);
    assert_eq!((veneers[0], veneers[4], veneers[9]), (0x9008_0010, 0, 0x9100_2210));
}

#[test]
fn branches_use_a_veneer_only_beyond_their_reach() {
    for (x, direct) in [(0x7ff_fffc, true), (0x800_0000, false), (-0x800_0000, true), (-0x800_0004, false)] {
        for kind in [R_AARCH64_CALL26, R_AARCH64_JUMP26] {
            let mut m = Module::<Arch>::new();
            let text = m.section(".text", BASE, &[0xff; 4]);
            m.synthetic_at(BASE + 16);
            let s = m.symbol("s", BASE.wrapping_add_signed(x));
            m.relocate(text, 0, kind, s, 0);
            let out = m.link().unwrap();
            let expected = if direct { x >> 2 & 0x3ff_ffff } else { 4 };
            assert_eq!(words(order::LITTLE, out.section(text)), [0xfc00_0000 | expected as u32], "{x:#x}");
            assert_eq!(out.synthetic[0].contents.iter().all(|b| *b == 0), direct);
        }
    }
    // PLT32 reaches 2 GiB.
    for (x, after) in [(0x7fff_ffff, 0x7fff_ffff), (0x8000_0000, 16), (-0x8000_0001, 16)] {
        let mut m = Module::<Arch>::new();
        let text = m.section(".data", BASE, &[0; 4]);
        m.synthetic_at(BASE + 16);
        let s = m.symbol("s", BASE.wrapping_add_signed(x));
        m.relocate(text, 0, R_AARCH64_PLT32, s, 0);
        assert_eq!(words(order::LITTLE, m.link().unwrap().section(text)), [after]);
    }
}

#[test]
fn a_veneer_can_be_missing_or_too_far() {
    let mut m = Module::<Arch>::new();
    let text = m.section(".text", BASE, &[0; 4]);
    let label = m.label(text, 0x1000_0000);
    m.relocate(text, 0, R_AARCH64_CALL26, label, 0);
    assert_eq!(faults(m), [fault::OUT_OF_RANGE]);
    let mut m = Module::<Arch>::new();
    let text = m.section(".text", BASE, &[0; 4]);
    m.synthetic_at(BASE + 0x1000_0000);
    let far = m.symbol("far", BASE + 0x2000_0000);
    m.relocate(text, 0, R_AARCH64_CALL26, far, 0);
    assert_eq!(faults(m), [fault::OUT_OF_RANGE]);
    // A veneer would go to where no instruction is.
    assert_eq!(one(LITTLE, R_AARCH64_CALL26, BASE, BASE + 0x1000_0002, 0, 0), Err(fault::OUT_OF_RANGE));
}

/// As ld.lld 22: `b` and `bl` to the next instruction (GNU ld 2.40: `nop`).
#[test]
fn calls_to_nobody_go_on() {
    let mut m = Module::<Arch>::new();
    let text = m.section(".text", BASE, &[0, 0, 0, 0x94, 0, 0, 0, 0x14, 0, 0, 0, 0, 0, 0, 0, 0]);
    let flags = symbol_flag::UNDEFINED | symbol_flag::WEAK;
    let weak = m.raw_symbol(Symbol { info: 0x20, flags, ..Default::default() }, "weak", 0);
    m.relocate(text, 0, R_AARCH64_CALL26, weak, 0);
    m.relocate(text, 4, R_AARCH64_JUMP26, weak, 0);
    m.relocate(text, 8, R_AARCH64_ABS64, weak, 0);
    let out = m.link().unwrap();
    assert_eq!(words(order::LITTLE, out.section(text)), [0x9400_0001, 0x1400_0001, 0, 0]);
    // One that somebody defines is like any other.
    let mut m = Module::<Arch>::new();
    let text = m.section(".text", BASE, &[0, 0, 0, 0x94]);
    let weak = m.raw_symbol(Symbol { info: 0x20, flags, ..Default::default() }, "weak", BASE + 0x100);
    m.relocate(text, 0, R_AARCH64_CALL26, weak, 0);
    assert_eq!(words(order::LITTLE, m.link().unwrap().section(text)), [0x9400_0040]);
}

const ADRP_X3: [u8; 4] = [0x03, 0, 0, 0x90];

/// A page with an `adrp x3` in its last word but one. The words are as llvm-mc assembles what is said beside them.
fn erratum(input: u64, target: u64, kind: u32) -> Linked {
    let mut m = Module::<Arch>::new();
    m.input("erratum_843419", input);
    let mut page = vec![0; 0x1000];
    page[0xff8..0xffc].copy_from_slice(&ADRP_X3);
    let text = m.section(".text", BASE, &page);
    m.synthetic_at(BASE + 0x2000);
    let s = m.symbol("s", target);
    m.relocate(text, 0xff8, kind, s, 0);
    m.link().unwrap()
}

#[test]
fn erratum_843419_is_mended_where_asked() {
    for kind in [R_AARCH64_ADR_PREL_PG_HI21, R_AARCH64_ADR_PREL_PG_HI21_NC] {
        let place = |out: &Linked| words(order::LITTLE, out.section(1))[0xff8 / 4];
        // adrp x3, +0x5000 as long as nobody asks.
        let out = erratum(0, BASE + 0x5678, kind);
        assert_eq!((place(&out), out.synthetic.len()), (0xb000_0023, 0));
        // adr x3, BASE + 0x5000: 0x4008 away.
        let out = erratum(1, BASE + 0x5678, kind);
        assert_eq!((place(&out), out.synthetic[0].contents.len()), (0x1002_0043, 16));
        // The last page that adr reaches, and the next: b BASE + 0x2000; adrp x3; b BASE + 0xffc.
        let out = erratum(1, BASE + 0x10_0fff, kind);
        assert_eq!(place(&out), 0x107f_8043);
        let out = erratum(1, BASE + 0x10_1000, kind);
        assert_eq!(place(&out), 0x1400_0402);
        assert_eq!(words(order::LITTLE, &out.synthetic[0].contents), [0xf000_07e3, 0x17ff_fbfe, 0, 0]);
        assert_eq!(out.alignments, []);
    }
    // The GOT is reached by adrp, too: its page is BASE + 0x2000, next to the reserved veneer.
    let out = erratum(1, BASE, R_AARCH64_ADR_GOT_PAGE);
    assert_eq!(words(order::LITTLE, out.section(1))[0xff8 / 4], 0x1000_8043);
}

#[test]
fn alignment_keeps_adrp_from_the_end_of_a_page() {
    for offset in (0..0x3000).step_by(4) {
        match safe_alignment(offset) {
            None => assert!(forbidden(offset)),
            Some(align) => {
                assert!(align <= 4096 && (0..4096 / align).all(|i| !forbidden(i * align + offset)), "{offset:#x}");
                assert!(align == 16 || (0..8192 / align).any(|i| forbidden(i * (align / 2) + offset)), "{offset:#x}");
            }
        }
    }
    let mut m = Module::<Arch>::new();
    m.input("erratum_843419", 1);
    let text = m.section(".text", BASE + 0xf00, &ADRP_X3.repeat(64));
    let s = m.symbol("s", BASE + 0x1000_0000);
    for offset in [0x38, 0xf8, 0x0] {
        m.relocate(text, offset, R_AARCH64_ADR_PREL_PG_HI21, s, 0);
    }
    // 0xf8 needs address bit 8 to be clear, which BASE + 0xf00 has not: no veneer was planned for it.
    assert_eq!(faults(m), [fault::OTHER]);
    let mut m = Module::<Arch>::new();
    m.input("erratum_843419", 1);
    let text = m.section(".text", BASE + 0xe00, &ADRP_X3.repeat(64));
    let s = m.symbol("s", BASE + 0x1000_0000);
    for offset in [0x38, 0xf8, 0x0] {
        m.relocate(text, offset, R_AARCH64_ADR_PREL_PG_HI21, s, 0);
    }
    let out = m.link().unwrap();
    let raised: Vec<_> = out.alignments.iter().map(|a| (a.section, a.align)).collect();
    assert_eq!((raised, out.synthetic.len()), (vec![(text, 512)], 0));
}

#[test]
fn hostile_input_is_answered() {
    let mut m = Module::<Arch>::new();
    let text = m.section(".text", BASE, &[0; 8]);
    m.input("erratum_843419", u64::MAX);
    let s = m.symbol("s", u64::MAX);
    let kinds: Vec<_> = Arch::ABOUT.rows.iter().filter(|r| r.width != 0).map(|r| r.kind).collect();
    let mut expected = Vec::new();
    for kind in kinds {
        for offset in [9 - width(kind) as u64, 8, 0x1_0000_0000, 0x7fff_ffff_ffff_ffff, u64::MAX, u64::MAX - 3] {
            m.relocate(text, offset, kind, s, 0);
            expected.push(fault::OUTSIDE);
        }
        for symbol in [77, u32::MAX] {
            m.relocate(text, 0, kind, symbol, i64::MIN);
            expected.push(fault::BAD_SYMBOL);
        }
    }
    for (kind, why) in [(255, fault::UNKNOWN_TYPE), (u32::MAX, fault::UNKNOWN_TYPE), (560, fault::REJECTED)] {
        m.relocate(text, 0, kind, s, 0);
        expected.push(why);
    }
    m.relocate(text, u64::MAX, R_AARCH64_NONE, s, 0);
    m.relocate(text, u64::MAX, R_AARCH64_NULL, s, 0);
    assert_eq!(faults(m), expected);
}

#[test]
fn addends_are_explicit() {
    let mut m = Module::<Arch>::new().in_place();
    let text = m.section(".text", BASE, &[0; 8]);
    let s = m.symbol("s", BASE);
    m.relocate(text, 0, R_AARCH64_ABS64, s, 0);
    assert_eq!(faults(m), [fault::ADDEND_FORM]);
}

/// AAELF64 2025Q4 leaves no other code unexplained.
#[test]
fn every_code_of_the_psabi_is_named() {
    let mut kinds: Vec<_> = Arch::ABOUT.every_row().map(|r| r.kind).collect();
    kinds.sort_unstable();
    let all = [0..=0, 256..=280, 282..=293, 299..=317, 512..=573, 580..=597, 1024..=1032, 1041..=1044];
    assert_eq!(kinds, all.into_iter().flatten().collect::<Vec<_>>());
}
