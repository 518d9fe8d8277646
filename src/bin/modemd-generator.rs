//! Started by systemd at boot and at `daemon-reload`; see modemd-generator(8).

use std::process::ExitCode;

fn main() -> ExitCode {
    modemd::generator::run(std::env::args_os().skip(1))
}
