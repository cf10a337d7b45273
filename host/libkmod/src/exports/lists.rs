//! Lists.

use crate::c::exported;
use crate::handles::Handle;
use crate::list;

exported! {
    /// The last entry.
    fn kmod_list_last(list: Handle) -> Handle { list::last(list) } else Handle::NULL;

    /// The entry after `current`.
    fn kmod_list_next(list: Handle, current: Handle) -> Handle { list::next(list, current) } else Handle::NULL;

    /// The entry before `current`.
    fn kmod_list_prev(list: Handle, current: Handle) -> Handle { list::previous(list, current) } else Handle::NULL;
}
