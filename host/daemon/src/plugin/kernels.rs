//! The import `kernels`: native computation for a guest, on the shared pool.

use std::borrow::Cow;

use corral_kernels::{ColumnType, Kernel, KernelError, Shape, Value, find, kernel};
use wasmtime::component::Resource;

use super::bindings::{Problem, frames as wit_frames, kernels as wit};
use super::guest::{FrameHandle, Guest};
use crate::pool::{Call, PoolError};

impl wit::Host for Guest {
    fn list_kernels(&mut self) -> wasmtime::Result<Vec<wit::Signature>> {
        let asked = self.asked.as_ref().map(|asked| asked.kernels.as_slice()).unwrap_or_default();
        let may_run =
            |kernel: &&&dyn Kernel| asked.iter().any(|name| name == kernel.signature().name);
        Ok(kernel::ALL.iter().filter(may_run).map(|kernel| signature(*kernel)).collect())
    }

    async fn run_kernel(
        &mut self,
        name: String,
        inputs: Vec<Resource<FrameHandle>>,
        parameters: Vec<wit::Parameter>,
    ) -> wasmtime::Result<Result<Vec<Resource<FrameHandle>>, Problem>> {
        let Some(kernel) = find(&name) else {
            return Ok(Err(Problem::NotFound(format!("no kernel '{name}'"))));
        };
        if let Err(problem) = self.granted("kernel", &name, |asked| &asked.kernels) {
            return Ok(Err(problem));
        }
        self.used.kernel_calls += 1;
        if self.used.kernel_calls > self.limits.kernel_calls_max {
            let limit = self.limits.kernel_calls_max;
            return Ok(Err(Problem::Limit(format!(
                "limits.kernel-calls-max = {limit} kernels a tick"
            ))));
        }
        let inputs = inputs
            .iter()
            .map(|input| Ok(self.table.get(input)?.frame.clone()))
            .collect::<wasmtime::Result<Vec<_>>>()?;
        let parameters = parameters
            .into_iter()
            .map(|given| kernel::Parameter {
                name: Cow::Owned(given.name),
                value: value(given.value),
            })
            .collect();
        let started = self.clock.elapsed();
        let call = Call { kernel, inputs, parameters, texts: self.texts.clone() };
        let answer = self.pool.run(call).await;
        self.used.kernel_time += self.clock.elapsed().saturating_sub(started);
        match answer {
            Ok(outputs) => {
                let handles =
                    outputs.into_iter().map(|frame| self.hold(FrameHandle { frame, view: None }));
                handles.collect::<wasmtime::Result<Result<Vec<_>, _>>>()
            }
            Err(error) => Ok(Err(problem(&name, error))),
        }
    }
}

fn problem(name: &str, error: PoolError) -> Problem {
    match error {
        PoolError::Kernel(KernelError::Invalid(what)) => Problem::Invalid(what),
        PoolError::Kernel(KernelError::Limit(what)) => Problem::Limit(format!("{name}: {what}")),
        PoolError::Kernel(error @ (KernelError::Cancelled | KernelError::Wrong(_))) => {
            Problem::Unavailable(format!("{name}: {error}"))
        }
        error => {
            tracing::error!(%error, "kernel failed");
            Problem::Unavailable(error.to_string())
        }
    }
}

fn value(value: wit::Value) -> Value {
    match value {
        wit::Value::Uint(value) => Value::Uint(value),
        wit::Value::Float(value) => Value::Float(value),
        wit::Value::Text(value) => Value::Text(Cow::Owned(value)),
    }
}

fn signature(kernel: &dyn Kernel) -> wit::Signature {
    let signature = kernel.signature();
    let shapes = |shapes: &[Shape]| shapes.iter().map(shape).collect();
    wit::Signature {
        name: signature.name.to_owned(),
        summary: signature.summary.to_owned(),
        inputs: shapes(signature.inputs),
        parameters: signature
            .parameters
            .iter()
            .map(|parameter| wit::Parameter {
                name: parameter.name.clone().into_owned(),
                value: match parameter.value.clone() {
                    Value::Uint(value) => wit::Value::Uint(value),
                    Value::Float(value) => wit::Value::Float(value),
                    Value::Text(value) => wit::Value::Text(value.into_owned()),
                },
            })
            .collect(),
        outputs: shapes(signature.outputs),
    }
}

fn shape(shape: &Shape) -> wit::FrameShape {
    let column = |(name, kind): &(&str, ColumnType)| wit_frames::Column {
        name: (*name).to_owned(),
        kind: super::frames::kind(*kind),
    };
    wit::FrameShape {
        name: shape.name.to_owned(),
        columns: shape.columns.iter().map(column).collect(),
    }
}
