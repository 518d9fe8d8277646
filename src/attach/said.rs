//! What people are told of it, on standard error, and systemd of how it stands.

use std::io::{self, Write};

use crate::journal;

/// Says what happens with `name`.
pub(super) fn info(name: &str, what: &str) {
    say("<6>", "", name, what);
}

/// Says what is not as it should be.
pub(super) fn warn(name: &str, what: &str) {
    say("<4>", "warning: ", name, what);
}

/// The journal takes the level from the front of a line (`sd-daemon(3)`).
fn say(level: &str, label: &str, name: &str, what: &str) {
    let front = if journal::stderr_is_journal() {
        level.to_owned()
    } else {
        format!("modemctl: {label}")
    };
    // Names and words of a server may be anything; in one piece, where others write to the same terminal.
    let line = format!("{name}: {what}").replace(char::is_control, "?");
    let _ = io::stderr().write_all(format!("{front}{line}\n").as_bytes());
}
