//! Sessions with which nobody can go on: those that crash the service, and those of which too little
//! is left. They are released, and all others go on.

use std::fs::File;
use std::io::Write;
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::Signal::{SIGKILL, SIGUSR1};
use nix::sys::stat::{SFlag, fstat};

use crate::service::{ACTING, CRASHES, Service, TAKING_UP, TO_LINE, TURN, VERSION, port};
use crate::support::{Modem, assert_talks, locks_in, random, read_all, reset};
use crate::systemd::Stored;

/// Two calls on a port of two lines.
struct Two {
    service: Service,
    modems: [Modem; 2],
    clients: [TcpStream; 2],
    /// Their names in the store.
    names: [String; 2],
}

impl Two {
    fn new() -> Self {
        let modems = [Modem::new(), Modem::new()];
        let ports = port("modem", &[&modems[0], &modems[1]], "");
        let service = Service::new(&["modem"], &ports);
        let call = |number: usize| {
            let mut client = service.connect();
            assert_talks(&mut client, &modems[number]);
            (client, service.keeps(number + 1))
        };
        let ((first, first_name), (second, second_name)) = (call(0), call(1));
        Two {
            service,
            clients: [first, second],
            names: [first_name, second_name],
            modems,
        }
    }

    fn crash_in(&mut self, turn: u64) {
        self.service.rests();
        self.service.end(SIGKILL);
        self.service.ledger(&self.names[0]).set_number(TURN, turn);
    }

    /// The first is over, with this in the log; the second one goes on, and the first one's line is
    /// there for others.
    #[track_caller]
    fn first_is_released(&mut self, why: &str) {
        self.first_is_over(why);
        let mut next = self.service.connect();
        assert_talks(&mut next, &self.modems[0]);
        reset(next);
        self.second_goes_on();
    }

    #[track_caller]
    fn first_is_over(&mut self, why: &str) {
        let [first, _] = &mut self.clients;
        assert_eq!(read_all(first), b"");
        let left = format!(" left {} ", self.modems[0].device_name());
        let line = self.service.server().logged(&left);
        assert!(line.contains(why), "{why}: {line}");
        assert_eq!(self.service.keeps(1), self.names[1]);
    }

    #[track_caller]
    fn second_goes_on(&mut self) {
        let [_, second] = &mut self.clients;
        assert_talks(second, &self.modems[1]);
        self.service.keeps(1);
        // Nothing of the first comes back.
        self.service.restart(SIGUSR1);
        assert_talks(second, &self.modems[1]);
        self.service.keeps(1);
    }
}

#[test]
fn a_call_that_crashes_the_service_twice_in_a_row_is_dropped() {
    for turn in [ACTING, TO_LINE | 7 << 8] {
        let mut two = Two::new();
        two.crash_in(turn);
        two.service.begin();
        two.service.server().logged_times("is still on", 2);
        two.crash_in(turn);
        two.service.begin();
        two.first_is_released(": modemd died twice in a row over it");
    }
}

#[test]
fn a_call_that_cannot_be_taken_up_twice_in_a_row_is_dropped() {
    let mut two = Two::new();
    two.crash_in(TAKING_UP);
    // The process before died there too.
    let ledger = two.service.ledger(&two.names[0]);
    ledger.set_number(CRASHES, TAKING_UP | 1 << 8);
    two.service.begin();
    two.first_is_released(": modemd died twice in a row over it");
}

#[test]
fn a_client_that_waits_with_a_state_that_is_none_is_let_go() {
    let modem = Modem::new();
    let ports = port("modem", &[&modem], "busy = \"wait\"");
    let mut service = Service::new(&["modem"], &ports);
    let mut served = service.connect();
    assert_talks(&mut served, &modem);
    let [mut first, mut second] = [2, 3].map(|number| {
        let client = service.connect();
        service.keeps(number);
        client
    });
    service.rests();
    let names = service.sessions();
    service.end(SIGUSR1);
    service.ledger(&names[1]).set_number(VERSION, 99);
    service.begin();
    assert_eq!(read_all(&mut first), b"");
    service.server().logged("its state is of version 99");
    service.keeps(2);
    assert_talks(&mut served, &modem);
    reset(served);
    assert_talks(&mut second, &modem);
}

#[test]
fn a_call_that_was_over_it_what_crashed_the_service_may_crash_it_again() {
    let mut two = Two::new();
    for _ in 0..4 {
        two.crash_in(TO_LINE | 7 << 8);
        two.service.begin();
        assert_talks(&mut two.clients[0], &two.modems[0]);
    }
    two.service.server().logged_times("is still on", 2);
    assert_talks(&mut two.clients[1], &two.modems[1]);
}

#[test]
fn a_restart_is_no_crash() {
    let mut two = Two::new();
    for _ in 0..4 {
        two.service.restart(SIGUSR1);
    }
    two.crash_in(ACTING);
    two.service.begin();
    for _ in 0..4 {
        two.service.restart(SIGUSR1);
    }
    for (client, modem) in two.clients.iter_mut().zip(&two.modems) {
        assert_talks(client, modem);
    }
}

#[test]
fn what_a_crash_may_have_lost_is_counted() {
    let mut two = Two::new();
    two.crash_in(TO_LINE | 7 << 8);
    two.service.begin();
    let lines = two.service.server().logged_times("is still on", 2);
    let device = two.modems[0].device_name();
    let of = |line: &&String| line.contains(&format!("on {device} "));
    let first = lines.iter().find(of).unwrap();
    assert!(first.contains("up to 7 bytes"), "{first}");
    let second = lines.iter().find(|line| !of(line)).unwrap();
    assert!(second.ends_with("after modemd died"), "{second}");
    assert_talks(&mut two.clients[0], &two.modems[0]);
    // The modem talks too.
    two.crash_in(3 | 100 << 8);
    two.service.begin();
    two.service.server().logged("up to 107 bytes");
    let [first, _] = two.clients;
    reset(first);
    let line = two.service.server().logged(" left ");
    assert!(line.contains("up to 107 "), "{line}");
}

/// A memory file of this size, and whether it is sealed.
fn memory(octets: &[u8], sealed: bool) -> OwnedFd {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let mut file = File::from(memfd_create(c"test", flags).unwrap());
    file.write_all(octets).unwrap();
    if sealed {
        let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals)).unwrap();
    }
    file.into()
}

fn is(kind: SFlag, stored: &Stored) -> bool {
    let mode = SFlag::from_bits_truncate(fstat(&stored.descriptor).unwrap().st_mode);
    mode & SFlag::S_IFMT == kind
}

const CLIENT: SFlag = SFlag::S_IFSOCK;
const LINE: SFlag = SFlag::S_IFCHR;
const LEDGER: SFlag = SFlag::S_IFREG;

/// What happens in the store to the first of two calls, and what is said about it.
fn released_after(change: impl FnOnce(&Service, &str), why: &str) {
    let mut two = Two::new();
    two.service.rests();
    two.service.end(SIGUSR1);
    change(&two.service, &two.names[0]);
    two.service.begin();
    two.first_is_released(why);
}

/// Puts something else in the place of one of the descriptors, or nothing.
fn replace(service: &Service, name: &str, kind: SFlag, with: impl IntoIterator<Item = OwnedFd>) {
    let mut store = service.manager.store();
    store.retain(|stored| stored.name != name || !is(kind, stored));
    store.extend(with.into_iter().map(|descriptor| Stored {
        name: name.to_owned(),
        descriptor,
    }));
}

#[test]
fn a_state_of_another_version_ends_its_call_and_nothing_else() {
    let other = |service: &Service, name: &str| service.ledger(name).set_number(VERSION, 99);
    released_after(other, "its state is of version 99, and this modemd reads");
}

#[test]
fn a_state_that_is_none_ends_its_call_and_nothing_else() {
    let whole = 1 << 19;
    for (octets, sealed) in [
        (random(whole), true),
        (random(whole), false),
        (vec![0; whole], true),
        (Vec::new(), true),
        (random(100), true),
    ] {
        let other = |service: &Service, name: &str| {
            replace(service, name, LEDGER, [memory(&octets, sealed)]);
        };
        released_after(other, "no ledger");
    }
    let none = |service: &Service, name: &str| replace(service, name, LEDGER, []);
    released_after(none, "its ledger is missing");
}

/// It could be cut off while modemd looks at it, which would be a crash.
#[test]
fn a_state_that_is_not_sealed_ends_its_call_and_nothing_else() {
    let unsealed = |service: &Service, name: &str| {
        let octets = service.ledger(name).read();
        replace(service, name, LEDGER, [memory(&octets, false)]);
    };
    released_after(unsealed, "no ledger");
}

#[test]
fn a_record_of_nonsense_ends_its_call_and_nothing_else() {
    // Where the places of the records are noted, the first record, and all of them.
    for (from, count) in [(88, 48), (256, 100), (256, 16_000)] {
        let nonsense = |service: &Service, name: &str| {
            let ledger = service.ledger(name);
            ledger.write(from, &random(count));
        };
        released_after(nonsense, "its state makes no sense");
    }
    let body = |service: &Service, name: &str| {
        let ledger = service.ledger(name);
        let (from, length) = ledger.body_place();
        ledger.write(from, &random(length));
    };
    released_after(body, "its state makes no sense");
}

#[test]
fn a_call_whose_line_is_missing_ends() {
    let mut two = Two::new();
    two.service.rests();
    two.service.end(SIGUSR1);
    replace(&two.service, &two.names[0], LINE, []);
    two.service.begin();
    two.first_is_over("its line is missing");
    // The line was closed with the descriptor; nobody else is kept from it by a lock.
    let locks = locks_in(two.service.scratch.path());
    assert_eq!(locks.len(), 2, "{locks:?}");
    two.second_goes_on();
}

#[test]
fn a_call_whose_client_is_missing_ends() {
    let mut two = Two::new();
    two.service.rests();
    two.service.end(SIGUSR1);
    replace(&two.service, &two.names[0], CLIENT, []);
    two.service.begin();
    two.first_is_released("its client is missing");
}

#[test]
fn a_call_that_has_two_of_a_kind_ends() {
    for kind in [CLIENT, LINE, LEDGER] {
        let doubled = |service: &Service, name: &str| {
            let mut store = service.manager.store();
            let of_it = |stored: &&Stored| stored.name == name && is(kind, stored);
            let descriptor = store.iter().find(of_it).unwrap().descriptor.try_clone();
            store.push(Stored {
                name: name.to_owned(),
                descriptor: descriptor.unwrap(),
            });
        };
        released_after(doubled, "of no use");
    }
}

#[test]
fn a_call_with_something_else_beside_it_ends() {
    let (pipe, _other) = std::io::pipe().unwrap();
    let more = |service: &Service, name: &str| {
        service.manager.store().push(Stored {
            name: name.to_owned(),
            descriptor: pipe.into(),
        });
    };
    released_after(more, "of no use");
}

#[test]
fn what_is_stored_under_a_name_that_is_no_sessions_is_thrown_away() {
    let mut two = Two::new();
    two.service.rests();
    two.service.end(SIGUSR1);
    let (pipe, _other) = std::io::pipe().unwrap();
    let (socket, _peer) = UnixStream::pair().unwrap();
    let null = File::open("/dev/null").unwrap();
    let later = |name: &str, descriptor: OwnedFd| Stored {
        name: name.to_owned(),
        descriptor,
    };
    two.service.manager.store().extend([
        later("session@", pipe.as_fd().try_clone_to_owned().unwrap()),
        later("session@xyz", null.into()),
        later("guard@1", pipe.into()),
        later("stored", socket.into()),
    ]);
    two.service.begin();
    assert_eq!(two.service.keeps(2), two.names[1]);
    for (client, modem) in two.clients.iter_mut().zip(&two.modems) {
        assert_talks(client, modem);
    }
}
