//! What people type; see `modemctl --help`.

use std::process::ExitCode;

use clap::Parser;
use modemd::control::{self, CommandLine};

fn main() -> ExitCode {
    control::run(&CommandLine::parse())
}
