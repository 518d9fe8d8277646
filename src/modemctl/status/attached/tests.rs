use proptest::prelude::*;

use super::*;
use crate::modemctl::printable::width;
use crate::modemctl::sample;
use crate::modemctl::status::tests::is_as_expected;

#[test]
fn attached_ports_are_shown_in_the_room_that_there_is() {
    let attached = sample::attached();
    for wide in [40, 60, 80, 120, 160] {
        let text = describe(&attached, Some(wide), Paint::OFF).unwrap();
        is_as_expected(&format!("attached-{wide}"), &text);
    }
    let text = describe(&attached, None, Paint::OFF).unwrap();
    is_as_expected("attached", &text);
}

#[test]
fn where_nothing_is_attached_there_is_nothing_to_show() {
    assert_eq!(describe(&Attached::default(), None, Paint::ON), None);
}

#[test]
fn colours_change_no_character() {
    let attached = sample::attached();
    let mut coloured = describe(&attached, Some(80), Paint::ON).unwrap();
    assert!(
        coloured.contains("\x1b[32mconnected\x1b[0m"),
        "{coloured:?}"
    );
    assert!(coloured.contains("\x1b[31mretrying\x1b[0m"), "{coloured:?}");
    for code in ["0", "31", "32", "33"] {
        coloured = coloured.replace(&format!("\x1b[{code}m"), "");
    }
    let plain = describe(&attached, Some(80), Paint::OFF);
    assert_eq!(Some(coloured), plain);
}

proptest! {
    #[test]
    fn no_line_is_wider_than_the_terminal_whatever_the_names_are(
        text in any::<String>(), wide in 1..200_usize
    ) {
        let mut attached = sample::attached();
        for port in &mut attached.ports {
            match port {
                Port::Told(told) => {
                    told.name.clone_from(&text);
                    told.server.clone_from(&text);
                    told.link = Some(text.clone());
                    told.why = Some(text.clone());
                    told.settings = Some(text.clone());
                }
                Port::Untold { name, why } => {
                    name.clone_from(&text);
                    why.clone_from(&text);
                }
                Port::NotAttached { name, server, .. } => {
                    name.clone_from(&text);
                    server.clone_from(&text);
                }
            }
        }
        for line in describe(&attached, Some(wide), Paint::OFF).unwrap().lines() {
            prop_assert!(width(line) <= wide, "{line:?}");
            prop_assert!(!line.chars().any(char::is_control), "{line:?}");
        }
    }
}
