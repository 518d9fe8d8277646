//! `modemctl check`: the configuration as modemd reads it.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use super::lookups;
use crate::config::{Busy, Config, DEFAULT_PATH, Instance, Port, Protocol, display_duration};
use crate::exit_code;
use crate::generator::Outlook;

pub(super) fn run(file: &Path) -> ExitCode {
    let config = Config::load(file);
    let advice = advice(&config, file);
    // `modemctl check | head` closes its end early.
    let _ = report(
        &config,
        file,
        &advice,
        &mut io::stdout().lock(),
        &mut io::stderr().lock(),
    );
    if config.problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(exit_code::CONFIGURATION)
    }
}

/// What is worth knowing beyond what is in the file, where systemd runs and this is its file.
fn advice(config: &Config, file: &Path) -> Vec<String> {
    // sd_booted(3)
    let is_under_systemd = Path::new("/run/systemd/system").is_dir();
    if !is_under_systemd || file != Path::new(DEFAULT_PATH) {
        return Vec::new();
    }
    let outlook = Outlook::of(config, Path::new("/"));
    let notes = outlook.refusals.iter();
    let mut advice: Vec<_> = notes.map(|refusal| format!("note: {refusal}")).collect();
    let by_name = config.ports.iter().filter(|port| port.allow.has_names());
    let by_name: Vec<_> = by_name.map(|port| port.name.as_str()).collect();
    if !by_name.is_empty()
        && let Some(obstacle) = lookups::obstacle(Path::new("/"))
    {
        advice.push(format!(
            "note: port {}: names in `allow` cannot be looked up in the services' sandbox, except \
             those in /etc/hosts: {obstacle}; install libnss-resolve and systemd-resolved, or open \
             DNS to the services with the drop-in {}",
            by_name.join(", "),
            lookups::DROP_IN,
        ));
    }
    advice.push(
        "apply it: systemctl daemon-reload && systemctl restart modem.socket (sessions go on)"
            .to_owned(),
    );
    if !outlook.is_switched_on {
        let switch = "it is not switched on yet: systemctl enable --now modem.socket does that";
        advice.push(switch.to_owned());
    }
    advice
}

fn report(
    config: &Config,
    file: &Path,
    advice: &[String],
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
        (0, 0) => writeln!(out, "{}: no mistakes, and no ports", file.display())?,
        (0, _) => writeln!(out, "{}: no mistakes", file.display())?,
        (1, _) => writeln!(err, "1 mistake")?,
        (count, _) => writeln!(err, "{count} mistakes")?,
    }
    for line in advice {
        writeln!(out, "{line}")?;
    }
    Ok(())
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
    let per_client = match port.instance {
        Instance::Shared => "",
        Instance::PerConnection => " (a process for each client)",
    };
    format!(
        "port {}{per_client}\n  listens:  {at}\n  lines:    {} ({})\n  protocol: {}\n  lets in:  {}\n  when all are in use: {busy}",
        port.name,
        devices.join(", "),
        port.line,
        protocol(port),
        who(port),
    )
}

fn protocol(port: &Port) -> String {
    match (port.protocol, port.max_baud) {
        (Protocol::Raw, _) => "raw".to_owned(),
        (Protocol::Telnet, None) => {
            format!("telnet (clients may change: {})", port.client_settings)
        }
        (Protocol::Telnet, Some(most)) => format!(
            "telnet (clients may change: {}; up to {most} baud)",
            port.client_settings
        ),
    }
}

fn who(port: &Port) -> String {
    let hosts: Vec<_> = port.allow.hosts().iter().map(ToString::to_string).collect();
    if port.is_local() {
        "whoever may open its unix socket".to_owned()
    } else if hosts.is_empty() {
        "nobody: `allow` is not given".to_owned()
    } else {
        hosts.join(", ")
    }
}
