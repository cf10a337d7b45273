//! Arithmetic of the psABIs: modulo 2^64, signed when a range is asked for.

use core::ops::{Add, BitAnd, Neg, Shl, Shr, Sub};

/// An address, an addend or their sum. All operators wrap; `>>` keeps the sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Value(pub i64);

impl Value {
    /// The same, from an address.
    #[inline(always)]
    #[must_use]
    pub const fn of(address: u64) -> Self {
        Self(address as i64)
    }

    /// The same, as an address.
    #[inline(always)]
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0 as u64
    }

    /// The low 32 bits, sign-extended: what arithmetic of a 32-bit ABI leaves.
    #[inline(always)]
    #[must_use]
    pub const fn narrow(self) -> Self {
        Self(self.0 as i32 as i64)
    }

    /// The low `bits` bits, sign-extended. `bits` is 1 to 64.
    #[inline(always)]
    #[must_use]
    pub const fn sign_extend(self, bits: u32) -> Self {
        Self(self.0 << (64 - bits) >> (64 - bits))
    }
}

macro_rules! operators {
    ($($trait:ident $method:ident $wrapping:ident;)*) => {$(
        impl $trait for Value {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self { Self(self.0.$wrapping(other.0)) }
        }
        impl $trait<i64> for Value {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: i64) -> Self { Self(self.0.$wrapping(other)) }
        }
    )*};
}
operators! { Add add wrapping_add; Sub sub wrapping_sub; }

impl BitAnd<i64> for Value {
    type Output = Self;
    #[inline(always)]
    fn bitand(self, mask: i64) -> Self {
        Self(self.0 & mask)
    }
}

impl Shr<u32> for Value {
    type Output = Self;
    #[inline(always)]
    fn shr(self, bits: u32) -> Self {
        Self(self.0 >> bits)
    }
}

impl Shl<u32> for Value {
    type Output = Self;
    #[inline(always)]
    fn shl(self, bits: u32) -> Self {
        Self(self.0 << bits)
    }
}

impl Neg for Value {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self(self.0.wrapping_neg())
    }
}

/// The address of the page of 4 KiB that `x` lies in, whatever pages the kernel uses.
#[inline(always)]
#[must_use]
pub const fn page(x: Value) -> Value {
    Value(x.0 & !0xfff)
}

/// The low twelve bits, which [`page`] leaves out.
#[inline(always)]
#[must_use]
pub const fn lo12(x: Value) -> Value {
    Value(x.0 & 0xfff)
}

/// `x` rounded for a low half of `bits` bits that has a sign: what the instruction with the high half must hold. Rows
/// say `high N` instead; this is for stubs.
#[inline(always)]
#[must_use]
pub const fn ha(x: Value, bits: u32) -> Value {
    Value(x.0.wrapping_add(1 << (bits - 1)))
}
