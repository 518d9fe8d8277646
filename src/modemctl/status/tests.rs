//! The tables as people see them, in `tests/modemctl/NAME.txt`; `UPDATE_EXPECTED=1` writes them anew.

use proptest::prelude::*;

use super::*;
use crate::modemctl::printable::width;
use crate::modemctl::sample;

/// Compares with what is expected.
#[track_caller]
pub(in crate::modemctl) fn is_as_expected(name: &str, text: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/modemctl");
    let file = folder.join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(&file, text).unwrap();
    }
    let expected = std::fs::read_to_string(&file);
    let expected = expected.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    assert_eq!(text, expected, "{}", file.display());
}

#[test]
fn a_machine_is_shown_in_the_room_that_there_is() {
    for (name, survey) in [
        ("one", sample::one_line()),
        ("some", sample::some_lines()),
        ("aside", sample::lines_aside()),
        ("none", sample::machine(Vec::new(), Vec::new())),
    ] {
        for wide in [60, 80, 160] {
            let text = describe(&survey, Some(wide), Paint::OFF);
            is_as_expected(&format!("status-{name}-{wide}"), &text);
        }
        let text = describe(&survey, None, Paint::OFF);
        is_as_expected(&format!("status-{name}"), &text);
    }
}

#[test]
fn a_thousand_lines_are_a_thousand_rows() {
    let text = describe(&sample::thousand_lines(), Some(80), Paint::OFF);
    assert_eq!(text.lines().count(), 1003);
    assert!(text.ends_with("\n334 of 1000 lines in use; modemd 0.1.0\n"));
}

#[test]
fn a_session_on_a_line_of_no_port_any_more_is_shown() {
    let mut survey = sample::one_line();
    survey.lines.clear();
    let text = describe(&survey, Some(80), Paint::OFF);
    assert!(
        text.contains("/dev/ttyS1  modem  in use  192.168.2.7:50112"),
        "{text}"
    );
}

#[test]
fn colours_change_no_character() {
    let survey = sample::some_lines();
    let mut coloured = describe(&survey, Some(80), Paint::ON);
    assert!(coloured.contains("\x1b[31mmissing\x1b[0m"), "{coloured:?}");
    for code in ["0", "31", "32", "33"] {
        coloured = coloured.replace(&format!("\x1b[{code}m"), "");
    }
    assert_eq!(coloured, describe(&survey, Some(80), Paint::OFF));
}

proptest! {
    #[test]
    fn no_line_is_wider_than_the_terminal_whatever_the_names_are(
        text in any::<String>(), wide in 1..200_usize
    ) {
        let mut survey = sample::some_lines();
        survey.lines[0].holder = Some(text.clone());
        survey.lines[0].ports.push(text.clone());
        survey.lines[3].line.clone_from(&text);
        survey.describe.version.clone_from(&text);
        survey.describe.problems.push(text.clone());
        for session in &mut survey.sessions {
            session.client.clone_from(&text);
            session.settings = Some(text.clone());
        }
        for line in describe(&survey, Some(wide), Paint::OFF).lines() {
            prop_assert!(width(line) <= wide, "{line:?}");
            prop_assert!(!line.chars().any(char::is_control), "{line:?}");
        }
    }
}
