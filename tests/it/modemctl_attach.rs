//! What `modemctl status` and `break` say of a port that `modemctl attach` has attached.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use modemd::attach::interface::{Attached, State};
use nix::fcntl::OFlag;

use crate::com_port::{COM_PORT, IAC, SB, SE};
use crate::fake::{Done, run, says};
use crate::support::{Modem, Running, Scratch, contains, port, standalone, wait_until};

/// SET-CONTROL of RFC 2217: BREAK on, and off.
const BREAK_ON: [u8; 7] = [IAC, SB, COM_PORT, 5, 5, IAC, SE];
const BREAK_OFF: [u8; 7] = [IAC, SB, COM_PORT, 5, 6, IAC, SE];

/// Between a client and a server, and remembers what the client has said.
fn listener_in(server: SocketAddr) -> (SocketAddr, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&heard);
    thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let mut server = TcpStream::connect(server).unwrap();
            let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || {
                let _ = io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Both);
            });
            let into = Arc::clone(&into);
            thread::spawn(move || {
                let mut octets = [0; 4096];
                while let Ok(count @ 1..) = client.read(&mut octets) {
                    into.lock().unwrap().extend(&octets[..count]);
                    if server.write_all(&octets[..count]).is_err() {
                        break;
                    }
                }
                let _ = server.shutdown(Shutdown::Both);
            });
        }
    });
    (address, heard)
}

/// A port that is attached as `fax`.
struct Here {
    scratch: Scratch,
    server: String,
    process: Option<Running>,
}

impl Here {
    fn new(server: SocketAddr) -> Here {
        let mut here = Here {
            scratch: Scratch::new(),
            server: server.to_string(),
            process: None,
        };
        here.attach();
        here
    }

    fn socket(&self) -> PathBuf {
        self.scratch.path().join("io.modemd")
    }

    fn link(&self) -> PathBuf {
        self.scratch.path().join("fax")
    }

    fn attach(&mut self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_modemctl"));
        command.arg("--socket").arg(self.socket());
        command.args(["attach", &self.server, "--link"]);
        command.arg(self.link()).env_remove("XDG_RUNTIME_DIR");
        self.process = Some(Running::start(command));
        self.is(State::Closed);
    }

    /// Opens the device.
    fn program(&self) -> File {
        let mut options = File::options();
        options.read(true).write(true);
        options.custom_flags(OFlag::O_NOCTTY.bits());
        options.open(self.link()).unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Done {
        run(&self.socket(), arguments)
    }

    /// Waits until this is its state.
    #[track_caller]
    fn is(&self, state: State) {
        wait_until("a state", || {
            let done = self.run(&["status", "--json"]);
            let said: serde_json::Value = serde_json::from_str(&done.out).unwrap_or_default();
            let attached = serde_json::from_value::<Vec<Attached>>(said["attached"].clone());
            attached.is_ok_and(|of| of.len() == 1 && of[0].state == state && of[0].name == "fax")
        });
    }
}

#[test]
fn a_port_is_shown_as_it_comes_and_goes_and_a_break_reaches_its_server() {
    let (modem, scratch) = (Modem::new(), Scratch::new());
    let server = standalone(
        &scratch,
        &port(&[modem.device()], "protocol = \"telnet\"\n"),
    );
    let (address, heard) = listener_in(server.address());
    let mut here = Here::new(address);

    let program = here.program();
    here.is(State::Connected);
    let done = here.run(&[]);
    let row = done.out.lines().nth(1).unwrap_or_default();
    let begin = format!("fax   {address}  {}  connected ", here.link().display());
    assert!(row.starts_with(&begin), "{begin:?} in {done:?}");
    let has_heard = |message: &[u8]| contains(&heard.lock().unwrap(), message);
    assert!(!has_heard(&BREAK_ON));
    let done = here.run(&["break", "fax"]);
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""));
    wait_until("a BREAK", || has_heard(&BREAK_ON) && has_heard(&BREAK_OFF));

    drop(program);
    here.is(State::Closed);
    let why = "fax: it was not done: it is not connected: no program has it open";
    says(&here.run(&["break", "fax"]), 1, &[why]);

    // Killed, it leaves its socket behind; attached anew, it takes that over.
    drop(here.process.take());
    let done = here.run(&[]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(
        done.out.contains("\nfax: its process was killed"),
        "{done:?}"
    );
    says(
        &here.run(&["break", "fax"]),
        69,
        &["its process was killed"],
    );
    here.attach();

    let (status, log) = here.process.take().unwrap().stop();
    assert!(status.success(), "{log:#?}");
    says(&here.run(&[]), 69, &["modemd cannot be asked"]);
    says(
        &here.run(&["break", "fax"]),
        1,
        &["there are no attached ports"],
    );
}

#[test]
fn a_server_that_is_not_there_is_told_with_why() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let here = Here::new(address);
    let _program = here.program();
    here.is(State::Retrying);
    let done = here.run(&["status"]);
    let why = done.out.lines().last().unwrap_or_default();
    assert!(
        why.starts_with("fax: ") && why.contains("Connection refused"),
        "{done:?}"
    );
    let done = here.run(&["break", "fax"]);
    says(&done, 1, &["fax: it was not done: it is not connected: "]);
}
