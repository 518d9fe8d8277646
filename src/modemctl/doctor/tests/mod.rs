//! What is said of made-up systems: each has what was seen of it here, and what is said of it in
//! `tests/doctor/NAME.txt`. `UPDATE_EXPECTED=1` writes the latter anew.

mod systems;

use std::path::{Path, PathBuf};
use std::{fs, iter};

use super::facts::Facts;
use super::judge::{Severity, judge};
use super::report::{findings, for_people, for_programs};
use crate::config::{Config, DEFAULT_PATH, Services};
use crate::modemctl::paint::Paint;
use systems::{ADAPTER, CONFIGURATION, CONFIGURATIONS, healthy, systems, with_hostile_names};

fn config(text: &str) -> Config {
    let files = [(PathBuf::from(DEFAULT_PATH), text.as_bytes().to_vec())];
    Config::parse(&files, &Services::default())
}

fn said(config: &Config, facts: &Facts) -> String {
    let mut text = Vec::new();
    for_people(&judge(config, facts), Paint::OFF, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

fn expected() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/doctor")
}

#[test]
fn what_is_said_of_each_system_is_as_it_was_read_and_approved() {
    let usual = config(CONFIGURATION);
    assert_eq!(usual.problems, []);
    let systems = systems().map(|(name, facts)| (name, said(&usual, &facts)));
    let configurations = CONFIGURATIONS.iter().map(|(name, text)| {
        let mut facts = healthy();
        match *name {
            "names" => facts.unknown_names = Ok(vec!["pc.example.org".to_owned()]),
            "guard-in-trouble" => facts.trouble_guards(),
            _ => {}
        }
        (*name, said(&config(text), &facts))
    });
    let at_rest = iter::once(("latency-at-rest", {
        let mut facts = healthy();
        facts.tty(ADAPTER).latency = Some(16);
        said(&usual, &facts)
    }));
    let mut differences = Vec::new();
    for (name, said) in systems.chain(configurations).chain(at_rest) {
        let path = expected().join(name).with_extension("txt");
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            fs::create_dir_all(expected()).unwrap();
            fs::write(&path, &said).unwrap();
        }
        let approved = fs::read_to_string(&path).unwrap_or_default();
        if said != approved {
            differences.push(format!("--- {name}:\n{approved}+++\n{said}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.concat());
}

#[test]
fn every_fault_is_found_beside_every_other() {
    let usual = config(CONFIGURATION);
    let of = |facts: &Facts| -> Vec<String> {
        let verdicts = judge(&usual, facts);
        findings(&verdicts)
            .map(|finding| finding.what.clone())
            .collect()
    };
    assert_eq!(of(&healthy()), Vec::<String>::new());
    for (name, facts) in systems().skip(1) {
        assert_ne!(of(&facts), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn a_topic_is_fine_or_has_findings_and_never_neither_or_both() {
    let usual = config(CONFIGURATION);
    for (name, facts) in systems() {
        for verdict in judge(&usual, &facts) {
            let is_fine = verdict.fine.is_some();
            assert_eq!(is_fine, verdict.findings.is_empty(), "{name}: {verdict:?}");
        }
    }
}

#[test]
fn whatever_is_wrong_has_a_way_out() {
    let usual = config(CONFIGURATION);
    for (name, facts) in systems() {
        for finding in findings(&judge(&usual, &facts)) {
            let is_unknown = finding.severity == Severity::Unknown;
            assert_eq!(finding.mend.is_none(), is_unknown, "{name}: {finding:?}");
        }
    }
}

#[test]
fn programs_get_the_findings_alone() {
    let mut facts = healthy();
    facts.unit("modem.socket", "UnitFileState", "disabled");
    let mut text = Vec::new();
    for_programs(&judge(&config(CONFIGURATION), &facts), &mut text).unwrap();
    let expected = r#"[
  {
    "severity": "problem",
    "about": "systemd",
    "what": "modem.socket is not enabled: after the next boot nobody can connect",
    "mend": "systemctl enable modem.socket"
  }
]
"#;
    assert_eq!(String::from_utf8(text).unwrap(), expected);
    let mut none = Vec::new();
    for_programs(&judge(&config(CONFIGURATION), &healthy()), &mut none).unwrap();
    assert_eq!(none, b"[]\n");
}

#[test]
fn on_a_terminal_the_first_words_have_colours() {
    let mut facts = healthy();
    facts.has_filters = Ok(false);
    facts.caller = Err("`id` does not say".to_owned());
    facts.unit("modem.socket", "UnitFileState", "disabled");
    let mut text = Vec::new();
    for_people(&judge(&config(CONFIGURATION), &facts), Paint::ON, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    for start in [
        "\x1b[32mok     \x1b[0m  ",
        "\x1b[31mproblem\x1b[0m  ",
        "\x1b[33mwarning\x1b[0m  ",
        "\x1b[34munknown\x1b[0m  ",
    ] {
        assert!(
            text.lines().any(|line| line.starts_with(start)),
            "{start:?} in {text}"
        );
    }
}

/// What of a command is not between `'` and `'`.
fn outside_quotes(command: &str) -> String {
    command.split('\'').step_by(2).collect()
}

#[test]
fn no_name_makes_a_command_into_another() {
    assert_eq!(outside_quotes("rm 'a b' 'c'"), "rm  ");
    let usual = config(CONFIGURATION);
    let mut commands = 0;
    for (name, facts) in systems() {
        let facts = with_hostile_names(facts);
        for finding in findings(&judge(&usual, &facts)) {
            let mend = finding.mend.as_deref().unwrap_or_default();
            commands += usize::from(mend.contains("EVIL"));
            assert!(!outside_quotes(mend).contains("EVIL"), "{name}: {mend}");
            assert!(!mend.contains(char::is_control), "{name}: {mend:?}");
        }
    }
    assert!(commands > 20, "only {commands} commands with a name");
}

#[test]
fn no_name_writes_a_line_of_its_own_or_orders_the_terminal_about() {
    let usual = config(CONFIGURATION);
    for (name, facts) in systems() {
        let facts = with_hostile_names(facts);
        let verdicts = judge(&usual, &facts);
        let fine = verdicts.iter().filter(|of| of.fine.is_some()).count();
        let mends = findings(&verdicts).filter(|of| of.mend.is_some()).count();
        let expected = fine + findings(&verdicts).count() + mends + 1;
        let said = said(&usual, &facts);
        assert_eq!(said.lines().count(), expected, "{name}: {said}");
        let orders = |c: char| c.is_control() && c != '\n';
        assert!(!said.contains(orders), "{name}: {said:?}");
    }
}

#[test]
fn a_directory_whose_name_means_more_to_tmpfiles_is_made_without_it() {
    for name in ["our locks", "%n", "a'b"] {
        let mut facts = healthy();
        facts.locks.path = Path::new("/run").join(name);
        facts.locks.access = Ok(None);
        let said = said(&config(CONFIGURATION), &facts);
        assert!(!said.contains("tmpfiles"), "{said}");
        assert!(said.contains("install -d"), "{said}");
    }
}
