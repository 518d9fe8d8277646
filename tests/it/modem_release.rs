//! `[ports.NAME.modem]`: however a session ends, its call ends.

use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::thread;

use modemd::demo::EmulatedModems;
use nix::sys::signal::Signal;

use crate::control::{Seen, port};
use crate::modem_care::{MODEM, OK, Talker, care};
use crate::service::{self, Service};
use crate::support::{
    Modem, Running, Scratch, connect, contains, modemd, read_all, read_until, reset,
};

/// Two emulated modems of this process, each shared by a modemd of its own.
struct Call {
    near: Running,
    near_program: Box<dyn Fn() -> Running>,
    _far: Running,
    client: Option<TcpStream>,
    far_client: TcpStream,
    _scratches: [Scratch; 2],
}

fn serve(scratch: &Path, device: &Path, modem: &str) -> Running {
    let ports = port("modem", &[device], modem);
    let locks = scratch.display();
    let config = scratch.join("modemd.toml");
    let text = format!("[server]\nuser = \"root\"\nlock_dir = \"{locks}\"\n{ports}");
    std::fs::write(&config, text).unwrap();
    let mut command = modemd();
    command.arg("--standalone").arg("--config").arg(config);
    command.arg("--run-dir").arg(scratch.join("run"));
    Running::start(command)
}

impl Call {
    /// A call that is up.
    fn new(modem: &str) -> Self {
        let modems = EmulatedModems::start(2).unwrap();
        let devices: Vec<PathBuf> = modems
            .devices()
            .iter()
            .map(|modem| modem.path().to_owned())
            .collect();
        let number = modems.devices()[1].number().to_owned();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(modems.run())
        });
        let scratches = [Scratch::new(), Scratch::new()];
        let far = serve(scratches[1].path(), &devices[1], "");
        let (folder, device) = (scratches[0].path().to_owned(), devices[0].clone());
        let modem = modem.to_owned();
        let near_program = Box::new(move || serve(&folder, &device, &modem));
        let near = near_program();
        let mut far_client = connect(far.address());
        far_client.write_all(b"ATS0=1\r").unwrap();
        read_until(&mut far_client, b"OK\r\n");
        let mut client = connect(near.address());
        client
            .write_all(format!("ATDT{number}\r").as_bytes())
            .unwrap();
        read_until(&mut client, b"CONNECT");
        read_until(&mut far_client, b"CONNECT");
        Call {
            near,
            near_program,
            _far: far,
            client: Some(client),
            far_client,
            _scratches: scratches,
        }
    }

    /// The other end learns that the call is over.
    #[track_caller]
    fn is_over(&mut self) {
        read_until(&mut self.far_client, b"NO CARRIER");
    }
}

const ESCAPE: &str = "[ports.modem.modem]\nhangup = \"escape\"\nguard_time = \"1s\"\n";

#[test]
fn a_client_that_leaves_in_a_call_leaves_no_call() {
    for modem in [MODEM, ESCAPE] {
        let mut call = Call::new(modem);
        reset(call.client.take().unwrap());
        call.is_over();
        // It was heard to say that it has hung up: the next one gets it.
        call.near.logged(" left ");
        let mut next = connect(call.near.address());
        next.write_all(b"ATI\r").unwrap();
        read_until(&mut next, b"OK\r\n");
        let log = call.near.log();
        assert!(!log.iter().any(|line| line.contains("hang up")), "{log:#?}");
    }
}

#[test]
fn a_service_that_stops_leaves_no_call() {
    for modem in [MODEM, ESCAPE] {
        let mut call = Call::new(modem);
        call.near.signal(Signal::SIGTERM);
        call.is_over();
        assert!(call.near.wait().success());
        let log = call.near.log();
        assert!(
            !log.iter().any(|line| line.contains("still served")),
            "{log:#?}"
        );
    }
}

#[test]
fn a_modemd_that_is_killed_leaves_no_call() {
    let mut call = Call::new(MODEM);
    call.near.signal(Signal::SIGKILL);
    call.is_over();
    call.near.wait();
    call.near = (call.near_program)();
    let mut next = connect(call.near.address());
    next.write_all(b"AT\r").unwrap();
    read_until(&mut next, b"OK\r\n");
}

#[test]
fn a_modem_that_does_not_hang_up_is_set_aside() {
    let modem = Talker::new(|line| match line {
        "ATZ" | "AT&C1" => OK,
        "ATD" => Some("\r\nCONNECT\r\n"),
        _ => None,
    });
    let seen = Seen::new(&care(&[&modem], ""));
    let mut client = connect(seen.server.address());
    client.write_all(b"ATD\r").unwrap();
    read_until(&mut client, b"CONNECT\r\n");
    reset(client);
    let device = modem.device().to_str().unwrap();
    let why = "does not hang up: no answer to `ATQ0V1H0`";
    seen.server
        .logged(&format!("{device}: {why}; it is tried again in 1min"));
    assert!(
        modem.heard().contains(&"+++".to_owned()),
        "{:?}",
        modem.heard()
    );
    seen.server.logged(" left ");
    let got = read_all(&mut connect(seen.server.address()));
    assert!(contains(&got, why.as_bytes()), "{got:?}");
    assert_eq!(modem.count("ATZ"), 1);
}

#[test]
fn a_modem_is_set_aside_for_longer_until_it_has_done_all_that_it_was_told() {
    let modem = Talker::new(|line| match line {
        "ATQ0V1H0" => None,
        "ATI" => Some("\r\nHELLO\r\n"),
        _ => OK,
    });
    let device = modem.device().to_str().unwrap();
    let ports = care(&[&modem], "");
    let mut seen = Seen::new(&ports);
    let aside = seen.scratch.path().join("run/private/aside");
    let session = |seen: &Seen| {
        let mut client = connect(seen.server.address());
        client.write_all(b"ATI\r").unwrap();
        read_until(&mut client, b"HELLO\r\n");
        reset(client);
        seen.server.logged(" left ");
    };
    for pause in ["1min", "2min", "4min"] {
        session(&seen);
        let told = format!(
            "{device}: does not hang up: no answer to `ATQ0V1H0`; it is tried again in {pause}"
        );
        seen.server.logged(&told);
        // That much time goes by.
        let text = std::fs::read_to_string(&aside).unwrap();
        let mut lines: serde_json::Value = serde_json::from_str(&text).unwrap();
        lines[device]["until"]["secs"] = serde_json::json!(0);
        std::fs::write(&aside, lines.to_string()).unwrap();
        seen.restart(&ports);
    }
    modem.answers(|line| {
        if line == "ATI" {
            Some("\r\nHELLO\r\n")
        } else {
            OK
        }
    });
    session(&seen);
    assert!(!aside.exists());
}

#[test]
fn what_a_modem_says_while_it_hangs_up_is_for_nobody() {
    let modem = Talker::new(|line| match line {
        "ATI" => Some("\r\nHELLO\r\n"),
        "ATQ0V1H0" => Some("\r\nNO CARRIER\r\n\r\nOK\r\n\r\nRING\r\n"),
        _ => OK,
    });
    let seen = Seen::new(&care(&[&modem], "busy = \"wait\""));
    for _ in 0..2 {
        let mut client = connect(seen.server.address());
        client.write_all(b"ATI\r").unwrap();
        let got = read_until(&mut client, b"HELLO\r\n");
        assert_eq!(got, b"\r\nHELLO\r\n");
        reset(client);
    }
}

#[test]
fn a_session_that_another_process_has_begun_is_hung_up_like_any_other() {
    for signal in [Signal::SIGUSR1, Signal::SIGKILL] {
        let modem = Talker::new(|line| {
            if line == "ATI" {
                Some("\r\nHELLO\r\n")
            } else {
                OK
            }
        });
        let devices = [modem.device()];
        let ports = format!("{}\n{MODEM}", port("modem", &devices, ""));
        let mut service =
            Service::new(&["modem"], &ports.replace("listen = [\"127.0.0.1:0\"]", ""));
        let mut client = service.connect();
        client.write_all(b"ATI\r").unwrap();
        read_until(&mut client, b"HELLO\r\n");
        service.keeps(1);
        service.restart(signal);
        assert_eq!(modem.count("ATQ0V1H0"), 0);
        modem.say(b"RING\r\n");
        read_until(&mut client, b"RING\r\n");
        reset(client);
        modem.expect("ATQ0V1H0");
        service.assert_empty();
        // It was prepared once.
        assert_eq!(modem.count("ATZ"), 1);
    }
}

#[test]
fn what_is_left_of_a_session_that_nobody_can_go_on_with_is_hung_up() {
    let modem = Talker::new(|line| {
        if line == "ATI" {
            Some("\r\nHELLO\r\n")
        } else {
            OK
        }
    });
    let devices = [modem.device()];
    let ports = format!("{}\n{MODEM}", port("modem", &devices, ""));
    let mut service = Service::new(&["modem"], &ports.replace("listen = [\"127.0.0.1:0\"]", ""));
    let mut client = service.connect();
    client.write_all(b"ATI\r").unwrap();
    read_until(&mut client, b"HELLO\r\n");
    let name = service.keeps(1);
    service.rests();
    let ledger = service.ledger(&name);
    service.end(Signal::SIGKILL);
    ledger.set_number(service::VERSION, 0);
    service.begin();
    // Nobody can say any more which port it was of: it is hung up as everywhere.
    service.assert_empty();
    assert_eq!(modem.count("ATZ"), 1);
}

#[test]
fn what_is_on_a_leased_line_stays_on_it() {
    let modem = Modem::new();
    let more = "[ports.modem.modem]\nhangup = \"none\"\n";
    let seen = Seen::new(&port("modem", &[modem.device()], more));
    let mut client = connect(seen.server.address());
    client.write_all(b"hello").unwrap();
    assert_eq!(modem.expect(b"hello"), b"hello");
    reset(client);
    seen.server.logged(" left ");
    let mut client = connect(seen.server.address());
    client.write_all(b"again").unwrap();
    assert_eq!(modem.expect(b"again"), b"again");
}
