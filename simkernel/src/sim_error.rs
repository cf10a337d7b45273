//! Why the kernel did not do what it was asked.

use crate::wire::choice;

choice! {
    /// Why the kernel did not do what it was asked. Unless a variant says otherwise, nothing changed.
    #[derive(thiserror::Error)]
    pub enum SimError {
        /// The message could not be read.
        #[error("the kernel could not read the request: {what} at byte {at}")]
        0 = Malformed { /** What is wrong. */ what: String, /** Where. */ at: u32 },
        /// A limit was passed.
        #[error("too many {what}: {asked} where {limit} are allowed")]
        1 = TooMany { /** Of what. */ what: String, /** Limit. */ limit: u64, /** Asked for. */ asked: u64 },
        /// No space, or none that contiguous.
        #[error("no space for {size} bytes aligned to {align}")]
        2 = NoSpace { /** Bytes. */ size: u64, /** Alignment. */ align: u64 },
        /// A size of zero, or an alignment that is no power of two or too large.
        #[error("an area of {size} bytes aligned to {align} is not possible: the size must be at least 1, the alignment a power of two up to 2 MiB")]
        3 = BadArea { /** Bytes. */ size: u64, /** Alignment. */ align: u64 },
        /// Not in one of the connection's own areas.
        #[error("{address:#x}, {size} bytes long, is not within one area of this connection")]
        4 = NotOwned { /** First byte. */ address: u64, /** Bytes. */ size: u64 },
        /// The area is no longer writable.
        #[error("the area at {address:#x} is protected and cannot be changed")]
        5 = Protected { /** The area. */ address: u64 },
        /// An area's protection can leave read-write only once, and never go back.
        #[error("the area at {address:#x} cannot become writable again")]
        6 = NeverWritable { /** The area. */ address: u64 },
        /// The function is not in an executable area.
        #[error("{what} at {address:#x} is not in an executable area of the module")]
        7 = NotExecutable { /** Which function. */ what: String, /** Where. */ address: u64 },
        /// A name is empty, too long, or has other bytes than names have.
        #[error("'{name}' is not a possible name of a {what}")]
        8 = BadName { /** Of what. */ what: String, /** The name, shortened. */ name: String },
        /// A module of that name exists.
        #[error("module '{name}' is already there")]
        9 = Exists { /** The name. */ name: String },
        /// No such module.
        #[error("there is no module '{name}'")]
        10 = Unknown { /** The name. */ name: String },
        /// A module that should be used is on its way in or out.
        #[error("module '{name}' is not live")]
        11 = NotLive { /** The name. */ name: String },
        /// A module that should be used is not loaded.
        #[error("module '{name}' needs '{needed}', which is not loaded")]
        12 = NeedsMissing { /** The name. */ name: String, /** What it needs. */ needed: String },
        /// A module is in use.
        #[error("module '{name}' is in use by {}", users.join(", "))]
        13 = InUse { /** The name. */ name: String, /** By whom. */ users: Vec<String> },
        /// A module with an init function and without an exit function.
        #[error("module '{name}' has no exit function and cannot be removed")]
        14 = Permanent { /** The name. */ name: String },
        /// Init returned a negative number. The module's areas have been freed.
        #[error("init of module '{name}' failed with {errno}; nothing of it was kept")]
        15 = InitFailed { /** The name. */ name: String, /** What it returned. */ errno: i32 },
        /// A parameter's setter returned a negative number. The module's areas have been freed.
        #[error("module '{name}' refused the argument '{argument}' with {errno}; nothing of it was kept")]
        16 = BadArgument { /** The name. */ name: String, /** Which. */ argument: String, /** Result. */ errno: i32 },
        /// The parameter table does not hold what such a table holds.
        #[error("the parameter table of module '{name}' is broken: {what}")]
        17 = BadParams { /** The name. */ name: String, /** What is wrong. */ what: String },
        /// An exported symbol that the kernel or another module exports already.
        #[error("module '{name}' exports '{symbol}', which {owner} exports already")]
        18 = DuplicateExport { /** The name. */ name: String, /** Symbol. */ symbol: String, /** Who has it. */ owner: String },
        /// Something of a module lies outside what it keeps after init.
        #[error("{what} of module '{name}' at {address:#x} is not in what the module keeps")]
        19 = Outside { /** The name. */ name: String, /** What. */ what: String, /** Where. */ address: u64 },
        /// An area is named twice.
        #[error("the area at {address:#x} is named twice")]
        20 = Twice { /** The area. */ address: u64 },
        /// Read without a snapshot, or past its end.
        #[error("there is nothing to read at {offset}")]
        21 = NothingToRead { /** From where. */ offset: u64 },
        /// The operating system would not do it.
        #[error("the operating system refused to {what}: error {errno}")]
        22 = System { /** What. */ what: String, /** Its error. */ errno: i32 },
        /// A module that is used was loaded by somebody else after this connection last listed.
        #[error("module '{name}' uses '{used}', which was loaded after this connection looked where it is")]
        23 = Stale { /** The name. */ name: String, /** What it uses. */ used: String },
    }
}
