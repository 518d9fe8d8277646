//! Somebody who answers modemctl in the place of modemd or an attached port, and says what these would
//! never say.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::thread;

use modemd::control::interface::{
    Description, Line, LineState, Lines, NAME, Ports, Session, SessionState, Sessions, Signals,
};
use modemd::varlink::{Call, Frames, Parameters, Reply, frame};

use crate::support::{Scratch, bounded};

/// What is said to a call.
pub(crate) enum Answer {
    Replies(Vec<Reply>),
    /// These bytes, and then the end.
    Bytes(&'static [u8]),
    /// Nothing, and the connection stays.
    Silence,
    /// Some replies, and then the end.
    Hangup(Vec<Reply>),
}

impl Answer {
    pub(crate) fn of(parameters: &impl serde::Serialize) -> Answer {
        Answer::Replies(vec![Reply::of(parameters)])
    }

    pub(crate) fn nothing() -> Answer {
        Answer::Replies(vec![Reply::default()])
    }

    /// An error of `io.modemd`.
    pub(crate) fn error(name: &str, key: &str, value: &str) -> Answer {
        let about: Parameters = [(key.to_owned(), value.into())].into_iter().collect();
        Answer::Replies(vec![Reply::error(format!("{NAME}.{name}"), about)])
    }
}

/// A server of the control socket.
pub(crate) struct Fake {
    scratch: Scratch,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Fake {
    pub(crate) fn new(answer: impl Fn(&Call) -> Answer + Send + Sync + 'static) -> Fake {
        let fake = Fake::away();
        fake.listen(&fake.socket(), answer);
        fake
    }

    /// Nobody answers yet.
    pub(crate) fn away() -> Fake {
        Fake {
            scratch: Scratch::new(),
            calls: Arc::default(),
        }
    }

    /// The process of a port that is attached on the machine.
    pub(crate) fn attach(
        &self,
        name: &str,
        answer: impl Fn(&Call) -> Answer + Send + Sync + 'static,
    ) -> PathBuf {
        let directory = self.socket().with_file_name("attach");
        let _ = fs::create_dir(&directory);
        let socket = directory.join(name);
        self.listen(&socket, answer);
        socket
    }

    /// Somebody answers here, too.
    pub(crate) fn listen(
        &self,
        socket: &Path,
        answer: impl Fn(&Call) -> Answer + Send + Sync + 'static,
    ) {
        let listener = UnixListener::bind(socket).unwrap();
        let (answer, calls) = (Arc::new(answer), Arc::clone(&self.calls));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (answer, calls) = (Arc::clone(&answer), Arc::clone(&calls));
                thread::spawn(move || serve(stream, &*answer, &calls));
            }
        });
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.scratch.path().join("io.modemd")
    }

    /// The calls by now: the name of the method and its first parameter.
    pub(crate) fn calls(&self) -> Vec<(String, String)> {
        let calls = self.all_calls();
        let named = calls.iter().map(|call| {
            let first = call.parameters.values().next();
            let first = first.and_then(|value| value.as_str()).unwrap_or_default();
            (call.target().1.to_owned(), first.to_owned())
        });
        named.collect()
    }

    /// The calls by now, whole.
    pub(crate) fn all_calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// Runs modemctl on it to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        run(&self.socket(), arguments)
    }

    /// The same, as somebody who is in no group.
    pub(crate) fn run_as_nobody(&self, arguments: &[&str]) -> Done {
        // Also the program must be where anybody gets at it.
        let program = self.socket().with_file_name("modemctl");
        fs::copy(env!("CARGO_BIN_EXE_modemctl"), &program).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command.arg(program).arg("--socket").arg(self.socket());
        command.args(arguments).env_remove("XDG_RUNTIME_DIR");
        Done::from(command.output().unwrap())
    }
}

fn serve(mut stream: UnixStream, answer: &dyn Fn(&Call) -> Answer, calls: &Mutex<Vec<Call>>) {
    let mut frames = Frames::default();
    let mut buffer = [0; 4096];
    loop {
        while let Some(message) = frames.next() {
            let call: Call = serde_json::from_slice(&message.unwrap()).unwrap();
            calls.lock().unwrap().push(call.clone());
            let (replies, is_end) = match answer(&call) {
                Answer::Replies(replies) => (replies, false),
                Answer::Hangup(replies) => (replies, true),
                Answer::Silence => continue,
                Answer::Bytes(bytes) => {
                    let _ = stream.write_all(bytes);
                    return;
                }
            };
            for reply in replies {
                if stream.write_all(&frame(&reply)).is_err() {
                    return;
                }
            }
            if is_end {
                return;
            }
        }
        match stream.read(&mut buffer) {
            Ok(count) if count > 0 => frames.feed(&buffer[..count]),
            _ => return,
        }
    }
}

/// What a program has said, and with what it ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Done {
    fn from(output: Output) -> Done {
        Done {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// modemctl, to ask at this socket.
pub(crate) fn modemctl(socket: &Path) -> Command {
    ask_at(bounded(env!("CARGO_BIN_EXE_modemctl")), socket)
}

/// The same, to run until it is ended: its process is modemctl's own.
pub(crate) fn lasting_modemctl(socket: &Path) -> Command {
    ask_at(Command::new(env!("CARGO_BIN_EXE_modemctl")), socket)
}

fn ask_at(mut command: Command, socket: &Path) -> Command {
    command.arg("--socket").arg(socket).env("TZ", "UTC");
    // Where whoever runs the tests may have attached something.
    command.env_remove("XDG_RUNTIME_DIR");
    command
}

/// Runs modemctl to its end.
pub(crate) fn run(socket: &Path, arguments: &[&str]) -> Done {
    modemctl(socket).args(arguments).output().unwrap().into()
}

/// That it failed, and said nothing but why, in a line with all of `parts`.
#[track_caller]
pub(crate) fn says(done: &Done, code: i32, parts: &[&str]) {
    assert_eq!(done.code, Some(code), "{done:?}");
    assert_eq!(done.out, "");
    for part in parts {
        assert!(done.err.contains(part), "{part:?} in {done:?}");
    }
    assert_eq!(done.err.lines().count(), 1, "{done:?}");
}

pub(crate) const FIRST: &str = "16275e76514d4ea0";
pub(crate) const SECOND: &str = "162759d65dd7491a";

fn line(path: &str) -> Line {
    Line {
        line: path.to_owned(),
        ports: vec!["modem".to_owned()],
        state: LineState::Free,
        session: None,
        holder: None,
        drained: false,
        aside: None,
    }
}

fn session(number: &str, client: &str) -> Session {
    Session {
        session: number.to_owned(),
        port: "modem".to_owned(),
        client: client.to_owned(),
        state: SessionState::Waiting,
        since_usec: 1_795_000_000_000_000,
        age_usec: 4_380_000_000,
        pid: 77,
        place: Some(1),
        line: None,
        to_line: None,
        to_client: None,
        lost: None,
        kept_to_line: None,
        kept_to_client: None,
        idle_usec: None,
        settings: None,
        signals: None,
        errors: None,
    }
}

/// What a modemd says that has three lines, somebody on the first one, and somebody who waits.
pub(crate) fn machine(call: &Call) -> Answer {
    let mut lines = ["/dev/ttyX1", "/dev/ttyX2", "/dev/ttyX3"].map(line);
    lines[0].state = LineState::InUse;
    lines[0].session = Some(FIRST.to_owned());
    lines[1].drained = true;
    let mut on_line = session(FIRST, "192.168.2.7:50112");
    on_line.state = SessionState::Serving;
    on_line.place = None;
    on_line.line = Some("/dev/ttyX1".to_owned());
    on_line.to_line = Some(1536);
    on_line.to_client = Some(13_000_000);
    on_line.settings = Some("115200,8,N,1".to_owned());
    on_line.signals = Some(Signals {
        dtr: true,
        rts: true,
        cts: true,
        dsr: true,
        dcd: true,
        ri: false,
    });
    match call.target() {
        (NAME, "Describe") => Answer::of(&Description {
            version: "0.1.0".to_owned(),
            pid: 77,
            problems: Vec::new(),
        }),
        (NAME, "ListPorts") => Answer::of(&Ports { ports: Vec::new() }),
        (NAME, "ListLines") => Answer::of(&Lines {
            lines: lines.to_vec(),
        }),
        (NAME, "ListSessions") => Answer::of(&Sessions {
            sessions: vec![on_line, session(SECOND, "192.168.2.9:40001")],
        }),
        (NAME, "HangUp" | "Drain" | "Resume") => Answer::nothing(),
        _ => Answer::Replies(vec![Reply::method_not_found(&call.method)]),
    }
}
