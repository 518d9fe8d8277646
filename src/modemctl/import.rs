//! `modemctl import`: configurations of older servers as `modemd.toml`.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::config::Services;
use crate::exit_code;
use crate::import::{Format, Input, import};

/// More than any configuration, and little enough to read whole: somebody named a wrong file.
const LARGEST: u64 = 1 << 20;

pub(super) fn run(files: &[PathBuf], from: Option<Format>) -> ExitCode {
    let mut inputs = Vec::new();
    let mut all_read = true;
    for file in files {
        match read(file) {
            Ok(bytes) => inputs.push(Input {
                name: name(file),
                bytes,
            }),
            Err(error) => {
                eprintln!("{}: cannot be read: {error}", name(file));
                all_read = false;
            }
        }
    }
    if inputs.is_empty() {
        return ExitCode::from(exit_code::NO_INPUT);
    }
    let imported = import(&inputs, from, &Services::load());
    for trouble in &imported.troubles {
        eprintln!("{trouble}");
    }
    // `modemctl import … | head` closes its end early.
    let written = io::stdout().lock().write_all(imported.toml.as_bytes());
    if !all_read {
        ExitCode::from(exit_code::NO_INPUT)
    } else if written.is_err() || !imported.troubles.is_empty() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}

fn name(file: &Path) -> String {
    if is_stdin(file) {
        "standard input".to_owned()
    } else {
        file.display().to_string()
    }
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    let input: Box<dyn Read> = if is_stdin(file) {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(file)?)
    };
    let mut bytes = Vec::new();
    input.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}
