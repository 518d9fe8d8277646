//! Programs that a super-server starts for a serial line.

use super::draft::{Access, Draft, EVERYBODY, Script};
use super::words::{base_name, words};
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
///
/// A program may be one of the scripts that were named as files.
pub(super) fn take(draft: &mut Draft, program: &str, arguments: &[String], scripts: &mut [Script]) {
    let same = |script: &&mut Script| base_name(&script.name) == base_name(program);
    if let Some(read) = scripts.iter_mut().find(same) {
        read.is_used = true;
        script(draft, &read.name, &read.text);
        return;
    }
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
                    if base == "socat" {
                        draft.line = arguments.iter().find_map(|argument| socat(argument));
                    }
                    if draft.line.is_none() {
                        unknown_settings(draft, program, arguments);
                    }
                }
                None => draft.obstacle(format!(
                    "the device is not in this line: name {program} as a file, too, if it is a script; or see \
                     what it opens, and write that to `devices` and `line`"
                )),
            }
        }
    }
}

/// A script, such as the mini-HOWTO's: `exec 'cu -s 115200 -l /dev/ttyS1';`
fn script(draft: &mut Draft, name: &str, text: &str) {
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    for line in lines {
        let line = line.replace(['"', '\'', ';', '`', '(', ')'], " ");
        let words = words(&line);
        if let Some(at) = words.iter().position(|word| base_name(word) == "cu")
            && words[at..]
                .iter()
                .any(|word| word.starts_with("-l") || word.starts_with("--line"))
        {
            cu(draft, &words[at + 1..]);
            return;
        }
        if let Some(device) = words.iter().find_map(|word| device(word)) {
            draft.device(device);
            unknown_settings(draft, name, &words);
            return;
        }
    }
    draft.obstacle(format!(
        "{name} does not say which line it opens: write it to `devices`, and its settings to `line`"
    ));
}

/// The device in an argument, also in socat's `FILE:/dev/ttyS0,b9600` or `--device=/dev/ttyS0`.
fn device(argument: &str) -> Option<&str> {
    let at = argument.find("/dev/")?;
    let is_begin = at == 0 || argument[..at].ends_with([':', '=', 'l', 'd']);
    let path = argument[at..].split([',', ';', ' ']).next()?;
    let name = &path["/dev/".len()..];
    (is_begin && !name.is_empty() && !NO_LINES.contains(&name)).then_some(path)
}

/// Says that the settings cannot be told from these arguments.
fn unknown_settings(draft: &mut Draft, program: &str, arguments: &[String]) {
    draft.remark(format!(
        "which settings the line had with `{} {}` is not known here: modemd's default is 115200,8,N,1",
        base_name(program),
        arguments.join(" ")
    ));
}

/// The settings in socat's `/dev/ttyS0,raw,b9600,cs7,parenb,crtscts`, if the speed is among them.
fn socat(argument: &str) -> Option<String> {
    let (mut data, mut stop, mut flow) = ("8", "1", "");
    let (mut baud, mut has_parity, mut is_odd) = (None, false, false);
    device(argument)?;
    for option in argument.split(',').skip(1) {
        let (name, value) = option.split_once('=').unwrap_or((option, "1"));
        let on = value != "0";
        match name {
            "cs5" | "cs6" | "cs7" | "cs8" if on => data = &name[2..],
            "cstopb" if on => stop = "2",
            "parenb" => has_parity = on,
            "parodd" => is_odd = on,
            "crtscts" if on => flow = ",rtscts",
            "ixon" if on => flow = ",xonxoff",
            "ispeed" | "ospeed" => baud = Some(value),
            _ => {
                let digits = name.strip_prefix('b');
                let digits =
                    digits.filter(|of| !of.is_empty() && of.bytes().all(|b| b.is_ascii_digit()));
                baud = digits.or(baud);
            }
        }
    }
    let parity = match (has_parity, is_odd) {
        (false, _) => 'N',
        (true, false) => 'E',
        (true, true) => 'O',
    };
    Some(format!("{},{data},{parity},{stop}{flow}", baud?))
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
            if ["config", "port", "listen"].contains(&name) && value.is_none() {
                rest.next();
            }
            continue;
        }
        let value = value.or_else(|| rest.next().map(String::as_str));
        let value = value.unwrap_or_default();
        match (name, value) {
            ("line", _) => draft.line = Some(value.to_owned()),
            ("protocol", "telnet") => draft.protocol = Protocol::Telnet,
            ("protocol", _) => {}
            ("allow", "any") => hosts.push(EVERYBODY.to_owned()),
            ("allow", _) => hosts.push(value.to_owned()),
            _ => draft.remark(format!(
                "--{name} {value}: in modemd.toml this is `{}` in [server]",
                name.replace('-', "_")
            )),
        }
    }
    if !hosts.is_empty() && draft.access == Access::Wrapped {
        draft.remark(format!(
            "--allow {}: of these, whom tcp wrappers let in",
            hosts.join(" ")
        ));
    } else if !hosts.is_empty() {
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
        None => unknown_settings(draft, "cu", arguments),
    }
    if stop {
        draft.remark(
            "cu, without --nostop, had flow control by XON and XOFF; write `,xonxoff` behind `line` if it is \
             wanted: those two bytes then cannot be data",
        );
    }
}
