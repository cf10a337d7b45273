//! The interface between the fuzzing loop and a guest with its type of input.

use super::instrument::Instrumented;
use libafl::inputs::Input;
use libafl_bolts::HasLen;
use relobox_core::rng::Rng;

/// A possible defect, which has not been reproduced yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspicion {
    /// The name of the oracle, which never changes.
    pub oracle: &'static str,
    /// The topic, such as a row or a trap. Suspicions of the same oracle with the same topic are one finding.
    pub about: String,
    /// True if oracle and topic identify the finding; otherwise [`FuzzTarget::signature`] is used as well.
    pub exact: bool,
    /// A description of what happened.
    pub detail: String,
    /// The fuel bound that was exceeded. A replay uses the same bound.
    pub bound: Option<u64>,
}

/// The coverage maps of one execution.
pub struct Coverage<'a> {
    /// The hit count of each edge.
    pub edges: &'a mut [u8],
    /// For each comparison, the largest number of leading zeros in the difference of its operands.
    pub comparisons: &'a mut [u8],
}

/// A guest that can be fuzzed.
pub trait FuzzTarget {
    /// The type of inputs. The length of an input is the number of its records.
    type Input: Input + HasLen;

    /// Returns the name of the guest.
    fn name(&self) -> &str;

    /// Returns the instrumented guest.
    fn instrumentation(&self) -> &Instrumented;

    /// Returns the number of edge counters and of comparison bytes.
    fn map_sizes(&self) -> (usize, usize) {
        let Instrumented { edges, comparisons, .. } = self.instrumentation();
        (*edges, *comparisons)
    }

    /// Runs the instrumented guest, fills the coverage maps, and applies the oracles that need a single run.
    fn execute(&self, input: &Self::Input, coverage: Coverage<'_>) -> Option<Suspicion>;

    /// Applies the oracles that need several runs. It is called for inputs with new coverage.
    fn examine(&self, input: &Self::Input) -> Option<Suspicion>;

    /// Applies all oracles, or only `oracle`, to the original guest.
    fn reproduce(&self, input: &Self::Input, oracle: Option<&str>) -> Option<Suspicion>;

    /// Returns text that distinguishes findings with the same oracle and topic, for a minimised input.
    fn signature(&self, input: &Self::Input) -> String;

    /// Describes the signature for the report, or returns an empty string.
    fn describe_signature(&self, _: &Self::Input) -> String {
        String::new()
    }

    /// Mutates an input; `other` is another input of the corpus to splice with.
    fn mutate(&self, input: &mut Self::Input, other: Option<&Self::Input>, rng: &mut Rng);

    /// Returns inputs to begin with when the corpus is empty.
    fn seeds(&self) -> Vec<Self::Input>;

    /// Returns the smallest input found for which `still` is true; it must be true for `input`.
    fn minimise(&self, input: &Self::Input, still: &mut dyn FnMut(&Self::Input) -> bool) -> Self::Input;

    /// Formats an input as the text of a file, with `remarks` as comments.
    fn write(&self, input: &Self::Input, remarks: &[String]) -> String;

    /// Parses an input from the text of a file.
    ///
    /// # Errors
    ///
    /// A description of the syntax error.
    fn read(&self, text: &str) -> Result<Self::Input, String>;
}
