//! pyserial, as it comes, at a telnet port.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{ChildStdin, ChildStdout, Stdio};

use crate::served::Served;
use crate::support::{
    Client, Modem, PYTHON, Scratch, bounded, have_pyserial, port, read_until, standalone,
};

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
