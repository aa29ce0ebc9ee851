//! What one tick may use, for a plugin that cuts its work to it.

use crate::wit::corral::correlator::limits as wit;

/// A limit by its name in the section `[limits]` of the config, `changes-max` say; `None` if there is none of that
/// name. (Since 0.1.1 of the contract: hosts that speak only 0.1.0 refuse a plugin that asks.)
pub fn limit(name: &str) -> Option<u64> {
    wit::limit(name)
}
