//! What can go wrong between modemctl and those that it asks, and what helps.

use std::fmt::{self, Display, Formatter};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::ExitCode;

use nix::unistd::{Gid, Group, Uid, User};
use serde_json::Value;

use super::printable::printable;
use crate::varlink::{Parameters, SERVICE};
use crate::{attach, control, exit_code};

/// Why it was not done what somebody was asked for.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) kind: Kind,
    /// Where; nothing if that stands in the rest.
    place: String,
    what: String,
}

/// As far as it makes a difference for what comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// There is no socket to ask at.
    Absent,
    /// Nobody is there, or not any more; that may change.
    Away,
    /// We may not ask.
    Denied,
    /// The session, the line or the attached port is not there.
    NotFound,
    /// It was understood, and cannot be done.
    Refused,
    /// It was not understood, on one side or the other.
    Nonsense,
}

impl Display for Trouble {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        f.write_str(&self.what)
    }
}

impl Trouble {
    /// There is no such session, line or attached port.
    pub(super) fn not_found(text: String) -> Trouble {
        Trouble {
            kind: Kind::NotFound,
            place: String::new(),
            what: text,
        }
    }

    /// Something is wrong at a place that is not a socket.
    pub(super) fn at(kind: Kind, place: &str, what: String) -> Trouble {
        Trouble {
            kind,
            place: place.to_owned(),
            what,
        }
    }

    /// The journal has more than we may read.
    pub(super) fn no_journal_access() -> Trouble {
        let what = format!(
            "you may not read the system's: be root, or join the group systemd-journal or adm and log in \
             anew: usermod -aG systemd-journal {}",
            me()
        );
        Trouble::at(Kind::Denied, "journal", what)
    }

    /// What is attached is not known.
    pub(super) fn unlisted(folder: &Path, error: &io::Error) -> Trouble {
        let is_denied = error.kind() == ErrorKind::PermissionDenied;
        Trouble {
            kind: if is_denied { Kind::Denied } else { Kind::Away },
            place: printable(&folder.to_string_lossy()).into_owned(),
            what: format!("what is attached cannot be listed: {error}"),
        }
    }

    /// What is wrong, without where.
    pub(super) fn what(&self) -> &str {
        &self.what
    }

    /// What modemctl exits with.
    pub(super) fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::NotFound | Kind::Refused => 1,
            Kind::Absent | Kind::Away | Kind::Nonsense => exit_code::UNAVAILABLE,
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

/// Whom we ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    /// modemd, at its control socket.
    Modemd,
    /// The process of an attached port, at the socket that is called like the port.
    Attached,
}

impl Peer {
    /// What it understands.
    pub(super) fn interface(self) -> &'static str {
        match self {
            Peer::Modemd => control::interface::NAME,
            Peer::Attached => attach::interface::NAME,
        }
    }
}

/// Where we ask.
pub(super) struct Place<'a> {
    pub(super) peer: Peer,
    pub(super) path: &'a Path,
}

impl Place<'_> {
    fn trouble(&self, kind: Kind, what: impl Display) -> Trouble {
        let place = match self.peer {
            Peer::Modemd => self.path.as_os_str(),
            Peer::Attached => self.path.file_name().unwrap_or_default(),
        };
        Trouble {
            kind,
            place: printable(&place.to_string_lossy()).into_owned(),
            what: what.to_string(),
        }
    }

    pub(super) fn unreachable(&self, error: &io::Error) -> Trouble {
        match (error.kind(), self.peer) {
            (ErrorKind::NotFound, Peer::Modemd) => self.trouble(
                Kind::Absent,
                "modemd cannot be asked: its control socket is not there; switch it on: \
                 systemctl enable --now modem.socket",
            ),
            (ErrorKind::NotFound, Peer::Attached) => {
                self.trouble(Kind::Absent, "it is not attached any more")
            }
            (ErrorKind::PermissionDenied, _) => self.denied(),
            (ErrorKind::ConnectionRefused, Peer::Modemd) => self.trouble(
                Kind::Away,
                "modemd cannot be asked: nobody listens there any more; start it again: \
                 systemctl restart modem.socket",
            ),
            (ErrorKind::ConnectionRefused, Peer::Attached) => {
                let path = self.path.display().to_string();
                let path = printable(&path);
                let what = format!("its process was killed: attach it again, or remove {path}");
                self.trouble(Kind::Away, what)
            }
            (ErrorKind::BrokenPipe | ErrorKind::ConnectionReset, _) => self.closed(),
            (ErrorKind::WouldBlock | ErrorKind::TimedOut, _) => self.silent(),
            (_, Peer::Modemd) => {
                self.trouble(Kind::Away, format!("modemd cannot be asked: {error}"))
            }
            (_, Peer::Attached) => {
                self.trouble(Kind::Away, format!("its process cannot be asked: {error}"))
            }
        }
    }

    fn denied(&self) -> Trouble {
        let (who, group) = match self.peer {
            Peer::Modemd => ("modemd", Some("modemd".to_owned())),
            Peer::Attached => ("its process", group_of(self.path)),
        };
        let what = format!("{who} may not be asked: permission denied; be root");
        let Some(group) = group else {
            return self.trouble(Kind::Denied, what);
        };
        let what = format!(
            "{what}, or join the group {group} and log in anew: usermod -aG {group} {}",
            me()
        );
        self.trouble(Kind::Denied, what)
    }

    /// There is no answer, and there was time enough.
    pub(super) fn silent(&self) -> Trouble {
        let what = match self.peer {
            Peer::Modemd => "modemd does not answer: see what it does: journalctl -u modem.service",
            Peer::Attached => "its process does not answer: end it, and attach it again",
        };
        self.trouble(Kind::Away, what)
    }

    pub(super) fn closed(&self) -> Trouble {
        let what = match self.peer {
            Peer::Modemd => {
                "modemd closed the connection: it stops or restarts, or too many ask at once; try \
                 again, or see journalctl -u modem.service"
            }
            Peer::Attached => {
                "its process closed the connection: it ends, or too many ask at once; try again"
            }
        };
        self.trouble(Kind::Away, what)
    }

    pub(super) fn nonsense(&self, error: &impl Display) -> Trouble {
        let error = error.to_string();
        let (whose, who) = match self.peer {
            Peer::Modemd => ("modemd's", "modemd's socket, and modemd"),
            Peer::Attached => ("its process's", "the socket of an attached port, and that"),
        };
        self.trouble(
            Kind::Nonsense,
            format!(
                "{whose} answer makes no sense: {}; is this {who} of the same version as modemctl \
                 ({})?",
                printable(&error),
                env!("CARGO_PKG_VERSION"),
            ),
        )
    }

    /// The answer is an error.
    pub(super) fn refused(&self, method: &str, error: &str, about: &Parameters) -> Trouble {
        let (interface, name) = error.rsplit_once('.').unwrap_or(("", error));
        let word = |key| about.get(key).and_then(Value::as_str).unwrap_or("?");
        if interface == SERVICE && (name == "MethodNotFound" || name == "InterfaceNotFound") {
            let (who, help) = match self.peer {
                Peer::Modemd => ("modemd", "systemctl restart modem.service"),
                Peer::Attached => ("its process", "attach it again"),
            };
            return self.trouble(
                Kind::Nonsense,
                format!(
                    "{who} does not know {method}: it is of another version than modemctl ({}); \
                     after an upgrade: {help}",
                    env!("CARGO_PKG_VERSION"),
                ),
            );
        }
        let (kind, text) = match (self.peer, name) {
            _ if interface != self.peer.interface() => self.unknown(method, error, about),
            (Peer::Modemd, "NoSuchSession") => (
                Kind::NotFound,
                format!("session {}: there is no such session", word("session")),
            ),
            (Peer::Modemd, "NoSuchLine") => (
                Kind::NotFound,
                format!("{}: no port has such a line", word("line")),
            ),
            (Peer::Modemd, "TooManyWatch") => (
                Kind::Refused,
                "as many watch already as may: try again when one of them has left".to_owned(),
            ),
            (_, "Failed") => (Kind::Refused, format!("it was not done: {}", word("why"))),
            _ => self.unknown(method, error, about),
        };
        let text = printable(&text);
        match (self.peer, kind) {
            // It names what it is about by itself.
            (Peer::Modemd, Kind::NotFound | Kind::Refused) => Trouble {
                kind,
                place: String::new(),
                what: text.into_owned(),
            },
            _ => self.trouble(kind, text),
        }
    }

    fn unknown(&self, method: &str, error: &str, about: &Parameters) -> (Kind, String) {
        let who = match self.peer {
            Peer::Modemd => "modemd",
            Peer::Attached => "its process",
        };
        let about = Value::Object(about.clone());
        let text = format!("{method}: {who} answers with the error {error}: {about}");
        (Kind::Nonsense, text)
    }
}

/// The name of who asks.
fn me() -> String {
    let me = User::from_uid(Uid::current()).ok().flatten();
    me.map_or_else(|| "NAME".to_owned(), |user| user.name)
}

/// The group that may ask at a socket, unless that is root's.
fn group_of(path: &Path) -> Option<String> {
    let about = path.symlink_metadata().ok()?;
    // unix(7): connecting requires write permission.
    let may_write = about.permissions().mode() & 0o020 != 0;
    let gid = Gid::from_raw(about.gid());
    let group = (may_write && gid.as_raw() != 0).then(|| Group::from_gid(gid));
    group?.ok().flatten().map(|group| group.name)
}
