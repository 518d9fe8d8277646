//! Programs that believe in a COM port, at a telnet port (RFC 2217).
//!
//! Their line is a pseudo terminal, both ends of which speak of its settings. It takes any speed,
//! stop bits and flow control; data bits and parity the kernel makes 8N (`pty_set_termios()`), so
//! that here a client learns what a refusal looks like.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{ChildStdin, ChildStdout, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::termios::{ControlFlags, InputFlags, tcgetattr};
use serialport::{SerialPort, TTYPort};

use crate::settings::speedometer;
use crate::support::{
    Client, Modem, PATIENCE, PYTHON, Running, Scratch, bounded, have, have_pyserial, port,
    read_until, share, standalone, wait_until,
};
use crate::terminal::{Peer, words};

/// A line, from the modem's side.
struct Line {
    modem: Modem,
    speed: TTYPort,
}

impl Line {
    /// The settings in force, in the words of `--line`.
    fn settings(&self) -> String {
        let settings = tcgetattr(self.modem.master()).unwrap();
        let (control, input) = (settings.control_flags, settings.input_flags);
        let stop = if control.contains(ControlFlags::CSTOPB) {
            2
        } else {
            1
        };
        let flow = match (
            control.contains(ControlFlags::CRTSCTS),
            input.contains(InputFlags::IXON),
            input.contains(InputFlags::IXOFF),
        ) {
            (true, false, false) => ",rtscts",
            (false, true, true) => ",xonxoff",
            (false, false, false) => "",
            other => panic!("{other:?}"),
        };
        let baud = self.speed.baud_rate().unwrap();
        format!("{baud},8,N,{stop}{flow}")
    }
}

/// What a modem heard.
#[derive(Default)]
struct Heard {
    octets: Vec<u8>,
    /// The commands in it, and the settings under which the end of each came.
    commands: Vec<(String, String)>,
}

/// A telnet port with a modem that echoes, and answers OK to everything.
struct Served {
    server: Running,
    line: Arc<Line>,
    heard: Arc<Mutex<Heard>>,
    enough: Arc<AtomicBool>,
    answering: Option<JoinHandle<()>>,
    _locks: Scratch,
}

impl Served {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(options: &[&str]) -> Self {
        let locks = Scratch::new();
        let modem = Modem::new();
        let speed = speedometer(&modem, 300);
        let mut telnet = vec!["--protocol", "telnet"];
        telnet.extend(options);
        let server = share(&[modem.device()], locks.path(), &telnet);
        let line = Arc::new(Line { modem, speed });
        let heard = Arc::new(Mutex::new(Heard::default()));
        let enough = Arc::new(AtomicBool::new(false));
        let answering = thread::spawn({
            let (line, heard, enough) = (line.clone(), heard.clone(), enough.clone());
            move || {
                let mut command = Vec::new();
                while !enough.load(Ordering::Relaxed) {
                    let said = line.modem.read_now();
                    if said.is_empty() {
                        thread::sleep(Duration::from_millis(2));
                    }
                    for octet in said {
                        heard.lock().unwrap().octets.push(octet);
                        let mut answer = vec![octet];
                        if octet != b'\r' {
                            command.push(octet);
                        } else if !command.is_empty() {
                            let text = command.escape_ascii().to_string();
                            heard.lock().unwrap().commands.push((text, line.settings()));
                            command.clear();
                            answer.extend(b"\r\nOK\r\n");
                        }
                        line.modem.say(&answer);
                    }
                }
            }
        });
        Served {
            server,
            line,
            heard,
            enough,
            answering: Some(answering),
            _locks: locks,
        }
    }

    fn port(&self) -> String {
        self.server.address().port().to_string()
    }

    /// Waits until so many clients have left, and the line is as it was before them.
    #[track_caller]
    fn is_left(&self, times: usize) {
        self.server.logged_times(" left ", times);
        wait_until("the former settings", || {
            self.line.settings() == "300,8,N,1"
        });
    }

    /// What the modem heard since this was last asked.
    fn heard(&self) -> Heard {
        std::mem::take(&mut self.heard.lock().unwrap())
    }

    /// Checks under which settings ATZ came since then.
    #[track_caller]
    fn heard_under(&self, settings: &[&str]) {
        let expected: Vec<_> = settings
            .iter()
            .map(|&settings| ("ATZ".to_owned(), settings.to_owned()))
            .collect();
        let mut commands = self.heard().commands;
        // What is typed before a program has its terminal may come in part, and is typed again.
        commands.retain(|(command, _)| command == "ATZ");
        commands.dedup();
        assert_eq!(commands, expected);
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.enough.store(true, Ordering::Relaxed);
        let answering = self.answering.take().unwrap();
        assert!(answering.join().is_ok() || thread::panicking());
    }
}

/// A Python that has opened the port as `s`, and does what it is told.
struct Pyserial {
    child: Client,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Pyserial {
    fn start(served: &Served, options: &str, arguments: &str) -> Self {
        const DRIVER: &str = "
import serial, sys
s = serial.serial_for_url(sys.argv[1], timeout=60, **eval('dict(' + sys.argv[2] + ')'))
print('open', flush=True)
for line in sys.stdin:
    try:
        try:
            value = eval(line)
        except SyntaxError:
            value = exec(line)
    except Exception as error:
        value = error
    print(repr(value), flush=True)
";
        // Of its own it has no more than three seconds' patience, which a busy machine may need.
        let url = format!("rfc2217://127.0.0.1:{}?timeout=60{options}", served.port());
        let mut child = bounded(PYTHON)
            .args(["-W", "ignore", "-c", DRIVER, &url, arguments])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let to = child.stdin.take().unwrap();
        let from = BufReader::new(child.stdout.take().unwrap());
        let child = Client(child);
        let mut python = Pyserial { child, to, from };
        python.hear("open");
        python
    }

    #[track_caller]
    fn hear(&mut self, expected: &str) {
        let mut said = String::new();
        self.from.read_line(&mut said).unwrap();
        if said.trim_end() != expected {
            let mut told = String::new();
            self.child.terminate();
            let stderr = self.child.0.stderr.as_mut().unwrap();
            stderr.read_to_string(&mut told).unwrap();
            panic!("{said:?} instead of {expected:?}: {told}");
        }
    }

    /// Has this statement carried out, or this expression evaluated.
    #[track_caller]
    fn gives(&mut self, code: &str, value: &str) {
        writeln!(self.to, "{code}").unwrap();
        self.hear(value);
    }

    #[track_caller]
    fn does(&mut self, code: &str) {
        self.gives(code, "None");
    }

    #[track_caller]
    fn dials(&mut self) {
        self.gives("s.write(b'ATZ\\r')", "4");
        self.gives("s.read_until(b'OK\\r\\n')", "b'ATZ\\r\\r\\nOK\\r\\n'");
    }

    /// Closes the port, and gives what was said on stderr.
    #[track_caller]
    fn ends(mut self) -> String {
        self.does("s.close()");
        drop(self.to);
        let mut told = String::new();
        let stderr = self.child.0.stderr.as_mut().unwrap();
        stderr.read_to_string(&mut told).unwrap();
        assert!(self.child.0.wait().unwrap().success(), "{told}");
        told
    }
}

#[test]
fn pyserial_opens_without_ign_set_control_and_changes_every_setting() {
    // Complaints: acknowledgements that are missing, `ign_set_control`, a line that refuses signals.
    if !have_pyserial() {
        return;
    }
    let served = Served::new();
    let mut python = Pyserial::start(&served, "", "baudrate=9600, stopbits=2, xonxoff=True");
    assert_eq!(served.line.settings(), "9600,8,N,2,xonxoff");
    python.dials();
    for (change, line) in [
        ("s.baudrate = 12345", "12345,8,N,2,xonxoff"),
        ("s.xonxoff = False", "12345,8,N,2"),
        ("s.stopbits = 1", "12345,8,N,1"),
        ("s.rtscts = True", "12345,8,N,1,rtscts"),
        ("s.baudrate = 4000000", "4000000,8,N,1,rtscts"),
        ("s.rtscts = False", "4000000,8,N,1"),
        // An octet of it has to be doubled.
        ("s.baudrate = 65300", "65300,8,N,1"),
        ("s.baudrate = 50", "50,8,N,1"),
    ] {
        python.does(change);
        assert_eq!(served.line.settings(), line, "{change}");
        python.dials();
    }
    assert_eq!(python.ends(), "");
}

#[test]
fn pyserial_is_told_what_a_line_refuses_and_goes_on() {
    if !have_pyserial() {
        return;
    }
    let served = Served::new();
    let mut python = Pyserial::start(&served, "", "baudrate=9600");
    let refused =
        |option: &str| format!("ValueError(\"remote rejected value for option '{option}'\")");
    python.gives("s.bytesize = 7", &refused("datasize"));
    python.does("s.bytesize = 8");
    python.gives("s.parity = 'E'", &refused("parity"));
    python.does("s.parity = 'N'");
    python.gives("s.stopbits = 1.5", &refused("stopsize"));
    python.does("s.stopbits = 1");
    assert_eq!(served.line.settings(), "9600,8,N,1");
    python.dials();
    assert_eq!(python.ends(), "");
}

#[test]
fn pyserial_drives_signals_and_reads_them_on_a_line_that_has_none() {
    if !have_pyserial() {
        return;
    }
    let served = Served::new();
    for options in ["", "&poll_modem"] {
        let mut python = Pyserial::start(&served, options, "baudrate=9600");
        for signal in ["dtr", "rts", "break_condition"] {
            for on in ["False", "True", "True", "False"] {
                python.does(&format!("s.{signal} = {on}"));
                python.gives(&format!("s.{signal}"), on);
            }
        }
        python.does("s.send_break(0.01)");
        // Who waits for a carrier or CTS must not wait for ever.
        python.gives("s.cts, s.dsr, s.ri, s.cd", "(True, True, False, True)");
        python.dials();
        assert_eq!(python.ends(), "");
    }
}

#[test]
fn pyserial_purges_and_sends_every_octet() {
    // Complaint: 0xFF that is doubled, or is not.
    if !have_pyserial() {
        return;
    }
    let served = Served::new();
    let mut python = Pyserial::start(&served, "", "");
    for _ in 0..3 {
        python.does("s.reset_input_buffer()");
        python.does("s.reset_output_buffer()");
        python.dials();
    }
    served.heard();
    let octets = "bytes(c for c in range(256) if c != 13) + b'\\xff\\xff\\x00\\n'";
    python.gives(&format!("s.write({octets})"), "259");
    python.gives(&format!("s.read(259) == {octets}"), "True");
    let mut expected: Vec<u8> = (0..=255).filter(|&octet| octet != b'\r').collect();
    expected.extend(b"\xff\xff\0\n");
    assert_eq!(served.heard().octets, expected);
    assert_eq!(python.ends(), "");
}

#[test]
fn pyserial_finds_every_request_answered_and_nothing_rejected() {
    if !have_pyserial() {
        return;
    }
    let served = Served::new();
    let mut python = Pyserial::start(&served, "&logging=debug", "baudrate=9600");
    for change in [
        "s.baudrate = 19200",
        "s.stopbits = 2",
        "s.xonxoff = True",
        "s.xonxoff = False",
        "s.rtscts = True",
        "s.dtr = False",
        "s.rts = False",
        "s.break_condition = True",
        "s.break_condition = False",
        "s.reset_input_buffer()",
        "s.reset_output_buffer()",
    ] {
        python.does(change);
    }
    let told = python.ends();
    let count = |words: &str| told.matches(words).count();
    assert!(count("SB Requesting") > 20, "{told}");
    assert_eq!(count("SB Requesting"), count("SB Answer"), "{told}");
    assert_eq!(count("SB Answer"), count("-> ACTIVE"), "{told}");
    assert_eq!(count("ignoring") + count("rejected"), 0, "{told}");
}

#[test]
fn pyserial_opens_a_port_twenty_times_and_each_time_it_is_as_it_was_configured() {
    if !have_pyserial() {
        return;
    }
    let served = Served::with(&["--line", "2400,8,N,1"]);
    let mut python = Pyserial::start(&served, "", "baudrate=57600, stopbits=2, rtscts=True");
    for _ in 1..20 {
        assert_eq!(served.line.settings(), "57600,8,N,2,rtscts");
        python.dials();
        python.does("s.close()");
        python.does("s.open()");
    }
    python.ends();
    served.is_left(20);
    // One that asks for nothing.
    let mut raw = served.server.connect();
    read_until(&mut raw, b"\xFF\xFD\x2C");
    assert_eq!(served.line.settings(), "2400,8,N,1");
}

#[test]
fn miniterm_gets_its_answer_and_changes_the_settings() {
    if !have_pyserial() {
        return;
    }
    let served = Served::new();
    let url = format!("rfc2217://127.0.0.1:{}?timeout=60", served.port());
    let arguments = words(&["-m", "serial.tools.miniterm", &url, "9600"]);
    let mut miniterm = Peer::run(PYTHON, &arguments);
    miniterm.says_next("--- Quit: ");
    miniterm.types("ATZ\r");
    miniterm.says_next("OK\r\n");
    miniterm.types("\x14b");
    miniterm.says_next("Baudrate: ");
    miniterm.types("31250\n");
    miniterm.types("\x142\x14R\x14\x04\x14\x02");
    miniterm.says_next("BREAK active");
    miniterm.types("\x14\x09");
    miniterm.says_next("RTS: active    DTR: inactive  BREAK: active");
    miniterm.types("ATZ\r");
    miniterm.says_next("OK\r\n");
    miniterm.types("\x1d");
    let (status, said) = miniterm.ends();
    assert!(status.success(), "{said}");
    assert!(!said.contains("rror"), "{said}");
    served.heard_under(&["9600,8,N,1", "31250,8,N,2,rtscts"]);
}

#[test]
fn microcom_gets_its_answer_and_changes_the_settings() {
    if !have(&["microcom"]) {
        return;
    }
    let served = Served::new();
    let address = format!("127.0.0.1:{}", served.port());
    let mut microcom = Peer::run("microcom", &words(&["-t", &address, "-s", "9600"]));
    // It throws away what was typed before it had its terminal.
    microcom.types_until("ATZ\r", "OK");
    microcom.types("\x1c");
    for command in ["speed 19200", "flow hard", "exit"] {
        microcom.says_next("-> ");
        microcom.types(&format!("{command}\r"));
    }
    microcom.types_until("ATZ\r", "OK");
    microcom.types("\x1c");
    microcom.says_next("-> ");
    microcom.types("quit\r");
    let (status, said) = microcom.ends();
    assert!(status.success(), "{said}");
    served.heard_under(&["9600,8,N,1", "19200,8,N,1,rtscts"]);
}

#[test]
fn gensiot_gets_its_answer_and_changes_the_settings() {
    if !have(&["gensiot"]) {
        return;
    }
    let served = Served::new();
    let address = format!("telnet(rfc2217),tcp,127.0.0.1,{}", served.port());
    let mut gensiot = Peer::run("gensiot", &words(&[&address]));
    // It makes its terminal ready before it connects, and throws away what was typed until then.
    served.server.logged(" is on ");
    for settings in [
        "",
        "\x1cs12345\n\x1c2\x1cr",
        "\x1cx\x1cb\x1c1\x1cs57600\n",
        "\x1cf",
    ] {
        gensiot.types(settings);
        gensiot.types("ATZ\r");
        gensiot.says_next("OK\r\n");
    }
    gensiot.types("\x1cd");
    gensiot.says_next("Signature: modemd ");
    gensiot.says_next("Speed: 57600N81");
    gensiot.types("\x1cq");
    let (status, said) = gensiot.ends();
    assert!(status.success(), "{said}");
    served.heard_under(&[
        "115200,8,N,1",
        "12345,8,N,2,rtscts",
        "57600,8,N,1,xonxoff",
        "57600,8,N,1",
    ]);
}

#[test]
fn a_program_that_closes_its_com_port_has_left_once_the_line_has_what_it_wrote() {
    // Others may be silent for an hour and still be there to read an answer.
    if !have_pyserial() {
        return;
    }
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = standalone(
        &scratch,
        &port(&[modem.device()], "protocol = \"telnet\"\nlinger = \"1h\""),
    );
    let script = "
import serial, sys
s = serial.serial_for_url('rfc2217://' + sys.argv[1] + '?timeout=60')
s.write(bytes(3000))
s.close()
";
    let done = bounded(PYTHON)
        .args(["-W", "ignore", "-c", script, &server.address().to_string()])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&done.stderr), "");
    // The modem is slow to take it.
    assert_eq!(modem.expect(&[0; 3000]), [0; 3000]);
    let left = server.logged(" left ");
    assert!(left.contains("3000 bytes to the line"), "{left}");
}

/// What C-Kermit's `set telnet debug on` tells: in which direction, and what.
fn negotiated(trace: &str) -> Vec<(&str, &str)> {
    trace
        .lines()
        .filter_map(|line| {
            // A message may follow upon data without a line break.
            let (_, line) = line.split_once("TELNET ")?;
            line.trim().split_once(' ')
        })
        .collect()
}

#[test]
fn kermit_finds_every_negotiation_answered_once() {
    if !have(&["kermit"]) {
        return;
    }
    let served = Served::new();
    let home = Scratch::new();
    let script = home.file(
        "com.ksc",
        format!(
            "set exit warning off\nset command byte 8\nset carrier-watch off\n\
             set telopt /client comport required\nset telnet debug on\n\
             set host 127.0.0.1:{} /telnet\nif fail exit 11\n\
             set flow none\noutput ATZ\\13\ninput 60 OK\nif fail exit 12\n\
             set speed 19200\nif fail exit 13\nset stop-bits 2\nset flow rts/cts\n\
             output ATZ\\13\ninput 60 OK\nif fail exit 14\n\
             show comm\nhangup\nif fail exit 15\nexit 0\n",
            served.port()
        ),
    );
    let done = bounded("kermit")
        .arg("-Y")
        .arg("-C")
        .arg(format!("take {}", script.display()))
        .env("HOME", home.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{:?}\n{said}", done.status);
    served.heard_under(&["115200,8,N,1", "19200,8,N,2,rtscts"]);
    for shown in [
        "Signature            : modemd ",
        "Speed                : 19200",
        "Outbound Flow Control: rts/cts",
        "Inbound Flow Control : rts/cts",
        "Stop Bits            : 2",
        "DTR Signal           : 1",
    ] {
        assert!(said.contains(shown), "no {shown} in {said}");
    }

    let trace = negotiated(&said);
    let count = |what: (&str, &str)| trace.iter().filter(|&&line| line == what).count();
    for &(from, what) in &trace {
        let Some((verb, option)) = what.split_once(' ') else {
            continue;
        };
        let answers = match verb {
            "WILL" => ["DO", "DONT"],
            "DO" => ["WILL", "WONT"],
            "WONT" | "DONT" => {
                assert_eq!(count((from, what)), 1, "{from} {what}: {said}");
                continue;
            }
            _ => continue,
        };
        // It hangs up after that one.
        if option == "LOGOUT" {
            continue;
        }
        assert_eq!(count((from, what)), 1, "{from} {what}: {said}");
        let to = if from == "SENT" { "RCVD" } else { "SENT" };
        let answered = answers.map(|answer| count((to, &format!("{answer} {option}"))));
        assert_eq!(answered.iter().sum::<usize>(), 1, "{from} {what}: {said}");
    }
    let messages = |from: &str| {
        let begin = "SB COM-PORT-CONTROL";
        let messages = trace
            .iter()
            .filter(|line| line.0 == from && line.1.starts_with(begin));
        messages.filter(|line| !line.1.contains("NOTIFY")).count()
    };
    assert!(messages("SENT") > 20, "{said}");
    assert_eq!(messages("SENT"), messages("RCVD"), "{said}");
}

#[test]
fn cyclades_ser_cli_does_not_hang_and_its_virtual_line_works() {
    // It hangs where masks are not acknowledged. It refuses BINARY.
    if !have(&["cyclades-ser-cli"]) {
        return;
    }
    let served = Served::new();
    let home = Scratch::new();
    let device = home.path().join("line");
    let base = served.server.address().port() - 1;
    let client = bounded("cyclades-ser-cli")
        .args(["-x", "-m", "1", "-c", "1", "-i", "1", "-p"])
        .arg(base.to_string())
        .arg(&device)
        .args(["127.0.0.1", "1"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _client = Client(client);
    wait_until("its terminal", || device.exists());
    let mut line = serialport::new(device.to_str().unwrap(), 9600)
        .timeout(PATIENCE)
        .open_native()
        .unwrap();
    for _ in 0..3 {
        line.write_all(b"ATZ\r").unwrap();
        read_until(&mut line, b"OK\r\n");
    }
    served.heard_under(&["115200,8,N,1"]);
    // All that it sends is as it was written, but for what follows a CR.
    let octets: Vec<u8> = (0..=255).rev().filter(|&octet| octet != b'\r').collect();
    line.write_all(&octets).unwrap();
    read_until(&mut line, &octets);
    assert_eq!(served.heard().octets, octets);
}
