//! What a kernel is: a name, a signature, a run and a verification.

use std::borrow::Cow;
use std::fmt;

use crate::column::ColumnType;
use crate::frame::{Frame, FrameError};
use crate::kept::Kept;
use crate::pace::Pace;
use crate::text::{Interner, InternerFull};
use crate::{
    attribution_states, campaign_components, connected_components, credential_reuse,
    identity_components,
};

/// The catalogue: every kernel of this crate.
pub const ALL: &[&dyn Kernel] = &[
    &identity_components::IdentityComponents,
    &campaign_components::CampaignComponents,
    &attribution_states::AttributionStates,
    &credential_reuse::CredentialReuse,
    &connected_components::ConnectedComponents,
];

/// The kernel of that name.
pub fn find(name: &str) -> Option<&'static dyn Kernel> {
    ALL.iter().copied().find(|kernel| kernel.signature().name == name)
}

/// A named, pure, native function from frames to frames.
///
/// Implementations may rely on what [`Job::new`] has checked: as many inputs as the signature has,
/// each with the named columns in their types, and every parameter present in its type.
pub trait Kernel: Sync {
    /// What it takes and gives.
    fn signature(&self) -> &'static Signature;

    /// The answer.
    ///
    /// # Errors
    /// What is wrong with the inputs beyond their shape, a limit, or the cancellation.
    fn run(&self, job: &Job<'_>) -> Result<Vec<Frame>, KernelError>;

    /// Whether `outputs` is a right answer to `job`, in time linear in both. The check shares no code
    /// with [`Kernel::run`]: it looks for a wrong edge, a cycle, a join that is missing.
    ///
    /// # Errors
    /// [`KernelError::Wrong`] with the first fault found.
    fn verify(&self, job: &Job<'_>, outputs: &[Frame]) -> Result<(), KernelError>;

    /// An empty state that answers as [`Kernel::run`] does, at the price of what changed; nothing if the
    /// kernel has no such form.
    fn keep(&self) -> Option<Box<dyn Kept>> {
        None
    }
}

/// What a kernel takes and gives.
#[derive(Debug)]
pub struct Signature {
    /// The name that plugins call it by.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Its inputs, in order.
    pub inputs: &'static [Shape],
    /// Its parameters with their defaults.
    pub parameters: &'static [Parameter],
    /// Its outputs, in order.
    pub outputs: &'static [Shape],
}

/// The columns that a frame has at least.
#[derive(Debug)]
pub struct Shape {
    /// What the frame is, for messages.
    pub name: &'static str,
    /// Names and types.
    pub columns: &'static [(&'static str, ColumnType)],
}

/// A named parameter and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: Cow<'static, str>,
    /// Its value; in a signature, the default.
    pub value: Value,
}

/// The value of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A count, a limit, a seed.
    Uint(u64),
    /// A weight, a threshold.
    Float(f64),
    /// A choice by name.
    Text(Cow<'static, str>),
}

/// One run: checked inputs, parameters, and the surroundings a kernel may use.
#[derive(Debug)]
pub struct Job<'a> {
    /// The inputs, in the signature's order.
    pub inputs: &'a [Frame],
    /// Where texts have their codes.
    pub texts: &'a Interner,
    /// The checkpoint.
    pub pace: &'a Pace<'a>,
    parameters: Vec<Parameter>,
}

impl<'a> Job<'a> {
    /// Checks inputs and parameters against the signature and fills in the defaults.
    ///
    /// # Errors
    /// [`KernelError::Invalid`] that names the input, column or parameter at fault.
    pub fn new(
        signature: &'static Signature,
        inputs: &'a [Frame],
        parameters: &[Parameter],
        texts: &'a Interner,
        pace: &'a Pace<'a>,
    ) -> Result<Self, KernelError> {
        let invalid = |what: String| KernelError::Invalid(format!("{}: {what}", signature.name));
        if inputs.len() != signature.inputs.len() {
            let names =
                signature.inputs.iter().map(|shape| shape.name).collect::<Vec<_>>().join(", ");
            let (want, have) = (signature.inputs.len(), inputs.len());
            return Err(invalid(format!("takes {want} inputs ({names}), was given {have}")));
        }
        for (input, (shape, frame)) in signature.inputs.iter().zip(inputs).enumerate() {
            shape.check(frame).map_err(|error| signature.invalid(input, error))?;
        }
        for given in parameters {
            let Some(known) = signature.parameters.iter().find(|known| known.name == given.name)
            else {
                return Err(invalid(format!("no parameter '{}'", given.name)));
            };
            if std::mem::discriminant(&known.value) != std::mem::discriminant(&given.value) {
                return Err(invalid(format!(
                    "parameter '{}' is {}",
                    given.name,
                    known.value.kind()
                )));
            }
        }
        let parameters = signature
            .parameters
            .iter()
            .map(|known| {
                parameters.iter().rfind(|given| given.name == known.name).unwrap_or(known).clone()
            })
            .collect();
        Ok(Self { inputs, texts, pace, parameters })
    }

    /// The parameter of that name, as given or by default.
    pub fn parameter(&self, name: &str) -> Option<&Value> {
        self.parameters
            .iter()
            .find(|parameter| parameter.name == name)
            .map(|parameter| &parameter.value)
    }
}

impl Signature {
    /// Blames an input for what is wrong with its values.
    pub(crate) fn invalid(&self, input: usize, fault: impl fmt::Display) -> KernelError {
        let (kernel, name) = (self.name, self.inputs[input].name);
        KernelError::Invalid(format!("{kernel}: input '{name}': {fault}"))
    }

    /// Whether an answer has the outputs and columns that were promised: what `verify` asks first.
    pub(crate) fn check_outputs(&self, outputs: &[Frame]) -> Result<(), KernelError> {
        if outputs.len() != self.outputs.len() {
            let (want, have) = (self.outputs.len(), outputs.len());
            return Err(KernelError::Wrong(format!("{have} outputs, not {want}")));
        }
        for (shape, frame) in self.outputs.iter().zip(outputs) {
            let wrong = |error| KernelError::Wrong(format!("output '{}': {error}", shape.name));
            shape.check(frame).map_err(wrong)?;
        }
        Ok(())
    }
}

impl Shape {
    /// Whether `frame` has these columns.
    ///
    /// # Errors
    /// The first column that is missing or of another type.
    pub fn check(&self, frame: &Frame) -> Result<(), FrameError> {
        for &(name, expected) in self.columns {
            let found = frame.column(name)?.kind();
            if found != expected {
                return Err(FrameError::WrongType { name: name.into(), expected, found });
            }
        }
        Ok(())
    }
}

impl Value {
    fn kind(&self) -> &'static str {
        match self {
            Self::Uint(_) => "a whole number",
            Self::Float(_) => "a number",
            Self::Text(_) => "a text",
        }
    }
}

/// Why a kernel gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KernelError {
    /// The inputs or parameters are not what it takes.
    Invalid(String),
    /// A limit was reached; the text names it and the culprit.
    Limit(String),
    /// Whoever started it no longer wants the answer.
    Cancelled,
    /// [`Kernel::verify`] found a fault in an answer.
    Wrong(String),
}

impl fmt::Display for KernelError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(what) | Self::Limit(what) => formatter.write_str(what),
            Self::Cancelled => formatter.write_str("cancelled"),
            Self::Wrong(what) => write!(formatter, "wrong answer: {what}"),
        }
    }
}

impl std::error::Error for KernelError {}

impl From<FrameError> for KernelError {
    fn from(error: FrameError) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl From<InternerFull> for KernelError {
    fn from(error: InternerFull) -> Self {
        Self::Limit(error.to_string())
    }
}

#[cfg(test)]
mod contract;
