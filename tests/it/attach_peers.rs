//! Servers at the far end of a device that `modemctl attach` makes: modemd, and two that are not ours.

use std::io::Write;
use std::net::SocketAddr;
use std::process::Command;

use serialport::{FlowControl, SerialPort, StopBits};

use crate::attached::Attached;
use crate::served::Line;
use crate::settings::speedometer;
use crate::support::{
    Modem, PYTHON, Running, Scratch, assert_talks, free_port, have, have_pyserial, is_listening,
    read_exactly, wait_until,
};

/// A server, its line with the settings 300,8,N,1, and where it listens.
struct Far {
    _server: Running,
    line: Line,
    address: SocketAddr,
    _scratch: Scratch,
}

impl Far {
    /// The server is told which port to listen at.
    #[track_caller]
    fn new(start: impl FnOnce(&Scratch, &Modem, u16) -> Running) -> Far {
        let (scratch, modem) = (Scratch::new(), Modem::new());
        let speed = speedometer(&modem, 300);
        let port = free_port();
        let server = start(&scratch, &modem, port);
        Far {
            _server: server,
            line: Line { modem, speed },
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            _scratch: scratch,
        }
    }

    /// Whether anybody is connected.
    fn is_used(&self) -> bool {
        let here = format!(" 0100007F:{:04X} ", self.address.port());
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let mut rows = table.lines().filter(|row| row.contains(&here));
        rows.any(|row| row.split_whitespace().nth(3) == Some("01"))
    }
}

#[track_caller]
fn modemd(locks: &Scratch, modem: &Modem, port: u16) -> Running {
    let mut command = crate::support::modemd();
    command.args(["--listen", &format!("127.0.0.1:{port}")]);
    command.args(["--user", "root", "--protocol", "telnet"]);
    command.args(["--line", "300,8,N,1", "--lock-dir"]);
    command.arg(locks.path()).arg(modem.device());
    Running::start(command)
}

fn ser2net(scratch: &Scratch, modem: &Modem, port: u16) -> Running {
    let config = scratch.file(
        "ser2net.yaml",
        format!(
            "connection: &line\n  accepter: telnet(rfc2217),tcp,127.0.0.1,{port}\n  \
             connector: serialdev,{},300n81,local\n",
            modem.device_name()
        ),
    );
    let mut command = Command::new("ser2net");
    command.args(["-n", "-d", "-c"]).arg(config);
    command.arg("-P").arg(scratch.path().join("pid"));
    Running::start(command)
}

fn pyserial(scratch: &Scratch, modem: &Modem, port: u16) -> Running {
    let script = scratch.file("server.py", include_str!("pyserial_server.py"));
    let mut command = Command::new(PYTHON);
    command
        .arg(script)
        .arg(modem.device())
        .arg(port.to_string());
    Running::start(command)
}

/// Two programs, one after the other, do with the device what one does with a serial port.
#[track_caller]
fn programs_have_the_line_of(far: &Far) {
    let modem = &far.line.modem;
    wait_until("a listener", || is_listening(far.address.port()));
    let attached = Attached::to(far.address);
    for (baud, flow, settings) in [
        (19_200, FlowControl::Hardware, "19200,8,N,2,rtscts"),
        (57_600, FlowControl::Software, "57600,8,N,1,xonxoff"),
    ] {
        assert!(!far.is_used());
        let mut program = attached.open_at(baud);
        program.set_flow_control(flow).unwrap();
        let stop = settings.contains("N,2");
        let stop = if stop { StopBits::Two } else { StopBits::One };
        program.set_stop_bits(stop).unwrap();
        assert_talks(&mut program, modem);
        assert_eq!(far.line.settings(), settings);
        program.set_flow_control(FlowControl::None).unwrap();
        assert_talks(&mut program, modem);
        let octets: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
        program.write_all(&octets).unwrap();
        let mut came = Vec::new();
        wait_until("all octets at the modem", || {
            came.extend(modem.read_now());
            came.len() >= octets.len()
        });
        assert!(came == octets);
        modem.say(&octets);
        read_exactly(&mut program, &octets);
        drop(program);
        wait_until("the line to be released", || !far.is_used());
    }
}

#[test]
fn programs_have_the_line_of_a_modemd() {
    programs_have_the_line_of(&Far::new(modemd));
}

#[test]
fn programs_have_the_line_of_a_ser2net() {
    if have(&["ser2net"]) {
        programs_have_the_line_of(&Far::new(ser2net));
    }
}

#[test]
fn programs_have_the_line_of_a_pyserial() {
    if have_pyserial() {
        programs_have_the_line_of(&Far::new(pyserial));
    }
}
