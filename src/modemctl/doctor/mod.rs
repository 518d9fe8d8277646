//! `modemctl doctor`: what keeps modemd from working here, and the command that mends it.
//!
//! [`gather`] looks at the system and makes [`facts`] of it; [`judge`] makes findings of these and of
//! the configuration, and touches nothing; [`report`] writes them.

mod braille;
mod facts;
mod gather;
mod judge;
mod report;
mod said;
#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;
use std::process::ExitCode;

use super::paint::Paint;
use crate::exit_code;
use gather::System;

pub(super) fn run(file: &Path, as_json: bool, root: &Path) -> ExitCode {
    let system = match System::new(root) {
        Ok(system) => system,
        Err(error) => {
            eprintln!("{}: cannot be looked at: {error}", root.display());
            return ExitCode::from(exit_code::UNAVAILABLE);
        }
    };
    let config = system.configuration(file);
    let verdicts = judge::judge(&config, &system.look(file, &config));
    let out = &mut io::stdout().lock();
    // `modemctl doctor | head` closes its end early.
    let _ = if as_json {
        report::for_programs(&verdicts, out)
    } else {
        report::for_people(&verdicts, Paint::for_stdout(), out)
    };
    if !config.problems.is_empty() {
        ExitCode::from(exit_code::CONFIGURATION)
    } else if report::findings(&verdicts).any(judge::is_fault) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
