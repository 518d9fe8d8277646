//! `modemctl`: what people type.

use std::path::PathBuf;
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
    for port in &config.ports {
        println!("{}", describe(port));
    }
    for problem in &config.problems {
        eprintln!("{problem}");
    }
    match (config.problems.len(), config.ports.len()) {
        (0, 0) => println!("{}: no mistakes, and no ports", file.display()),
        (0, _) => println!("{}: no mistakes", file.display()),
        (1, _) => eprintln!("1 mistake"),
        (count, _) => eprintln!("{count} mistakes"),
    }
    if config.problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EX_CONFIG)
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
