//! The screens as people see them, in `tests/modemctl/NAME.txt`; `UPDATE_EXPECTED=1` writes them anew.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::modemctl::sample;
use crate::modemctl::status::tests::is_as_expected;
use crate::modemctl::survey::Survey;
use crate::modemctl::top::keys::Key;

/// A screen after so many seconds in which more and less went by.
fn busy(mut survey: Survey, seconds: u64) -> Model {
    let mut model = Model::new(survey.clone(), Duration::ZERO);
    for second in 1..=seconds {
        for session in &mut survey.sessions {
            let to_line = second % 10 * 2;
            session.to_line = session.to_line.map(|moved| moved + to_line);
            session.to_client = session
                .to_client
                .map(|moved| moved + (second * 37 % 101).pow(2));
        }
        model.take(survey.clone(), Duration::from_secs(second));
    }
    model
}

fn text(model: &Model, size: (usize, usize)) -> String {
    let mut text = draw(model, size, Paint::OFF).join("\n");
    text.push('\n');
    text
}

#[test]
fn each_machine_has_its_screen() {
    for (name, survey) in [
        ("one", sample::one_line()),
        ("some", sample::some_lines()),
        ("thousand", sample::thousand_lines()),
        ("none", sample::machine(Vec::new(), Vec::new())),
    ] {
        let model = busy(survey, 64);
        is_as_expected(&format!("top-{name}-80x24"), &text(&model, (80, 24)));
        is_as_expected(&format!("top-{name}-160x50"), &text(&model, (160, 50)));
    }
}

#[test]
fn what_is_asked_and_said_is_at_the_bottom() {
    let mut model = busy(sample::some_lines(), 8);
    model.press(Key::Char('h'), 5);
    let shown = draw(&model, (80, 24), Paint::OFF);
    assert_eq!(shown[23], "hang up 192.168.2.7:50112 on /dev/ttyS1? y/n");
    model.press(Key::Char('n'), 5);
    model.notice = Some("/dev/ttyS1: out of\x1b service".to_owned());
    let shown = draw(&model, (80, 24), Paint::OFF);
    assert_eq!(shown[23], "/dev/ttyS1: out of\\u{1b} service");
    model.away = Some("nobody answers".to_owned());
    let shown = draw(&model, (80, 24), Paint::OFF);
    assert_eq!(shown[0], "modemd is restarting: nobody answers");
}

#[test]
fn what_is_selected_is_on_the_screen() {
    let mut model = busy(sample::thousand_lines(), 8);
    for key in [
        Key::End,
        Key::Up,
        Key::PageUp,
        Key::Home,
        Key::PageDown,
        Key::Down,
    ] {
        model.press(key, page(24));
        for high in [6, 10, 24] {
            let shown = draw(&model, (80, high), Paint::OFF);
            let marked = shown.iter().filter(|line| line.starts_with(MARK));
            assert_eq!(marked.count(), 1, "{key:?} {shown:#?}");
        }
    }
}

#[test]
fn colours_are_only_where_they_are_wanted() {
    let model = busy(sample::some_lines(), 8);
    let coloured = draw(&model, (80, 24), Paint::ON);
    let selected = coloured.iter().find(|line| line.contains(MARK)).unwrap();
    assert!(selected.starts_with("\x1b[7m> /dev/ttyS1"), "{selected:?}");
    assert!(selected.ends_with("\x1b[0m"), "{selected:?}");
    let plain = text(&model, (80, 24));
    assert!(!plain.contains('\x1b'), "{plain:?}");
}

proptest! {
    #[test]
    fn no_screen_is_larger_than_the_terminal_whatever_the_names_are(
        name in any::<String>(), wide in 0..200_usize, high in 0..60_usize, down in 0..10_usize
    ) {
        let mut survey = sample::some_lines();
        survey.lines[0].holder = Some(name.clone());
        survey.lines[0].ports.push(name.clone());
        survey.lines[3].line.clone_from(&name);
        survey.describe.version.clone_from(&name);
        for session in &mut survey.sessions {
            session.client.clone_from(&name);
            session.settings = Some(name.clone());
        }
        let mut model = busy(survey, 8);
        for _ in 0..down {
            model.press(Key::Down, 5);
        }
        model.press(Key::Char('h'), 5);
        let screen = draw(&model, (wide, high), Paint::OFF);
        prop_assert!(screen.len() <= high);
        for line in screen {
            prop_assert!(width(&line) <= wide, "{line:?}");
            prop_assert!(!line.chars().any(char::is_control), "{line:?}");
        }
    }
}
