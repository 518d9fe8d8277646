//! Started from a shell: `--listen`, `--standalone`, and all that cannot work.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::{UnixListener, UnixStream};

use crate::support::{
    Modem, PATIENCE, Running, Scratch, connect, modemd, read_until, share, standalone,
};

/// Starts modemd with `arguments`, and checks how it ends and what it says.
#[track_caller]
fn assert_fails(arguments: &[&str], code: i32, says: &str) {
    let mut command = modemd();
    command.args(arguments);
    let mut server = Running::start(command);
    assert_eq!(server.wait().code(), Some(code), "{arguments:?}");
    server.logged(says);
}

#[track_caller]
fn assert_talks(mut client: impl Read + Write, modem: &Modem) {
    client.write_all(b"ATZ\r").unwrap();
    modem.expect(b"ATZ\r");
    modem.say(b"OK\r\n");
    read_until(&mut client, b"OK\r\n");
}

#[test]
fn without_a_socket_it_says_what_to_do() {
    assert_fails(&[], 64, "no socket was handed in, and none was asked for");
    assert_fails(&[], 64, "modemd demo");
    assert_fails(&[], 64, "systemctl enable --now modem.socket");
    let shared = &["/dev/ttyS1", "--user", "root"];
    assert_fails(shared, 64, "modemd --listen 2006 /dev/ttyS1");
}

#[test]
fn arguments_that_make_no_sense_are_refused_by_name() {
    for (arguments, says) in [
        (&["--listen", "2006"][..], "DEVICE"),
        (&["--listen", "nowhere:x", "/dev/ttyS1"], "nowhere:x"),
        (&["--line", "fast", "/dev/ttyS1"], "fast"),
        (&["--protocol", "smoke", "/dev/ttyS1"], "smoke"),
        (&["--allow", "300.1.1.1", "/dev/ttyS1"], "300.1.1.1"),
        (&["--standalone", "/dev/ttyS1"], "--standalone"),
        (&["--frobnicate"], "--frobnicate"),
    ] {
        assert_fails(arguments, 2, says);
    }
}

#[test]
fn an_address_in_use_is_named_with_the_way_to_find_out_by_whom() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let arguments = ["--user", "root", "--listen", &address, "/dev/ttyS1"];
    assert_fails(&arguments, 69, &format!("cannot listen on `{address}`"));
    assert_fails(&arguments, 69, "ss -ltnp");
    let foreign = ["--user", "root", "--listen", "192.0.2.1:0", "/dev/ttyS1"];
    assert_fails(
        &foreign,
        69,
        "no interface of this machine has that address",
    );
}

#[test]
fn it_listens_on_all_kinds_of_sockets_at_once() {
    let (scratch, modems) = (Scratch::new(), [Modem::new(), Modem::new(), Modem::new()]);
    let path = scratch.path().join("modem.sock");
    let devices: Vec<_> = modems.iter().map(Modem::device).collect();
    let more = ["--listen", "[::1]:0", "--listen", path.to_str().unwrap()];
    let server = share(&devices, scratch.path(), &more);
    let lines = server.logged_times("modem: listening on ", 3);
    let address = |line: &str| -> SocketAddr { line.rsplit_once(' ').unwrap().1.parse().unwrap() };
    let (four, six) = (address(&lines[0]), address(&lines[1]));
    assert!(four.is_ipv4() && six.is_ipv6(), "{lines:#?}");
    let clients = (
        connect(four),
        connect(six),
        UnixStream::connect(&path).unwrap(),
    );
    clients.2.set_read_timeout(Some(PATIENCE)).unwrap();
    server.logged_times(" is on ", 3);
    for modem in &modems {
        modem.say(b"x");
    }
    for mut client in [&clients.0, &clients.1] {
        read_until(&mut client, b"x");
    }
    read_until(&mut &clients.2, b"x");
}

#[test]
fn a_standalone_daemon_binds_what_the_configuration_says() {
    let (scratch, one, two) = (Scratch::new(), Modem::new(), Modem::new());
    let path = scratch.path().join("two.sock");
    let server = standalone(
        &scratch,
        &format!(
            "[ports.one]\nlisten = [\"127.0.0.1:0\", \"[::1]:0\"]\nallow = [\"localhost\"]\n\
             devices = [\"{}\"]\n[ports.two]\nlisten = [\"{}\"]\ndevices = [\"{}\"]\n",
            one.device_name(),
            path.display(),
            two.device_name()
        ),
    );
    let lines = server.logged_times("one: listening on ", 2);
    let six = lines[1].rsplit_once(' ').unwrap().1.parse().unwrap();
    assert_talks(connect(six), &one);
    server.logged(&format!("two: listening on {}", path.display()));
    assert_talks(UnixStream::connect(&path).unwrap(), &two);
}

#[test]
fn a_standalone_daemon_needs_to_be_told_where_to_listen() {
    let scratch = Scratch::new();
    let config = "[server]\nuser = \"root\"\n[ports.modem]\ndevices = [\"/dev/ttyS1\"]\n";
    let config = scratch.file("modemd.toml", config);
    let arguments = ["--standalone", "--config", config.to_str().unwrap()];
    assert_fails(&arguments, 78, "says where to `listen`");
}

#[test]
fn one_address_that_is_taken_keeps_no_other_closed() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap();
    let device = modem.device_name();
    let server = standalone(
        &scratch,
        &format!(
            "[ports.first]\nlisten = [\"{taken}\"]\ndevices = [\"{device}\"]\n\
             [ports.second]\nlisten = [\"127.0.0.1:0\"]\nallow = [\"localhost\"]\n\
             devices = [\"{device}\"]\n"
        ),
    );
    server.logged(&format!("first: cannot listen on `{taken}`"));
    assert_talks(connect(server.address_of("second")), &modem);
}

#[test]
fn a_socket_file_of_a_dead_daemon_is_taken_over_and_that_of_a_living_one_is_not() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let path = scratch.path().join("modem.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let name = path.to_str().unwrap();
    let arguments = ["--user", "root", "--listen", name, modem.device_name()];
    assert_fails(&arguments, 69, "cannot listen on");
    drop(listener);
    assert!(path.exists());
    let mut command = modemd();
    command
        .args(arguments)
        .arg("--lock-dir")
        .arg(scratch.path());
    let server = Running::start(command);
    server.logged("listening on");
    assert_talks(UnixStream::connect(&path).unwrap(), &modem);
    drop(server);
    // What is no socket is never removed.
    let file = scratch.file("precious", "data");
    let name = file.to_str().unwrap();
    let arguments = ["--user", "root", "--listen", name, modem.device_name()];
    assert_fails(&arguments, 69, "cannot listen on");
    assert_eq!(std::fs::read(&file).unwrap(), b"data");
}
