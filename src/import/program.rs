//! Programs that a super-server starts for a serial line.

use super::draft::{Access, Draft};
use super::words::base_name;
use crate::config::Protocol;

/// Files below /dev that are no serial lines.
const NO_LINES: [&str; 8] = [
    "null", "zero", "full", "random", "urandom", "log", "tty", "console",
];

/// Whether this looks like something that shares a serial line.
pub(super) fn is_serial(service: &str, program: &str, arguments: &[String]) -> bool {
    let names = [
        "modem", "serial", "tty", "ser2net", "sredird", "rfc2217", "fax",
    ];
    let is_named = |text: &str| {
        let text = text.to_ascii_lowercase();
        names.iter().any(|name| text.contains(name))
    };
    is_named(service)
        || is_named(base_name(program))
        || base_name(program) == "cu"
        || arguments.iter().any(|argument| device(argument).is_some())
}

/// Takes what can be known of a program without its first argument, its name.
pub(super) fn take(draft: &mut Draft, program: &str, arguments: &[String]) {
    match base_name(program) {
        "modemd" => modemd(draft, arguments),
        "cu" => cu(draft, arguments),
        base => {
            if base == "sredird" {
                draft.protocol = Protocol::Telnet;
            }
            match arguments.iter().find_map(|argument| device(argument)) {
                Some(device) => {
                    draft.device(device);
                    unknown_settings(draft, program);
                }
                None => draft.obstacle(format!(
                    "the device is not in this line: see what {program} opens, and with which settings, and \
                     write it to `devices` and `line`"
                )),
            }
        }
    }
}

/// The device in an argument, also in socat's `FILE:/dev/ttyS0,b9600` or `--device=/dev/ttyS0`.
fn device(argument: &str) -> Option<&str> {
    let at = argument.find("/dev/")?;
    let is_begin = at == 0 || argument[..at].ends_with([':', '=', 'l', 'd']);
    let path = argument[at..].split([',', ';', ' ']).next()?;
    let name = &path["/dev/".len()..];
    (is_begin && !name.is_empty() && !NO_LINES.contains(&name)).then_some(path)
}

fn unknown_settings(draft: &mut Draft, program: &str) {
    draft.remark(format!(
        "how {} set up the line is not in this file: modemd's default is 115200,8,N,1",
        base_name(program)
    ));
}

/// modemd itself, or the mini-HOWTO's script of that name.
fn modemd(draft: &mut Draft, arguments: &[String]) {
    draft.line = Some("115200,8,N,1".to_owned());
    let mut hosts = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let Some(option) = argument.strip_prefix("--") else {
            if argument.starts_with('-') {
                draft.remark(format!("{argument}: not carried over"));
            } else {
                draft.device(argument);
            }
            continue;
        };
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (option, None),
        };
        let known = ["line", "protocol", "allow", "user", "group", "lock-dir"];
        if !known.contains(&name) {
            draft.obstacle(format!("--{name}: see what it said, and write it here"));
            continue;
        }
        let value = value.or_else(|| rest.next().map(String::as_str));
        let value = value.unwrap_or_default();
        match (name, value) {
            ("line", _) => draft.line = Some(value.to_owned()),
            ("protocol", "telnet") => draft.protocol = Protocol::Telnet,
            ("protocol", _) => {}
            ("allow", _) => hosts.push(value.to_owned()),
            _ => draft.remark(format!(
                "--{name} {value}: in modemd.toml this is `{}` in [server]",
                name.replace('-', "_")
            )),
        }
    }
    if !hosts.is_empty() {
        draft.access = Access::Only(hosts);
    }
    if draft.devices.is_empty() {
        draft.obstacle("the device is not in this line: write it to `devices`");
    }
}

/// cu of Taylor UUCP: `-s` speed, `-l` line, `-e` and `-o` parity.
fn cu(draft: &mut Draft, arguments: &[String]) {
    let (mut speed, mut parity, mut stop) = (None, 'N', true);
    let mut rest = arguments.iter().map(String::as_str);
    while let Some(argument) = rest.next() {
        match argument {
            "-e" | "--parity=even" => parity = 'E',
            "-o" | "--parity=odd" => parity = 'O',
            "--nostop" => stop = false,
            "-h" | "--halfduplex" | "-n" | "--prompt" => {}
            _ => {
                let pair = ["-l", "--line", "-s", "--speed", "--baud"]
                    .into_iter()
                    .find_map(|name| Some((name, argument.strip_prefix(name)?)));
                match pair {
                    Some((name, value)) => {
                        let value = match value.trim_start_matches('=') {
                            "" => rest.next().unwrap_or_default(),
                            value => value,
                        };
                        if name == "-l" || name == "--line" {
                            let path = if value.starts_with('/') {
                                value.to_owned()
                            } else {
                                format!("/dev/{value}")
                            };
                            draft.device(&path);
                        } else {
                            speed = Some(value);
                        }
                    }
                    None => draft.remark(format!("cu {argument}: not carried over")),
                }
            }
        }
    }
    if draft.devices.is_empty() {
        draft.obstacle("cu was not told a line with -l: write it to `devices`");
    }
    match speed {
        Some(speed) => draft.line = Some(format!("{speed},8,{parity},1")),
        None => unknown_settings(draft, "cu"),
    }
    if stop {
        draft.remark(
            "cu, without --nostop, had flow control by XON and XOFF; write `,xonxoff` behind `line` if it is \
             wanted: those two bytes then cannot be data",
        );
    }
}
