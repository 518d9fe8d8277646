//! ser2net's options that are no settings of the line.

use super::draft::{Access, Draft};
use super::serial::truth;

/// What there is in place of ser2net's port for control.
pub(super) const CONTROL: &str = "there is no port for control; on this machine modemctl shows the sessions (status), \
                                  ends them (hangup) and shows what goes through them (watch)";

/// What became of the modem's lines in a port; said once for all ports.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Control {
    /// `LOCAL`: deaf to carrier, as modemd always is.
    pub(super) local: bool,
    /// `HANGUP_WHEN_DONE`, as modemd always does.
    pub(super) hangup: bool,
}

/// Takes an option and its value, `true` if it was merely named. Says whether there is such an option.
pub(super) fn take(draft: &mut Draft, control: &mut Control, name: &str, value: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    let on = truth(value).unwrap_or(true);
    let nothing = ();
    match name.as_str() {
        "local" | "clocal" => control.local = on,
        "hangup-when-done" => control.hangup = on,
        "remaddr" => remote(draft, value),
        "authdir" | "pamauth" | "allowed-users" if value.is_empty() => nothing,
        "authdir" | "pamauth" | "allowed-users" => draft.obstacle(format!(
            "{name}: modemd knows machines, not users: whoever may connect is in `allow`"
        )),
        "no-acc-to-con" | "no-con-to-acc" if on => {
            draft.obstacle(format!("{name}: modemd's sessions go both ways"));
        }
        "wronly" if on => draft.obstacle("wronly: modemd shares lines that can be read"),
        "dtr" | "rts" if !on => draft.remark_on(&name, "up at the beginning of a session"),
        _ if !on => return is_known(&name),
        "max-connections" if value.trim() == "1" => nothing,
        "nobreak" | "custspeed" => nothing,
        _ => match remark(&name) {
            Some(remark) => draft.remark_on(&name, remark),
            None => return false,
        },
    }
    true
}

/// Takes an option, or says that there is none like it.
pub(super) fn take_or_tell(draft: &mut Draft, control: &mut Control, name: &str, value: &str) {
    if !take(draft, control, name, value) {
        draft.remark_on(name, "modemd has nothing like it");
    }
}

fn is_known(name: &str) -> bool {
    let others = [
        "authdir",
        "pamauth",
        "allowed-users",
        "no-acc-to-con",
        "no-con-to-acc",
        "wronly",
        "nobreak",
        "custspeed",
    ];
    others.contains(&name) || remark(name).is_some()
}

/// What is to be said of an option that modemd has not.
fn remark(name: &str) -> Option<&'static str> {
    Some(match name {
        "kickolduser" => {
            "nobody is thrown out; with `busy = \"wait\"` the next client waits for the line"
        }
        "max-connections" => "one client at a time has a line",
        "telnet-brk-on-sync" => "a telnet SYNCH sends no BREAK; the client's BREAK key does",
        "banner" | "openstr" | "closestr" => "modemd sends no texts of its own",
        "signature" => "the signature is always modemd's name and version",
        "closeon" | "sendon" => "modemd does not look into what is sent",
        "rs485" => "modemd leaves RS-485 as the driver has it",
        "led-tx" | "led-rx" => "modemd switches no LEDs; the kernel's LED trigger `tty` does",
        "nouucplock" => "modemd always makes lock files",
        "drain-time" | "char-drain-wait" => "modemd gives what was sent time to reach the modem",
        "dtr" | "rts" => "up at the beginning of a session",
        "connback" => "modemd calls nobody",
        "connector-retry-time" | "accepter-retry-time" => "there is nothing like it",
        "tr" | "tw" | "tb" | "hexdump" | "timestamp" => "modemd writes no traces",
        _ if name.starts_with("chardelay") || name == "disable-chardelay" => {
            "what arrives is passed on at once"
        }
        _ if name.ends_with("-bufsize") => "the buffers have no sizes to set",
        _ if name.starts_with("trace-")
            || ["tr-", "tw-", "tb-"].iter().any(|of| name.starts_with(of)) =>
        {
            "modemd writes no traces"
        }
        _ if name.starts_with("mdns") => "modemd does not announce itself; avahi-daemon can",
        _ => return None,
    })
}

/// `remaddr`: who may come, as `address,port` between semicolons.
fn remote(draft: &mut Draft, value: &str) {
    let mut hosts = match &draft.access {
        Access::Only(hosts) => hosts.clone(),
        _ => Vec::new(),
    };
    for entry in value
        .split(';')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
    {
        let parts = entry.split(',').map(str::trim);
        let kinds = ["ipv4", "ipv6", "tcp", "udp"];
        let parts: Vec<_> = parts.filter(|part| !kinds.contains(part)).collect();
        match parts[..] {
            [host, "0"] if !host.starts_with('!') => hosts.push(host.to_owned()),
            _ => draft.remark(format!(
                "remaddr {entry}: left out of `allow`, which has machines whatever port they come from"
            )),
        }
    }
    draft.access = Access::Only(hosts);
}
