//! Complexity limits: what a guest may give to the compiler.
//!
//! Compiling is expensive: a few bytes of Wasm can ask for a value of each of thousands of locals at each of thousands
//! of branches. So before a guest is compiled, it is validated as a whole, and its parts are counted. The counts, and
//! so the verdict, are the same on every machine. `docs/containment.md` has the cost of the largest guests within the
//! limits.

use relobox_core::limits;
use wasmparser::{
    BinaryReaderError, FuncToValidate, FuncValidatorAllocations, FunctionBody, Operator, Parser, Payload, ValidPayload,
    Validator, ValidatorResources, WasmFeatures,
};

/// Why a guest is not compiled.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ComplexityError {
    /// It exceeds a limit.
    #[error("{is} {what} are too many: at most {limit} are compiled")]
    TooMany {
        /// What was counted.
        what: &'static str,
        /// The count when counting stopped.
        is: u64,
        /// The limit.
        limit: u64,
    },
    /// It is not valid Wasm, or uses a feature that guests may not use.
    #[error("{0}")]
    Invalid(String),
}

impl From<BinaryReaderError> for ComplexityError {
    fn from(error: BinaryReaderError) -> Self {
        Self::Invalid(error.to_string())
    }
}

/// Everything but the guest that the verdict depends on.
pub(crate) const LIMITS: [u64; 14] = [
    limits::GUEST as u64,
    limits::TABLE as u64,
    limits::CODE,
    limits::FUNCTION,
    limits::ENTRIES,
    limits::ELEMENTS,
    limits::PARAMETERS,
    limits::LOCALS,
    limits::DEPTH,
    limits::LOOPS,
    limits::TARGETS,
    limits::PLACES,
    limits::ALL_PLACES,
    limits::MOVES,
];

/// The counts for the whole module so far.
struct Counts {
    /// The factor by which all limits are multiplied.
    scale: u64,
    elements: u64,
    custom: u64,
    places: u64,
    targets: u64,
    moves: u64,
}

/// Checks that a guest is valid and within the complexity limits. For a guest that relobox itself has instrumented,
/// each limit is multiplied by `scale`.
///
/// # Errors
/// A [`ComplexityError`] with the first limit that is exceeded, or why the guest is not valid.
pub fn check_complexity(wasm: &[u8], features: WasmFeatures, scale: u64) -> Result<(), ComplexityError> {
    let mut counts = Counts { scale, elements: 0, custom: 0, places: 0, targets: 0, moves: 0 };
    counts.at_most("bytes", wasm.len() as u64, limits::GUEST as u64)?;
    let mut validator = Validator::new_with_features(features);
    let mut allocations = FuncValidatorAllocations::default();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload?;
        counts.section(&payload)?;
        if let ValidPayload::Func(function, body) = validator.payload(&payload)? {
            allocations = counts.function(function, &body, allocations)?;
        }
    }
    Ok(())
}

impl Counts {
    fn at_most(&self, what: &'static str, is: u64, limit: u64) -> Result<(), ComplexityError> {
        let limit = limit.saturating_mul(self.scale);
        if is > limit { Err(ComplexityError::TooMany { what, is, limit }) } else { Ok(()) }
    }

    /// Counts a section before it is validated, since validation takes time and memory for each entry.
    fn section(&mut self, payload: &Payload<'_>) -> Result<(), ComplexityError> {
        let entries = |what, count: u32| self.at_most(what, count.into(), limits::ENTRIES);
        match payload {
            Payload::TypeSection(types) => {
                entries("types", types.count())?;
                for ty in types.clone().into_iter_err_on_gc_types() {
                    self.at_most("parameters of a function", ty?.params().len() as u64, limits::PARAMETERS)?;
                }
            }
            Payload::ImportSection(imports) => entries("imports", imports.count())?,
            Payload::FunctionSection(functions) => entries("functions", functions.count())?,
            Payload::TableSection(tables) => {
                entries("tables", tables.count())?;
                for table in tables.clone() {
                    self.at_most("entries of a table", table?.ty.initial, limits::TABLE as u64)?;
                }
            }
            Payload::GlobalSection(globals) => entries("globals", globals.count())?,
            Payload::ExportSection(exports) => entries("exports", exports.count())?,
            Payload::ElementSection(elements) => {
                entries("element segments", elements.count())?;
                for element in elements.clone() {
                    // An entry of a segment takes at least one byte.
                    self.elements += element?.range.len() as u64;
                    self.at_most("bytes of element segments", self.elements, limits::ELEMENTS)?;
                }
            }
            Payload::DataSection(data) => entries("data segments", data.count())?,
            Payload::CodeSectionStart { size, .. } => self.at_most("bytes of code", (*size).into(), limits::CODE)?,
            Payload::CodeSectionEntry(body) => {
                self.at_most("bytes of one function", body.range().len() as u64, limits::FUNCTION)?;
            }
            Payload::CustomSection(_) => {
                self.custom += 1;
                self.at_most("custom sections", self.custom, limits::ENTRIES)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn function(
        &mut self,
        function: FuncToValidate<ValidatorResources>,
        body: &FunctionBody<'_>,
        allocations: FuncValidatorAllocations,
    ) -> Result<FuncValidatorAllocations, ComplexityError> {
        let mut validator = function.into_validator(allocations);
        let mut reader = body.get_binary_reader();
        validator.read_locals(&mut reader)?;
        let locals = u64::from(validator.len_locals());
        self.at_most("locals of one function", locals, limits::LOCALS)?;
        // The function's entry counts as one place where locals are live.
        let mut places = 1;
        self.moves += locals;
        // Which of the enclosing blocks are loops.
        let (mut around, mut loops) = (Vec::new(), 0);
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            let (operator, offset) = operators.read_with_offset()?;
            let here = match &operator {
                Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                    let is_loop = matches!(operator, Operator::Loop { .. });
                    around.push(is_loop);
                    loops += u64::from(is_loop);
                    self.at_most("blocks inside each other", around.len() as u64, limits::DEPTH)?;
                    self.at_most("loops inside each other", loops, limits::LOOPS)?;
                    1
                }
                Operator::End => {
                    loops -= u64::from(around.pop().unwrap_or(false));
                    0
                }
                Operator::BrTable { targets } => {
                    self.targets += u64::from(targets.len());
                    self.at_most("targets of br_table", self.targets, limits::TARGETS)?;
                    1 + u64::from(targets.len())
                }
                Operator::Else | Operator::Br { .. } | Operator::BrIf { .. } | Operator::Return => 1,
                // The compiler generates branches for these.
                Operator::CallIndirect { .. }
                | Operator::MemoryCopy { .. }
                | Operator::MemoryFill { .. }
                | Operator::MemoryInit { .. } => 1,
                _ => 0,
            };
            places += here;
            let values = locals + u64::from(validator.operand_stack_height());
            self.moves += here * values * values;
            self.at_most("pairs of values at branches", self.moves, limits::MOVES)?;
            validator.op(offset, &operator)?;
        }
        operators.finish()?;
        self.at_most("branches in one function", places, limits::PLACES)?;
        self.places += places;
        self.at_most("branches", self.places, limits::ALL_PLACES)?;
        Ok(validator.into_allocations())
    }
}
