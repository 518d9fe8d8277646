//! `modemctl`: what people type.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{AllowList, Busy, Config, DEFAULT_PATH, Port, display_duration};

/// `sysexits.h`: something is wrong with the configuration.
const EX_CONFIG: u8 = 78;

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
    /// Exits 0 if nothing is wrong, and 78 otherwise. Apply a change with `systemctl reload
    /// modem.service`; sessions that run keep what they started with.
    Check {
        /// The configuration file; conf.d/*.toml beside it is read too
        #[arg(default_value = DEFAULT_PATH)]
        file: PathBuf,
    },
}

/// Runs `modemctl`: what was asked for goes to stdout, what is wrong to stderr.
#[must_use]
pub fn run(line: &CommandLine) -> ExitCode {
    let Command::Check { file } = &line.command;
    let config = Config::load(file);
    // `modemctl check | head` closes its end early.
    let _ = report(
        &config,
        file,
        &mut io::stdout().lock(),
        &mut io::stderr().lock(),
    );
    if config.problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EX_CONFIG)
    }
}

fn report(
    config: &Config,
    file: &Path,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<()> {
    for problem in &config.problems {
        writeln!(err, "{problem}")?;
    }
    for port in &config.ports {
        writeln!(out, "{}", describe(port))?;
    }
    match (config.problems.len(), config.ports.len()) {
        (0, 0) => writeln!(out, "{}: no mistakes, and no ports", file.display()),
        (0, _) => writeln!(out, "{}: no mistakes", file.display()),
        (1, _) => writeln!(err, "1 mistake"),
        (count, _) => writeln!(err, "{count} mistakes"),
    }
}

/// A port in plain words, with what its defaults came out as.
fn describe(port: &Port) -> String {
    let devices: Vec<_> = port
        .devices
        .iter()
        .map(|device| device.display().to_string())
        .collect();
    let at: Vec<_> = port.listen.iter().map(ToString::to_string).collect();
    let at = if at.is_empty() {
        "where its socket unit says".to_owned()
    } else {
        at.join(", ")
    };
    let busy = match port.busy {
        Busy::Refuse => "BUSY".to_owned(),
        Busy::Wait(limit) => format!("wait for {}", display_duration(limit)),
    };
    format!(
        "port {}\n  listens:  {at}\n  lines:    {} ({})\n  protocol: {}\n  lets in:  {}\n  when all are in use: {busy}",
        port.name,
        devices.join(", "),
        port.line,
        port.protocol,
        who(&port.allow),
    )
}

fn who(allow: &AllowList) -> String {
    let hosts: Vec<_> = allow.hosts().iter().map(ToString::to_string).collect();
    if hosts.is_empty() {
        "nobody: `allow` is not given".to_owned()
    } else {
        hosts.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_free_of_contradictions() {
        CommandLine::command().debug_assert();
    }
}
