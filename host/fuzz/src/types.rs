//! The types that LibAFL serialises with a campaign. By default it would register all of its types by constructors that
//! run before `main` in every command. Instead, the few that are needed are registered when a campaign begins.

use libafl::feedbacks::MapFeedbackMetadata;
use libafl::stages::RetryCountRestartHelper;
use std::sync::Once;

/// Registers the types, once in a process. A campaign calls this before it makes any of them.
#[allow(unsafe_code, reason = "LibAFL's registry has no lock")]
pub(crate) fn register() {
    static ONCE: Once = Once::new();
    // SAFETY: the types are registered nowhere else, and `Once` makes every reader of the registry wait for this.
    ONCE.call_once(|| unsafe {
        MapFeedbackMetadata::<u8>::register();
        RetryCountRestartHelper::register();
    });
}
