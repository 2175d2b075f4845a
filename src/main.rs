//! argv in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    felhom_agent::cli::run(std::env::args_os()).into()
}
