//! Words for the operator.

use crate::wit::corral::correlator::log as wit;

/// For the plugin's author.
pub fn debug(message: &str) {
    wit::write(wit::Level::Debug, message);
}

/// A change that an operator would list.
pub fn info(message: &str) {
    wit::write(wit::Level::Info, message);
}

/// Unexpected, survived.
pub fn warn(message: &str) {
    wit::write(wit::Level::Warn, message);
}

/// Somebody must act.
pub fn error(message: &str) {
    wit::write(wit::Level::Error, message);
}

/// Sends a panic's message to the host before the trap; without it the message would be lost.
#[doc(hidden)]
pub fn report_panics() {
    std::panic::set_hook(Box::new(|panic| error(&panic.to_string())));
}
