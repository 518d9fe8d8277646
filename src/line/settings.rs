//! The settings of a line: put into force, and read back.

use nix::errno::Errno;
use nix::libc;
use nix::sys::termios::{
    ControlFlags, InputFlags, SetArg, SpecialCharacterIndices, Termios, cfmakeraw, tcgetattr,
    tcsetattr,
};
use serde::{Deserialize, Serialize};
use serialport::SerialPort;

use super::Tty;
use crate::com_port::Setting;
use crate::config::{DataBits, Flow, LineSettings, Parity, StopBits};

/// How far the speed in force may be from the speed asked for: what an asynchronous receiver
/// tolerates, and what the kernel rounds to (`tty_termios_encode_baud_rate()`).
const SPEED_TOLERANCE_PERCENT: u32 = 2;

/// Settings as they are in force, or shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InForce {
    /// Its flow control is what holds us up.
    pub(crate) line: LineSettings,
    /// What holds up the modem.
    pub(crate) inbound_flow: Flow,
}

impl From<LineSettings> for InForce {
    fn from(line: LineSettings) -> Self {
        InForce {
            line,
            inbound_flow: line.flow,
        }
    }
}

impl InForce {
    /// The same with one setting changed; `None` if no line can have that.
    pub(crate) fn with(mut self, setting: Setting) -> Option<Self> {
        match setting {
            // That is how a terminal hangs up.
            Setting::Baud(0) => return None,
            Setting::Baud(baud) => self.line.baud = baud,
            Setting::DataBits(bits) => self.line.data_bits = bits,
            Setting::Parity(parity) => self.line.parity = parity,
            Setting::StopBits(bits) => self.line.stop_bits = bits,
            Setting::Flow(flow) => {
                self.line.flow = flow;
                self.inbound_flow = flow;
            }
            Setting::InboundFlow(flow) => {
                // The kernel has one switch for both directions of RTS/CTS.
                if (flow == Flow::RtsCts) != (self.line.flow == Flow::RtsCts) {
                    return None;
                }
                self.inbound_flow = flow;
            }
            // These are signals.
            Setting::Break(_) | Setting::Dtr(_) | Setting::Rts(_) => {}
        }
        Some(self)
    }

    /// What the hardware, asked for these settings, has `made` of them, if it is not the same.
    pub(super) fn unlike(&self, made: &InForce) -> Option<(&'static str, String)> {
        let (asked, line) = (&self.line, &made.line);
        if !is_near(asked.baud, line.baud) {
            Some(("speed", line.baud.to_string()))
        } else if asked.data_bits != line.data_bits {
            let bits = u8::from(data_bits(line.data_bits));
            Some(("data bits", bits.to_string()))
        } else if asked.parity != line.parity {
            let parity = match line.parity {
                Parity::None => "none",
                Parity::Odd => "odd",
                Parity::Even => "even",
                Parity::Mark => "mark",
                Parity::Space => "space",
            };
            Some(("parity", parity.to_owned()))
        } else if asked.stop_bits != line.stop_bits {
            let bits = u8::from(stop_bits(line.stop_bits));
            Some(("stop bits", bits.to_string()))
        } else if asked.flow != line.flow || self.inbound_flow != made.inbound_flow {
            let flow = match line.flow {
                Flow::None => "none",
                Flow::RtsCts => "hardware",
                Flow::XonXoff => "software",
            };
            Some(("flow control", flow.to_owned()))
        } else {
            None
        }
    }

    fn found_in(termios: &Termios, baud: u32) -> Self {
        let (control, input) = (termios.control_flags, termios.input_flags);
        let flow = |software| {
            if control.contains(ControlFlags::CRTSCTS) {
                Flow::RtsCts
            } else if input.contains(software) {
                Flow::XonXoff
            } else {
                Flow::None
            }
        };
        let set = |flag| control.contains(flag);
        let size = control & ControlFlags::CSIZE;
        let line = LineSettings {
            baud,
            data_bits: match size {
                ControlFlags::CS5 => DataBits::Five,
                ControlFlags::CS6 => DataBits::Six,
                ControlFlags::CS7 => DataBits::Seven,
                _ => DataBits::Eight,
            },
            parity: match (set(ControlFlags::CMSPAR), set(ControlFlags::PARODD)) {
                _ if !set(ControlFlags::PARENB) => Parity::None,
                (false, true) => Parity::Odd,
                (false, false) => Parity::Even,
                (true, true) => Parity::Mark,
                (true, false) => Parity::Space,
            },
            stop_bits: if set(ControlFlags::CSTOPB) {
                StopBits::Two
            } else {
                StopBits::One
            },
            flow: flow(InputFlags::IXON),
        };
        InForce {
            line,
            inbound_flow: flow(InputFlags::IXOFF),
        }
    }
}

/// Whether the speed in force passes for the one asked for.
pub(super) fn is_near(asked: u32, in_force: u32) -> bool {
    u64::from(in_force.abs_diff(asked)) * 100
        <= u64::from(asked) * u64::from(SPEED_TOLERANCE_PERCENT)
}

/// All settings of a line, to be put back exactly.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Saved {
    input_flags: u32,
    output_flags: u32,
    control_flags: u32,
    local_flags: u32,
    discipline: u8,
    control_chars: Vec<u8>,
    input_speed: u32,
    output_speed: u32,
    baud: Option<u32>,
}

impl Saved {
    pub(super) fn of(tty: &Tty) -> nix::Result<Self> {
        let termios = libc::termios::from(tcgetattr(tty)?);
        Ok(Saved {
            input_flags: termios.c_iflag,
            output_flags: termios.c_oflag,
            control_flags: termios.c_cflag,
            local_flags: termios.c_lflag,
            discipline: termios.c_line,
            control_chars: termios.c_cc.into(),
            input_speed: termios.c_ispeed,
            output_speed: termios.c_ospeed,
            baud: tty.0.baud_rate().ok(),
        })
    }

    fn termios(&self, of: Termios) -> Termios {
        let mut termios = libc::termios::from(of);
        termios.c_iflag = self.input_flags;
        termios.c_oflag = self.output_flags;
        termios.c_cflag = self.control_flags;
        termios.c_lflag = self.local_flags;
        termios.c_line = self.discipline;
        for (place, of) in termios.c_cc.iter_mut().zip(&self.control_chars) {
            *place = *of;
        }
        termios.c_ispeed = self.input_speed;
        termios.c_ospeed = self.output_speed;
        Termios::from(termios)
    }

    pub(super) fn put_back(&self, tty: &mut Tty) -> nix::Result<()> {
        let termios = self.termios(tcgetattr(&*tty)?);
        let done = tcsetattr(&*tty, SetArg::TCSANOW, &termios);
        if let Some(baud) = self.baud {
            // glibc's `struct termios` has no room for a speed outside its table.
            if tty.0.baud_rate().is_ok_and(|now| now != baud) {
                let _ = tty.0.set_baud_rate(baud);
            }
        }
        done
    }
}

/// Eight-bit clean whatever the line was left in; deaf to carrier (`CLOCAL`), and hanging up by
/// itself should we be killed (`HUPCL`).
pub(crate) fn make_raw(tty: &Tty) -> nix::Result<()> {
    let mut raw = tcgetattr(tty)?;
    cfmakeraw(&mut raw);
    // It leaves some of them as they are: IUCLC, IXANY, IXOFF, IMAXBEL.
    raw.input_flags = InputFlags::IGNBRK | InputFlags::IGNPAR;
    raw.control_flags |= ControlFlags::CREAD | ControlFlags::CLOCAL | ControlFlags::HUPCL;
    raw.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
    raw.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
    tcsetattr(tty, SetArg::TCSANOW, &raw)
}

/// What is in force.
pub(crate) fn read(tty: &Tty) -> serialport::Result<InForce> {
    let baud = tty.0.baud_rate()?;
    let termios = tcgetattr(tty).map_err(refusal)?;
    Ok(InForce::found_in(&termios, baud))
}

/// Asks the line for all settings that are `wanted` and are not in force `now`.
///
/// `tcsetattr(3)` succeeds when any of the changes could be made, so what counts is what is in
/// force afterwards.
pub(crate) fn put(
    tty: &mut Tty,
    now: Option<&InForce>,
    wanted: &InForce,
) -> serialport::Result<()> {
    let (line, was) = (wanted.line, now.map(|now| now.line));
    let port = &mut tty.0;
    if was.is_none_or(|was| was.baud != line.baud) {
        port.set_baud_rate(line.baud)?;
    }
    if was.is_none_or(|was| was.data_bits != line.data_bits) {
        port.set_data_bits(data_bits(line.data_bits))?;
    }
    if was.is_none_or(|was| was.stop_bits != line.stop_bits) {
        port.set_stop_bits(stop_bits(line.stop_bits))?;
    }
    let mut termios = tcgetattr(&*tty).map_err(refusal)?;
    let before = termios.clone();
    put_parity(&mut termios, line.parity);
    put_flow(&mut termios, line.flow, wanted.inbound_flow);
    if termios == before {
        return Ok(());
    }
    match tcsetattr(&*tty, SetArg::TCSANOW, &termios) {
        // glibc has looked, and found no parity; what there is, reading back tells better.
        Ok(()) | Err(Errno::EINVAL) => Ok(()),
        Err(errno) => Err(refusal(errno)),
    }
}

/// `serialport` knows of no mark and space. And it has the kernel check the bit (`INPCK`), which
/// turns an octet with a wrong one into a zero (`n_tty_receive_parity_error()`). Without that it
/// comes as it is, and is counted all the same. Then `IGNPAR` makes drivers drop nothing; together
/// with `IGNBRK` it keeps them from putting in an octet for a BREAK or an overrun
/// (`serial8250_do_set_termios()`, "for real raw support").
fn put_parity(termios: &mut Termios, parity: Parity) {
    const ALL: ControlFlags = ControlFlags::PARENB
        .union(ControlFlags::PARODD)
        .union(ControlFlags::CMSPAR);
    termios.control_flags.remove(ALL);
    termios.control_flags |= match parity {
        Parity::None => ControlFlags::empty(),
        Parity::Odd => ControlFlags::PARENB | ControlFlags::PARODD,
        Parity::Even => ControlFlags::PARENB,
        Parity::Mark => ALL,
        Parity::Space => ControlFlags::PARENB | ControlFlags::CMSPAR,
    };
}

/// `serialport` has one switch for both directions of XON/XOFF.
fn put_flow(termios: &mut Termios, outbound: Flow, inbound: Flow) {
    let (control, input) = (&mut termios.control_flags, &mut termios.input_flags);
    control.set(ControlFlags::CRTSCTS, outbound == Flow::RtsCts);
    input.set(InputFlags::IXON, outbound == Flow::XonXoff);
    input.set(InputFlags::IXOFF, inbound == Flow::XonXoff);
}

fn refusal(errno: Errno) -> serialport::Error {
    std::io::Error::from(errno).into()
}

fn data_bits(bits: DataBits) -> serialport::DataBits {
    match bits {
        DataBits::Five => serialport::DataBits::Five,
        DataBits::Six => serialport::DataBits::Six,
        DataBits::Seven => serialport::DataBits::Seven,
        DataBits::Eight => serialport::DataBits::Eight,
    }
}

fn stop_bits(bits: StopBits) -> serialport::StopBits {
    match bits {
        StopBits::One => serialport::StopBits::One,
        StopBits::Two => serialport::StopBits::Two,
    }
}

#[cfg(test)]
mod tests {
    use nix::pty::openpty;

    use super::*;

    const PARITIES: [Parity; 5] = [
        Parity::None,
        Parity::Odd,
        Parity::Even,
        Parity::Mark,
        Parity::Space,
    ];
    const FLOWS: [(Flow, Flow); 5] = [
        (Flow::None, Flow::None),
        (Flow::None, Flow::XonXoff),
        (Flow::XonXoff, Flow::None),
        (Flow::XonXoff, Flow::XonXoff),
        (Flow::RtsCts, Flow::RtsCts),
    ];

    /// Some that nobody else has.
    fn any_termios() -> Termios {
        tcgetattr(openpty(None, None).unwrap().slave).unwrap()
    }

    #[test]
    fn every_parity_follows_every_other_and_nothing_is_left_of_that() {
        let mut termios = any_termios();
        for before in PARITIES {
            for parity in PARITIES {
                let others = termios.clone();
                put_parity(&mut termios, before);
                put_parity(&mut termios, parity);
                assert_eq!(InForce::found_in(&termios, 300).line.parity, parity);
                assert_eq!(termios.input_flags, others.input_flags);
            }
        }
        put_parity(&mut termios, Parity::None);
        let check = ControlFlags::PARENB | ControlFlags::PARODD | ControlFlags::CMSPAR;
        assert!(!termios.control_flags.intersects(check));
    }

    #[test]
    fn every_flow_control_follows_every_other() {
        let mut termios = any_termios();
        for before in FLOWS {
            for (outbound, inbound) in FLOWS {
                put_flow(&mut termios, before.0, before.1);
                put_flow(&mut termios, outbound, inbound);
                let found = InForce::found_in(&termios, 300);
                assert_eq!((found.line.flow, found.inbound_flow), (outbound, inbound));
            }
        }
    }

    #[test]
    fn mark_parity_is_what_the_manual_says_it_is() {
        let mut termios = any_termios();
        put_parity(&mut termios, Parity::Mark);
        // termios(3): with CMSPAR "if PARODD is set, the parity bit is always 1".
        let mark = ControlFlags::PARENB | ControlFlags::PARODD | ControlFlags::CMSPAR;
        assert!(termios.control_flags.contains(mark));
        put_parity(&mut termios, Parity::Space);
        assert_eq!(termios.control_flags & mark, mark - ControlFlags::PARODD);
    }

    #[test]
    fn a_speed_may_be_off_by_two_percent_and_no_more() {
        for near in [9600, 9408, 9792] {
            assert!(is_near(9600, near), "{near}");
        }
        for far in [0, 9407, 9793, u32::MAX] {
            assert!(!is_near(9600, far), "{far}");
        }
    }

    #[test]
    fn what_the_hardware_made_of_a_setting_is_told_by_name() {
        let asked = InForce::from("9600,7,M,1".parse::<LineSettings>().unwrap());
        for (made, told) in [
            ("1200,7,M,1", ("speed", "1200")),
            ("9600,8,M,1", ("data bits", "8")),
            ("9600,7,O,1", ("parity", "odd")),
            ("9600,7,M,2", ("stop bits", "2")),
            ("9600,7,M,1,rtscts", ("flow control", "hardware")),
        ] {
            let made = InForce::from(made.parse::<LineSettings>().unwrap());
            let (what, value) = asked.unlike(&made).unwrap();
            assert_eq!((what, value.as_str()), told);
        }
        assert_eq!(asked.unlike(&asked), None);
    }
}
