//! Files and bulk through telnet ports, with telnets that are not ours.

use std::fs;
use std::io::{Read, Write};
use std::process::Stdio;
use std::thread::scope;

use crate::exchange::{Exchange, both_ends_succeed};
use crate::support::{
    Client, Modem, Scratch, bounded, contains, have, random, read_exactly, read_until, share,
    wait_until,
};

#[test]
fn zmodem_carries_a_file_between_telnets_that_agreed_to_binary() {
    if !have(&["gensiot", "sz", "rz"]) {
        return;
    }
    let exchange = Exchange::with_telnet_modems(2);
    let file = exchange.file("sent.bin", 300_000);
    let into = exchange.scratch.path().join("received");
    fs::create_dir(&into).unwrap();
    let ready = exchange.scratch.path().join("ready");
    let client = |name: &str, script: String| {
        let script = exchange.scratch.file(
            name,
            format!(
                "until_said() {{ while read -r line; do case $line in *$1*) return ;; esac; done; exit 9; }}\n\
                 cd {}\n{script}\n",
                into.display()
            ),
        );
        let child = bounded("gensiot")
            .arg("-i")
            .arg(format!("stdio(noredir-stderr),sh {}", script.display()))
            .arg(format!("telnet,tcp,127.0.0.1,{}", exchange.port()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Client(child)
    };
    // The first client gets the first modem, once it is served.
    let _called = client(
        "called",
        format!(
            "printf 'ATS0=1\\r'\nuntil_said OK\n: > {}\nuntil_said CONNECT\nrz --binary --quiet\necho $? > receiver\n",
            ready.display()
        ),
    );
    wait_until("the called modem", || ready.exists());
    let _calling = client(
        "calling",
        format!(
            "printf 'ATDT{}\\r'\nuntil_said CONNECT\nsz --binary --quiet {}\necho $? > sender\n",
            exchange.numbers[0],
            file.display()
        ),
    );
    both_ends_succeed(&into);
    assert!(fs::read(&file).unwrap() == fs::read(into.join("sent.bin")).unwrap());
}

/// Two C-Kermits with these settings; what they told.
#[track_caller]
fn kermit_carries_a_file(settings: &str) -> [String; 2] {
    let exchange = Exchange::with_telnet_modems(2);
    let file = exchange.file("kermit.bin", 60_000);
    let into = exchange.scratch.path().join("received");
    fs::create_dir(&into).unwrap();
    let ready = exchange.scratch.path().join("ready");
    let kermit = |name: &str, script: String| {
        let script = format!(
            "set exit warning off\nset command byte 8\nset carrier-watch off\n\
             set telnet debug on\n{settings}\n\
             set host 127.0.0.1:{} /telnet\nif fail exit 1\n{script}\nexit 0\n",
            exchange.port()
        );
        exchange.kermit(name, script, &into)
    };
    let receiver = kermit(
        "receive.ksc",
        format!(
            "output ATS0=1\\13\ninput 60 OK\nif fail exit 2\n\
             fopen /write \\%c {}\nfclose \\%c\n\
             input 60 CONNECT\nif fail exit 3\nreceive\nif fail exit 4",
            ready.display()
        ),
    );
    wait_until("the called modem", || ready.exists());
    let sender = kermit(
        "send.ksc",
        format!(
            "output ATDT{}\\13\ninput 60 CONNECT\nif fail exit 2\n\
             send /binary {}\nif fail exit 3",
            exchange.numbers[0],
            file.display()
        ),
    );
    let said = [sender, receiver].map(|program| {
        let done = program.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(done.status.success(), "{:?}\n{said}", done.status);
        said
    });
    assert!(fs::read(&file).unwrap() == fs::read(into.join("kermit.bin")).unwrap());
    said
}

#[test]
fn kermit_carries_a_file_between_telnets_that_agreed_to_binary() {
    if !have(&["kermit"]) {
        return;
    }
    for said in kermit_carries_a_file("") {
        for agreed in ["SENT WILL BINARY", "SENT DO BINARY"] {
            assert!(said.contains(agreed), "{said}");
        }
    }
}

#[test]
fn kermit_carries_a_file_between_telnets_that_refused_binary() {
    if !have(&["kermit"]) {
        return;
    }
    let settings = "set telopt /client binary refused refused\nset parity space";
    for said in kermit_carries_a_file(settings) {
        for refused in ["SENT WONT BINARY", "SENT DONT BINARY"] {
            assert!(said.contains(refused), "{said}");
        }
        assert!(!said.contains("SENT WILL BINARY"), "{said}");
    }
}

#[test]
fn all_of_64_mib_both_ways_at_once_pass_through_gensiot_and_a_telnet_port() {
    const BULK: usize = 64 << 20;
    if !have(&["gensiot"]) {
        return;
    }
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = share(&[modem.device()], scratch.path(), &["--protocol", "telnet"]);
    let child = bounded("gensiot")
        .args(["-i", "stdio(self)"])
        .arg(format!(
            "telnet(rfc2217),tcp,127.0.0.1,{}",
            server.address().port()
        ))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut client = Client(child);
    let mut to = client.0.stdin.take().unwrap();
    let mut from = client.0.stdout.take().unwrap();
    // Before both sides have agreed to BINARY, the LF or a NUL shows that they have not.
    wait_until("BINARY to the line", || {
        to.write_all(b"\r\n.").unwrap();
        contains(&modem.expect(b"."), b"\r\n.")
    });
    wait_until("BINARY to the client", || {
        modem.say(b"\rX.");
        contains(&read_until(&mut from, b"."), b"\rX.")
    });
    modem.set_blocking(true);
    let (to_line, to_client) = (random(BULK), random(BULK));
    scope(|scope| {
        scope.spawn(|| modem.master().write_all(&to_client).unwrap());
        scope.spawn(|| to.write_all(&to_line).unwrap());
        scope.spawn(|| read_exactly(&mut from, &to_client));
        read_exactly(modem.master(), &to_line);
    });
    // And nothing more.
    modem.say(b".");
    to.write_all(b"!").unwrap();
    let mut next = [0];
    from.read_exact(&mut next).unwrap();
    assert_eq!(&next, b".");
    modem.master().read_exact(&mut next).unwrap();
    assert_eq!(&next, b"!");
}
