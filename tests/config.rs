//! Configuration cases: each folder in `tests/config` is one, with the files as they would stand
//! in `/etc/modemd`, perhaps a `services` as in `/etc`, and what comes of them in `expected`. A folder
//! with an `attach.toml` is a case of that file alone.
//!
//! A new case is files only; `UPDATE_EXPECTED=1 cargo test --test config` writes its `expected`
//! (and those of all others), to be read before it is committed.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use modemd::config::{
    Attachments, Busy, ClientSetting, ClientSettings, Config, Dial, DialClients, DialRules,
    Instance, Modem, Port, Problem, Protocol, Server, Services, display_duration,
};
use proptest::prelude::*;

/// The folders with cases.
fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config");
    let folders = fs::read_dir(root).unwrap().map(|e| e.unwrap().path());
    let mut cases: Vec<_> = folders.filter(|path| path.is_dir()).collect();
    cases.sort();
    cases
}

/// The attachments of a case that has such a file.
fn attachments(case: &Path) -> Option<Attachments> {
    let bytes = fs::read(case.join("attach.toml")).ok()?;
    let file = Path::new("attach.toml");
    Some(Attachments::parse(file, &bytes, &services(case)))
}

/// A case's files under the names that stand in `expected`.
fn files(case: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut names = vec![PathBuf::from("modemd.toml")];
    if let Ok(directory) = fs::read_dir(case.join("conf.d")) {
        let entries = directory.map(|e| Path::new("conf.d").join(e.unwrap().file_name()));
        names.extend(entries);
        names[1..].sort();
    }
    let with_bytes = |name: PathBuf| {
        let bytes = fs::read(case.join(&name)).unwrap();
        (name, bytes)
    };
    names.into_iter().map(with_bytes).collect()
}

fn services(case: &Path) -> Services {
    Services::parse(&fs::read_to_string(case.join("services")).unwrap_or_default())
}

fn quoted_list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items = items
        .into_iter()
        .map(|item| format!("{:?}", item.to_string()));
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

/// All settings, defaults too, as a file that has the same.
fn settings(config: &Config) -> String {
    let mut text = String::new();
    if config.server != Server::default() {
        let Server {
            lock_dir,
            user,
            group,
            idle_exit,
        } = &config.server;
        let idle_exit = display_duration(*idle_exit);
        text.push_str("[server]\n");
        if let Some(lock_dir) = lock_dir {
            writeln!(text, "lock_dir = \"{}\"", lock_dir.display()).unwrap();
        }
        writeln!(
            text,
            "user = {user:?}\ngroup = {group:?}\nidle_exit = {idle_exit:?}\n"
        )
        .unwrap();
    }
    for port in &config.ports {
        writeln!(text, "{}", port_settings(port)).unwrap();
    }
    text
}

fn port_settings(port: &Port) -> String {
    let mut lines = vec![format!("[ports.{:?}]", port.name)];
    if !port.listen.is_empty() {
        lines.push(format!("listen = {}", quoted_list(&port.listen)));
    }
    let devices = port.devices.iter().map(|path| path.display());
    lines.push(format!("devices = {}", quoted_list(devices)));
    lines.push(format!("line = \"{}\"", port.line));
    lines.push(format!("allow = {}", quoted_list(port.allow.hosts())));
    lines.push(format!("protocol = \"{}\"", port.protocol));
    if port.protocol == Protocol::Telnet {
        let settings = port.client_settings;
        let settings = if [ClientSettings::ANY, ClientSettings::NONE].contains(&settings) {
            format!("\"{settings}\"")
        } else {
            quoted_list(ClientSetting::ALL.iter().filter(|of| settings.allows(**of)))
        };
        lines.push(format!("client_settings = {settings}"));
    }
    if let Some(most) = port.max_baud {
        lines.push(format!("max_baud = {most}"));
    }
    if port.instance != Instance::Shared {
        lines.push(format!("instance = \"{}\"", port.instance));
    }
    match port.busy {
        Busy::Refuse => lines.push("busy = \"refuse\"".to_owned()),
        Busy::Wait(time) => {
            lines.push("busy = \"wait\"".to_owned());
            lines.push(format!("wait = \"{}\"", display_duration(time)));
        }
    }
    if let Some(time) = port.idle_timeout {
        lines.push(format!("idle_timeout = \"{}\"", display_duration(time)));
    }
    lines.push(format!("linger = \"{}\"", display_duration(port.linger)));
    lines.push(format!(
        "keepalive = \"{}\"",
        display_duration(port.keepalive)
    ));
    lines.push(format!("max_unsent = {}", port.max_unsent));
    if let Some(modem) = &port.modem {
        lines.push(modem_settings(&port.name, modem));
    }
    if let Some(dial) = &port.dial {
        lines.push(dial_settings(&port.name, dial));
    }
    lines.join("\n") + "\n"
}

fn modem_settings(port: &str, modem: &Modem) -> String {
    let Modem {
        init,
        timeout,
        hangup,
        guard_time,
        numbers,
    } = modem;
    let mut lines = vec![
        format!("[ports.{port:?}.modem]"),
        format!("init = {}", quoted_list(init)),
        format!("timeout = \"{}\"", display_duration(*timeout)),
        format!("hangup = \"{hangup}\""),
    ];
    if let Some(time) = guard_time {
        lines.push(format!("guard_time = \"{}\"", display_duration(*time)));
    }
    lines.push(format!("numbers = \"{numbers}\""));
    lines.join("\n")
}

fn dial_settings(port: &str, dial: &Dial) -> String {
    let Dial {
        rules,
        clients,
        refusal,
        commands,
    } = dial;
    let mut lines = vec![
        format!("[ports.{port:?}.dial]"),
        rule_settings(rules),
        format!("refuse = \"{refusal}\""),
        format!("commands = {}", quoted_list(commands)),
    ];
    for DialClients { hosts, rules } in clients {
        lines.extend([
            format!("[[ports.{port:?}.dial.clients]]"),
            format!("hosts = {}", quoted_list(hosts.hosts())),
            rule_settings(rules),
        ]);
    }
    lines.join("\n")
}

fn rule_settings(rules: &DialRules) -> String {
    let DialRules {
        allow,
        deny,
        hours,
        calls_per_hour,
        minutes_per_call,
        minutes_per_day,
    } = rules;
    let mut lines = vec![
        format!("allow = {}", quoted_list(allow)),
        format!("deny = {}", quoted_list(deny)),
    ];
    if !hours.is_empty() {
        lines.push(format!("hours = {}", quoted_list(hours)));
    }
    for (key, limit) in [
        ("calls_per_hour", calls_per_hour),
        ("minutes_per_call", minutes_per_call),
        ("minutes_per_day", minutes_per_day),
    ] {
        lines.extend(limit.map(|limit| format!("{key} = {limit}")));
    }
    lines.join("\n")
}

/// The same of attachments.
fn attachment_settings(attachments: &Attachments) -> String {
    let mut text = String::new();
    for attachment in &attachments.attachments {
        let (name, server) = (&attachment.name, &attachment.server);
        let protocol = attachment.protocol;
        writeln!(
            text,
            "[{name:?}]\nserver = \"{server}\"\nprotocol = \"{protocol}\""
        )
        .unwrap();
        if let Some(line) = attachment.line {
            writeln!(text, "line = \"{line}\"").unwrap();
        }
        text.push('\n');
    }
    text
}

/// What comes of a case.
fn outcome(case: &Path) -> String {
    if let Some(attachments) = attachments(case) {
        let settings = attachment_settings(&attachments);
        return outcome_of(settings, &attachments.problems, "attachment");
    }
    let config = Config::parse(&files(case), &services(case));
    outcome_of(settings(&config), &config.problems, "port")
}

fn outcome_of(settings: String, problems: &[Problem], what: &str) -> String {
    let mut text = settings;
    for problem in problems {
        match &problem.port {
            Some(name) => writeln!(text, "# {what} {name:?} is disabled:"),
            None => writeln!(text, "# not about one {what}:"),
        }
        .unwrap();
        writeln!(text, "{problem}\n").unwrap();
    }
    if text.is_empty() {
        write!(text, "# no {what}s, no problems").unwrap();
    }
    text.trim_end().to_owned() + "\n"
}

#[test]
fn each_folder_gives_what_it_expects() {
    let update = std::env::var_os("UPDATE_EXPECTED").is_some();
    let mut differences = String::new();
    for case in cases() {
        let name = case.file_name().unwrap().display().to_string();
        let outcome = outcome(&case);
        let expected = case.join("expected");
        if update {
            fs::write(expected, &outcome).unwrap();
            continue;
        }
        match fs::read_to_string(expected) {
            Err(error) => writeln!(
                differences,
                "tests/config/{name}/expected: {error}\n  write it with UPDATE_EXPECTED=1"
            )
            .unwrap(),
            Ok(expected) if expected == outcome => {}
            Ok(expected) => {
                writeln!(differences, "tests/config/{name} (- expected, + is):").unwrap();
                differences += &difference(&expected, &outcome);
            }
        }
    }
    assert!(differences.is_empty(), "\n{differences}");
}

/// The lines between those that both texts begin and end with.
fn difference(expected: &str, is: &str) -> String {
    let (mut expected, mut is): (Vec<_>, Vec<_>) =
        (expected.lines().collect(), is.lines().collect());
    while !expected.is_empty() && expected.last() == is.last() {
        expected.pop();
        is.pop();
    }
    let same = expected.iter().zip(&is).take_while(|(a, b)| a == b).count();
    let minus = expected[same..].iter().map(|line| format!("  -{line}\n"));
    let plus = is[same..].iter().map(|line| format!("  +{line}\n"));
    minus.chain(plus).collect()
}

#[test]
fn settings_written_out_read_back_the_same() {
    let again = PathBuf::from("again.toml");
    for case in cases() {
        if let Some(attachments) = attachments(&case) {
            let text = attachment_settings(&attachments).into_bytes();
            let again = Attachments::parse(&again, &text, &Services::default());
            assert_eq!(again.problems, [], "{}", case.display());
            assert_eq!(again.attachments, attachments.attachments);
            continue;
        }
        let config = Config::parse(&files(&case), &services(&case));
        let text = settings(&config).into_bytes();
        let again = Config::parse(&[(again.clone(), text)], &Services::default());
        assert_eq!(again.problems, [], "{}", case.display());
        assert_eq!((again.server, again.ports), (config.server, config.ports));
    }
}

/// Checks the problems of an `attach.toml`.
fn check_attachments(bytes: Vec<u8>) {
    let files = [(PathBuf::from("attach.toml"), bytes)];
    let [(file, bytes)] = &files;
    let attachments = Attachments::parse(file, bytes, &Services::default());
    check_places(&files, &attachments.problems);
}

/// What holds for the problems of any files: the place is in its file, and the line shown is the
/// line that is there.
fn check_places(files: &[(PathBuf, Vec<u8>)], problems: &[Problem]) {
    for problem in problems {
        let place = problem.place.as_ref().expect("these files could be read");
        let (_, bytes) = files.iter().find(|(path, _)| *path == place.file).unwrap();
        let text = String::from_utf8_lossy(bytes);
        let line = text.split('\n').nth(place.line - 1).unwrap();
        let line = line
            .strip_suffix('\r')
            .unwrap_or(line)
            .trim_start_matches('\u{feff}');
        let shown = place.text.trim_start_matches('\u{feff}');
        assert_eq!(shown.chars().count(), line.chars().count(), "{problem}");
        assert!(place.column >= 1 && place.width >= 1, "{problem}");
        let beyond = place.text.chars().count() + 2;
        assert!(place.column + place.width <= beyond, "{problem}");
        // A headline, a line of the file, a caret, a remedy: nothing breaks out of its line.
        assert_eq!(problem.to_string().lines().count(), 4, "{problem}");
    }
}

/// A good file with every key, to be spoilt.
const GOOD: &str = include_str!("config/good-every-key/modemd.toml");

/// The same of attachments.
const GOOD_ATTACHMENTS: &str = include_str!("config/attach-good/attach.toml");

/// A file with a piece of it replaced.
fn spoilt(good: &str, at: proptest::sample::Index, taken: usize, put: String) -> Vec<u8> {
    let mut bytes = good.as_bytes().to_vec();
    let at = at.index(bytes.len());
    let end = (at + taken).min(bytes.len());
    bytes.splice(at..end, put.into_bytes());
    bytes
}

/// What the caret of a problem is below.
fn below_the_caret(problem: &Problem) -> String {
    let place = problem.place.as_ref().unwrap();
    let below = place.text.chars().skip(place.column - 1);
    below.take(place.width).collect()
}

proptest! {
    #[test]
    fn no_bytes_are_too_strange(bytes: Vec<u8>) {
        check_attachments(bytes.clone());
        let files = [("modemd.toml".into(), bytes)];
        check_places(&files, &Config::parse(&files, &Services::default()).problems);
    }

    #[test]
    fn no_text_is_too_strange(text in "(\\PC|[\\[\\]=\"#.,\t\r\n]|ports|server|devices|line)*") {
        check_attachments(text.clone().into_bytes());
        let files = [("modemd.toml".into(), text.into_bytes())];
        check_places(&files, &Config::parse(&files, &Services::default()).problems);
    }

    #[test]
    fn a_spoilt_file_is_told_of_at_a_place_inside_it(
        at: proptest::sample::Index,
        taken in 0_usize..12,
        put in "(\\PC|[\\[\\]=\"#.,\t\r\n0-9]){0,6}",
    ) {
        check_attachments(spoilt(GOOD_ATTACHMENTS, at, taken, put.clone()));
        let files = [("modemd.toml".into(), spoilt(GOOD, at, taken, put))];
        check_places(&files, &Config::parse(&files, &Services::default()).problems);
    }

    #[test]
    fn one_wrong_port_is_one_port_less(wrong in "[a-z]{0,8}") {
        prop_assume!(wrong != "raw" && wrong != "telnet");
        let text = format!(
            "[ports.first]\ndevices = [\"/dev/ttyS0\"]\n\
             [ports.second]\nprotocol = \"{wrong}\"\ndevices = [\"/dev/ttyS1\"]\n\
             [ports.third]\ndevices = [\"/dev/ttyS2\"]\n"
        );
        let files = [("modemd.toml".into(), text.into_bytes())];
        let config = Config::parse(&files, &Services::default());
        let names: Vec<_> = config.ports.iter().map(|port| port.name.as_str()).collect();
        prop_assert_eq!(names, ["first", "third"]);
        // The caret is below the value, with its quotes.
        prop_assert_eq!(below_the_caret(&config.problems[0]), format!("\"{wrong}\""));
    }

    #[test]
    fn one_wrong_attachment_is_one_attachment_less(wrong in "[a-z]{0,8}") {
        let text = format!(
            "[first]\nserver = \"modemhost:1\"\n[second]\nserver = \"{wrong}\"\n\
             [third]\nserver = \"modemhost:3\"\n"
        );
        let file = Path::new("attach.toml");
        let read = Attachments::parse(file, text.as_bytes(), &Services::default());
        let names: Vec<_> = read.attachments.iter().map(|of| of.name.as_str()).collect();
        prop_assert_eq!(names, ["first", "third"]);
        prop_assert_eq!(below_the_caret(&read.problems[0]), format!("\"{wrong}\""));
        prop_assert!(read.get("second").is_err());
    }
}
