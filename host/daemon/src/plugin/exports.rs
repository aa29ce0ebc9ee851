//! What a component exports, in whichever version of the contract it speaks.
//!
//! wasmtime gives a component that imports an older version the newer interfaces, as long as the two are compatible;
//! of exports the host itself has to try the names. What the two functions take and give has not changed since the
//! first version, and must not while that is one of the versions that load: it is checked when a component is probed.

use wasmtime::Store;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre};

use super::bindings::{Problem, correlator};
use super::guest::Guest;
use super::load::{PACKAGE, SPOKEN};

/// A component that is linked, and where its functions are.
#[derive(Clone)]
pub(super) struct Code {
    linked: InstancePre<Guest>,
    describe: ComponentExportIndex,
    tick: ComponentExportIndex,
}

impl Code {
    /// Finds the functions of a component.
    pub(super) fn new(linked: InstancePre<Guest>, component: &Component) -> wasmtime::Result<Self> {
        let exported = SPOKEN.iter().find_map(|version| {
            component.get_export_index(None, format!("{PACKAGE}correlator@{version}"))
        });
        let interface = exported.ok_or_else(|| {
            wasmtime::Error::msg(format!("it does not export {PACKAGE}correlator"))
        })?;
        let function = |name: &str| {
            component
                .get_export_index(Some(&interface), name)
                .ok_or_else(|| wasmtime::Error::msg(format!("it does not export '{name}'")))
        };
        Ok(Self { describe: function("describe")?, tick: function("tick")?, linked })
    }

    /// Asks what it is, in a new instance.
    pub(super) async fn describe(
        &self,
        store: &mut Store<Guest>,
    ) -> wasmtime::Result<correlator::Description> {
        let instance = self.linked.instantiate_async(&mut *store).await?;
        let describe = instance
            .get_typed_func::<(), (correlator::Description,)>(&mut *store, &self.describe)?;
        let (description,) = describe.call_async(store, ()).await?;
        Ok(description)
    }

    /// One run, in a new instance.
    pub(super) async fn tick(
        &self,
        store: &mut Store<Guest>,
        context: correlator::Context,
    ) -> wasmtime::Result<Result<(), Problem>> {
        let instance = self.linked.instantiate_async(&mut *store).await?;
        let tick = instance.get_typed_func::<(correlator::Context,), (Result<(), Problem>,)>(
            &mut *store,
            &self.tick,
        )?;
        let (answer,) = tick.call_async(store, (context,)).await?;
        Ok(answer)
    }
}
