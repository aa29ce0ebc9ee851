//! The host side of `wit/`, generated. What follows the macro gives the rest of the host short names.

mod generated {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "plugin",
        imports: {
            "corral:correlator/kernels.run-kernel": async | trappable,
            "corral:correlator/kernels.update-kernel": async | trappable,
            "corral:correlator/store.read": async | trappable,
            "corral:correlator/store.read-keys": async | trappable,
            default: trappable,
        },
        exports: { default: async },
        with: {
            "corral:correlator/frames.frame": crate::plugin::guest::FrameHandle,
            "corral:correlator/frames.frame-builder": crate::plugin::frames::Building,
        },
    });
}

use generated::Plugin;
pub(super) use generated::corral::correlator::problems::{self, Problem};
pub(super) use generated::corral::correlator::{frames, kernels, limits, log, store};
pub(super) use generated::exports::corral::correlator::correlator;

use super::guest::Guest;

/// Links our interfaces, and nothing else.
pub(super) fn add_to_linker(
    linker: &mut wasmtime::component::Linker<Guest>,
) -> wasmtime::Result<()> {
    Plugin::add_to_linker::<_, wasmtime::component::HasSelf<Guest>>(linker, |guest| guest)
}

// The interface has a type and no function.
impl problems::Host for Guest {}
