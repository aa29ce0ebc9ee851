//! What an author of a Corral correlator needs.
//!
//! A correlator is a struct with two functions: [`Correlator::describe`] says what it is and what it
//! asks for, [`Correlator::tick`] is one run. It reads views of the database as [`Frame`]s, hands them
//! to native kernels, decides, and commits. There is no clock, no random source, no file and no
//! socket: a tick is a function of what it reads.
//!
//! `corral plugin new` writes a plugin to start from, and plugins/README.md is the guide. What a plugin
//! promises, `corral plugin test` tries out:
//!
//! * Equal facts give equal rows. The code of a text has no order, and a `HashMap` has none either.
//! * Rows follow from rows: [`Context::now`] is for messages, not for decisions.
//! * A second tick changes nothing. [`reconcile`](mod@reconcile) finds what differs in groups, and with [`Seen`] a
//!   tick with nothing new costs nothing.
//! * A [`Problem`] is passed on (`?`), and nothing panics.
//! * It asks for what it uses, and for no more.
//!
//! | to | use |
//! |---|---|
//! | read views | [`store::read`], [`store::read_since`], [`store::read_keys`] |
//! | read columns | [`Frame::u32s`] and its like, [`Frame::rows_of`], [`Frame::merges`] |
//! | turn words into codes and back | [`codes`](fn@codes), [`codes_of`], [`texts`](fn@texts) |
//! | compute | [`kernels`] |
//! | decide about groups | [`reconcile::reconcile`], [`Commit::regroup_identities`], [`Commit::regroup_campaigns`] |
//! | commit | [`Commit`] |
//! | tell the operator | [`log`] |
//!
//! ```ignore
//! use corral_sdk::{Commit, Context, Correlator, Description, Problem, View, export, store};
//!
//! struct Lonely;
//!
//! impl Correlator for Lonely {
//!     fn describe() -> Description {
//!         Description::new("lonely", "0.1.0", "Makes an identity of every attacker")
//!             .reads(&[View::Attackers])
//!             .writes(&["form-identities"])
//!     }
//!
//!     fn tick(_context: Context) -> Result<(), Problem> {
//!         let attackers = store::read(View::Attackers)?;
//!         let identity = attackers.rows.u32s("identity")?;
//!         let alone: Vec<u32> = (0..).zip(&identity).filter(|(_, id)| **id == u32::MAX).map(|(row, _)| row).collect();
//!         let groups = (0..).take(alone.len()).collect();
//!         Commit::new().form_identities(&attackers.rows, alone, groups).send()
//!     }
//! }
//!
//! export!(Lonely);
//! ```

mod commit;
mod describe;
mod frame;
pub mod kernels;
pub mod limits;
pub mod log;
mod merges;
pub mod reconcile;
mod seen;
pub mod store;

pub use commit::Commit;
pub use describe::Context;
pub use frame::{ABSENT, FrameBuilder, codes, codes_of, texts};
pub use merges::Merges;
pub use seen::Seen;
pub use wit::corral::correlator::frames::Frame;
pub use wit::corral::correlator::problems::Problem;
pub use wit::corral::correlator::store::{Reading, View};
pub use wit::exports::corral::correlator::correlator::{Description, Reason, Setting};

/// The bindings that `wit/` generates; authors use what is re-exported above.
#[doc(hidden)]
pub mod wit {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "plugin",
        pub_export_macro: true,
        export_macro_name: "export_guest",
        default_bindings_module: "corral_sdk::wit",
    });
}

/// What a plugin author writes.
pub trait Correlator {
    /// What the plugin is and what it asks for. The host calls it once and holds the plugin to it.
    fn describe() -> Description;

    /// One run: read, compute, decide, commit. Nothing survives it but what it commits.
    ///
    /// # Errors
    /// A [`Problem`] ends the tick; nothing is written.
    fn tick(context: Context) -> Result<(), Problem>;
}

/// Makes a [`Correlator`] the component's export.
#[macro_export]
macro_rules! export {
    ($correlator:ty) => {
        struct CorralGuest;

        impl $crate::wit::exports::corral::correlator::correlator::Guest for CorralGuest {
            fn describe() -> $crate::Description {
                $crate::log::report_panics();
                <$correlator as $crate::Correlator>::describe()
            }

            fn tick(
                context: $crate::wit::exports::corral::correlator::correlator::Context,
            ) -> Result<(), $crate::Problem> {
                $crate::log::report_panics();
                <$correlator as $crate::Correlator>::tick(context.into())
            }
        }

        $crate::wit::export_guest!(CorralGuest with_types_in $crate::wit);
    };
}
