//! The types that LibAFL keeps with a campaign. It can register all of its own by constructors that run before `main`, in
//! every command; these few are registered when a campaign begins.

use libafl::feedbacks::MapFeedbackMetadata;
use libafl::stages::RetryCountRestartHelper;
use std::sync::Once;

/// Registers them, once in a process. A campaign calls it before it makes any of them.
#[allow(unsafe_code, reason = "LibAFL's registry has no lock")]
pub(crate) fn register() {
    static ONCE: Once = Once::new();
    // SAFETY: nobody registers anything elsewhere, and who reads the registry has waited for this.
    ONCE.call_once(|| unsafe {
        MapFeedbackMetadata::<u8>::register();
        RetryCountRestartHelper::register();
    });
}
