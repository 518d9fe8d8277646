//! Files in, settings and problems out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeString, DeValue};

use super::clashes::clashes;
use super::problem::quoted;
use super::section::{Key, Section, in_order};
use super::source::Source;
use super::{Config, Place, Port, Problem, Server, Services, dial, modem, port, server};

const KEYS: &[Key] = &[("server", "[server]"), ("ports", "[ports.modem]")];

impl Config {
    /// Reads files in this order. Later ones override the `[server]` keys of earlier ones; a port
    /// must be in one file only.
    ///
    /// `services` has the names that ports may be written with.
    #[must_use]
    pub fn parse(files: &[(PathBuf, Vec<u8>)], services: &Services) -> Self {
        let mut reading = Reading::default();
        for (path, bytes) in files {
            reading.file(path, bytes, services);
        }
        reading.refuse_shared_names();
        reading.refuse_shared_endpoints();

        let mut problems = reading.problems;
        let mut order = BTreeMap::new();
        for (number, (path, _)) in files.iter().enumerate() {
            order.entry(path).or_insert(number);
        }
        problems.sort_by_key(|problem| {
            let place = problem.place.as_ref();
            place.map(|place| (order.get(&place.file), place.line, place.column))
        });
        let disabled: BTreeSet<_> = problems.iter().filter_map(|of| of.port.as_ref()).collect();
        let is_fine = |port: &Port| !disabled.contains(&port.name);
        let found = reading.ports.into_iter();
        let fine: Vec<_> = found.filter(|found| is_fine(&found.port)).collect();
        let origin = |found: &Found| (found.port.name.clone(), found.place.file.clone());
        Self {
            server: reading.server,
            origins: fine.iter().map(origin).collect(),
            ports: fine.into_iter().map(|found| found.port).collect(),
            problems,
        }
    }
}

/// What was found so far.
#[derive(Default)]
struct Reading {
    server: Server,
    ports: Vec<Found>,
    problems: Vec<Problem>,
}

/// A port as far as it could be read.
struct Found {
    port: Port,
    /// Of its name.
    place: Place,
    /// Of each of its endpoints.
    endpoints: Vec<Place>,
}

impl Reading {
    fn file(&mut self, path: &Path, bytes: &[u8], services: &Services) {
        let source = Source::new(path, bytes);
        let mut file = Section::new(&source, "", None, KEYS);
        match source.table("[ports.NAME]") {
            Err((span, mistake)) => file.report("", span, mistake),
            Ok(table) => {
                for (key, value) in in_order(table.get_ref()) {
                    match key.get_ref().as_ref() {
                        "server" => self.server(&source, value),
                        "ports" => {
                            for (name, value) in file.table("ports", value).unwrap_or_default() {
                                self.port(&source, name, value, services);
                            }
                        }
                        name => {
                            file.unknown(key, hint(name, value.get_ref()));
                        }
                    }
                }
            }
        }
        self.problems.append(&mut file.problems);
    }

    fn server(&mut self, source: &Source<'_>, value: &Spanned<DeValue<'_>>) {
        let mut section = Section::new(source, "server", None, server::KEYS);
        if let Some(entries) = section.table("", value) {
            self.server.read(&mut section, entries);
        }
        self.problems.append(&mut section.problems);
    }

    fn port(
        &mut self,
        source: &Source<'_>,
        name: &Spanned<DeString<'_>>,
        value: &Spanned<DeValue<'_>>,
        services: &Services,
    ) {
        let header = name.span();
        let key = name;
        let name = name.get_ref().as_ref();
        if !value.get_ref().is_table() && !tables_of(name).is_empty() {
            let mut ports = Section::new(source, "ports", None, &[]);
            ports.unknown(key, hint(name, value.get_ref()));
            self.problems.append(&mut ports.problems);
            return;
        }
        let mut section = match port::check_name(name) {
            Ok(()) => Section::new(source, format!("ports.{name}"), Some(name), port::KEYS),
            Err(mistake) => {
                let mut section = Section::new(source, "ports", Some(name), port::KEYS);
                section.report("", header.clone(), mistake);
                section
            }
        };
        let (port, endpoints) = match section.table("", value) {
            Some(entries) => Port::read(&mut section, name, header.clone(), entries, services),
            None => (Port::new(name), Vec::new()),
        };
        self.problems.append(&mut section.problems);
        self.ports.push(Found {
            port,
            place: source.place(header),
            endpoints: endpoints.into_iter().map(|s| source.place(s)).collect(),
        });
    }

    /// Nobody can say which of two ports of one name is meant: neither is served.
    fn refuse_shared_names(&mut self) {
        let mut firsts: BTreeMap<&str, &Found> = BTreeMap::new();
        for later in &self.ports {
            if let Some(first) = firsts.get(later.port.name.as_str()) {
                let Place { file, line, .. } = &first.place;
                self.problems.push(Problem {
                    port: Some(later.port.name.clone()),
                    place: Some(later.place.clone()),
                    message: format!(
                        "{}: a port of this name is already in {}:{line}",
                        quoted(&later.port.name),
                        file.display()
                    ),
                    remedy: "give each port a name of its own; until then neither is served"
                        .to_owned(),
                });
            } else {
                firsts.insert(&later.port.name, later);
            }
        }
    }

    /// Where two ports want to listen at the same endpoint, the first has it, even if it is not
    /// served for another reason: otherwise mending that would break the second.
    fn refuse_shared_endpoints(&mut self) {
        let all = self.ports.iter().flat_map(|found| {
            let listed = found.port.listen.iter().zip(&found.endpoints);
            listed.map(move |(endpoint, place)| (found, endpoint, place))
        });
        let all: Vec<_> = all.collect();
        // Two of one name are a copy most often, of which enough was said.
        let firsts = clashes(all.iter().map(|(found, at, _)| (*at, &found.port.name)));
        for ((later, endpoint, place), first) in all.iter().zip(firsts) {
            if let Some(first) = first {
                let (_, earlier, Place { file, line, .. }) = all[first];
                let why = if earlier == *endpoint {
                    "is taken:".to_owned()
                } else {
                    format!("clashes with `{earlier}`,")
                };
                self.problems.push(Problem {
                    port: Some(later.port.name.clone()),
                    place: Some((*place).clone()),
                    message: format!(
                        "ports.{}.listen: `{endpoint}` {why} first used in {}:{line}",
                        later.port.name,
                        file.display(),
                    ),
                    remedy: "give each port an endpoint of its own".to_owned(),
                });
            }
        }
    }
}

/// Where a key belongs that somebody wrote elsewhere.
pub(super) fn hint(name: &str, value: &DeValue<'_>) -> Option<String> {
    let tables = tables_of(name);
    if !tables.is_empty() {
        return Some(format!("write `{name}` below a {}", tables.join(" or a ")));
    }
    if name == "clients" {
        return Some("did you mean `[[ports.NAME.dial.clients]]`?".to_owned());
    }
    if !value.is_table() || port::check_name(name).is_err() {
        return None;
    }
    Some(match name {
        "dial" => "did you mean `[ports.NAME.dial]`?".to_owned(),
        "modem" if has_key_of(modem::KEYS, value) => {
            "did you mean `[ports.NAME.modem]`?".to_owned()
        }
        name => format!("did you mean `[ports.{name}]`?"),
    })
}

/// The tables that have this key, if that is no table itself.
fn tables_of(name: &str) -> Vec<&'static str> {
    let tables = [
        (port::KEYS, "`[ports.NAME]`"),
        (modem::KEYS, "`[ports.NAME.modem]`"),
        (dial::KEYS, "`[ports.NAME.dial]`"),
    ];
    let is_it = |(key, example): &Key| *key == name && !example.starts_with('[');
    let of = tables.iter().filter(|(keys, _)| keys.iter().any(is_it));
    let mut of: Vec<_> = of.map(|(_, table)| *table).collect();
    if of.is_empty() && dial::KEYS_OF_CLIENTS.iter().any(is_it) {
        of.push("`[[ports.NAME.dial.clients]]`");
    }
    of
}

fn has_key_of(keys: &[Key], value: &DeValue<'_>) -> bool {
    let has = |(key, _): &Key| value.get(*key).is_some();
    keys.iter().any(has)
}
