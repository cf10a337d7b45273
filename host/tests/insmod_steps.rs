//! The library's insmod over a kernel in which something happens between its primitives.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod test_env;

use relobox::cache::Cache;
use relobox::guests::Guests;
use relobox::inserted::Inserted;
use relobox::insmod::insmod;
use relobox::kernel::{Kernel, KernelError, Listing, Load, Loaded, Protection, Request};
use relobox::kernels::sim::Sim;
use relobox::link::load;
use relobox::open::Source;
use relobox::sandbox::Sandbox;
use relobox::{Error, Result};
use test_env::{TestEnv, cache};

/// The simulated kernel, with `before` called before each primitive: with its number and its
/// name. If that fails, so does the primitive.
struct Watched<'a> {
    sim: Sim,
    steps: usize,
    before: &'a mut dyn FnMut(usize, &str) -> Result<(), KernelError>,
}

impl Watched<'_> {
    fn step(&mut self, name: &str) -> Result<(), KernelError> {
        self.steps += 1;
        (self.before)(self.steps, name)
    }
}

impl Kernel for Watched<'_> {
    fn list(&mut self, wanted: Option<&[&[u8]]>) -> Result<Listing, KernelError> {
        self.step("list").and_then(|()| self.sim.list(wanted))
    }
    fn allocate(&mut self, areas: &[Request]) -> Result<Vec<u64>, KernelError> {
        self.step("allocate").and_then(|()| self.sim.allocate(areas))
    }
    fn put(&mut self, address: u64, bytes: &[u8]) -> Result<(), KernelError> {
        self.step("put").and_then(|()| self.sim.put(address, bytes))
    }
    fn protect(&mut self, area: u64, protection: Protection) -> Result<(), KernelError> {
        self.step("protect").and_then(|()| self.sim.protect(area, protection))
    }
    fn load(&mut self, load: &Load) -> Result<Loaded, KernelError> {
        self.step("load").and_then(|()| self.sim.load(load))
    }
    fn remove(&mut self, name: &str) -> Result<(), KernelError> {
        self.step("remove").and_then(|()| self.sim.remove(name))
    }
}

fn guests() -> Guests {
    Guests::new(Sandbox::new(Cache::open_dir(&cache())).unwrap(), &[]).unwrap()
}

fn insert(w: &TestEnv, name: &str, before: &mut dyn FnMut(usize, &str) -> Result<(), KernelError>) -> Result<Inserted> {
    let guests = guests();
    let source = Source::open(&w.directory.join(name).with_extension("ko"))?;
    let module = load(&guests, name, source)?;
    let mut kernel = Watched { sim: Sim::connect(&w.socket).unwrap(), steps: 0, before };
    insmod(&guests, &mut kernel, module, "", &[])
}

fn kind(result: Result<Inserted>) -> &'static str {
    match result {
        Err(Error::Kernel(problem)) => problem.kind,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_kernel_that_refuses_at_any_step_holds_nothing_afterwards() {
    let w = TestEnv::new();
    w.sample("math_provider");
    w.succeed("sim", &["start"]);
    let mut seen = Vec::new();
    insert(&w, "math_provider", &mut |_, name| {
        seen.push(name.to_owned());
        Ok(())
    })
    .unwrap();
    w.succeed("rmmod", &["math_provider"]);
    assert_eq!(seen[..2], ["list", "allocate"]);
    assert_eq!(seen.last().unwrap(), "load");
    // Everything has arrived before anything is executable.
    let (puts, protects) = (seen.iter().rposition(|s| s == "put"), seen.iter().position(|s| s == "protect"));
    assert!(puts.is_some() && puts < protects, "{seen:?}");
    for n in 1..=seen.len() {
        let refuse = &mut |step, _: &str| if step == n { Err(KernelError::Refused("no".into())) } else { Ok(()) };
        assert_eq!(kind(insert(&w, "math_provider", refuse)), "refused", "step {n}");
        w.assert_empty();
    }
}

#[test]
fn a_module_that_is_loaded_anew_in_between_is_not_used_at_its_old_addresses() {
    let w = TestEnv::new();
    w.samples(&["math_provider", "math_user", "hello"]);
    w.succeed("insmod", &["math_provider.ko"]);
    let stale = insert(&w, "math_user", &mut |_, name| {
        if name == "allocate" {
            w.succeed("rmmod", &["math_provider"]);
            // Takes the place where it was.
            w.succeed("insmod", &["hello.ko"]);
            w.succeed("insmod", &["math_provider.ko"]);
        }
        Ok(())
    });
    assert_eq!(kind(stale), "stale");
    // Something unrelated in between does no harm.
    let inserted = insert(&w, "math_user", &mut |_, name| {
        if name == "allocate" {
            w.succeed("rmmod", &["hello"]);
            w.succeed("insmod", &["hello.ko"]);
        }
        Ok(())
    });
    assert_eq!(inserted.unwrap().uses, ["math_provider"]);
    assert!(w.log().contains(&"math_user: 40 + 2 = 42, 6 * 7 = 42, 2 calls".to_owned()));
}

#[test]
fn a_module_that_goes_in_between_is_missed() {
    let w = TestEnv::new();
    w.samples(&["math_provider", "math_user"]);
    w.succeed("insmod", &["math_provider.ko"]);
    let missing = insert(&w, "math_user", &mut |_, name| {
        if name == "load" {
            w.succeed("rmmod", &["math_provider"]);
        }
        Ok(())
    });
    assert_eq!(kind(missing), "missing-module");
    w.assert_empty();
}
