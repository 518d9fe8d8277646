//! What can go wrong between modemctl and modemd, and what helps.

use std::fmt::{self, Display, Formatter};
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;

use nix::unistd::{Uid, User};
use serde_json::Value;

use super::printable::printable;
use crate::control::interface::NAME;
use crate::exit_code;
use crate::varlink::{Parameters, SERVICE};

/// Why modemd did not do what it was asked for.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) kind: Kind,
    text: String,
}

/// As far as it makes a difference for what comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nobody is there, or not any more; that may change.
    Away,
    /// We may not ask.
    Denied,
    /// The session, or the line, is not there.
    NotFound,
    /// It was understood, and cannot be done.
    Refused,
    /// It was not understood, on one side or the other.
    Nonsense,
}

impl Display for Trouble {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Trouble {
    /// There is no such session or line.
    pub(super) fn not_found(text: String) -> Trouble {
        Trouble {
            kind: Kind::NotFound,
            text,
        }
    }

    /// What modemctl exits with.
    pub(super) fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::NotFound | Kind::Refused => 1,
            Kind::Away | Kind::Nonsense => exit_code::UNAVAILABLE,
            Kind::Denied => exit_code::NOT_PERMITTED,
        }
    }

    /// Says it on stderr.
    pub(super) fn report(&self) -> ExitCode {
        note(self);
        ExitCode::from(self.exit_code())
    }
}

/// Says something on stderr that is not what was asked for.
pub(super) fn note(what: &impl Display) {
    let _ = writeln!(io::stderr(), "modemctl: {what}");
}

/// Where we ask.
pub(super) struct Place<'a>(&'a Path);

impl<'a> From<&'a Path> for Place<'a> {
    fn from(path: &'a Path) -> Self {
        Place(path)
    }
}

impl Place<'_> {
    fn trouble(&self, kind: Kind, what: impl Display) -> Trouble {
        let path = self.0.display().to_string();
        let text = format!("{}: {what}", printable(&path));
        Trouble { kind, text }
    }

    pub(super) fn unreachable(&self, error: &io::Error) -> Trouble {
        match error.kind() {
            ErrorKind::NotFound => self.trouble(
                Kind::Away,
                "modemd cannot be asked: its control socket is not there; switch it on: \
                 systemctl enable --now modem.socket",
            ),
            ErrorKind::PermissionDenied => {
                let me = User::from_uid(Uid::current()).ok().flatten();
                let me = me.map_or_else(|| "NAME".to_owned(), |user| user.name);
                self.trouble(
                    Kind::Denied,
                    format!(
                        "modemd may not be asked: permission denied; be root, or join the group \
                         modemd and log in anew: usermod -aG modemd {me}",
                    ),
                )
            }
            ErrorKind::ConnectionRefused => self.trouble(
                Kind::Away,
                "modemd cannot be asked: nobody listens there any more; start it again: \
                 systemctl restart modem.socket",
            ),
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => self.closed(),
            ErrorKind::WouldBlock | ErrorKind::TimedOut => self.trouble(
                Kind::Away,
                "modemd does not answer: see what it does: journalctl -u modem.service",
            ),
            _ => self.trouble(Kind::Away, format!("modemd cannot be asked: {error}")),
        }
    }

    pub(super) fn closed(&self) -> Trouble {
        self.trouble(
            Kind::Away,
            "modemd closed the connection: it stops or restarts, or too many ask at once; try \
             again, or see journalctl -u modem.service",
        )
    }

    pub(super) fn nonsense(&self, error: &impl Display) -> Trouble {
        let error = error.to_string();
        self.trouble(
            Kind::Nonsense,
            format!(
                "modemd's answer makes no sense: {}; is this modemd's socket, and modemd of the \
                 same version as modemctl ({})?",
                printable(&error),
                env!("CARGO_PKG_VERSION"),
            ),
        )
    }

    /// modemd has answered with an error.
    pub(super) fn refused(&self, method: &str, error: &str, about: &Parameters) -> Trouble {
        let (interface, name) = error.rsplit_once('.').unwrap_or(("", error));
        let word = |key| about.get(key).and_then(Value::as_str).unwrap_or("?");
        if interface == SERVICE && (name == "MethodNotFound" || name == "InterfaceNotFound") {
            return self.trouble(
                Kind::Nonsense,
                format!(
                    "modemd does not know {method}: it is of another version than modemctl ({}); \
                     after an upgrade: systemctl restart modem.service",
                    env!("CARGO_PKG_VERSION"),
                ),
            );
        }
        let (kind, text) = match name {
            "NoSuchSession" if interface == NAME => (
                Kind::NotFound,
                format!("session {}: there is no such session", word("session")),
            ),
            "NoSuchLine" if interface == NAME => (
                Kind::NotFound,
                format!("{}: no port has such a line", word("line")),
            ),
            "TooManyWatch" if interface == NAME => (
                Kind::Refused,
                "as many watch already as may: try again when one of them has left".to_owned(),
            ),
            "Failed" if interface == NAME => {
                (Kind::Refused, format!("it was not done: {}", word("why")))
            }
            _ => {
                let about = Value::Object(about.clone());
                let text = format!("{method}: modemd answers with the error {error}: {about}");
                return self.trouble(Kind::Nonsense, printable(&text));
            }
        };
        let text = printable(&text).into_owned();
        Trouble { kind, text }
    }
}
