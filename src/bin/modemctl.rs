//! What people type; see `modemctl --help`.

use std::process::ExitCode;

use clap::Parser;
use modemd::modemctl::{self, CommandLine};

fn main() -> ExitCode {
    modemctl::run(&CommandLine::parse())
}
