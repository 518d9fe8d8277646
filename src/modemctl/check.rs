//! `modemctl check`: the configuration as modemd reads it.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use super::lookups;
use crate::config::{
    AllowList, Attachment, Attachments, Busy, Config, DEFAULT_ATTACH_PATH, DEFAULT_PATH, Dial,
    DialClients, Instance, Port, Problem, Protocol, display_duration,
};
use crate::exit_code;
use crate::generator::Outlook;

pub(super) fn run(file: &Path) -> ExitCode {
    let beside = file.with_file_name("attach.toml");
    let is_alone = beside == file;
    let config = (!is_alone).then(|| Config::load(file));
    let attachments = is_alone || fs::symlink_metadata(&beside).is_ok();
    let attachments = attachments.then(|| Attachments::load(&beside));
    let mut parts = Vec::new();
    let mut advice = Vec::new();
    if let Some(config) = &config {
        advice.extend(advice_on_ports(config, file));
        parts.push(Part {
            file,
            problems: &config.problems,
            descriptions: config.ports.iter().map(describe).collect(),
            what: "ports",
        });
    }
    if let Some(attachments) = &attachments {
        advice.extend(advice_on_attachments(attachments));
        let all = attachments.attachments.iter();
        parts.push(Part {
            file: &beside,
            problems: &attachments.problems,
            descriptions: all.map(describe_attachment).collect(),
            what: "attachments",
        });
    }
    // `modemctl check | head` closes its end early.
    let _ = report(
        &parts,
        &advice,
        &mut io::stdout().lock(),
        &mut io::stderr().lock(),
    );
    if parts.iter().all(|part| part.problems.is_empty()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(exit_code::CONFIGURATION)
    }
}

/// A file, with those that belong to it, and what there is to say of it.
struct Part<'a> {
    file: &'a Path,
    problems: &'a [Problem],
    descriptions: Vec<String>,
    /// What it describes.
    what: &'a str,
}

/// Whether `file` is in use as `usual`, on a system where systemd runs.
fn is_in_use(file: &Path, usual: &str) -> bool {
    // sd_booted(3)
    Path::new("/run/systemd/system").is_dir() && file == Path::new(usual)
}

/// What is worth knowing beyond what is in the file, where systemd runs and this is its file.
fn advice_on_ports(config: &Config, file: &Path) -> Vec<String> {
    if !is_in_use(file, DEFAULT_PATH) {
        return Vec::new();
    }
    let outlook = Outlook::of(config, Path::new("/"));
    let notes = outlook.refusals.iter();
    let mut advice: Vec<_> = notes.map(|refusal| format!("note: {refusal}")).collect();
    let has_names = |port: &&Port| port.hosts().any(AllowList::has_names);
    let by_name = config.ports.iter().filter(has_names);
    let by_name: Vec<_> = by_name.map(|port| port.name.as_str()).collect();
    if !by_name.is_empty()
        && let Some(obstacle) = lookups::obstacle(Path::new("/"))
    {
        advice.push(format!(
            "note: port {}: names in `allow` or `hosts` cannot be looked up in the services' sandbox, except \
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

/// The same for `attach.toml`.
fn advice_on_attachments(attachments: &Attachments) -> Vec<String> {
    if !is_in_use(&attachments.file, DEFAULT_ATTACH_PATH) {
        return Vec::new();
    }
    switches(&attachments.attachments, Path::new("/"))
}

/// How a change is applied, and which units are not switched on, on the system whose root directory is
/// `root`.
fn switches(attachments: &[Attachment], root: &Path) -> Vec<String> {
    let units: Vec<_> = attachments
        .iter()
        .map(|attachment| format!("modem-attach@{}.service", attachment.name))
        .collect();
    if units.is_empty() {
        return Vec::new();
    }
    let mut advice = vec![format!(
        "apply it: systemctl restart {} (programs that have the device open are hung up)",
        units.join(" ")
    )];
    // Enabled is what a folder like multi-user.target.wants has a link to.
    let folders = fs::read_dir(root.join("etc/systemd/system"));
    let folders: Vec<_> = folders.into_iter().flatten().flatten().collect();
    let is_on = |unit: &String| {
        let mut links = folders.iter().map(|folder| folder.path().join(unit));
        links.any(|link| fs::symlink_metadata(link).is_ok())
    };
    let off: Vec<_> = units.into_iter().filter(|unit| !is_on(unit)).collect();
    if !off.is_empty() {
        advice.push(format!(
            "not switched on yet: systemctl enable --now {} does that",
            off.join(" ")
        ));
    }
    advice
}

fn report(
    parts: &[Part<'_>],
    advice: &[String],
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<()> {
    for part in parts {
        for problem in part.problems {
            writeln!(err, "{problem}")?;
        }
        for description in &part.descriptions {
            writeln!(out, "{description}")?;
        }
        if part.problems.is_empty() {
            let and_none = match part.descriptions[..] {
                [] => format!(", and no {}", part.what),
                _ => String::new(),
            };
            writeln!(out, "{}: no mistakes{and_none}", part.file.display())?;
        }
    }
    match parts.iter().map(|part| part.problems.len()).sum() {
        0_usize => {}
        1 => writeln!(err, "1 mistake")?,
        count => writeln!(err, "{count} mistakes")?,
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
        "port {}{per_client}\n  listens:  {at}\n  lines:    {} ({})\n  protocol: {}\n  lets in:  {}{}\n  when all are in use: {busy}",
        port.name,
        devices.join(", "),
        port.line,
        protocol(port),
        who(port),
        port.dial.as_ref().map(dials).unwrap_or_default(),
    )
}

/// What may be dialled: first from hosts with rules of their own, since the first match holds.
fn dials(dial: &Dial) -> String {
    let clients = dial.clients.iter().map(|DialClients { hosts, rules }| {
        let hosts: Vec<_> = hosts.hosts().iter().map(ToString::to_string).collect();
        format!("\n  dials:    from {}: {rules}", hosts.join(", "))
    });
    let others = match dial.clients[..] {
        [] => "",
        _ => "from elsewhere: ",
    };
    let others = format!("\n  dials:    {others}{}", dial.rules);
    clients.chain([others]).collect()
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

/// An attachment in plain words, with what its defaults came out as.
fn describe_attachment(attachment: &Attachment) -> String {
    let Attachment {
        name,
        server,
        protocol,
        line,
    } = attachment;
    let line = match (line, protocol) {
        (Some(line), _) => format!("set to {line} when the device is opened"),
        (None, Protocol::Telnet) => "as it is there, until a program changes it".to_owned(),
        (None, Protocol::Raw) => "as it is there".to_owned(),
    };
    format!(
        "attachment {name}\n  device:   /dev/modemd/{name}\n  server:   {server}\n  protocol: {protocol}\n  line:     {line}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Services;

    fn attachments(text: &str) -> Vec<Attachment> {
        let file = Path::new("attach.toml");
        Attachments::parse(file, text.as_bytes(), &Services::default()).attachments
    }

    #[test]
    fn units_that_are_not_switched_on_are_told_from_those_that_are() {
        let root = std::env::temp_dir().join(format!("modemd-switches-{}", std::process::id()));
        let wants = root.join("etc/systemd/system/multi-user.target.wants");
        fs::create_dir_all(&wants).unwrap();
        // As systemctl leaves it: the template is nowhere below this root.
        let unit = wants.join("modem-attach@fax.service");
        std::os::unix::fs::symlink("/nonexistent/modem-attach@.service", unit).unwrap();
        let one = attachments("[fax]\nserver = \"modemhost:2007\"\n");
        let two = attachments(
            "[fax]\nserver = \"modemhost:2007\"\n[switch]\nserver = \"modemhost:2008\"\n",
        );
        let said = [
            switches(&[], &root),
            switches(&one, &root),
            switches(&two, &root),
        ];
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(
            said.map(|lines| lines.join("\n")),
            [
                "",
                "apply it: systemctl restart modem-attach@fax.service (programs that have the device \
                 open are hung up)",
                "apply it: systemctl restart modem-attach@fax.service modem-attach@switch.service \
                 (programs that have the device open are hung up)\n\
                 not switched on yet: systemctl enable --now modem-attach@switch.service does that",
            ]
        );
    }
}
