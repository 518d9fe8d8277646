//! `busy = "wait"`: clients that wait for a line.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::support::{
    Modem, Running, Scratch, Sleeper, connect, contains, port, read_all, read_until, reset,
    standalone, wait_until,
};

/// A modemd with one port, whose clients wait for so long.
fn share_in_turn(modems: &[&Modem], scratch: &Scratch, wait: &str) -> Running {
    let devices: Vec<_> = modems.iter().map(|modem| modem.device()).collect();
    let port = format!(
        "[ports.modem]\nlisten = [\"127.0.0.1:0\"]\nallow = [\"127.0.0.1\"]\n\
         devices = {devices:?}\nbusy = \"wait\"\nwait = \"{wait}\"\n"
    );
    standalone(scratch, &port)
}

/// A client that says its name at once. Whoever has the line is who the modem hears; connections
/// are accepted in the order in which they were made.
fn arrives(server: &Running, name: &str) -> TcpStream {
    let mut client = server.connect();
    client.write_all(name.as_bytes()).unwrap();
    client
}

/// Waits until all who came are in the queue: somebody behind them has been there, and left again.
#[track_caller]
fn all_have_arrived(server: &Running) {
    let behind = server.connect();
    let address = behind.local_addr().unwrap();
    drop(behind);
    server.logged(&format!("{address} left while it waited for a line"));
}

#[track_caller]
fn hears_only(modem: &Modem, name: &str) {
    let heard = modem.expect(name.as_bytes());
    assert_eq!(String::from_utf8_lossy(&heard), name);
}

#[test]
fn who_waits_is_served_in_the_order_of_arrival() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = share_in_turn(&[&modem], &scratch, "10min");
    let names = ["anna", "berta", "clara", "doris", "emma", "frieda"];
    let mut clients: Vec<_> = names.iter().map(|name| arrives(&server, name)).collect();
    for name in names {
        hears_only(&modem, name);
        let mut client = clients.remove(0);
        modem.say(b"hello\r\n");
        assert_eq!(read_until(&mut client, b"\n"), b"hello\r\n");
        for other in &clients {
            other.set_nonblocking(true).unwrap();
            assert!(
                other.peek(&mut [0]).is_err(),
                "nothing is said to who waits"
            );
            other.set_nonblocking(false).unwrap();
        }
        reset(client);
    }
    let (_, log) = server.stop();
    assert!(
        !log.iter().any(|line| line.contains("no line for")),
        "{log:?}"
    );
}

#[test]
fn two_lines_that_are_released_serve_the_first_two_who_wait() {
    let scratch = Scratch::new();
    let modems = [Modem::new(), Modem::new()];
    let server = share_in_turn(&[&modems[0], &modems[1]], &scratch, "10min");
    let first = arrives(&server, "anna");
    hears_only(&modems[0], "anna");
    let second = arrives(&server, "berta");
    hears_only(&modems[1], "berta");
    let waiting = ["clara", "doris", "emma"].map(|name| arrives(&server, name));
    reset(second);
    hears_only(&modems[1], "clara");
    reset(first);
    hears_only(&modems[0], "doris");
    let [clara, _doris, _emma] = waiting;
    reset(clara);
    hears_only(&modems[1], "emma");
}

#[test]
fn who_leaves_while_waiting_gives_up_the_place() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = share_in_turn(&[&modem], &scratch, "10min");
    let first = arrives(&server, "anna");
    hears_only(&modem, "anna");
    // The head of the queue, one in the middle that resets, and one that closes.
    let [head, resets, stays, closes, last] =
        ["berta", "clara", "doris", "emma", "frieda"].map(|name| arrives(&server, name));
    all_have_arrived(&server);
    let descriptors = server.descriptors();
    let addresses = [&head, &resets, &closes].map(|client| client.local_addr().unwrap());
    drop(head);
    reset(resets);
    drop(closes);
    for address in addresses {
        server.logged(&format!("{address} left while it waited for a line"));
    }
    wait_until("their descriptors to be closed", || {
        server.descriptors() + 3 <= descriptors
    });
    reset(first);
    hears_only(&modem, "doris");
    reset(stays);
    hears_only(&modem, "frieda");
    drop(last);
}

#[test]
fn whose_time_runs_out_is_told_busy() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = share_in_turn(&[&modem], &scratch, "1s");
    let mut first = arrives(&server, "anna");
    hears_only(&modem, "anna");
    let began = Instant::now();
    let mut head = server.connect();
    let mut second = server.connect();
    for client in [&mut head, &mut second] {
        assert_eq!(read_all(client), b"\r\nBUSY\r\n");
        assert!(began.elapsed() >= Duration::from_secs(1));
    }
    let told = server.logged_times("no line for", 2);
    let holder = format!("in use by pid {} (modemd)", server.pid());
    assert!(told.iter().any(|line| line.contains(&holder)), "{told:?}");
    // Nobody was disturbed, and nobody is in the queue any more.
    first.write_all(b"still here").unwrap();
    hears_only(&modem, "still here");
    reset(first);
    server.logged(" left ");
    let _next = arrives(&server, "berta");
    hears_only(&modem, "berta");
}

/// Another program that has the line, by its lock file.
fn somebody_else(scratch: &Scratch, modem: &Modem) -> (Sleeper, PathBuf) {
    let holder = Sleeper::new();
    let number = modem.device().file_name().unwrap().to_str().unwrap();
    let lock = scratch.file(&format!("LCK..{number}"), format!("{:10}\n", holder.pid()));
    (holder, lock)
}

#[test]
fn a_line_that_another_program_gives_back_goes_to_who_waits() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = share_in_turn(&[&modem], &scratch, "10min");
    let (_holder, lock) = somebody_else(&scratch, &modem);
    let [first, second] = ["anna", "berta"].map(|name| arrives(&server, name));
    all_have_arrived(&server);
    assert!(modem.read_now().is_empty());
    fs::remove_file(lock).unwrap();
    hears_only(&modem, "anna");
    reset(first);
    hears_only(&modem, "berta");
    reset(second);
}

#[test]
fn who_arrives_when_a_line_is_free_does_not_overtake_who_waits() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = share_in_turn(&[&modem], &scratch, "10min");
    let (_holder, lock) = somebody_else(&scratch, &modem);
    let first = arrives(&server, "anna");
    all_have_arrived(&server);
    // Nobody tells us; the newcomer is there before the next look.
    fs::remove_file(lock).unwrap();
    let _newcomer = arrives(&server, "berta");
    hears_only(&modem, "anna");
    reset(first);
    hears_only(&modem, "berta");
}

#[test]
fn a_line_whose_other_user_was_killed_goes_to_who_waits() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = share_in_turn(&[&modem], &scratch, "10min");
    let (holder, lock) = somebody_else(&scratch, &modem);
    let _waiting = arrives(&server, "anna");
    all_have_arrived(&server);
    drop(holder);
    hears_only(&modem, "anna");
    server.logged(&format!("{}: stale lock of pid", lock.display()));
}

#[test]
fn a_line_that_another_port_gives_back_goes_to_who_waits() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let port = |name: &str, busy: &str| {
        format!(
            "[ports.{name}]\nlisten = [\"127.0.0.1:0\"]\nallow = [\"127.0.0.1\"]\n\
             devices = [{:?}]\nbusy = \"{busy}\"\n",
            modem.device()
        )
    };
    let ports = port("hasty", "refuse") + &port("patient", "wait");
    let server = standalone(&scratch, &ports);
    let mut first = connect(server.address_of("hasty"));
    first.write_all(b"anna").unwrap();
    hears_only(&modem, "anna");
    let mut second = connect(server.address_of("patient"));
    second.write_all(b"berta").unwrap();
    reset(first);
    hears_only(&modem, "berta");
}

#[test]
fn who_waits_when_modemd_stops_is_let_go() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = share_in_turn(&[&modem], &scratch, "10min");
    let mut first = arrives(&server, "anna");
    hears_only(&modem, "anna");
    // Without unread input, which would reset the connection.
    let mut waiting = server.connect();
    all_have_arrived(&server);
    let (status, _) = server.stop();
    assert!(status.success());
    assert!(read_all(&mut first).is_empty());
    assert!(read_all(&mut waiting).is_empty());
}

/// A telnet port whose clients wait for so long.
fn share_in_words(modem: &Modem, scratch: &Scratch, more: &str) -> Running {
    let more = format!("protocol = \"telnet\"\n{more}");
    standalone(scratch, &port(&[modem.device()], &more))
}

#[test]
fn a_person_who_waits_is_told_the_place_in_the_queue() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = share_in_words(&modem, &scratch, "busy = \"wait\"\nwait = \"10min\"");
    let first = arrives(&server, "anna");
    hears_only(&modem, "anna");
    let mut second = arrives(&server, "berta");
    let told = read_until(&mut second, b"wait.\r\n");
    assert_eq!(
        String::from_utf8_lossy(&told),
        "\r\nAll modems are busy. You are number 1 in the queue. Please wait.\r\n"
    );
    let mut third = arrives(&server, "clara");
    let told = read_until(&mut third, b"wait.\r\n");
    assert!(contains(&told, b"You are number 2 in the queue."));
    let mut fourth = arrives(&server, "doris");
    let told = read_until(&mut fourth, b"wait.\r\n");
    assert!(contains(&told, b"You are number 3 in the queue."));
    reset(third);
    let told = read_until(&mut fourth, b"\r\n");
    assert_eq!(told, b"You are number 2 in the queue.\r\n");
    reset(first);
    hears_only(&modem, "berta");
    let told = read_until(&mut second, b"\r\n");
    assert!(told.starts_with(b"You have a modem now.\r\n"), "{told:?}");
    let told = read_until(&mut fourth, b"\r\n");
    assert_eq!(told, b"You are number 1 in the queue.\r\n");
}

#[test]
fn a_person_is_told_in_words_that_all_modems_are_busy() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    for (more, begins) in [
        ("", "\r\nAll modems are busy. Please try again later.\r\n"),
        (
            "busy = \"wait\"\nwait = \"1ms\"",
            "\r\nAll modems are busy. You are number 1 in the queue. Please wait.\r\n",
        ),
    ] {
        let server = share_in_words(&modem, &scratch, more);
        let _first = arrives(&server, "anna");
        hears_only(&modem, "anna");
        let said = String::from_utf8(read_all(&mut server.connect())).unwrap();
        assert!(said.starts_with(begins), "{said:?}");
        assert!(said.ends_with("\r\nAll modems are busy. Please try again later.\r\n"));
    }
}

#[test]
fn who_gets_a_modem_at_once_hears_nothing_of_a_queue() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = share_in_words(&modem, &scratch, "busy = \"wait\"\nwait = \"10min\"");
    let mut client = arrives(&server, "anna");
    hears_only(&modem, "anna");
    modem.say(b"hello");
    let said = read_until(&mut client, b"hello");
    assert!(!contains(&said, b"modem"), "{said:?}");
}
