//! `ser2net.yaml`, of ser2net from version 4 on.

mod gensio;
mod yaml;

use std::collections::BTreeMap;

use super::draft::{Draft, Findings};
use super::options::{self, Control};
use super::ser2net3::{pool, say};
use super::serial::{Serial, truth};
use super::{Place, Source, address};
use crate::config::{Protocol, Services};
use gensio::layer;
use yaml::{Entry, Node, parse};

/// Longer than any text of use.
const LONGEST: usize = 4096;

pub(super) fn read(source: &Source<'_>, services: &Services, found: &mut Findings) {
    let mut entries = Vec::new();
    let parsed = parse(source.text, &mut entries);
    let mut reading = Reading::default();
    for entry in entries {
        reading.entry(source.place(entry.line), entry, services, found);
    }
    if let Err((line, why)) = parsed {
        found.trouble(
            source.place(line),
            format!("this is not YAML as ser2net has it: {why}; what stands before is used"),
        );
    }
}

/// What applies to what follows.
#[derive(Default)]
struct Reading {
    /// `define`: texts by name.
    texts: BTreeMap<String, String>,
    /// By class, which may be empty, and name.
    defaults: BTreeMap<(String, String), String>,
    /// Each connection's number among the drafts, or the draft of one that is for rotators only.
    connections: BTreeMap<String, Draft>,
}

impl Reading {
    fn entry(&mut self, place: Place, entry: Entry, services: &Services, found: &mut Findings) {
        let Entry {
            key, anchor, value, ..
        } = entry;
        match (key.as_str(), value) {
            ("define", value) => {
                let text = self.text(&value);
                if let Some(anchor) = anchor {
                    self.texts.insert(anchor, text);
                }
            }
            ("connection", Node::Map(entries)) => {
                self.connection(place, anchor, &entries, services, found);
            }
            ("rotator", Node::Map(entries)) => {
                self.rotator(place, anchor, &entries, services, found);
            }
            ("default" | "delete_default", Node::Map(entries)) => {
                let get = |key| self.get(&entries, key).map(|text| text.trim().to_owned());
                let class = get("class").unwrap_or_default();
                let Some(name) = get("name") else { return };
                let value = get("value").unwrap_or_default();
                let is_of_use = is_setting(&name)
                    || name == "rfc2217"
                    || options::take(
                        &mut Draft::new(place.clone(), ""),
                        &mut Control::default(),
                        &name,
                        &value,
                    );
                if !is_of_use {
                    found.remark(format!(
                        "{place}: default {name}: modemd has nothing like it"
                    ));
                }
                if key == "default" {
                    self.defaults.insert((class, name), value);
                } else {
                    self.defaults.remove(&(class, name));
                }
            }
            ("admin", _) => found.remark(format!("{place}: admin: {}", options::CONTROL)),
            ("include", value) => found.remark(format!(
                "{place}: include {}: not read by itself: name those files, too",
                self.text(&value)
            )),
            ("led", _) => {}
            (key, _) => found.trouble(place, format!("`{key}`: this is nothing that ser2net has")),
        }
    }

    /// The text of a scalar, with `*(NAME)` put in.
    fn text(&self, node: &Node) -> String {
        let text = match node {
            Node::Text(text) => text.as_str(),
            Node::Alias(name) => return self.texts.get(name).cloned().unwrap_or_default(),
            Node::List(_) | Node::Map(_) => return String::new(),
        };
        let mut whole = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("*(") {
            whole.push_str(before);
            rest = after;
            if let Some((name, after)) = rest.split_once(')')
                && let Some(text) = self.texts.get(name)
            {
                whole.push_str(text);
                rest = after;
                // Texts of texts of texts grow without end.
                if whole.len() > LONGEST {
                    return whole.chars().take(LONGEST).collect();
                }
            } else {
                whole.push_str("*(");
            }
        }
        whole + rest
    }

    fn get(&self, entries: &[Entry], key: &str) -> Option<String> {
        let entry = entries.iter().rev().find(|entry| entry.key == key)?;
        Some(self.text(&entry.value))
    }

    /// A default of a class, or of all.
    fn default_of(&self, class: &str, name: &str) -> Option<&str> {
        let of = |class: &str| self.defaults.get(&(class.to_owned(), name.to_owned()));
        of(class).or_else(|| of("")).map(String::as_str)
    }

    fn connection(
        &mut self,
        place: Place,
        anchor: Option<String>,
        entries: &[Entry],
        services: &Services,
        found: &mut Findings,
    ) {
        let name = anchor
            .or_else(|| self.get(entries, "name"))
            .unwrap_or_default();
        let mut draft = Draft::new(place, format!("connection {name} of ser2net"));
        draft.name = Some(name.clone()).filter(|name| !name.is_empty());
        let accepter = self.get(entries, "accepter").unwrap_or_default();
        let connector = self.get(entries, "connector").unwrap_or_default();
        if connector.contains("*{") || accepter.contains("*{") {
            draft.obstacle("*{FILE}: that file is not read");
        }
        let is_reachable = self.accepter(&mut draft, &accepter, services);
        let mut control = Control {
            local: self
                .default_of("serialdev", "local")
                .and_then(truth)
                .unwrap_or(false),
            hangup: self
                .default_of("serialdev", "hangup-when-done")
                .and_then(truth)
                .unwrap_or(false),
        };
        self.connector(&mut draft, &mut control, &connector);
        for ((class, name), value) in &self.defaults {
            let is_of_line = class == "serialdev" || class.is_empty() && is_setting(name);
            if !is_of_line && (class.is_empty() || class == "ser2net") {
                options::take(&mut draft, &mut control, name, value);
            }
        }
        for Entry { key, value, .. } in entries {
            match (key.as_str(), value) {
                ("accepter" | "connector" | "name", _) => {}
                ("timeout", value) => draft.timeout(&self.text(value)),
                ("enable", value) => {
                    if truth(&self.text(value)) == Some(false) {
                        draft.obstacle("it was switched off (enable)");
                    }
                }
                ("options", Node::Map(entries)) => {
                    for Entry { key, value, .. } in entries {
                        // The value of a `led` is an alias of no text.
                        let value = self.text(value);
                        options::take_or_tell(&mut draft, &mut control, key, &value);
                    }
                }
                (key, value) => {
                    let value = self.text(value);
                    options::take_or_tell(&mut draft, &mut control, key, &value);
                }
            }
        }
        say(control, found);
        if !name.is_empty() {
            self.connections.insert(name, draft.clone());
        }
        if is_reachable {
            found.ports.push(draft);
        }
    }

    /// `telnet(rfc2217),tcp,localhost,2000`. Says whether anybody can come in.
    fn accepter(&self, draft: &mut Draft, text: &str, services: &Services) -> bool {
        let mut rest = text.trim();
        loop {
            let (layer, arguments, after) = layer(rest);
            match layer {
                "telnet" => {
                    draft.protocol = Protocol::Telnet;
                    let default = self.default_of("telnet", "rfc2217").and_then(truth);
                    let named = arguments.iter().find_map(|argument| match *argument {
                        "rfc2217" => Some(true),
                        _ => argument.strip_prefix("rfc2217=").and_then(truth),
                    });
                    draft.client_settings = match named.or(default) {
                        Some(true) => None,
                        // Telnet's own BREAK was always served.
                        _ => Some("[\"break\"]".to_owned()),
                    };
                }
                "tcp" => {
                    if !arguments.is_empty() {
                        draft.remark(format!("tcp({}): not carried over", arguments.join(",")));
                    }
                    draft.listen(address::of_ser2net(after, services));
                    return true;
                }
                "unix" => {
                    draft.listen = vec![after.to_owned()];
                    return true;
                }
                "dummy" => return false,
                "udp" | "sctp" | "stdio" | "serialdev" | "ax25" | "sound" => {
                    draft.obstacle(format!("{layer}: modemd serves TCP and unix sockets"));
                    return true;
                }
                "ssl" | "certauth" | "mux" | "conacc" | "ratelimit" | "perf" | "trace"
                | "msgdelim" | "relpkt" | "kiss" | "script" | "xlt" | "file" | "mdns"
                | "keepopen" => {
                    draft.obstacle(format!(
                        "{layer}: modemd speaks plain TCP, or telnet; without {layer} it is not the same"
                    ));
                }
                // `accepter: 2000` is TCP.
                _ => {
                    draft.listen(address::of_ser2net(rest, services));
                    return true;
                }
            }
            rest = after;
        }
    }

    /// `serialdev,/dev/ttyS0,9600n81,local`
    fn connector(&self, draft: &mut Draft, control: &mut Control, text: &str) {
        let text = text.trim();
        let (kind, arguments, rest) = layer(text);
        let address = match kind {
            "serialdev" => rest,
            _ if text.starts_with('/') => text,
            _ => {
                draft.obstacle(format!(
                    "its connector is `{kind}`: modemd shares serial lines only"
                ));
                return;
            }
        };
        let mut words = address.split(|c: char| c == ',' || c.is_whitespace());
        let device = words.find(|word| !word.is_empty()).unwrap_or_default();
        draft.device(device);
        let mut serial = Serial::default();
        for ((class, name), value) in &self.defaults {
            if class == "serialdev"
                || class.is_empty() && self.default_of("serialdev", name) == Some(value)
            {
                serial.default_for(name, value);
            }
        }
        for word in arguments
            .into_iter()
            .chain(words)
            .filter(|word| !word.is_empty())
        {
            if serial.take(word) {
                continue;
            }
            let (name, value) = match (word.strip_prefix('-'), word.split_once('=')) {
                (Some(name), _) => (name, "false"),
                (None, Some(pair)) => pair,
                (None, None) => (word, "true"),
            };
            if !options::take(draft, control, name, value) {
                draft.remark_on(word, "modemd has nothing like it");
            }
        }
        draft.line = Some(serial.line());
    }

    fn rotator(
        &mut self,
        place: Place,
        anchor: Option<String>,
        entries: &[Entry],
        services: &Services,
        found: &mut Findings,
    ) {
        let name = anchor.unwrap_or_default();
        let mut draft = Draft::new(place, format!("rotator {name} of ser2net"));
        draft.name = Some(name).filter(|name| !name.is_empty());
        let mut names = Vec::new();
        for Entry { key, value, .. } in entries {
            match (key.as_str(), value) {
                ("connections", Node::List(nodes)) => {
                    names.extend(nodes.iter().map(|node| match node {
                        Node::Alias(name) | Node::Text(name) => name.clone(),
                        Node::List(_) | Node::Map(_) => String::new(),
                    }));
                }
                ("connections", Node::Alias(name) | Node::Text(name)) => names.push(name.clone()),
                ("options", Node::Map(entries)) => {
                    for Entry { key, value, .. } in entries {
                        let value = self.text(value);
                        options::take_or_tell(&mut draft, &mut Control::default(), key, &value);
                    }
                }
                _ => {}
            }
        }
        let mut members = Vec::new();
        for name in names {
            match self.connections.get(&name) {
                Some(member) => members.push(member),
                None => draft.obstacle(format!("there is no connection {name} before it")),
            }
        }
        pool(&mut draft, &members);
        let accepter = self.get(entries, "accepter").unwrap_or_default();
        // Its own accepter says what clients speak, not those of its members.
        if self.accepter(&mut draft, &accepter, services) {
            found.ports.push(draft);
        }
    }
}

fn is_setting(name: &str) -> bool {
    let names = [
        "local",
        "hangup-when-done",
        "nobreak",
        "custspeed",
        "rs485",
        "dtr",
        "rts",
    ];
    names.contains(&name) || Serial::default().default_for(name, "1")
}
