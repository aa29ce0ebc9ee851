//! The `corral` executable: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    corral::cli::main()
}
