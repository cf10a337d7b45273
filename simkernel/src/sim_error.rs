//! The reasons for which the kernel refuses a request.

use crate::wire::choice;

choice! {
    /// The reason for which the kernel refused a request. Nothing has changed, unless a variant says otherwise.
    #[derive(thiserror::Error)]
    pub enum SimError {
        /// The message cannot be parsed.
        #[error("the kernel could not read the request: {what} at byte {at}")]
        0 = Malformed { /** What is wrong. */ what: String, /** Where. */ at: u32 },
        /// A limit was exceeded.
        #[error("too many {what}: {asked}; the limit is {limit}")]
        1 = TooMany { /** Of what. */ what: String, /** Limit. */ limit: u64, /** Asked for. */ asked: u64 },
        /// There is no free range of this size.
        #[error("no space for {size} bytes aligned to {align}")]
        2 = NoSpace { /** Bytes. */ size: u64, /** Alignment. */ align: u64 },
        /// The size is zero, or the alignment is not a power of two or is too large.
        #[error(
            "an area of {size} bytes aligned to {align} is not possible: the size must be at least 1, the alignment a \
             power of two up to 2 MiB"
        )]
        3 = BadArea { /** Bytes. */ size: u64, /** Alignment. */ align: u64 },
        /// The range is not within an area of the connection.
        #[error("{address:#x}, {size} bytes long, is not within one area of this connection")]
        4 = NotOwned { /** First byte. */ address: u64, /** Bytes. */ size: u64 },
        /// The area is no longer writable.
        #[error("the area at {address:#x} is protected and cannot be changed")]
        5 = Protected { /** The area. */ address: u64 },
        /// The protection of an area can only change once, from read-write to another one.
        #[error("the area at {address:#x} cannot become writable again")]
        6 = NeverWritable { /** The area. */ address: u64 },
        /// The address is not in an executable area.
        #[error("{what} at {address:#x} is not in an executable area of the module")]
        7 = NotExecutable { /** Which function. */ what: String, /** Where. */ address: u64 },
        /// A name is empty, too long, or contains an invalid byte.
        #[error("'{name}' is not a possible name of a {what}")]
        8 = BadName { /** Of what. */ what: String, /** The name, shortened. */ name: String },
        /// A module of this name exists.
        #[error("module '{name}' is already loaded")]
        9 = Exists { /** The name. */ name: String },
        /// There is no such module.
        #[error("there is no module '{name}'")]
        10 = Unknown { /** The name. */ name: String },
        /// A module to be used is just being loaded or removed.
        #[error("module '{name}' is not live")]
        11 = NotLive { /** The name. */ name: String },
        /// A module to be used is not loaded.
        #[error("module '{name}' needs '{needed}', which is not loaded")]
        12 = NeedsMissing { /** The name. */ name: String, /** What it needs. */ needed: String },
        /// The module is in use.
        #[error("module '{name}' is in use by {}", users.join(", "))]
        13 = InUse { /** The name. */ name: String, /** By whom. */ users: Vec<String> },
        /// The module has an init function but no exit function.
        #[error("module '{name}' has no exit function and cannot be removed")]
        14 = Permanent { /** The name. */ name: String },
        /// Init returned a negative number. The module's areas were freed.
        #[error("init of module '{name}' failed with {errno}; nothing of it was kept")]
        15 = InitFailed { /** The name. */ name: String, /** What it returned. */ errno: i32 },
        /// The setter of a parameter returned a negative number. The module's areas were freed.
        #[error("module '{name}' refused the argument '{argument}' with {errno}; nothing of it was kept")]
        16 = BadArgument { /** The name. */ name: String, /** Which. */ argument: String, /** Result. */ errno: i32 },
        /// The parameter table is malformed.
        #[error("the parameter table of module '{name}' is broken: {what}")]
        17 = BadParams { /** The name. */ name: String, /** What is wrong. */ what: String },
        /// The kernel or another module exports the symbol already.
        #[error("module '{name}' exports '{symbol}', which {owner} exports already")]
        18 = DuplicateExport {
            /** The name. */
            name: String,
            /** The symbol. */
            symbol: String,
            /** The module that exports it already, or the kernel. */
            owner: String,
        },
        /// A part of the module lies outside of the areas that it keeps after init.
        #[error("{what} of module '{name}' at {address:#x} is not in memory that the module keeps")]
        19 = Outside { /** The name. */ name: String, /** What. */ what: String, /** Where. */ address: u64 },
        /// An area occurs twice.
        #[error("the area at {address:#x} is named twice")]
        20 = Twice { /** The area. */ address: u64 },
        /// There is no snapshot, or the offset is behind its end.
        #[error("there is nothing to read at {offset}")]
        21 = NothingToRead { /** From where. */ offset: u64 },
        /// A system call failed.
        #[error("the operating system refused to {what}: error {errno}")]
        22 = System { /** What. */ what: String, /** Its error. */ errno: i32 },
        /// A module to be used was loaded after this connection's last list.
        #[error("module '{name}' uses '{used}', which was loaded after this connection listed the modules")]
        23 = Stale { /** The name. */ name: String, /** What it uses. */ used: String },
    }
}
