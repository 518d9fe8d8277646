//! `modemctl`: what people type.

mod check;
mod doctor;
mod import;
mod lookups;
mod paint;
mod shares;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::command_line;
use crate::config::DEFAULT_PATH;
use crate::import::Format;

/// Looks after modemd, which shares modems and serial lines with the network.
#[derive(Debug, Parser)]
#[command(name = "modemctl", version)]
pub struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What there is to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read the configuration as modemd does, and say what is in it and what is wrong with it
    ///
    /// Says also with which command a change is applied. Exits 0 if nothing is wrong, and 78
    /// otherwise.
    Check {
        /// The configuration file; conf.d/*.toml beside it is read too
        #[arg(default_value = DEFAULT_PATH)]
        file: PathBuf,
    },
    /// Tell whether a device is a line of a configured port: exits 0 if it is, 1 if not
    ///
    /// For udev, so that ModemManager is kept off the lines that modemd shares.
    Shares {
        /// The device, for example /dev/ttyUSB0
        device: PathBuf,
        /// Other names of the same device, from / or from /dev on, as udev's $links has them
        #[arg(value_name = "LINK")]
        links: Vec<PathBuf>,
    },
    /// Look at this machine and the configuration, and tell what keeps modemd from working
    ///
    /// Each finding has the command that mends it. Changes nothing, and opens no line. Some things only
    /// root can look at; what was not looked at is said. Exits 0 if nothing is wrong, 1 if something
    /// is, and 78 if the configuration has mistakes.
    Doctor {
        /// The configuration file; conf.d/*.toml beside it is read too
        #[arg(long, value_name = "FILE", default_value = DEFAULT_PATH)]
        config: PathBuf,
        /// Print the findings as a JSON array
        #[arg(long)]
        json: bool,
        /// The root directory of the system to look at
        #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
        root: PathBuf,
    },
    /// Print the modemd.toml that does what the configuration of an older server did
    ///
    /// Reads mserver.conf of Masqdialer, inetd.conf, the files of xinetd.d, ser2net.conf (ser2net up to 3)
    /// and ser2net.yaml (ser2net 4). Several files make one configuration. What has no equivalent is in
    /// comments. Nobody is let in whom the old files do not name. Exits 0 if all was understood, 1 if
    /// something was not and is left out, 66 if a file cannot be read.
    Import {
        /// The files of the older server; - is standard input
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        /// Which server the files are of, whatever their contents and names tell
        #[arg(long, value_name = "FORMAT")]
        from: Option<Format>,
    },
    /// Write what makes a shell complete the command line of a program
    #[command(hide = true)]
    Completions {
        /// The shell
        shell: Shell,
        /// The program
        program: Program,
    },
}

/// The programs that people type the names of.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Program {
    /// `modemd`
    Modemd,
    /// `modemctl`
    Modemctl,
}

/// Runs `modemctl`: what was asked for goes to stdout, what is wrong to stderr.
#[must_use]
pub fn run(line: &CommandLine) -> ExitCode {
    match &line.command {
        Command::Check { file } => check::run(file),
        Command::Shares { device, links } => shares::run(device, links),
        Command::Doctor { config, json, root } => doctor::run(config, *json, root),
        Command::Import { files, from } => import::run(files, *from),
        Command::Completions { shell, program } => complete(*shell, *program),
    }
}

fn complete(shell: Shell, program: Program) -> ExitCode {
    let mut command = match program {
        Program::Modemd => command_line::CommandLine::command(),
        Program::Modemctl => CommandLine::command(),
    };
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    match io::stdout().write_all(&script) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_free_of_contradictions() {
        CommandLine::command().debug_assert();
    }
}
