//! Many clients, one after the other and all at once.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Barrier;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::support::{
    Modem, Running, Scratch, connect, contains, names_in, read_all, read_until, reset, share, skip,
    standalone, wait_until,
};

/// Resident memory in KiB.
fn resident(server: &Running) -> u64 {
    let text = server.proc_status("VmRSS");
    text.trim_end_matches(" kB").parse().unwrap()
}

/// How many descriptors it has open when nobody is there: two less than with one session.
#[track_caller]
fn descriptors_at_rest(server: &Running, modem: &Modem) -> usize {
    let mut client = server.connect();
    client.write_all(b"first\r").unwrap();
    modem.expect(b"first\r");
    let with_one = server.descriptors();
    reset(client);
    server.logged(" left ");
    with_one - 2
}

/// Five hundred times nothing must be no more than what a debug build's allocator keeps.
const LEFT_OVER_KIB: u64 = 2048;

/// One client's visit: connects, talks, and leaves in one of the ways in which clients do.
#[track_caller]
fn visit(server: &Running, modem: &Modem, number: usize) {
    let mut client = server.connect();
    let word = format!("AT{number}\r");
    client.write_all(word.as_bytes()).unwrap();
    let heard = modem.expect(word.as_bytes());
    assert_eq!(heard, word.as_bytes());
    let answer = format!("\r\nOK {number}\r\n");
    modem.say(answer.as_bytes());
    assert_eq!(
        read_until(&mut client, answer.as_bytes()),
        answer.as_bytes()
    );
    match number % 3 {
        0 => reset(client),
        1 => drop(client),
        _ => {
            client.shutdown(Shutdown::Write).unwrap();
            assert!(read_all(&mut client).is_empty());
        }
    }
}

#[test]
fn five_hundred_visits_leave_nothing_behind() {
    const VISITS: usize = 500;
    const WARMING_UP: usize = 50;
    let (scratch, locks, modem) = (Scratch::new(), Scratch::new(), Modem::new());
    // Who comes before the one before has gone waits a moment.
    let config = scratch.file(
        "modemd.toml",
        format!(
            "[server]\nuser = \"root\"\nlock_dir = {:?}\n\
             [ports.modem]\nlisten = [\"127.0.0.1:0\"]\nallow = [\"127.0.0.1\"]\ndevices = [{:?}]\n\
             busy = \"wait\"\nwait = \"10min\"\nlinger = \"0s\"\n",
            locks.path(),
            modem.device()
        ),
    );
    let mut command = crate::support::modemd();
    command.arg("--standalone").arg("--config").arg(config);
    let server = Running::start(command);
    let at_rest = descriptors_at_rest(&server, &modem);
    let gone = |visits| {
        server.logged_times(" left ", 1 + visits);
        wait_until("the locks to go", || names_in(locks.path()).is_empty());
        wait_until("the descriptors to be closed", || {
            server.descriptors() == at_rest
        });
    };
    for number in 0..WARMING_UP {
        visit(&server, &modem, number);
    }
    gone(WARMING_UP);
    let (resident_then, threads_then) = (resident(&server), server.proc_status("Threads"));
    for number in WARMING_UP..VISITS {
        visit(&server, &modem, number);
    }
    gone(VISITS);
    let resident_now = resident(&server);
    assert!(
        resident_now <= resident_then + LEFT_OVER_KIB,
        "{resident_then} KiB then, {resident_now} KiB now"
    );
    assert_eq!(server.proc_status("Threads"), threads_then);
    let (status, log) = server.stop();
    assert!(status.success());
    let unpleasant: Vec<_> = log[1..]
        .iter()
        .filter(|line| line.contains("warning") || line.contains("error: "))
        .collect();
    assert!(unpleasant.is_empty(), "{unpleasant:?}");
}

/// Both ends of every connection of a crowd are on this machine, ours in this process.
fn may_have_descriptors(count: u64) -> bool {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    if hard < count {
        return skip(&format!("no more than {hard} descriptors are allowed"));
    }
    setrlimit(Resource::RLIMIT_NOFILE, soft.max(count), hard).unwrap();
    true
}

/// `count` clients from as many threads as can connect at once; each says its number.
fn crowd(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    const THREADS: usize = 20;
    let together = Barrier::new(THREADS);
    let come = |thread: usize| {
        together.wait();
        let numbers = (thread..count).step_by(THREADS);
        let arrive = |number| {
            let mut client = connect(address);
            client.write_all(format!("<{number}>").as_bytes()).unwrap();
            (number, client)
        };
        numbers.map(arrive).collect::<Vec<_>>()
    };
    let mut clients = std::thread::scope(|scope| {
        let come = &come;
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| scope.spawn(move || come(thread)))
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect::<Vec<_>>()
    });
    clients.sort_by_key(|(number, _)| *number);
    clients.into_iter().map(|(_, client)| client).collect()
}

#[test]
fn of_a_thousand_clients_at_once_one_gets_the_line() {
    const CROWD: usize = 1000;
    if !may_have_descriptors(2 * CROWD as u64) {
        return;
    }
    let (locks, modem) = (Scratch::new(), Modem::new());
    let server = share(&[modem.device()], locks.path(), &[]);
    let at_rest = descriptors_at_rest(&server, &modem);
    wait_until("the locks to go", || names_in(locks.path()).is_empty());
    let mut clients = crowd(server.address(), CROWD);
    let heard = String::from_utf8(modem.expect(b">")).unwrap();
    let winner: usize = heard
        .strip_prefix('<')
        .and_then(|rest| rest.strip_suffix('>'))
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("one client's words: {heard:?}"));
    let mut winner = clients.remove(winner);
    let mut said = Vec::new();
    for client in &mut clients {
        said.clear();
        client.read_to_end(&mut said).unwrap();
        assert_eq!(String::from_utf8_lossy(&said), "\r\nBUSY\r\n");
    }
    // The one has it still, and alone.
    modem.say(b"CONNECT\r\n");
    assert_eq!(read_until(&mut winner, b"\n"), b"CONNECT\r\n");
    winner.write_all(b"still here").unwrap();
    assert_eq!(modem.expect(b"still here"), b"still here");
    drop(clients);
    reset(winner);
    server.logged_times(" left ", 2);
    wait_until("the descriptors to be closed", || {
        server.descriptors() == at_rest
    });
    wait_until("the locks to go", || names_in(locks.path()).is_empty());
    assert_eq!(
        server.logged_times("no line for", CROWD - 1).len(),
        CROWD - 1
    );
    // It serves as before.
    let mut next = server.connect();
    next.write_all(b"ATZ\r").unwrap();
    modem.expect(b"ATZ\r");
    let (status, log) = server.stop();
    assert!(status.success());
    assert_eq!(
        log.iter().filter(|line| line.contains(" is on ")).count(),
        3
    );
}

#[test]
fn of_a_thousand_clients_that_wait_each_gets_the_line_once() {
    const CROWD: usize = 1000;
    if !may_have_descriptors(2 * CROWD as u64) {
        return;
    }
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let port = format!(
        "[ports.modem]\nlisten = [\"127.0.0.1:0\"]\nallow = [\"127.0.0.1\"]\n\
         devices = [{:?}]\nbusy = \"wait\"\nwait = \"10min\"\n",
        modem.device()
    );
    let server = standalone(&scratch, &port);
    let at_rest = descriptors_at_rest(&server, &modem);
    let mut clients: Vec<_> = crowd(server.address(), CROWD)
        .into_iter()
        .map(Some)
        .collect();
    for _ in 0..CROWD {
        let heard = modem.expect(b">");
        assert!(!contains(&heard, b"><"), "one at a time");
        let number = String::from_utf8(heard).unwrap();
        let number: usize = number.trim_matches(['<', '>']).parse().unwrap();
        reset(clients[number].take().expect("nobody gets it twice"));
    }
    server.logged_times(" left ", 1 + CROWD);
    wait_until("the descriptors to be closed", || {
        server.descriptors() == at_rest
    });
    let (status, log) = server.stop();
    assert!(status.success());
    assert!(!log.iter().any(|line| line.contains("no line for")));
}
