//! What is fuzzed: a guest, with its kind of input.

use libafl::inputs::Input;
use libafl_bolts::HasLen;
use relobox_core::rng::Rng;

/// Something that looks wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspicion {
    /// Which oracle says so: a stable word.
    pub oracle: &'static str,
    /// What it is about: a row, a trap. Findings of one oracle about one thing are one finding.
    pub about: String,
    /// Whether that says everything; otherwise what the smallest input has in it tells findings apart.
    pub exact: bool,
    /// What happened, for people.
    pub detail: String,
    /// The fuel that was enough, where it took more: a replay judges by the same.
    pub bound: Option<u64>,
}

/// What one execution has touched.
pub struct Coverage<'a> {
    /// How often each edge was taken.
    pub edges: &'a mut [u8],
    /// How close the sides of each comparison came.
    pub comparisons: &'a mut [u8],
}

/// A guest that can be fuzzed.
pub trait FuzzTarget {
    /// What it is given. Its length is the number of its records.
    type Input: Input + HasLen;

    /// The guest's name.
    fn name(&self) -> &str;

    /// How many edges and how many comparisons it counts.
    fn map_sizes(&self) -> (usize, usize);

    /// Runs the counting guest, and says what the cheap oracles see.
    fn execute(&self, input: &Self::Input, coverage: Coverage<'_>) -> Option<Suspicion>;

    /// Asks the oracles that take several executions. For inputs that are new in some way.
    fn examine(&self, input: &Self::Input) -> Option<Suspicion>;

    /// Asks all oracles about the original guest; with `oracle`, only that one.
    fn reproduce(&self, input: &Self::Input, oracle: Option<&str>) -> Option<Suspicion>;

    /// What tells apart two findings that are about the same thing, of a small input.
    fn signature(&self, input: &Self::Input) -> String;

    /// The same for people, if it says anything to them.
    fn describe_signature(&self, _: &Self::Input) -> String {
        String::new()
    }

    /// Changes an input; `other` is another one of the corpus.
    fn mutate(&self, input: &mut Self::Input, other: Option<&Self::Input>, rng: &mut Rng);

    /// Inputs to begin with, from what the guest says of itself.
    fn seeds(&self) -> Vec<Self::Input>;

    /// The simplest input of which `still` holds; it holds of this one.
    fn minimise(&self, input: &Self::Input, still: &mut dyn FnMut(&Self::Input) -> bool) -> Self::Input;

    /// An input as the text of a file. `remarks` are lines for people.
    fn write(&self, input: &Self::Input, remarks: &[String]) -> String;

    /// An input from a file's text.
    fn read(&self, text: &str) -> Result<Self::Input, String>;
}
