//! The import `limits`: what a plugin may use, for one that cuts its work to it.

use super::bindings::limits::Host;
use super::guest::Guest;

impl Host for Guest {
    fn limit(&mut self, name: String) -> wasmtime::Result<Option<u64>> {
        Ok(self.limits.named(&name))
    }
}
