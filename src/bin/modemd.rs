//! The service; see `modemd --help`.

use std::process::ExitCode;

use clap::Parser;
use modemd::command_line::CommandLine;

fn main() -> ExitCode {
    modemd::daemon::run(CommandLine::parse())
}
