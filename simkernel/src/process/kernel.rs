//! The state of the kernel, and its answers to requests.

use std::collections::{BTreeMap, BTreeSet};

use super::arena::{Arena, PAGE};
use super::call::Call;
use super::exports::{self, Image};
use super::klog;
use super::params::Param;
use crate::limits;
use crate::protocol::{Area, AreaRequest, Export, Listing, Module, Protection, Reply, Request, State, View};
use crate::release::{RELEASE, VERMAGIC};
use crate::sim_error::SimError;
use crate::wire::{Bytes, encode};

/// The number of a connection, which is never used twice.
pub(super) type ConnectionId = u64;

/// The state of a connection.
#[derive(Debug, Default)]
pub(super) struct Holding {
    /// The areas that are not part of a module yet.
    pub(super) areas: BTreeSet<u64>,
    snapshot: Vec<u8>,
    /// The number of modules that had ever been loaded when the connection last listed them.
    pub(super) listed: Option<u64>,
}

/// A module.
#[derive(Debug)]
pub(super) struct Resident {
    pub(super) name: String,
    pub(super) state: State,
    pub(super) areas: Vec<u64>,
    pub(super) uses: Vec<String>,
    pub(super) exports: Vec<Export>,
    pub(super) init: Option<u64>,
    pub(super) exit: Option<u64>,
    /// The address of init. It is dropped together with init text and init data after init has run.
    pub(super) had_init: bool,
    pub(super) params: Vec<Param>,
    /// The number of modules that had ever been loaded before this one.
    pub(super) number: u64,
    /// The connection that loaded it, and so knows its addresses.
    pub(super) loader: ConnectionId,
}

/// The state of the kernel.
#[derive(Debug)]
pub(super) struct Kernel {
    pub(super) arena: Arena,
    pub(super) image: Image,
    pub(super) holdings: BTreeMap<ConnectionId, Holding>,
    /// The modules, oldest first.
    pub(super) modules: Vec<Resident>,
    /// The number of modules that were ever loaded.
    pub(super) loads: u64,
    /// The bytes of the arena that the kernel itself uses. They are not reported as allocated.
    own: u64,
}

impl Kernel {
    /// Makes a kernel without modules.
    pub(super) fn new(mut arena: Arena) -> Result<Kernel, SimError> {
        let image = Image::build(&mut arena)?;
        let own = arena.allocated();
        Ok(Kernel { arena, image, holdings: BTreeMap::new(), modules: Vec::new(), loads: 0, own })
    }

    /// Adds a connection.
    pub(super) fn connect(&mut self, id: ConnectionId) {
        self.holdings.insert(id, Holding::default());
    }

    /// Removes a connection, and frees what it owned.
    pub(super) fn disconnect(&mut self, id: ConnectionId) {
        if let Some(holding) = self.holdings.remove(&id) {
            for area in holding.areas {
                self.arena.free(area);
            }
        }
    }

    /// Answers a request. `client` is the socket to which an oops is reported.
    pub(super) fn answer(&mut self, id: ConnectionId, client: i32, request: Request) -> Reply {
        let done = |result: Result<(), SimError>| result.map(|()| Reply::Done);
        let answer = match request {
            Request::Snapshot { view } => Ok(self.snapshot(id, view)),
            Request::Read { offset } => self.read(id, offset),
            Request::Allocate { areas } => self.allocate(id, &areas).map(|areas| Reply::Areas { areas }),
            Request::Put { address, bytes: Bytes(bytes) } => done(self.put(id, address, &bytes)),
            Request::Protect { address, protection } => {
                done(self.own(id, address).and_then(|()| self.arena.protect(address, protection)))
            }
            Request::Call { address } => self.call(id, client, address).map(|value| Reply::Returned { value }),
            Request::Release { address } => done(self.release(id, address)),
            Request::Load { load } => self.load(id, client, load).map(|loaded| Reply::Loaded { loaded }),
            Request::Remove { name } => done(self.remove(client, &name)),
            Request::PowerOff => Ok(Reply::Done),
        };
        answer.unwrap_or_else(|refusal| Reply::Refused { refusal })
    }

    pub(super) fn holding(&mut self, id: ConnectionId) -> &mut Holding {
        self.holdings.entry(id).or_default()
    }

    /// Checks that the connection owns the area that starts at `address`.
    fn own(&self, id: ConnectionId, address: u64) -> Result<(), SimError> {
        match self.holdings.get(&id) {
            Some(holding) if holding.areas.contains(&address) => Ok(()),
            _ => Err(SimError::NotOwned { address, size: 0 }),
        }
    }

    /// Finds the area of the connection that contains these bytes.
    fn own_range(&self, id: ConnectionId, address: u64, size: u64) -> Result<&Area, SimError> {
        let area = self.arena.holding(address, size).ok_or(SimError::NotOwned { address, size })?;
        self.own(id, area.address).map_err(|_| SimError::NotOwned { address, size })?;
        Ok(area)
    }

    fn allocate(&mut self, id: ConnectionId, wanted: &[AreaRequest]) -> Result<Vec<Area>, SimError> {
        let held = &self.holding(id).areas;
        let count = held.len() + wanted.len();
        too_many("areas of one connection", limits::AREAS_PER_CONNECTION as u64, count as u64)?;
        let held = self.holdings[&id].areas.iter().filter_map(|a| self.arena.area(*a)).map(|a| a.size).sum::<u64>();
        let mut bytes = held;
        for &AreaRequest { size, align } in wanted {
            let rounded = Arena::rounded(size, align).ok_or(SimError::BadArea { size, align })?;
            bytes = bytes.saturating_add(rounded);
        }
        too_many("bytes of one connection", limits::BYTES_PER_CONNECTION, bytes)?;
        let mut granted = Vec::new();
        for area in wanted {
            match self.arena.allocate(area.size, area.align) {
                Ok(area) => granted.push(area),
                Err(refusal) => {
                    granted.iter().for_each(|area: &Area| self.arena.free(area.address));
                    return Err(refusal);
                }
            }
        }
        self.holding(id).areas.extend(granted.iter().map(|area| area.address));
        Ok(granted)
    }

    fn put(&mut self, id: ConnectionId, address: u64, bytes: &[u8]) -> Result<(), SimError> {
        self.own_range(id, address, bytes.len() as u64)?;
        self.arena.write(address, bytes)
    }

    fn release(&mut self, id: ConnectionId, address: u64) -> Result<(), SimError> {
        self.own(id, address)?;
        self.holding(id).areas.remove(&address);
        self.arena.free(address);
        Ok(())
    }

    fn call(&mut self, id: ConnectionId, client: i32, address: u64) -> Result<i32, SimError> {
        if self.own_range(id, address, 1)?.protection != Protection::ReadExecute {
            return Err(SimError::NotExecutable { what: "a function".into(), address });
        }
        let what = format!("a call to {address:#x}");
        Ok(Call { what: &what, client, address }.run(0, 0))
    }

    fn snapshot(&mut self, id: ConnectionId, view: View) -> Reply {
        let picture = match view {
            View::Listing => {
                self.holding(id).listed = Some(self.loads);
                encode(&self.listing())
            }
            View::Log => encode(&klog::lines()),
        };
        let length = picture.len() as u64;
        self.holding(id).snapshot = picture;
        Reply::Length { length }
    }

    /// Reads a piece of the snapshot. The snapshot is freed after its last piece.
    fn read(&mut self, id: ConnectionId, offset: u64) -> Result<Reply, SimError> {
        let holding = self.holding(id);
        let rest = usize::try_from(offset).ok().and_then(|at| holding.snapshot.get(at..)).unwrap_or_default();
        if rest.is_empty() {
            return Err(SimError::NothingToRead { offset });
        }
        let piece = rest[..rest.len().min(limits::CHUNK)].to_vec();
        if piece.len() == rest.len() {
            holding.snapshot = Vec::new();
        }
        Ok(Reply::Contents { bytes: Bytes(piece) })
    }

    fn listing(&self) -> Listing {
        Listing {
            release: RELEASE.into(),
            vermagic: VERMAGIC.into(),
            machine: "x86_64".into(),
            modules: self.modules.iter().map(|module| self.describe(module)).collect(),
            exports: self.image.exports.clone(),
            arena_address: self.arena.base(),
            arena_size: self.arena.size() / PAGE * PAGE,
            allocated: self.arena.allocated() - self.own,
            heap: exports::held(),
        }
    }

    fn describe(&self, module: &Resident) -> Module {
        Module {
            name: module.name.clone(),
            state: module.state,
            areas: module.areas.iter().filter_map(|area| self.arena.area(*area).cloned()).collect(),
            users: self.users(&module.name),
            uses: module.uses.clone(),
            exports: module.exports.clone(),
            init: module.init,
            exit: module.exit,
        }
    }

    /// The users of a module. The use count is their number, so it cannot be wrong.
    pub(super) fn users(&self, name: &str) -> Vec<String> {
        let users = self.modules.iter().filter(|user| user.uses.iter().any(|used| used == name));
        users.map(|user| user.name.clone()).collect()
    }
}

/// Refuses a number that exceeds its limit.
pub(super) fn too_many(what: &str, limit: u64, asked: u64) -> Result<(), SimError> {
    if asked <= limit { Ok(()) } else { Err(SimError::TooMany { what: what.into(), limit, asked }) }
}
