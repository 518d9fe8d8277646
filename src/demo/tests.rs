//! Terminals on real ptys.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use nix::fcntl::OFlag;
use nix::sys::termios::{
    BaudRate, ControlFlags, InputFlags, LocalFlags, SetArg, SpecialCharacterIndices, cfsetspeed,
    tcgetattr, tcsetattr,
};
use tokio::sync::oneshot;

use super::*;

/// Modems at work in a thread of their own.
struct Bench {
    devices: Vec<Device>,
    wake_ups: Arc<AtomicUsize>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Bench {
    fn start(count: usize) -> Self {
        Self::start_with(&vec![Temperament::hayes(); count])
    }

    fn start_with(temperaments: &[Temperament]) -> Self {
        let modems = EmulatedModems::start_with(temperaments).unwrap();
        let devices = modems.devices().to_vec();
        let wake_ups = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&wake_ups);
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let mut run = std::pin::pin!(modems.run());
                let run = poll_fn(|cx| {
                    counter.fetch_add(1, Ordering::Relaxed);
                    run.as_mut().poll(cx)
                });
                tokio::select! {
                    Err(err) = run => panic!("{err}"),
                    _ = stopped => {}
                }
            });
        });
        Self {
            devices,
            wake_ups,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    fn open(&self, line: usize) -> Terminal {
        Terminal::open(self.devices[line].path())
    }

    /// Lines 0 and 1 in a call.
    fn with_a_call() -> (Self, Terminal, Terminal) {
        let bench = Self::start(2);
        let (mut a, mut b) = (bench.open(0), bench.open(1));
        a.send(format!("ATE0DT{}\r", bench.devices[1].number()).as_bytes());
        b.expect("\r\nRING\r\n");
        b.send(b"ATE0A\r");
        a.expect("\r\nCONNECT 115200\r\n");
        b.expect("\r\nCONNECT 115200\r\n");
        (bench, a, b)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(JoinHandle::join);
        if !thread::panicking() {
            ended.unwrap().unwrap();
        }
    }
}

/// What a program would see as its serial port.
struct Terminal(File);

impl Terminal {
    fn open(device: &Path) -> Self {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlag::O_NOCTTY.bits())
            .open(device)
            .unwrap();
        let terminal = Self(file);
        terminal.wait_at_most(100);
        terminal
    }

    /// Tenths of a second until a read gives up.
    fn wait_at_most(&self, tenths: u8) {
        let mut settings = tcgetattr(&self.0).unwrap();
        settings.control_chars[SpecialCharacterIndices::VMIN as usize] = 0;
        settings.control_chars[SpecialCharacterIndices::VTIME as usize] = tenths;
        tcsetattr(&self.0, SetArg::TCSANOW, &settings).unwrap();
    }

    fn send(&mut self, data: &[u8]) {
        self.0.write_all(data).unwrap();
    }

    /// Reads until this comes.
    #[track_caller]
    fn expect(&mut self, text: &str) {
        let mut heard = Vec::new();
        while !heard.ends_with(text.as_bytes()) {
            let mut byte = [0];
            let count = self.0.read(&mut byte).unwrap();
            assert!(count > 0, "`{}` instead of `{text}`", heard.escape_ascii());
            heard.push(byte[0]);
        }
    }

    fn read_exactly(&mut self, count: usize) -> Vec<u8> {
        let mut data = vec![0; count];
        self.0.read_exact(&mut data).unwrap();
        data
    }

    /// What a program does to hang up where there is no DTR; another speed is DTR on again.
    fn set_speed(&self, speed: BaudRate) {
        let mut settings = tcgetattr(&self.0).unwrap();
        cfsetspeed(&mut settings, speed).unwrap();
        tcsetattr(&self.0, SetArg::TCSANOW, &settings).unwrap();
    }

    fn has_speed(&self) -> bool {
        let settings = tcgetattr(&self.0).unwrap();
        settings.control_flags.intersects(ControlFlags::CBAUD)
    }

    /// Has the kernel turn CR into LF, as terminals for people do.
    fn make_cooked(&self) {
        let mut settings = tcgetattr(&self.0).unwrap();
        settings.input_flags.insert(InputFlags::ICRNL);
        settings.local_flags.remove(LocalFlags::EXTPROC);
        tcsetattr(&self.0, SetArg::TCSANOW, &settings).unwrap();
    }

    fn another_handle(&self) -> Self {
        Self(self.0.try_clone().unwrap())
    }
}

/// Bytes without a pattern, all values among them (xorshift64).
fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut data = Vec::with_capacity(count + 8);
    while data.len() < count {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        data.extend(state.to_le_bytes());
    }
    data.truncate(count);
    data
}

#[test]
fn a_call_from_pty_to_pty_ends_when_one_is_closed() {
    let (_bench, mut a, mut b) = Bench::with_a_call();
    a.send(b"from a");
    b.expect("from a");
    b.send(b"from b");
    a.expect("from b");
    a.send(b"last words");
    drop(a);
    b.expect("last words\r\nNO CARRIER\r\n");
}

#[test]
fn the_next_terminal_finds_a_free_modem_and_nothing_left_over() {
    let bench = Bench::start(2);
    for _ in 0..20 {
        let (mut a, mut b) = (bench.open(0), bench.open(1));
        a.send(b"ATE0\r");
        a.expect("OK\r\n");
        a.send(b"ATD5551002\r");
        b.expect("\r\nRING\r\n");
        b.send(b"ATE0A\r");
        a.expect("\r\nCONNECT 115200\r\n");
        b.expect("\r\nCONNECT 115200\r\n");
        a.send(b"unread");
        b.expect("unread");
        b.send(b"never read");
        drop(a);
        b.expect("\r\nNO CARRIER\r\n");
    }
    let mut a = bench.open(0);
    a.send(b"ATI1\r");
    let answer = b"\r\nLinux ISDN\r\nOK\r\n";
    assert_eq!(a.read_exactly(answer.len()), answer);
}

#[test]
fn nothing_happens_while_nothing_happens() {
    let (bench, a, mut b) = Bench::with_a_call();
    drop(a);
    b.expect("\r\nNO CARRIER\r\n");
    let before = bench.wake_ups.load(Ordering::Relaxed);
    b.wait_at_most(10);
    assert_eq!(b.0.read(&mut [0]).unwrap(), 0);
    let more = bench.wake_ups.load(Ordering::Relaxed) - before;
    assert!(more < 10, "{more} wake-ups in a second");
}

#[test]
fn megabytes_go_through_the_echo_unchanged() {
    const SIZE: usize = 8 << 20;
    let bench = Bench::start(1);
    let mut a = bench.open(0);
    a.send(b"ATE0D5552001\r");
    a.expect("\r\nCONNECT 115200\r\n");
    let mut writer = a.another_handle();
    let sender = thread::spawn(move || writer.send(&noise(SIZE)));
    assert!(a.read_exactly(SIZE) == noise(SIZE));
    sender.join().unwrap();
}

#[test]
fn megabytes_go_both_ways_at_once_from_modem_to_modem() {
    const SIZE: usize = 8 << 20;
    let (_bench, a, b) = Bench::with_a_call();
    let ends = [a, b].map(|mut end| {
        let mut writer = end.another_handle();
        let sender = thread::spawn(move || writer.send(&noise(SIZE)));
        thread::spawn(move || {
            assert!(end.read_exactly(SIZE) == noise(SIZE));
            sender.join().unwrap();
            end
        })
    });
    for end in ends {
        end.join().unwrap();
    }
}

#[test]
fn one_who_does_not_read_stops_the_other_and_loses_nothing() {
    let (bench, a, mut b) = Bench::with_a_call();
    drop(a);
    b.expect("\r\nNO CARRIER\r\n");
    let mut a = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags((OFlag::O_NOCTTY | OFlag::O_NONBLOCK).bits())
        .open(bench.devices[0].path())
        .map(Terminal)
        .unwrap();
    b.send(b"ATD5551001\r");
    // The bell needs no settings; the answer comes at once.
    a.send(b"ATS0=1\r");
    b.expect("\r\nCONNECT 115200\r\n");
    let data = noise(1 << 20);
    let mut sent = 0;
    let mut idle = 0;
    while idle < 10_000 {
        match a.0.write(&data[sent..]) {
            Ok(count) => sent += count,
            Err(err) => {
                assert_eq!(err.kind(), io::ErrorKind::WouldBlock);
                idle += 1;
                thread::yield_now();
            }
        }
        if sent == data.len() {
            break;
        }
    }
    assert!(sent < 256 * 1024, "{sent} bytes taken");
    assert!(b.read_exactly(sent) == data[..sent]);
    drop(a);
    b.expect("\r\nNO CARRIER\r\n");
}

#[test]
fn a_terminal_that_only_listens_is_noticed_when_the_bell_rings() {
    let bench = Bench::start(2);
    let mut b = bench.open(1);
    b.send(b"ATE0S0=1&W\r");
    b.expect("OK\r\n");
    drop(b);
    let (mut a, mut b) = (bench.open(0), bench.open(1));
    a.send(b"ATE0D5551002\r");
    b.expect("\r\nRING\r\n");
    b.expect("\r\nCONNECT 115200\r\n");
    a.expect("\r\nCONNECT 115200\r\n");
    drop(b);
    a.expect("\r\nNO CARRIER\r\n");
}

#[test]
fn there_are_as_many_modems_as_numbers() {
    let most = plan::MOST_LINES;
    let error = EmulatedModems::start(most + 1).unwrap_err();
    assert_eq!(error, StartError::TooMany(most + 1));
    let told = "emulated modems: `1000`: too many, there are numbers for 999";
    assert_eq!(error.to_string(), told);
}

#[test]
fn a_speed_of_zero_hangs_up_and_another_one_takes_that_back() {
    let (bench, mut a, mut b) = Bench::with_a_call();
    for _ in 0..20 {
        a.send(b"last words");
        a.set_speed(BaudRate::B0);
        b.expect("last words\r\nNO CARRIER\r\n");
        a.set_speed(BaudRate::B9600);
        a.send(b"ATS0=1\r");
        a.expect("\r\nOK\r\n");
        b.send(format!("ATDT{}\r", bench.devices[0].number()).as_bytes());
        // Without DTR the modem would not answer.
        a.expect("\r\nRING\r\n\r\nCONNECT 115200\r\n");
        b.expect("\r\nCONNECT 115200\r\n");
    }
}

#[test]
fn without_dtr_nobody_answers() {
    let bench = Bench::start(2);
    let (mut a, mut b) = (bench.open(0), bench.open(1));
    b.send(b"ATE0S0=1\r");
    b.expect("OK\r\n");
    b.set_speed(BaudRate::B0);
    // While DTR is off, commands are still carried out.
    b.send(b"AT\r");
    b.expect("OK\r\n");
    a.send(b"ATE0S7=2D5551002\r");
    b.expect("RING\r\n");
    a.expect("\r\nNO ANSWER\r\n");
    b.set_speed(BaudRate::B115200);
    a.send(b"ATD5551002\r");
    b.expect("\r\nCONNECT 115200\r\n");
}

#[test]
fn a_terminal_whose_input_the_kernel_works_on_hangs_up_too() {
    let (_bench, a, mut b) = Bench::with_a_call();
    a.make_cooked();
    a.set_speed(BaudRate::B0);
    b.expect("\r\nNO CARRIER\r\n");
}

#[test]
fn the_kernel_works_on_what_a_terminal_reads_where_it_wants_that() {
    let bench = Bench::start(1);
    let mut a = bench.open(0);
    a.make_cooked();
    a.send(b"ATE0\r");
    a.expect("\n\nOK\n\n");
}

#[test]
fn the_next_terminal_finds_a_speed() {
    let (bench, mut a, mut b) = Bench::with_a_call();
    a.set_speed(BaudRate::B0);
    b.expect("\r\nNO CARRIER\r\n");
    let since = Instant::now();
    while !a.has_speed() {
        assert!(since.elapsed() < Duration::from_secs(60));
        // The modem has to notice that nobody is there.
        drop(a);
        thread::sleep(Duration::from_millis(10));
        a = bench.open(0);
    }
    a.send(b"ATE0S0=1\r");
    a.expect("OK\r\n");
    b.send(b"ATD5551001\r");
    b.expect("\r\nCONNECT 115200\r\n");
}

#[test]
fn each_modem_is_as_it_was_asked_for() {
    let bench = Bench::start_with(&[Temperament::terse(), Temperament::gsm()]);
    let (mut a, mut b) = (bench.open(0), bench.open(1));
    a.send(b"ATE0Q0\r");
    a.expect("ATE0Q0\r0\r");
    b.send(b"ATE0I\r");
    b.expect("\r\nSIM800 R14.18\r\n\r\nOK\r\n");
}
