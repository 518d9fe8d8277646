//! Programs that believe in a COM port, at a telnet port (RFC 2217).
//!
//! Their line is a pseudo terminal, both ends of which speak of its settings. It takes any speed,
//! stop bits and flow control; data bits and parity the kernel makes 8N (`pty_set_termios()`), so
//! that here a client learns what a refusal looks like.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::termios::{ControlFlags, InputFlags, tcgetattr};
use serialport::{SerialPort, TTYPort};

use crate::settings::speedometer;
use crate::support::{
    Modem, PYTHON, Running, Scratch, have_pyserial, read_until, share, wait_until,
};

/// A telnet port with a modem that echoes and answers OK to everything.
struct Served {
    server: Running,
    modem: Arc<Modem>,
    speed: TTYPort,
    /// What the modem heard.
    heard: File,
    answering: Option<JoinHandle<()>>,
    enough: Arc<AtomicBool>,
    _scratch: Scratch,
}

impl Served {
    fn with(options: &[&str]) -> Self {
        let scratch = Scratch::new();
        let modem = Arc::new(Modem::new());
        let speed = speedometer(&modem, 300);
        let mut telnet = vec!["--protocol", "telnet"];
        telnet.extend(options);
        let server = share(&[modem.device()], scratch.path(), &telnet);
        let into = scratch.file("heard", "");
        let heard = File::open(&into).unwrap();
        let mut into = File::options().append(true).open(into).unwrap();
        let enough = Arc::new(AtomicBool::new(false));
        let answering = thread::spawn({
            let (modem, enough) = (Arc::clone(&modem), Arc::clone(&enough));
            move || {
                let mut command = false;
                while !enough.load(Ordering::Relaxed) {
                    let said = modem.read_now();
                    if said.is_empty() {
                        thread::sleep(Duration::from_millis(2));
                        continue;
                    }
                    into.write_all(&said).unwrap();
                    for octet in said {
                        modem.say(&[octet]);
                        let ends = octet == b'\r';
                        if command && ends {
                            modem.say(b"\r\nOK\r\n");
                        }
                        command = !ends;
                    }
                }
            }
        });
        Served {
            server,
            modem,
            speed,
            heard,
            answering: Some(answering),
            enough,
            _scratch: scratch,
        }
    }

    fn new() -> Self {
        Self::with(&[])
    }

    fn port(&self) -> String {
        self.server.address().port().to_string()
    }

    /// The settings of the line, in the words of `--line`.
    fn line(&self) -> String {
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

    /// Waits for settings.
    #[track_caller]
    fn becomes(&self, line: &str) {
        wait_until(&format!("{line} instead of {}", self.line()), || {
            self.line() == line
        });
    }

    /// Waits until the line is nobody's.
    #[track_caller]
    fn is_left(&self, times: usize) {
        self.server.logged_times(" left ", times);
        // It is put back after that was logged.
        self.becomes("300,8,N,1");
    }

    /// What the modem heard since this was last asked.
    fn heard(&mut self) -> Vec<u8> {
        let mut heard = Vec::new();
        self.heard.read_to_end(&mut heard).unwrap();
        heard
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
    child: Child,
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
        let url = format!("rfc2217://127.0.0.1:{}{options}", served.port());
        let mut child = Command::new(PYTHON)
            .args(["-W", "ignore", "-c", DRIVER, &url, arguments])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let to = child.stdin.take().unwrap();
        let from = BufReader::new(child.stdout.take().unwrap());
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
            let _ = self.child.kill();
            let stderr = self.child.stderr.as_mut().unwrap();
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
        let stderr = self.child.stderr.as_mut().unwrap();
        stderr.read_to_string(&mut told).unwrap();
        assert!(self.child.wait().unwrap().success(), "{told}");
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
    assert_eq!(served.line(), "9600,8,N,2,xonxoff");
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
        assert_eq!(served.line(), line, "{change}");
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
    assert_eq!(served.line(), "9600,8,N,1");
    python.dials();
    assert_eq!(python.ends(), "");
}

#[test]
fn pyserial_drives_signals_and_reads_them_on_a_line_that_has_none() {
    if !have_pyserial() {
        return;
    }
    let served = Served::new();
    for options in ["", "?poll_modem"] {
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
    let mut served = Served::new();
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
    assert_eq!(served.heard(), expected);
    assert_eq!(python.ends(), "");
}

#[test]
fn pyserial_finds_every_request_answered_and_nothing_rejected() {
    if !have_pyserial() {
        return;
    }
    let served = Served::new();
    let mut python = Pyserial::start(&served, "?logging=debug", "baudrate=9600");
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
        assert_eq!(served.line(), "57600,8,N,2,rtscts");
        python.dials();
        python.does("s.close()");
        python.does("s.open()");
    }
    python.ends();
    served.is_left(20);
    // One that asks for nothing.
    let mut raw = served.server.connect();
    read_until(&mut raw, b"\xFF\xFD\x2C");
    assert_eq!(served.line(), "2400,8,N,1");
}
