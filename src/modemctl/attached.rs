//! Attached ports, from the side of those who ask: what is there, how it stands with it, and a BREAK.

use std::collections::HashSet;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::attach::folders;
use super::connection::{Connection, DEFAULT_SOCKET, Nothing};
use super::find::there_are;
use super::orders::Done;
use super::printable::printable;
use super::trouble::{Peer, Place, Trouble};
use crate::attach::interface::{self, Break, Description, Protocol};
use crate::config::{Attachment, Attachments, DEFAULT_ATTACH_PATH, Problem};

/// How long all of them together may take to say how it stands with them.
const PATIENCE: Duration = Duration::from_secs(5);

/// What tcsendbreak(3) does: between a quarter and half of a second.
const BREAK: Break = Break { msec: 250 };

/// What is attached on this machine, or should be.
#[derive(Debug, Default)]
pub(super) struct Attached {
    pub(super) ports: Vec<Port>,
    /// Why there may be more of them, each in a line.
    pub(super) doubts: Vec<String>,
}

/// One of them.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Port {
    /// What its process says.
    Told(Box<interface::Attached>),
    /// Its process could not be asked.
    Untold { name: String, why: String },
    /// It is in `attach.toml`, and has no process.
    NotAttached {
        name: String,
        server: String,
        protocol: Protocol,
        why: String,
    },
}

impl Port {
    pub(super) fn name(&self) -> &str {
        match self {
            Port::Told(port) => &port.name,
            Port::Untold { name, .. } | Port::NotAttached { name, .. } => name,
        }
    }
}

/// Where the process of an attached port is asked.
#[derive(Debug, Clone)]
struct Socket {
    name: String,
    path: PathBuf,
}

impl Socket {
    fn open(&self) -> Result<Connection, Trouble> {
        Connection::to(Peer::Attached, &self.path)
    }

    fn ask(&self) -> Result<interface::Attached, Trouble> {
        let Description { attached } = self.open()?.call("Describe", &Nothing {})?;
        Ok(attached)
    }
}

impl Attached {
    /// Looks beside modemd's control socket, where the machine's own are, and where those of this user are.
    pub(super) fn look(control: &Path) -> Attached {
        let (sockets, troubles) = sockets(control);
        let answers = ask_all(&sockets);
        let ports = sockets.into_iter().zip(answers);
        let mut found = Attached {
            ports: ports.filter_map(|(of, answer)| port(of, answer)).collect(),
            doubts: troubles.iter().map(ToString::to_string).collect(),
        };
        // The machine's own are not looked at elsewhere.
        if control == Path::new(DEFAULT_SOCKET) {
            found.expect_those_in(Path::new(DEFAULT_ATTACH_PATH));
        }
        found.ports.sort_by(|a, b| a.name().cmp(b.name()));
        found
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.ports.is_empty()
    }

    fn expect_those_in(&mut self, file: &Path) {
        // Nobody needs one.
        if matches!(file.try_exists(), Ok(false)) {
            return;
        }
        let Attachments {
            attachments,
            problems,
            ..
        } = Attachments::load(file);
        self.expect(&attachments);
        let problems = problems.iter().map(Problem::headline);
        self.doubts
            .extend(problems.map(|of| printable(&of).into_owned()));
    }

    /// Adds those that should be attached, and are not.
    pub(super) fn expect(&mut self, attachments: &[Attachment]) {
        let is_there: HashSet<_> = self.ports.iter().map(|of| of.name().to_owned()).collect();
        for of in attachments {
            if !is_there.contains(&of.name) {
                self.ports.push(Port::NotAttached {
                    name: of.name.clone(),
                    server: of.server.to_string(),
                    protocol: of.protocol.into(),
                    why: way_out(&of.name),
                });
            }
        }
    }
}

fn way_out(name: &str) -> String {
    format!("not attached: systemctl enable --now modem-attach@{name}.service")
}

fn sockets(control: &Path) -> (Vec<Socket>, Vec<Trouble>) {
    let (mut sockets, mut troubles) = (Vec::new(), Vec::new());
    for folder in folders(control) {
        match sockets_in(&folder) {
            Ok(found) => sockets.extend(found),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => troubles.push(Trouble::unlisted(&folder, &error)),
        }
    }
    (sockets, troubles)
}

fn sockets_in(folder: &Path) -> io::Result<Vec<Socket>> {
    let mut sockets = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_socket() {
            sockets.push(Socket {
                name: entry.file_name().to_string_lossy().into_owned(),
                path: entry.path(),
            });
        }
    }
    Ok(sockets)
}

/// Asks all at once, so that those who do not answer hold up nobody; nothing for these.
fn ask_all(sockets: &[Socket]) -> Vec<Option<Result<interface::Attached, Trouble>>> {
    let (tell, told) = mpsc::channel();
    for (index, socket) in sockets.iter().cloned().enumerate() {
        let tell = tell.clone();
        // Nobody takes it in that comes too late.
        thread::spawn(move || drop(tell.send((index, socket.ask()))));
    }
    drop(tell);
    let mut answers: Vec<_> = sockets.iter().map(|_| None).collect();
    let deadline = Instant::now() + PATIENCE;
    let left = || deadline.saturating_duration_since(Instant::now());
    while let Ok((index, answer)) = told.recv_timeout(left()) {
        answers[index] = Some(answer);
    }
    answers
}

fn port(of: Socket, answer: Option<Result<interface::Attached, Trouble>>) -> Option<Port> {
    use super::trouble::Kind::Absent;

    let answer = answer.unwrap_or_else(|| {
        let (peer, path) = (Peer::Attached, of.path.as_path());
        Err(Place { peer, path }.silent())
    });
    match answer {
        Ok(attached) => Some(Port::Told(Box::new(attached))),
        // It has ended between two looks.
        Err(trouble) if trouble.kind == Absent => None,
        Err(trouble) => Some(Port::Untold {
            name: of.name,
            why: trouble.what().to_owned(),
        }),
    }
}

/// `modemctl break`: sends a BREAK on the line of an attached port.
pub(super) fn send_break(control: &Path, name: &str) -> ExitCode {
    match try_break(control, name) {
        Ok(()) => {
            let sent = format!("{name}: a BREAK of {} ms is on its way", BREAK.msec);
            // It is done, whether somebody reads it or not.
            let _ = writeln!(io::stdout(), "{}", printable(&sent));
            ExitCode::SUCCESS
        }
        Err(trouble) => trouble.report(),
    }
}

fn try_break(control: &Path, name: &str) -> Result<(), Trouble> {
    let (sockets, unlisted) = sockets(control);
    let mut troubles = Vec::new();
    for of in sockets.iter().filter(|of| of.name == name) {
        let sent = of.open().and_then(|mut to| to.call("SendBreak", &BREAK));
        match sent {
            Ok(Done {}) => return Ok(()),
            // The machine and this user may both have one of that name.
            Err(trouble) => troubles.push(trouble),
        }
    }
    let mut names: Vec<_> = sockets.into_iter().map(|of| of.name).collect();
    names.sort();
    let not_found = || {
        let there_are = there_are(names, "attached ports");
        Trouble::not_found(format!(
            "{name}: nothing of that name is attached: {there_are}"
        ))
    };
    let mut troubles = troubles.into_iter().chain(unlisted);
    Err(troubles.next().unwrap_or_else(not_found))
}
