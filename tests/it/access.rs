//! Who may use a port, and what the others get: nothing.

use std::io::Write;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Output, Stdio};

use socket2::{Domain, Socket, Type};

use crate::name_server::NameServer;
use crate::privileges::{assert_dropped, dialout, nobody};
use crate::support::{
    Modem, PATIENCE, Running, Scratch, have, modemd, read_all, read_until, reset, root, share,
    standalone,
};

/// A client that comes from this address of the loopback network.
#[track_caller]
pub(crate) fn connect_from(source: &str, to: SocketAddr) -> TcpStream {
    let source: IpAddr = source.parse().unwrap();
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(source, 0).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Checks that a client is served, and waits until its line is free again.
#[track_caller]
fn assert_served(mut client: TcpStream, server: &Running, modem: &Modem) {
    let name = client.local_addr().unwrap();
    client.write_all(b"ATZ\r").unwrap();
    modem.expect(b"ATZ\r");
    modem.say(b"OK\r\n");
    read_until(&mut client, b"OK\r\n");
    reset(client);
    server.logged(&format!("modem: {name} left "));
}

/// Checks that a client is let go without a word, and that the log says why.
#[track_caller]
fn assert_denied(mut client: TcpStream, server: &Running, why: &str) {
    let name = client.local_addr().unwrap().to_string();
    assert_eq!(read_all(&mut client), b"");
    let line = server.logged(&format!("{name} refused: "));
    assert!(line.contains(why), "{line}");
}

/// A modemd on 127.0.0.1 that lets in `allow`.
fn allowing(allow: &[&str], scratch: &Scratch, modem: &Modem) -> Running {
    let more: Vec<_> = allow.iter().flat_map(|host| ["--allow", host]).collect();
    share(&[modem.device()], scratch.path(), &more)
}

#[test]
fn addresses_and_networks_let_in_whom_they_name_and_nobody_else() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let allow = ["127.0.0.2", "127.1.0.0/16", "192.168.0.0/16"];
    let server = allowing(&allow, &scratch, &modem);
    let to = server.address();
    for denied in ["127.0.0.1", "127.0.0.3", "127.2.0.1"] {
        let why = "its address is not in the port's `allow`";
        assert_denied(connect_from(denied, to), &server, why);
    }
    assert_eq!(modem.read_now(), b"");
    for let_in in ["127.0.0.2", "127.1.2.3"] {
        assert_served(connect_from(let_in, to), &server, &modem);
    }
}

#[test]
fn a_port_that_lists_nobody_lets_in_nobody() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let port = format!(
        "[ports.modem]\nlisten = [\"127.0.0.1:0\"]\ndevices = [\"{}\"]\n",
        modem.device_name()
    );
    let server = standalone(&scratch, &port);
    assert_denied(server.connect(), &server, "not in the port's `allow`");
}

#[test]
fn an_ipv4_client_of_an_ipv6_socket_counts_as_ipv4() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let mut command = modemd();
    command.args([
        "--listen",
        "[::]:0",
        "--allow",
        "127.0.0.2",
        "--user",
        "root",
    ]);
    command
        .arg("--lock-dir")
        .arg(scratch.path())
        .arg(modem.device());
    let server = Running::start(command);
    let port = server.address().port();
    let to = SocketAddr::from(([127, 0, 0, 1], port));
    assert_denied(connect_from("127.0.0.3", to), &server, "not in the port's");
    let six = SocketAddr::new("::1".parse().unwrap(), port);
    assert_denied(connect_from("::1", six), &server, "not in the port's");
    let client = connect_from("127.0.0.2", to);
    // And is called by its IPv4 name in the log.
    assert_served(client, &server, &modem);
}

#[test]
fn localhost_is_both_loopback_networks() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let mut command = modemd();
    command.args(["--listen", "[::]:0", "--user", "root", "--lock-dir"]);
    command.arg(scratch.path()).arg(modem.device());
    let server = Running::start(command);
    let port = server.address().port();
    for (source, host) in [
        ("127.0.0.1", "127.0.0.1"),
        ("127.255.0.9", "127.0.0.1"),
        ("::1", "::1"),
    ] {
        let to = SocketAddr::new(host.parse().unwrap(), port);
        assert_served(connect_from(source, to), &server, &modem);
    }
}

#[test]
fn a_unix_socket_is_guarded_by_its_file_mode_alone() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let path = scratch.path().join("modem.sock");
    let more = ["--listen", path.to_str().unwrap(), "--allow", "192.0.2.1"];
    let server = share(&[modem.device()], scratch.path(), &more);
    assert_denied(server.connect(), &server, "not in the port's `allow`");
    let mut client = UnixStream::connect(&path).unwrap();
    client.write_all(b"ATZ\r").unwrap();
    modem.expect(b"ATZ\r");
    server.logged(&format!("modem: local pid {} is on ", std::process::id()));
}

/// A program in the network of another.
fn in_network_of(pid: i32, program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net=/proc/{pid}/ns/net"));
    command.arg(program).args(arguments);
    command
}

#[track_caller]
fn done(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    output
}

#[test]
fn by_default_a_shared_line_is_for_this_machine_only() {
    if !root() || !have(&["ip", "nsenter", "unshare", "socat"]) {
        return;
    }
    // Two machines and a cable between them.
    let machine = || {
        let mut command = Command::new("unshare");
        let script = "ip link set lo up && echo up >&2 && exec sleep infinity";
        command.args(["--net", "sh", "-c", script]);
        let machine = Running::start(command);
        machine.logged("up");
        machine
    };
    let (here, there) = (machine(), machine());
    let mut cable = Command::new("ip");
    cable.args(["link", "add", "here", "netns", &here.pid().to_string()]);
    cable.args(["type", "veth", "peer", "name", "there", "netns"]);
    done(cable.arg(there.pid().to_string()));
    for (pid, name, address) in [
        (here.pid(), "here", "192.0.2.1/24"),
        (there.pid(), "there", "192.0.2.2/24"),
    ] {
        done(&mut in_network_of(
            pid,
            "ip",
            &["address", "add", address, "dev", name],
        ));
        done(&mut in_network_of(pid, "ip", &["link", "set", name, "up"]));
    }

    let (scratch, modem) = (Scratch::new(), Modem::new());
    let shared = |allow: &[&str]| {
        let mut command = in_network_of(here.pid(), env!("CARGO_BIN_EXE_modemd"), &[]);
        command.args(["--listen", "0.0.0.0:0", "--user", "root", "--lock-dir"]);
        command.arg(scratch.path()).args(allow).arg(modem.device());
        Running::start(command)
    };
    // What a client hears that says nothing and listens until the end.
    let heard = |from: i32, address: String| {
        let client = format!("TCP:{address}");
        let limit = format!("-T{}", PATIENCE.as_secs());
        done(&mut in_network_of(
            from,
            "socat",
            &[&limit, "-u", &client, "-"],
        ))
        .stdout
    };

    let server = shared(&[]);
    let port = server.address().port();
    assert_eq!(heard(there.pid(), format!("192.0.2.1:{port}")), b"");
    let line = server.logged("modem: 192.0.2.2:");
    assert!(line.contains("refused: its address is not in"), "{line}");
    let near = Running::start(in_network_of(
        here.pid(),
        "socat",
        &["-u", &format!("TCP:127.0.0.1:{port}"), "-"],
    ));
    server.logged("modem: 127.0.0.1:");
    server.logged(" is on ");
    let (status, _) = server.stop();
    assert!(status.success());
    drop(near);

    let server = shared(&["--allow", "192.0.2.2"]);
    let port = server.address().port();
    let far = Running::start(in_network_of(
        there.pid(),
        "socat",
        &["-u", &format!("TCP:192.0.2.1:{port}"), "-"],
    ));
    server.logged("modem: 192.0.2.2:");
    server.logged(" is on ");
    drop(far);
}

/// A modemd on the stage of a name server.
fn named(names: &NameServer, allow: &[&str], scratch: &Scratch, modem: &Modem) -> Running {
    let mut command = modemd();
    command.args(["--listen", "127.0.0.1:0", "--user", "root", "--lock-dir"]);
    command.arg(scratch.path());
    for host in allow {
        command.args(["--allow", host]);
    }
    command.arg(modem.device());
    Running::start(names.stage().command(&command))
}

#[test]
fn a_name_counts_if_the_address_leads_to_it_and_it_leads_back() {
    let Some(names) = NameServer::start() else {
        return;
    };
    let (scratch, modem) = (Scratch::new(), Modem::new());
    names.knows("127.0.0.2", "Desk.Example.ORG");
    names.resolves("desk.example.org", "127.0.0.2");
    names.knows("127.0.0.3", "a.b.lab.example.org");
    names.resolves("a.b.lab.example.org", "127.0.0.3");
    // Runs its own reverse zone, and says there what it likes.
    names.knows("127.0.0.4", "desk.example.org");
    names.knows("127.0.0.5", "x.lab.example.org");
    names.knows("127.0.0.6", "other.example.org");
    names.resolves("other.example.org", "127.0.0.6");
    names.knows("127.0.0.7", "lab.example.org");
    names.resolves("lab.example.org", "127.0.0.7");
    names.knows("127.0.0.8", "127.0.0.9");
    let allow = [
        "desk.example.org",
        "*.lab.example.org",
        "in-file.example.org",
        "127.0.0.9",
    ];
    let server = named(&names, &allow, &scratch, &modem);
    let to = server.address();
    // By address: nobody is asked.
    assert_served(connect_from("127.0.0.9", to), &server, &modem);
    assert_eq!(names.questions(), 0);
    // By name: from the network, the domain, and the file.
    for source in ["127.0.0.2", "127.0.0.3", "127.0.9.9"] {
        assert_served(connect_from(source, to), &server, &modem);
    }
    for (source, why) in [
        (
            "127.0.0.4",
            "it calls itself `desk.example.org`, but that name does not lead back",
        ),
        ("127.0.0.5", "it has no name there"),
        ("127.0.0.6", "its name `other.example.org` is not in"),
        ("127.0.0.7", "its name `lab.example.org` is not in"),
        ("127.0.0.8", "not in the port's `allow`"),
        ("127.0.0.10", "it has no name there"),
    ] {
        assert_denied(connect_from(source, to), &server, why);
    }
    assert_eq!(modem.read_now(), b"");
}

#[test]
fn a_name_with_a_line_end_in_it_forges_no_line_of_the_log() {
    let Some(names) = NameServer::start() else {
        return;
    };
    let (scratch, modem) = (Scratch::new(), Modem::new());
    names.knows("127.0.0.2", "x\nmodemd: forged\x1b[2J.example.org");
    let server = named(&names, &["desk.example.org"], &scratch, &modem);
    let client = connect_from("127.0.0.2", server.address());
    assert_denied(client, &server, "not in the port's `allow`");
    for line in server.log() {
        assert!(!line.starts_with("modemd: forged"), "{line}");
        assert!(!line.contains('\x1b'), "{line}");
    }
}

#[test]
fn a_lookup_that_hangs_delays_nobody_else_and_denies_in_the_end() {
    let Some(names) = NameServer::start() else {
        return;
    };
    let (scratch, modem) = (Scratch::new(), Modem::new());
    names.ignores("127.0.0.2");
    let mut command = modemd();
    command.args(["--listen", "127.0.0.1:0", "--user", "nobody", "--lock-dir"]);
    command.arg(scratch.path()).args(["--allow", "127.0.0.1"]);
    command.args(["--allow", "desk.example.org"]);
    command.arg(modem.device());
    let all = std::fs::Permissions::from_mode(0o666);
    std::fs::set_permissions(modem.device(), all).unwrap();
    let server = Running::start(names.stage().command(&command));
    let hanging = connect_from("127.0.0.2", server.address());
    names.was_asked_about("127.0.0.2");
    // The lookup has a thread; that one has no privileges either.
    assert_dropped(server.pid(), nobody(), dialout());
    assert_served(server.connect(), &server, &modem);
    let refused = |line: &String| line.contains(" refused: ");
    assert!(!server.log().iter().any(refused), "{:#?}", server.log());
    assert_denied(hanging, &server, "could not be looked up within 5s");
    // The thread still waits for an answer, and keeps nobody from leaving.
    let (status, _) = server.stop();
    assert!(status.success());
}
