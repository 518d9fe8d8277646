//! `ser2net.conf`, of ser2net up to version 3: `PORT:STATE:TIMEOUT:DEVICE:OPTIONS`, and directives.

use std::collections::BTreeMap;

use super::draft::{Draft, Findings};
use super::options::{self, Control};
use super::serial::{Serial, truth};
use super::{Place, Source, address};
use crate::config::{Protocol, Services};

/// What applies to the lines that follow.
#[derive(Default)]
struct Reading {
    serial: Serial,
    control: Control,
    /// Other options that were given a default, and the value.
    defaults: Vec<(String, String)>,
    /// `DEVICE`: paths by name.
    devices: BTreeMap<String, String>,
    /// Names of banners and the like, and which directive has them.
    texts: BTreeMap<String, String>,
    /// Each port as it was written, and its number among the drafts.
    ports: Vec<(String, usize)>,
}

pub(super) fn read(source: &Source<'_>, services: &Services, found: &mut Findings) {
    let mut reading = Reading::default();
    for (number, line) in source.joined_lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = source.place(number);
        let (word, rest) = line.split_once(':').unwrap_or((line, ""));
        match word {
            "BANNER" | "SIGNATURE" | "OPENSTR" | "CLOSESTR" | "CLOSEON" | "TRACEFILE" | "LED"
            | "RS485CONF" => {
                let name = rest.split(':').next().unwrap_or_default();
                reading
                    .texts
                    .insert(name.to_owned(), word.to_ascii_lowercase());
            }
            "CONTROLPORT" => {
                found.remark(format!("{place}: CONTROLPORT {rest}: {}", options::CONTROL));
            }
            "DEVICE" => {
                let (name, device) = rest.split_once(':').unwrap_or((rest, ""));
                reading
                    .devices
                    .insert(name.to_owned(), device.trim().to_owned());
            }
            "DEFAULT" => reading.set_default(&place, rest, found),
            "ROTATOR" => reading.rotator(place, rest, services, found),
            _ => reading.port(place, line, services, found),
        }
    }
}

impl Reading {
    fn set_default(&mut self, place: &Place, text: &str, found: &mut Findings) {
        let (name, value) = text.split_once(':').unwrap_or((text, ""));
        let (name, value) = (name.trim(), value.trim());
        match name {
            _ if self.serial.default_for(name, value) => {}
            "local" => self.control.local = truth(value).unwrap_or(false),
            "hangup_when_done" => self.control.hangup = truth(value).unwrap_or(false),
            _ => {
                let (mut draft, mut control) = (Draft::new(place.clone(), ""), Control::default());
                if name == "remctl" || options::take(&mut draft, &mut control, name, value) {
                    self.defaults.retain(|(of, _)| of != name);
                    self.defaults.push((name.to_owned(), value.to_owned()));
                } else {
                    found.remark(format!(
                        "{place}: DEFAULT {text}: modemd has nothing like it"
                    ));
                }
            }
        }
    }

    /// `PORT:STATE:TIMEOUT:DEVICE:OPTIONS`; the port may have colons, if it is of IPv6.
    fn port(&mut self, place: Place, line: &str, services: &Services, found: &mut Findings) {
        let fields: Vec<_> = line.split(':').collect();
        let is_state = |field: &&str| ["raw", "rawlp", "telnet", "off"].contains(&field.trim());
        let state = fields.iter().skip(1).position(is_state).map(|at| at + 1);
        let Some((state, [timeout, device, options @ ..])) =
            state.and_then(|at| Some((at, fields.get(at + 1..)?)))
        else {
            let what = "not a line of the kind PORT:STATE:TIMEOUT:DEVICE:OPTIONS";
            found.trouble(place, format!("`{line}`: {what}"));
            return;
        };
        let port = fields[..state].join(":");
        let mut draft = Draft::new(place, format!("port {port} of ser2net"));
        draft.listen(address::of_ser2net(&port, services));
        match fields[state].trim() {
            "off" => draft.obstacle("it was switched off (state off)"),
            "telnet" => draft.protocol = Protocol::Telnet,
            "rawlp" => draft.remark("rawlp: modemd sets up the line all the same"),
            _ => {}
        }
        draft.timeout(timeout);
        let device = device.trim();
        if let Some(path) = self.devices.get(device) {
            draft.name = Some(device.to_owned());
            draft.device(path);
        } else {
            draft.device(device);
        }
        self.options(&mut draft, &options.join(":"), found);
        self.ports.push((port, found.ports.len()));
        found.ports.push(draft);
    }

    fn options(&self, draft: &mut Draft, text: &str, found: &mut Findings) {
        let (mut serial, mut control) = (self.serial.clone(), self.control);
        let mut may_set = false;
        let mut all: Vec<(String, String)> = self.defaults.clone();
        // Commas part options, too, but for those in addresses.
        let words = text.split_whitespace().flat_map(|word| {
            let parts = if word.starts_with("remaddr=") {
                1
            } else {
                usize::MAX
            };
            word.splitn(parts, ',')
        });
        for word in words.filter(|word| !word.is_empty()) {
            if serial.take(word) {
                continue;
            }
            let (name, value) = match (word.strip_prefix('-'), word.find(['=', ':'])) {
                (Some(name), _) => (name, "false"),
                (None, Some(at)) => (&word[..at], &word[at + 1..]),
                (None, None) => (word, "true"),
            };
            if let Some(kind) = self.texts.get(word) {
                all.push((kind.clone(), word.to_owned()));
                continue;
            }
            // What is written with the port wins over a default.
            if name != "remaddr" {
                all.retain(|(of, _)| of != name);
            }
            all.push((name.to_owned(), value.to_owned()));
        }
        for (name, value) in all {
            if name.eq_ignore_ascii_case("remctl") {
                may_set = truth(&value).unwrap_or(true);
            } else {
                options::take_or_tell(draft, &mut control, &name, &value);
            }
        }
        if !may_set {
            // Telnet's own BREAK was always served.
            draft.client_settings = Some("[\"break\"]".to_owned());
        }
        draft.line = Some(serial.line());
        say(control, found);
    }

    /// `ROTATOR:PORT:PORTS`
    fn rotator(&mut self, place: Place, text: &str, services: &Services, found: &mut Findings) {
        let (port, members) = text.split_once(':').unwrap_or((text, ""));
        let mut draft = Draft::new(place, format!("rotator {port} of ser2net"));
        draft.listen(address::of_ser2net(port, services));
        let members: Vec<_> = members.split_whitespace().collect();
        let mut drafts = Vec::new();
        for member in members {
            match self.ports.iter().find(|(port, _)| port == member) {
                Some((_, at)) => drafts.push(&found.ports[*at]),
                None => draft.obstacle(format!("there is no port {member} before it")),
            }
        }
        if let Some((first, others)) = drafts.split_first() {
            draft.protocol = first.protocol;
            draft.client_settings.clone_from(&first.client_settings);
            let is_other = |of: &&Draft| {
                (of.protocol, &of.client_settings) != (first.protocol, &first.client_settings)
            };
            if others.iter().copied().any(|of| is_other(&of)) {
                draft.obstacle("all lines of a pool have the same protocol, and these have not");
            }
        }
        pool(&mut draft, &drafts);
        found.ports.push(draft);
    }
}

/// Makes a rotator of its members.
pub(super) fn pool(draft: &mut Draft, members: &[&Draft]) {
    let Some((first, others)) = members.split_first() else {
        draft.obstacle("it has no lines");
        return;
    };
    draft.line.clone_from(&first.line);
    draft.idle_timeout = first.idle_timeout;
    if others.iter().any(|of| of.line != first.line) {
        draft.obstacle("all lines of a pool have the same settings, and these have not");
    }
    if others
        .iter()
        .any(|of| of.idle_timeout != first.idle_timeout)
    {
        draft.remark("idle_timeout is that of the first line; the others had their own");
    }
    for device in members.iter().flat_map(|of| &of.devices) {
        if !draft.devices.contains(device) {
            draft.device(device);
        }
    }
    draft
        .remark("a client gets the first line that is free; ser2net began after the last one used");
}

/// Says once what modemd does with the modem's lines.
pub(super) fn say(control: Control, found: &mut Findings) {
    if !control.local {
        found.remark(
            "Without LOCAL, ser2net ended a session when the modem dropped carrier. modemd leaves that to the \
             client.",
        );
    }
    if !control.hangup {
        found.remark(
            "modemd hangs up at the end of every session, as ser2net did with HANGUP_WHEN_DONE only.",
        );
    }
}
