//! Which server a file is of.

use clap::ValueEnum;

use super::words::base_name;

/// The servers whose configurations are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// mserver.conf of Masqdialer
    Masqdialer,
    /// inetd.conf
    Inetd,
    /// xinetd.conf and the files of xinetd.d
    Xinetd,
    /// ser2net.conf, of ser2net up to version 3
    Ser2net3,
    /// ser2net.yaml, of ser2net from version 4 on
    Ser2net,
}

/// The format of a file, by what is in it, or else by its name.
pub(super) fn told(name: &str, text: &str) -> Option<Format> {
    let lines = text.lines().map(str::trim_end);
    let mut telling = lines.filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    telling.find_map(by_line).or_else(|| by_name(name))
}

fn by_line(line: &str) -> Option<Format> {
    let mut words = line.split_whitespace();
    let (first, second) = (words.next()?, words.next().unwrap_or_default());
    let fields: Vec<_> = line.split(':').collect();
    let of_yaml = [
        "%YAML",
        "---",
        "connection:",
        "define:",
        "default:",
        "delete_default:",
        "rotator:",
        "admin:",
        "led:",
        "include:",
    ];
    let of_ser2net3 = [
        "BANNER",
        "SIGNATURE",
        "OPENSTR",
        "CLOSESTR",
        "CLOSEON",
        "TRACEFILE",
        "LED",
        "RS485CONF",
        "DEVICE",
        "CONTROLPORT",
        "DEFAULT",
        "ROTATOR",
    ];
    let is_state = |field: &&str| ["raw", "rawlp", "telnet", "off"].contains(field);
    if of_yaml.contains(&first) {
        Some(Format::Ser2net)
    } else if fields.len() > 1 && of_ser2net3.contains(&fields[0])
        || fields.len() > 3 && fields[1..].iter().any(is_state)
    {
        Some(Format::Ser2net3)
    } else if ["service", "defaults", "defaults{", "include", "includedir"].contains(&first) {
        Some(Format::Xinetd)
    } else if ["stream", "dgram", "raw", "rdm", "seqpacket"].contains(&second) {
        Some(Format::Inetd)
    } else if first.bytes().all(|b| b.is_ascii_digit()) && second.starts_with('/') {
        Some(Format::Masqdialer)
    } else {
        None
    }
}

fn by_name(name: &str) -> Option<Format> {
    let base = base_name(name);
    match base {
        "mserver.conf" => Some(Format::Masqdialer),
        "inetd.conf" => Some(Format::Inetd),
        "xinetd.conf" => Some(Format::Xinetd),
        "ser2net.conf" => Some(Format::Ser2net3),
        _ if [Some("yaml"), Some("yml")].contains(&base.rsplit('.').next()) => {
            Some(Format::Ser2net)
        }
        _ if name.split('/').rev().nth(1) == Some("xinetd.d") => Some(Format::Xinetd),
        _ => None,
    }
}
