//! The manual pages, read as a user would: what they name exists, what exists they name, and what
//! they show works.
//!
//! What a page is expected to look like: options and commands are the terms of the sections OPTIONS
//! and COMMANDS, keys those of PORTS, SERVER and ATTACHMENTS; a term is followed by its text, indented. A default
//! is written `Default: *60s*.`, a range `From *1s* to *1d*.`, and an option always in bold.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use clap::{Arg, Command, CommandFactory, Parser};
use modemd::config::{
    Attachments, Config, NumberPattern, Problem, Services, display_duration, parse_duration,
};
use modemd::{command_line, modemctl};

const PAGES: [&str; 6] = [
    "modemd.8",
    "modemd.toml.5",
    "modemd-attach.toml.5",
    "modemctl.1",
    "modemd-guard.7",
    "modemd-generator.8",
];

/// Keys without a default that could be written, or with one that depends on the machine.
const DEFAULT_IN_WORDS: [&str; 14] = [
    "devices",
    "allow",
    "listen",
    "max_baud",
    "idle_timeout",
    "lock_dir",
    "init",
    "guard_time",
    "deny",
    "hours",
    "calls_per_hour",
    "minutes_per_call",
    "minutes_per_day",
    "commands",
];

/// The tables of *modemd.toml*, and the sections with their keys.
const TABLES: [(&str, &str); 4] = [
    ("[ports.modem]", "PORTS"),
    ("[ports.modem.modem]", "MODEMS"),
    ("[ports.modem.dial]", "DIALLING"),
    ("[server]", "SERVER"),
];

/// Keys of tables which are tables themselves.
const INNER_TABLES: [&str; 3] = ["modem", "dial", "clients"];

fn page(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("packaging/man/{name}.scd"));
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// A term and what is said of it, in one line.
struct Entry {
    term: String,
    text: String,
}

/// The entries of a section, which has some.
fn entries(page: &str, section: &str) -> Vec<Entry> {
    let heading = format!("# {section}");
    let lines = page.lines().skip_while(|line| *line != heading).skip(1);
    let mut entries: Vec<Entry> = Vec::new();
    let mut in_entry = false;
    for line in lines.take_while(|line| !line.starts_with("# ")) {
        match line.strip_prefix('\t') {
            Some(text) => {
                let entry = entries.last_mut().filter(|_| in_entry);
                let entry = entry.unwrap_or_else(|| panic!("{section}: no term before: {text}"));
                entry.text.extend([text, " "]);
            }
            None if line.is_empty() => {}
            None if line.starts_with('*') => {
                in_entry = true;
                entries.push(Entry {
                    term: line.to_owned(),
                    text: String::new(),
                });
            }
            None => in_entry = false,
        }
    }
    entries.retain(|entry| !entry.text.is_empty());
    assert!(!entries.is_empty(), "no entries in {section}");
    entries
}

/// What is in bold.
fn bold(text: &str) -> Vec<String> {
    let text = text.replace("\\*", "\u{0}");
    let spans = text.split('*').skip(1).step_by(2);
    spans.map(|span| span.replace('\u{0}', "*")).collect()
}

/// The lines of each literal block.
fn literal_blocks(page: &str) -> Vec<Vec<&str>> {
    let mut blocks = Vec::new();
    let mut open: Option<Vec<&str>> = None;
    for line in page.lines() {
        if line.trim() == "```" {
            match open.take() {
                Some(block) => blocks.push(block),
                None => open = Some(Vec::new()),
            }
        } else if let Some(block) = &mut open {
            block.push(line);
        }
    }
    assert!(open.is_none(), "a literal block is not closed");
    blocks
}

/// A page without its literal blocks.
fn prose(page: &str) -> String {
    let parts = page.split("```").step_by(2);
    parts.collect()
}

fn is_option(word: &str) -> bool {
    word.starts_with('-') && word.len() > 1
}

/// `-v`, `--verbose`
fn spellings(arg: &Arg) -> Vec<String> {
    let long = arg.get_long().map(|long| format!("--{long}"));
    let short = arg.get_short().map(|short| format!("-{short}"));
    long.into_iter().chain(short).collect()
}

/// What `--help` of a subcommand shows too, and the main program's page has once for all.
fn is_everywhere(arg: &Arg) -> bool {
    arg.is_global_set() || ["help", "version"].contains(&arg.get_id().as_str())
}

fn check_argument(arg: &Arg, entry: &Entry) {
    let Entry { term, text } = entry;
    let takes_value = arg.get_action().takes_values();
    for name in arg.get_value_names().unwrap_or_default() {
        let shown = format!("_{name}_");
        assert!(!takes_value || term.contains(&shown), "{term}: no {shown}");
    }
    for default in arg.get_default_values() {
        let default = default.to_string_lossy().into_owned();
        let is_told = bold(text).contains(&default);
        assert!(
            !takes_value || is_told,
            "{term}: the default {default} is not told"
        );
    }
}

fn commands(program: &Command) -> impl Iterator<Item = &Command> {
    let commands = program.get_subcommands();
    commands.filter(|command| !command.is_hide_set() && command.get_name() != "help")
}

fn check_program(mut program: Command, page: &str) {
    program.build();
    let options = entries(page, "OPTIONS");
    let mut known = BTreeSet::new();
    for arg in program.get_arguments().filter(|arg| !arg.is_hide_set()) {
        for spelling in spellings(arg) {
            let entry = options.iter().find(|of| bold(&of.term).contains(&spelling));
            let entry = entry.unwrap_or_else(|| panic!("OPTIONS do not have {spelling}"));
            check_argument(arg, entry);
            known.insert(spelling);
        }
    }
    let told: BTreeSet<_> = options.iter().flat_map(|of| bold(&of.term)).collect();
    assert_eq!(told, known, "OPTIONS (left) and the program's (right)");

    let told = entries(page, "COMMANDS");
    let names: Vec<_> = told.iter().map(|of| bold(&of.term)[0].clone()).collect();
    let known: Vec<_> = commands(&program).map(Command::get_name).collect();
    assert_eq!(names, known, "COMMANDS (left) and the program's (right)");
    for (entry, command) in told.iter().zip(commands(&program)) {
        let mut known = BTreeSet::new();
        let own = command.get_arguments().filter(|arg| !is_everywhere(arg));
        for arg in own.filter(|arg| !arg.is_hide_set()) {
            check_argument(arg, entry);
            known.extend(spellings(arg));
        }
        let told: BTreeSet<_> = bold(&entry.term)
            .into_iter()
            .filter(|word| is_option(word))
            .collect();
        assert_eq!(
            told, known,
            "{} (left) and the program's (right)",
            entry.term
        );
    }
}

#[test]
fn modemd_8_has_the_options_and_commands_of_modemd() {
    check_program(command_line::CommandLine::command(), &page("modemd.8"));
}

#[test]
fn modemctl_1_has_the_options_and_commands_of_modemctl() {
    check_program(modemctl::CommandLine::command(), &page("modemctl.1"));
}

#[test]
fn every_option_in_bold_exists() {
    let mut known = BTreeSet::new();
    for mut program in [
        command_line::CommandLine::command(),
        modemctl::CommandLine::command(),
    ] {
        program.build();
        known.extend(program.get_arguments().flat_map(spellings));
        let commands = commands(&program).flat_map(Command::get_arguments);
        known.extend(commands.flat_map(spellings));
    }
    for name in PAGES {
        for option in bold(&prose(&page(name)))
            .into_iter()
            .filter(|word| is_option(word))
        {
            assert!(known.contains(&option), "{name}: {option}");
        }
    }
}

#[test]
fn every_command_line_shown_is_understood() {
    let mut seen = BTreeSet::new();
    for name in PAGES {
        let page = page(name);
        for line in literal_blocks(&page).concat() {
            // inetd's line has the program in its middle.
            let line = line.rsplit("/usr/sbin/").next().unwrap_or_default();
            let line = line
                .split([';', '#', '&', '|', '>'])
                .next()
                .unwrap_or_default();
            let words: Vec<_> = line
                .split_whitespace()
                .skip_while(|word| *word == "$")
                .collect();
            let refused = match words.first() {
                Some(&"modemd") => command_line::CommandLine::try_parse_from(&words).err(),
                Some(&"modemctl") => modemctl::CommandLine::try_parse_from(&words).err(),
                _ => continue,
            };
            assert!(refused.is_none(), "{name}: {line}: {}", refused.unwrap());
            seen.insert(words[0].to_owned());
        }
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["modemctl", "modemd"]);
}

fn parse(text: &str) -> Config {
    let files = [("modemd.toml".into(), text.as_bytes().to_vec())];
    Config::parse(&files, &Services::parse("modem 2006/tcp\n"))
}

fn parse_attachments(text: &str) -> Attachments {
    let services = Services::parse("modem 2006/tcp\n");
    Attachments::parse(Path::new("attach.toml"), text.as_bytes(), &services)
}

/// The keys of a table, by modemd's own account when it meets one that it does not know.
fn known_keys(header: &str, problems: impl Fn(&str) -> Vec<Problem>) -> BTreeSet<String> {
    let problems = problems(&format!("{header}\nxxxxxxxxxxxxxxxx = 1\n"));
    let account = problems
        .iter()
        .find(|problem| problem.remedy.starts_with("the keys here are"))
        .expect("modemd tells its keys");
    let keys = account.remedy.split('`').skip(1).step_by(2);
    keys.map(str::to_owned).collect()
}

#[test]
fn modemd_toml_5_has_the_keys_of_the_configuration() {
    let page = page("modemd.toml.5");
    for (header, section) in TABLES {
        let entries = entries(&page, section);
        let told: BTreeSet<_> = entries.iter().map(|of| bold(&of.term)[0].clone()).collect();
        let mut known = known_keys(header, |text| parse(text).problems);
        known.retain(|key| !INNER_TABLES.contains(&key.as_str()));
        assert_eq!(told, known, "{section} (left) and modemd's (right)");
        for entry in &entries {
            check_key(header, entry);
        }
    }
}

#[test]
fn modemd_toml_5_has_the_keys_of_hosts_with_rules_of_their_own() {
    let page = page("modemd.toml.5");
    let (_, text) = page.split_once("*Hosts with rules of their own.*").unwrap();
    let (text, _) = text.split_once("\n\n").unwrap();
    let known = known_keys("[[ports.modem.dial.clients]]", |text| parse(text).problems);
    let told: BTreeSet<_> = bold(text).into_iter().collect();
    let missing: Vec<_> = known.difference(&told).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// What the page says of numbers.
#[test]
fn modemd_toml_5_tells_numbers_apart_as_modemd_does() {
    let page = page("modemd.toml.5");
    // `bold` leaves it to us to read the backslash that scdoc wants twice.
    let patterns = entries(&page, "NUMBERS").into_iter();
    let patterns = patterns.map(|of| bold(&of.term)[0].replace(r"\\", r"\"));
    let patterns: Vec<_> = patterns.collect();
    assert_eq!(patterns, ["*", "?", r"\*"]);
    let all: Vec<NumberPattern> = patterns.iter().map(|of| of.parse().unwrap()).collect();
    for (number, allowed, denied) in [
        ("", [true, false, false], [true, false, false]),
        ("0", [true, true, false], [true, true, false]),
        ("*", [false, false, true], [true, true, true]),
        ("*21*0900#", [false; 3], [true, false, false]),
    ] {
        let (allows, denies): (Vec<_>, Vec<_>) = all
            .iter()
            .map(|of| (of.allows(number), of.denies(number)))
            .unzip();
        assert_eq!(
            (&allows[..], &denies[..]),
            (&allowed[..], &denied[..]),
            "{number}"
        );
    }
}

#[test]
fn modemd_attach_toml_5_has_the_keys_of_attachments_and_of_servers_what_is_understood() {
    let page = page("modemd-attach.toml.5");
    let keys = entries(&page, "ATTACHMENTS");
    let told: BTreeSet<_> = keys.iter().map(|of| bold(&of.term)[0].clone()).collect();
    let known = known_keys("[fax]", |text| parse_attachments(text).problems);
    assert_eq!(told, known, "ATTACHMENTS (left) and modemctl's (right)");
    let base = "[fax]\nserver = \"modemhost:2007\"\n";
    for Entry { term, text } in &keys {
        let key = &bold(term)[0];
        let with = |value: &str| parse_attachments(&format!("{base}{key} = \"{value}\"\n"));
        match key.as_str() {
            "server" => {
                assert!(text.contains("Required."), "{term}");
                assert_eq!(parse_attachments("[fax]\n").problems.len(), 1, "{term}");
            }
            "protocol" => {
                let values = bold(text);
                let values = ["telnet", "raw"].map(|value| values.iter().any(|of| of == value));
                assert_eq!(values, [true; 2], "{term}");
                assert!(text.contains("Default: *telnet*."), "{term}");
                assert_eq!(with("telnet"), parse_attachments(base), "{term}");
                assert_eq!(with("raw").problems, [], "{term}");
            }
            _ => {
                let (_, example) = text.split_once("for example *").expect(term);
                let (example, _) = example.split_once('*').unwrap();
                assert_eq!(with(example).problems, [], "{term}");
                assert!(text.contains("Default: "), "{term}: no default");
                assert_eq!(parse_attachments(base).attachments[0].line, None, "{term}");
            }
        }
    }
    let prose = prose(&page);
    let (_, servers) = prose.split_once("# SERVERS").unwrap();
    let (servers, _) = servers.split_once("\n# ").unwrap();
    let is_server = |word: &String| word.contains(':');
    let servers: Vec<_> = bold(servers).into_iter().filter(is_server).collect();
    assert!(servers.len() >= 5, "{servers:?}");
    for server in servers {
        let read = parse_attachments(&format!("[fax]\nserver = \"{server}\"\n"));
        assert_eq!(read.problems, [], "{server}");
    }
}

/// Tries what the page says of a key.
fn check_key(header: &str, Entry { term, text }: &Entry) {
    let words = bold(term);
    let (key, values) = words.split_first().unwrap();
    let base = match key.as_str() {
        "devices" => format!("{header}\n"),
        "wait" => format!("{header}\ndevices = [\"/dev/ttyS1\"]\nbusy = \"wait\"\n"),
        "client_settings" | "max_baud" => format!(
            "{header}\ndevices = [\"/dev/ttyS1\"]\nprotocol = \"telnet\"\nline = \"1,8,N,1\"\n"
        ),
        _ => match header {
            "[server]" => format!("{header}\n"),
            "[ports.modem]" => format!("{header}\ndevices = [\"/dev/ttyS1\"]\n"),
            "[ports.modem.dial]" => {
                format!("[ports.modem]\ndevices = [\"/dev/ttyS1\"]\n{header}\nallow = []\n")
            }
            _ => format!("[ports.modem]\ndevices = [\"/dev/ttyS1\"]\n{header}\n"),
        },
    };
    let quote = if term.ends_with("_number_") { "" } else { "\"" };
    let with = |value: &str| parse(&format!("{base}{key} = {quote}{value}{quote}\n"));
    for value in values {
        assert_eq!(with(value).problems, [], "{term}: {value}");
    }
    if DEFAULT_IN_WORDS.contains(&key.as_str()) {
        let is_told = text.contains("Default: ") || text.contains("Required.");
        assert!(is_told, "{term}: no default");
    } else {
        let default = text
            .split_once("Default: *")
            .and_then(|(_, rest)| rest.split_once('*'));
        let (default, _) = default.unwrap_or_else(|| panic!("{term}: no default"));
        assert_eq!(with(default), parse(&base), "{term}: not the default");
    }
    if term.ends_with("_duration_") {
        check_range(term, text, with, |least, most| {
            let one = Duration::from_millis(1);
            let duration = |text| parse_duration(text).unwrap();
            let shorter = duration(least).checked_sub(one);
            let beyond = shorter.into_iter().chain([duration(most) + one]);
            beyond.map(display_duration).collect()
        });
    }
    if term.ends_with("_number_") {
        check_range(term, text, with, |least, most| {
            let number = |text: &str| text.parse::<u64>().unwrap();
            vec![
                (number(least) - 1).to_string(),
                (number(most) + 1).to_string(),
            ]
        });
    }
    if term.ends_with("_setting_, ...]") {
        let unknown = parse(&format!("{base}{key} = [\"xxxxxxxx\"]\n"));
        let known = unknown.problems[0].remedy.split('`').skip(1).step_by(2);
        let told = text.split_once("The settings are ");
        let (told, _) = told.and_then(|(_, rest)| rest.split_once(". ")).unwrap();
        let (told, known): (Vec<_>, Vec<_>) = (bold(told), known.collect());
        assert_eq!(told, known, "{term}: the page (left) and modemd (right)");
    }
}

/// Tries whether the range ends where the page says; `beyond` has what is just outside of it.
fn check_range(
    term: &str,
    text: &str,
    with: impl Fn(&str) -> Config,
    beyond: impl Fn(&str, &str) -> Vec<String>,
) {
    let range = text.split_once("From *").and_then(|(_, rest)| {
        let (least, rest) = rest.split_once("* to *")?;
        Some((least, rest.split_once('*')?.0))
    });
    let (least, most) = range.unwrap_or_else(|| panic!("{term}: no range"));
    for fine in [least, most] {
        assert_eq!(with(fine).problems, [], "{term}: {fine}");
    }
    for wrong in beyond(least, most) {
        assert_eq!(with(&wrong).problems.len(), 1, "{term}: {wrong}");
    }
}

#[test]
fn every_configuration_shown_is_free_of_mistakes() {
    let mut count = 0;
    for name in PAGES {
        let page = page(name);
        for block in literal_blocks(&page) {
            let is_ours = |line: &&str| line.starts_with("[ports.") || *line == "[server]";
            if block.first().is_some_and(is_ours) {
                let config = parse(&block.join("\n"));
                assert_eq!(config.problems, [], "{name}: {block:#?}");
                assert!(!config.ports.is_empty(), "{name}: {block:#?}");
                count += 1;
            } else if name == "modemd-attach.toml.5"
                && block.first().is_some_and(|l| l.starts_with('['))
            {
                let read = parse_attachments(&block.join("\n"));
                assert_eq!(read.problems, [], "{name}: {block:#?}");
                assert!(!read.attachments.is_empty(), "{name}: {block:#?}");
                count += 1;
            }
        }
    }
    assert!(count >= 7, "only {count} configurations found");
}

/// Every file below a directory.
fn files_below(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                files_below(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

#[test]
fn each_test_that_the_readme_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = String::new();
    for directory in ["src/com_port", "tests/it"] {
        for file in files_below(&root.join(directory)) {
            sources += &fs::read_to_string(file).unwrap();
        }
    }
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let section = readme
        .split("## Programs that want a COM port")
        .nth(1)
        .unwrap();
    let section = section.split("\n## ").next().unwrap();
    let quoted = section.split('`').skip(1).step_by(2);
    let mut named = 0;
    // A sentence has at least four words.
    for name in quoted.filter(|name| name.matches('_').count() >= 3) {
        assert!(
            sources.contains(&format!("fn {name}(")),
            "{name} is no test"
        );
        named += 1;
    }
    assert!(
        named > 13,
        "each of the commands 0 to 12 has a test of its own"
    );
}
