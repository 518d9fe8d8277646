//! What programs set on a device of `modemctl attach` is in force at the far line when what they say arrives.

use std::process::Stdio;

use crate::attached::Attached;
use crate::served::Served;
use crate::support::{PYTHON, Scratch, bounded, have, have_pyserial, wait_until};
use crate::terminal::{Peer, words};

fn attach(served: &Served) -> Attached {
    Attached::to(served.server.address())
}

/// Somebody sends a command with a program, and leaves it.
#[track_caller]
fn sends_with(mut program: Peer, ready: &str, quit: &str) {
    program.says_next(ready);
    program.types_until("ATZ\r", "OK");
    program.types(quit);
    let (status, said) = program.ends();
    assert!(status.success(), "{said}");
}

#[test]
fn picocom_sets_any_speed_stop_bits_and_flow_control() {
    if !have(&["picocom"]) {
        return;
    }
    let served = Served::new();
    let attached = attach(&served);
    for (options, expected) in [
        ("-b 31250 -p 2 -f h", "31250,8,N,2,rtscts"),
        ("-b 1200 -p 1 -f s", "1200,8,N,1,xonxoff"),
        ("-b 921600 -p 1 -f n", "921600,8,N,1"),
    ] {
        let mut arguments: Vec<_> = options.split(' ').map(str::to_owned).collect();
        arguments.push(attached.name().to_owned());
        let picocom = Peer::run("picocom", &arguments);
        sends_with(picocom, "Terminal ready", "\x01\x18");
        served.heard_under(&[expected]);
    }
    served.is_left(3);
}

#[test]
fn minicom_sets_its_speed_and_hardware_flow_control() {
    if !have(&["minicom"]) {
        return;
    }
    let served = Served::new();
    let attached = attach(&served);
    let arguments = words(&["-b", "38400", "-D", attached.name()]);
    let minicom = Peer::run("minicom", &arguments);
    sends_with(minicom, "Welcome to minicom", "\x01x\r");
    served.heard_under(&["38400,8,N,1,rtscts"]);
    served.is_left(1);
}

#[test]
fn cu_sets_its_speed_and_one_or_the_other_flow_control() {
    if !have(&["cu"]) {
        return;
    }
    let served = Served::new();
    let attached = attach(&served);
    let cu = Peer::run("cu", &words(&["-l", attached.name(), "-s", "2400"]));
    sends_with(cu, "Connected.", "\r~.\r");
    // Without a port file it takes the line for one with a modem (no CLOCAL, and CRTSCTS) or for one
    // without (XON/XOFF), now this and now that, as strace shows.
    let heard = served.heard().commands;
    let (_, settings) = heard.last().unwrap();
    let either = ["2400,8,N,1,xonxoff", "2400,8,N,1,rtscts"];
    assert!(either.contains(&settings.as_str()), "{heard:?}");
    served.is_left(1);
}

#[test]
fn kermit_sets_speed_stop_bits_and_flow_control_as_it_goes() {
    if !have(&["kermit"]) {
        return;
    }
    let served = Served::new();
    let attached = attach(&served);
    let home = Scratch::new();
    let script = home.file(
        "set.ksc",
        format!(
            "set exit warning off\nset modem type none\nset carrier-watch off\n\
             set line {}\nif fail exit 1\n\
             set speed 9600\nset flow none\noutput ATZ\\13\ninput 60 OK\nif fail exit 2\n\
             set speed 19200\nset stop-bits 2\nset flow rts/cts\noutput ATZ\\13\ninput 60 OK\n\
             if fail exit 3\nset flow xon/xoff\noutput ATZ\\13\ninput 60 OK\nif fail exit 4\nexit 0\n",
            attached.name()
        ),
    );
    let done = bounded("kermit")
        .args(["-Y", "-C"])
        .arg(format!("take {}", script.display()))
        .env("HOME", home.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{:?}\n{said}", done.status);
    served.heard_under(&["9600,8,N,1", "19200,8,N,2,rtscts", "19200,8,N,2,xonxoff"]);
    served.is_left(1);
}

#[test]
fn what_stty_sets_is_in_force_for_the_program_after_it() {
    if !have(&["stty"]) {
        return;
    }
    let served = Served::new();
    let attached = attach(&served);
    let shell = |script: &str| {
        let done = bounded("sh")
            .args(["-euc", script, "sh", attached.name()])
            .status();
        assert!(done.unwrap().success(), "{script}");
    };
    // As on a serial port, what was set stays, also when nothing was connected meanwhile.
    for (set, expected) in [
        (r#"stty -F "$1" 4800 cstopb crtscts"#, "4800,8,N,2,rtscts"),
        ("", "4800,8,N,2,rtscts"),
        (
            r#"stty -F "$1" 600 -cstopb -crtscts ixon ixoff"#,
            "600,8,N,1,xonxoff",
        ),
    ] {
        shell(set);
        // All that comes: the echo and the answer.
        shell(r#"exec 3<> "$1"; printf 'ATZ\r' >&3; head -c 10 <&3 > /dev/null"#);
        served.heard_under(&[expected]);
        wait_until("the former settings", || {
            served.line.settings() == "300,8,N,1"
        });
    }
}

/// Opens the device once, and sends a command under each of these settings.
const PYTHON_SETS: &str = "
import sys, termios
import serial
speeds = list(map(int, sys.argv[2].split()))
with serial.Serial(sys.argv[1], speeds[0], timeout=60) as line:
    for speed in speeds:
        line.baudrate = speed
        line.stopbits = 2 if speed < 300 else 1
        line.rtscts = speed > 9600
        line.write(b'ATZ\\r')
        heard = line.read_until(b'OK\\r\\n')
        assert heard.endswith(b'OK\\r\\n'), (speed, heard)
        there = termios.tcgetattr(line.fd)
        assert there[3] & (termios.ECHO | termios.ICANON) == 0, there
";

#[test]
fn python_sets_every_speed_of_a_table_and_those_of_none() {
    if !have_pyserial() {
        return;
    }
    let served = Served::new();
    let attached = attach(&served);
    let speeds = [
        50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 7200, 9600, 14_400, 19_200,
        28_800, 31_250, 38_400, 57_600, 74_880, 76_800, 115_200, 128_000, 230_400, 250_000,
        460_800, 500_000, 576_000, 921_600, 1_000_000, 1_152_000, 1_500_000, 2_000_000, 2_500_000,
        3_000_000, 3_500_000, 4_000_000, 12_000_000,
    ];
    let list: Vec<_> = speeds.iter().map(u32::to_string).collect();
    let done = bounded(PYTHON)
        .args(["-c", PYTHON_SETS, attached.name(), &list.join(" ")])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
    let expected: Vec<_> = speeds
        .iter()
        .map(|&speed| {
            let stop = if speed < 300 { 2 } else { 1 };
            let flow = if speed > 9600 { ",rtscts" } else { "" };
            format!("{speed},8,N,{stop}{flow}")
        })
        .collect();
    let expected: Vec<_> = expected.iter().map(String::as_str).collect();
    served.heard_under(&expected);
    served.is_left(1);
}
