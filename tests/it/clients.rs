//! Real programs as clients of a port with emulated modems behind it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::exchange::{Exchange, expect};
use crate::support::{connect, have, modemd, read_until, wait_for, wait_until};

#[test]
fn the_demo_answers_as_the_readme_says() {
    if !have(&["telnet", "expect"]) {
        return;
    }
    let mut demo = modemd()
        .args(["demo", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(demo.stdout.take().unwrap())
        .read_line(&mut said)
        .unwrap();
    assert!(
        said.starts_with("sharing an emulated modem on 127.0.0.1:"),
        "{said}"
    );
    let port = said
        .split_whitespace()
        .nth(5)
        .unwrap()
        .rsplit_once(':')
        .unwrap()
        .1
        .to_owned();
    expect(&format!(
        "spawn telnet 127.0.0.1 {port}
        want {{Escape character}}
        send \"atz\\r\"
        want OK
        send \"ati1\\r\"
        want {{Linux ISDN}}
        want OK
        send \"\\035\"
        want telnet>
        send \"quit\\r\"
        ended"
    ));
    kill(
        Pid::from_raw(demo.id().try_into().unwrap()),
        Signal::SIGTERM,
    )
    .unwrap();
    assert!(demo.wait().unwrap().success());
}

#[test]
fn a_half_closed_netcat_and_socat_get_their_answer() {
    if !have(&["nc", "socat"]) {
        return;
    }
    let exchange = Exchange::with_modems(1);
    let port = exchange.port();
    for client in [
        format!("printf 'ATI1\\r' | nc -N 127.0.0.1 {port}"),
        format!("printf 'ATI1\\r' | socat -t 60 - TCP:127.0.0.1:{port}"),
    ] {
        let mut client = Command::new("sh")
            .arg("-c")
            .arg(client)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        read_until(client.stdout.as_mut().unwrap(), b"Linux ISDN\r\nOK\r\n");
        // It would wait for the end, and so for the line's silence.
        client.kill().unwrap();
        client.wait().unwrap();
    }
}

/// Two clients whose modems have a call between them.
fn call(exchange: &Exchange) -> [TcpStream; 2] {
    // The first client gets the first modem, once it is served.
    let mut called = connect(exchange.address());
    called.write_all(b"ATS0=1\r").unwrap();
    read_until(&mut called, b"OK\r\n");
    let mut calling = connect(exchange.address());
    calling
        .write_all(format!("ATDT{}\r", exchange.numbers[0]).as_bytes())
        .unwrap();
    for client in [&mut calling, &mut called] {
        read_until(client, b"CONNECT 115200\r\n");
    }
    [calling, called]
}

fn on(stream: TcpStream, mut program: Command) -> Child {
    stream.set_read_timeout(None).unwrap();
    stream.set_write_timeout(None).unwrap();
    let socket = OwnedFd::from(stream);
    program
        .stdin(socket.try_clone().unwrap())
        .stdout(socket)
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn zmodem_carries_a_file_through_a_call() {
    if !have(&["sz", "rz"]) {
        return;
    }
    let exchange = Exchange::with_modems(2);
    let file = exchange.file("sent.bin", 300_000);
    let into = exchange.scratch.path().join("received");
    fs::create_dir(&into).unwrap();
    let [calling, called] = call(&exchange);
    let mut rz = Command::new("rz");
    rz.args(["--binary", "--quiet"]).current_dir(&into);
    let mut sz = Command::new("sz");
    sz.args(["--binary", "--quiet", "--escape"]).arg(&file);
    let mut receiver = on(called, rz);
    let mut sender = on(calling, sz);
    for program in [&mut sender, &mut receiver] {
        let status = wait_for("the end of the transfer", || program.try_wait().unwrap());
        assert!(status.success(), "{status}");
    }
    assert!(fs::read(&file).unwrap() == fs::read(into.join("sent.bin")).unwrap());
}

#[test]
fn kermit_dials_through_the_port_and_carries_a_file() {
    if !have(&["kermit"]) {
        return;
    }
    let exchange = Exchange::with_modems(2);
    let file = exchange.file("kermit.bin", 60_000);
    let into = exchange.scratch.path().join("received");
    fs::create_dir(&into).unwrap();
    let port = exchange.port();
    let kermit = |name: &str, script: String| exchange.kermit(name, script, &into);
    // The first client gets the first modem.
    let receiver = kermit(
        "receive.ksc",
        format!(
            "set exit warning off\nset host 127.0.0.1:{port} /raw-socket\nif fail exit 11\n\
             output ATS0=1\\13\ninput 30 OK\nif fail exit 12\n\
             input 120 CONNECT\nif fail exit 13\nreceive\nif fail exit 14\nexit 0\n"
        ),
    );
    wait_until("the first client", || {
        exchange
            .server
            .log()
            .iter()
            .any(|line| line.contains(" is on "))
    });
    let sender = kermit(
        "dial.ksc",
        format!(
            "set exit warning off\nset host 127.0.0.1:{port} /raw-socket\nif fail exit 21\n\
             set modem type hayes-2400\nset dial timeout 60\nset dial retries 1\n\
             dial {}\nif fail exit 22\nsend /binary {}\nif fail exit 23\nexit 0\n",
            exchange.numbers[0],
            file.display()
        ),
    );
    for (name, program) in [("sender", sender), ("receiver", receiver)] {
        let done = program.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success(), "{name}: {:?}\n{said}", done.status);
    }
    assert!(fs::read(&file).unwrap() == fs::read(into.join("kermit.bin")).unwrap());
}

/// A pseudo terminal that leads to the port, as a client without any network of its own sees it.
fn virtual_line(exchange: &Exchange) -> (Child, String) {
    let link = exchange.scratch.path().join("line");
    let name = link.to_str().unwrap().to_owned();
    let socat = Command::new("socat")
        .arg(format!("pty,raw,echo=0,link={name}"))
        .arg(format!("TCP:127.0.0.1:{}", exchange.port()))
        .spawn()
        .unwrap();
    wait_until("socat's terminal", || link.exists());
    (socat, name)
}

#[test]
fn picocom_talks_to_the_modem_through_a_virtual_line() {
    if !have(&["picocom", "socat", "expect"]) {
        return;
    }
    let exchange = Exchange::with_modems(1);
    let (mut socat, line) = virtual_line(&exchange);
    expect(&format!(
        "spawn picocom --noreset {line}
        want {{Terminal ready}}
        send \"ATI1\\r\"
        want {{Linux ISDN}}
        want OK
        send \"\\001\\021\"
        ended"
    ));
    let _ = socat.kill();
    let _ = socat.wait();
}

#[test]
fn minicom_talks_to_the_modem_through_a_virtual_line() {
    if !have(&["minicom", "socat", "expect"]) {
        return;
    }
    let exchange = Exchange::with_modems(1);
    let (mut socat, line) = virtual_line(&exchange);
    // minicom 2.8 gives its terminal back to the line discipline for a moment after its welcome
    // (seen with strace): what is typed then would end in NL, which is no end of an AT command.
    expect(&format!(
        "set stty_init {{raw -echo}}
        set env(TERM) vt100
        set env(HOME) {}
        spawn minicom -o -D {line}
        want {{Press CTRL-A}}
        send \"ATI1\\r\"
        want {{Linux ISDN}}
        send \"\\001x\"
        want {{Yes}}
        send \"\\r\"
        ended",
        exchange.scratch.path().display()
    ));
    let _ = socat.kill();
    let _ = socat.wait();
}
