//! Lines on real ptys.

use std::io::Write as _;

use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::termios::{ControlFlags, InputFlags, SetArg, Termios, tcgetattr, tcsetattr};

use super::*;
use crate::claim::LockDirectory;
use crate::config::{DataBits, Parity, StopBits};

/// The modem's end. It speaks of the line's settings too (`tty_mode_ioctl()`).
struct Modem {
    master: Tty,
    device: PathBuf,
}

impl Modem {
    fn new() -> Self {
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let master = posix_openpt(flags).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let device = ptsname_r(&master).unwrap().into();
        // SAFETY: the descriptor was just opened and nobody else owns it any more.
        #[allow(unsafe_code)]
        let master = Tty(unsafe { TTYPort::from_raw_fd(master.into_raw_fd()) });
        Modem { master, device }
    }

    fn try_open(&self, settings: &str) -> Result<Line, Unavailable> {
        let nowhere = LockDirectory::new(Some("/nonexistent".into()), None);
        let claim = Claim::take(&self.device, &nowhere)?;
        Line::open(&self.device, settings.parse().unwrap(), claim)
    }

    fn open(&self, settings: &str) -> Line {
        self.try_open(settings).unwrap()
    }

    /// A line that has been told to have this speed, which is in no table.
    fn open_with_speed(&self, baud: u32) -> Line {
        let mut line = self.open("9600,8,N,1");
        line.set(Setting::Baud(baud));
        assert_eq!(line.state().baud, baud);
        line
    }

    fn settings(&self) -> Termios {
        tcgetattr(&self.master).unwrap()
    }

    fn baud(&self) -> u32 {
        self.master.0.baud_rate().unwrap()
    }

    fn leave(&mut self, input: InputFlags, control: ControlFlags, baud: u32) {
        let mut left = self.settings();
        left.input_flags = input;
        left.control_flags |= control;
        tcsetattr(&self.master, SetArg::TCSANOW, &left).unwrap();
        self.master.0.set_baud_rate(baud).unwrap();
    }
}

/// What no pseudo terminal can: the kernel makes every one 8N (`pty_set_termios()`).
const REFUSED: [Setting; 6] = [
    Setting::DataBits(DataBits::Seven),
    Setting::DataBits(DataBits::Five),
    Setting::Parity(Parity::Odd),
    Setting::Parity(Parity::Even),
    Setting::Parity(Parity::Mark),
    Setting::Parity(Parity::Space),
];

#[tokio::test]
async fn a_line_has_the_settings_it_was_opened_with() {
    let modem = Modem::new();
    let line = modem.open("19200,8,N,2,rtscts");
    let state = State {
        baud: 19_200,
        data_bits: DataBits::Eight,
        parity: Parity::None,
        stop_bits: StopBits::Two,
        flow: Flow::RtsCts,
        inbound_flow: Flow::RtsCts,
        sends_break: false,
        dtr: true,
        rts: true,
    };
    assert_eq!(line.state(), state);
}

#[tokio::test]
async fn a_setting_that_is_changed_changes_nothing_else() {
    let modem = Modem::new();
    let mut line = modem.open_with_speed(12_345);
    let mut expected = line.state();
    for bits in [StopBits::Two, StopBits::One] {
        line.set(Setting::StopBits(bits));
        expected.stop_bits = bits;
        assert_eq!(line.state(), expected);
    }
    for flow in [Flow::XonXoff, Flow::RtsCts, Flow::XonXoff, Flow::None] {
        line.set(Setting::Flow(flow));
        (expected.flow, expected.inbound_flow) = (flow, flow);
        assert_eq!(line.state(), expected);
        assert_eq!(modem.baud(), 12_345);
    }
    for flow in [Flow::XonXoff, Flow::None] {
        line.set(Setting::InboundFlow(flow));
        expected.inbound_flow = flow;
        assert_eq!(line.state(), expected);
        assert_eq!(modem.baud(), 12_345);
    }
    line.set(Setting::Baud(300));
    expected.baud = 300;
    assert_eq!(line.state(), expected);
    assert_eq!(modem.baud(), 300);
}

#[tokio::test]
async fn a_setting_that_is_refused_leaves_everything_as_it_was() {
    let modem = Modem::new();
    let mut line = modem.open_with_speed(12_345);
    line.set(Setting::Flow(Flow::XonXoff));
    let (state, settings) = (line.state(), modem.settings());
    for setting in REFUSED.into_iter().chain([Setting::Baud(0)]) {
        line.set(setting);
        assert_eq!(line.state(), state, "{setting:?}");
        assert_eq!(modem.settings(), settings, "{setting:?}");
        assert_eq!(modem.baud(), 12_345, "{setting:?}");
    }
}

#[tokio::test]
async fn a_line_that_cannot_have_its_settings_is_not_opened() {
    for (settings, what) in [
        ("9600,7,N,1", "data bits 8"),
        ("9600,8,M,1", "parity none"),
        ("9600,8,E,1", "parity none"),
    ] {
        let modem = Modem::new();
        let found = modem.settings();
        let Err(Unavailable::Broken { why, .. }) = modem.try_open(settings) else {
            panic!("{settings} was had");
        };
        let expected = format!("refuses `{settings}`: the hardware has {what};");
        assert!(why.starts_with(&expected), "{why}");
        assert_eq!(modem.settings(), found);
    }
}

#[tokio::test]
async fn whatever_is_asked_for_no_octet_is_invented_or_lost() {
    let modem = Modem::new();
    let mut line = modem.open("9600,8,N,1");
    let clean = InputFlags::IGNBRK | InputFlags::IGNPAR;
    for setting in REFUSED.into_iter().chain([
        Setting::Parity(Parity::None),
        Setting::Flow(Flow::XonXoff),
        Setting::Flow(Flow::None),
    ]) {
        line.set(setting);
        let flags = modem.settings().input_flags - InputFlags::IXON - InputFlags::IXOFF;
        assert_eq!(flags, clean, "{setting:?}");
    }
}

#[tokio::test]
async fn each_direction_has_the_flow_control_that_was_asked_for_it() {
    use Flow::{None, RtsCts, XonXoff};
    let modem = Modem::new();
    let mut line = modem.open("9600,8,N,1");
    // Of both directions, then of the one; what is in force then.
    for (both, inbound, expected) in [
        (None, XonXoff, (None, XonXoff)),
        (None, RtsCts, (None, None)),
        (None, None, (None, None)),
        (XonXoff, None, (XonXoff, None)),
        (XonXoff, XonXoff, (XonXoff, XonXoff)),
        (XonXoff, RtsCts, (XonXoff, XonXoff)),
        (RtsCts, RtsCts, (RtsCts, RtsCts)),
        (RtsCts, None, (RtsCts, RtsCts)),
        (RtsCts, XonXoff, (RtsCts, RtsCts)),
    ] {
        line.set(Setting::Flow(both));
        line.set(Setting::InboundFlow(inbound));
        let state = line.state();
        let in_force = (state.flow, state.inbound_flow);
        assert_eq!(in_force, expected, "{both:?}, then {inbound:?}");
    }
}

#[tokio::test]
async fn a_speed_that_the_hardware_nearly_has_is_told_as_it_was_asked_for() {
    let mut modem = Modem::new();
    let mut line = modem.open("9600,8,N,1");
    line.set(Setting::Baud(115_200));
    // As a driver does, that has another clock.
    modem.master.0.set_baud_rate(115_384).unwrap();
    assert_eq!(line.state().baud, 115_200);
    line.set(Setting::StopBits(StopBits::Two));
    assert_eq!(line.state().baud, 115_200);
    assert_eq!(modem.baud(), 115_384);
    modem.master.0.set_baud_rate(125_000).unwrap();
    assert_eq!(line.state().baud, 125_000);
}

#[tokio::test]
async fn whatever_a_client_changed_is_as_it_was_found_after_it() {
    let mut modem = Modem::new();
    let odd = ControlFlags::CMSPAR | ControlFlags::PARODD | ControlFlags::CSTOPB;
    modem.leave(InputFlags::IXOFF | InputFlags::ICRNL, odd, 12_345);
    let found = modem.settings();
    let mut line = modem.open("9600,8,N,1");
    assert!(!modem.settings().control_flags.intersects(odd));
    assert_eq!(line.state().inbound_flow, Flow::None);
    for setting in [
        Setting::Baud(54_321),
        Setting::Flow(Flow::RtsCts),
        Setting::Break(true),
        Setting::Dtr(false),
    ] {
        line.set(setting);
    }
    assert_ne!(modem.settings(), found);
    drop(line);
    assert_eq!(modem.settings(), found);
    assert_eq!(modem.baud(), 12_345);
}

#[tokio::test]
async fn a_line_without_signals_remembers_what_it_was_told_and_shows_a_ready_modem() {
    let modem = Modem::new();
    let mut line = modem.open("9600,8,N,1");
    assert!(!line.has_signals());
    assert_eq!(line.counts(), None);
    let ready = Signals {
        cts: true,
        dsr: true,
        ring: false,
        carrier: true,
    };
    assert_eq!(line.signals(), ready);
    for on in [false, true] {
        line.set(Setting::Dtr(on));
        assert_eq!((line.state().dtr, line.state().rts), (on, true));
    }
    line.set(Setting::Rts(false));
    assert_eq!((line.state().dtr, line.state().rts), (true, false));
}

#[tokio::test]
async fn a_break_lasts_until_it_is_stopped() {
    let modem = Modem::new();
    let mut line = modem.open("9600,8,N,1");
    for on in [true, true, false, false] {
        line.set(Setting::Break(on));
        assert_eq!(line.state().sends_break, on);
    }
}

#[tokio::test]
async fn what_was_received_is_thrown_away_when_asked() {
    let mut modem = Modem::new();
    let mut line = modem.open("9600,8,N,1");
    modem.master.0.write_all(b"NO CARRIER\r\n").unwrap();
    // The kernel passes it on by and by.
    let since = Instant::now();
    let received = |line: &Line| line.tty.get_ref().0.bytes_to_read().unwrap();
    while received(&line) < 12 {
        assert!(since.elapsed() < Duration::from_secs(30));
        sleep(Duration::from_millis(1)).await;
    }
    line.discard_received();
    assert_eq!(received(&line), 0);
}

#[tokio::test]
async fn a_line_that_is_gone_has_the_state_it_had() {
    let modem = Modem::new();
    let mut line = modem.open("9600,8,N,1");
    line.set(Setting::StopBits(StopBits::Two));
    let state = line.state();
    drop(modem);
    assert_eq!(line.state(), state);
    line.set(Setting::Baud(300));
    line.set(Setting::Break(true));
    assert_eq!(line.state(), state);
}
