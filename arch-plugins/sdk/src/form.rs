//! What is the same for all relocations of a group, and settled before them: byte order, class, where addends are.
//!
//! The code of a table is made for the first machine of an architecture, with all of this as constants, and at most once
//! more, for its other machines and the other place of addends. A copy for each would be quick everywhere, and large.

use crate::{About, Cx};
use relobox_abi::{group_flag, order};

/// What a group has, or, as [`Form::varying`] gives it, what is not always the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// Data is big-endian.
    pub big: bool,
    /// The class is 32: values are cut.
    pub narrow: bool,
    /// Addends are in place.
    pub in_place: bool,
}

impl Form {
    /// That of the group at hand.
    #[must_use]
    pub fn of<T>(cx: &Cx<'_, T>) -> Self {
        let in_place = cx.group.flags & group_flag::IN_PLACE != 0;
        Self { big: cx.job.big_endian(), narrow: cx.job.header.class == 32, in_place }
    }

    /// That of the first machine; in place, if addends may be there.
    #[must_use]
    pub const fn first(about: &About, addends: &[bool]) -> Self {
        let m = &about.machines[0];
        Self { big: m.order == order::BIG, narrow: m.class == 32, in_place: addends[addends.len() - 1] }
    }

    /// What groups of this architecture have in different ways.
    #[must_use]
    pub const fn varying(about: &About, addends: &[bool]) -> Self {
        let first = Self::first(about, addends);
        let mut varying = Self { big: false, narrow: false, in_place: addends.len() > 1 };
        let mut i = 1;
        while i < about.machines.len() {
            let m = &about.machines[i];
            varying.big |= (m.order == order::BIG) != first.big;
            varying.narrow |= (m.class == 32) != first.narrow;
            i += 1;
        }
        varying
    }

    /// Whether anything varies.
    #[must_use]
    pub const fn any(self) -> bool {
        self.big | self.narrow | self.in_place
    }

    /// `have` where it varies, so that the rest stays a constant.
    #[inline(always)]
    #[must_use]
    pub const fn where_varying(self, varying: Self, have: Self) -> Self {
        Self {
            big: if varying.big { have.big } else { self.big },
            narrow: if varying.narrow { have.narrow } else { self.narrow },
            in_place: if varying.in_place { have.in_place } else { self.in_place },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use relobox_abi::Machine;

    const fn machine(class: u8, order: u8) -> Machine {
        let (flags_mask, flags_value, reserved) = (0, 0, 0);
        Machine { machine: 1, class, order, flags_mask, flags_value, reserved, base: 0, kernel: 0, reach: 0 }
    }

    const fn about(machines: &'static [Machine]) -> About {
        About {
            name: "",
            title: "",
            psabi: "",
            machines,
            kind_mask: 0,
            inputs: &[],
            rows: &[],
            refused: &[],
            remade: &[],
            details: &[],
        }
    }

    #[test]
    fn what_varies_is_asked_and_the_rest_is_constant() {
        const LITTLE32: Machine = machine(32, order::LITTLE);
        const ONE: About = about(&[LITTLE32]);
        assert_eq!(Form::first(&ONE, &[false]), Form { big: false, narrow: true, in_place: false });
        assert!(!Form::varying(&ONE, &[true]).any());
        const TWO: About = about(&[LITTLE32, machine(32, order::BIG)]);
        let (first, varying) = (Form::first(&TWO, &[false, true]), Form::varying(&TWO, &[false, true]));
        assert_eq!(first, Form { big: false, narrow: true, in_place: true });
        assert_eq!(varying, Form { big: true, narrow: false, in_place: true });
        let have = Form { big: true, narrow: false, in_place: false };
        assert_eq!(first.where_varying(varying, have), Form { big: true, narrow: true, in_place: false });
        const CLASSES: About = about(&[machine(64, order::BIG), machine(32, order::BIG)]);
        assert_eq!(Form::varying(&CLASSES, &[false]), Form { big: false, narrow: true, in_place: false });
    }
}
