//! Address space. A link reserves much and uses little of it, and a limit (`ulimit -v`) may be too low.

use crate::error::Error;
use crate::limits;
use crate::text::size;
use rustix::process::{Resource, getrlimit};

/// Returns the error for an address space limit of this process that is too low for a link, or `None`.
pub fn short() -> Option<Error> {
    let limit = getrlimit(Resource::As).current.filter(|limit| *limit < limits::LINK_SPACE)?;
    Some(Error::Usage(limited(limit)))
}

/// Returns the error for memory that the kernel did not give to `whom`, with its `reason`. No guest is at fault.
pub fn refused(whom: &str, reason: &str) -> Error {
    let why = match (getrlimit(Resource::As).current, getrlimit(Resource::Data).current) {
        (Some(limit), _) => limited(limit),
        (None, Some(limit)) => format!("the data of this process is limited to {} (ulimit -d)", size(limit)),
        (None, None) => "see vm.overcommit_memory, and the limits of its control group".into(),
    };
    Error::Usage(format!("there is no memory for {whom}: {reason}; {why}"))
}

fn limited(limit: u64) -> String {
    let (limit, needed) = (size(limit), size(limits::LINK_SPACE));
    format!(
        "the address space of this process is limited to {limit} (ulimit -v), and each link takes {needed} of it, \
         most of it only reserved"
    )
}
