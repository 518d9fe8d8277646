//! Programs that believe in a COM port, at a telnet port (RFC 2217).
//!
//! Their line is a pseudo terminal, both ends of which speak of its settings. It takes any speed,
//! stop bits and flow control; data bits and parity the kernel makes 8N (`pty_set_termios()`), so
//! that here a client learns what a refusal looks like.

use std::io::Write;
use std::process::Stdio;

use crate::served::Served;
use crate::support::{
    Client, PATIENCE, PYTHON, Scratch, bounded, have, have_pyserial, read_until, wait_until,
};
use crate::terminal::{Peer, words};

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
