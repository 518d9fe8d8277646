//! `modemctl check`: the configuration as modemd reads it.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use crate::config::{AllowList, Busy, Config, Port, display_duration};

/// `sysexits.h`: something is wrong with the configuration.
const EX_CONFIG: u8 = 78;

pub(super) fn run(file: &Path) -> ExitCode {
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
