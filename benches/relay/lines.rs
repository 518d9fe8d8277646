//! Many lines, each at the speed of a modem: 11,520 octets a second, in pieces of sixteen.

use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use crate::cost::{Syscalls, cpu, switches};
use crate::modem::Modem;
use crate::server::{Kind, Server};
use crate::stream::Client;
use crate::table::{Better, Figure, percentiles};

/// A FIFO's worth.
const PIECE: usize = 16;

/// From one piece of a line to its next: 16 octets at 115,200 baud.
const INTERVAL: Duration = Duration::from_nanos(1_388_889);

/// The lines do not all speak at the same moment.
const GROUPS: usize = 10;

pub(crate) fn measure(kind: Kind, lines: usize, time: Duration) -> Result<Vec<Figure>, String> {
    let modems = Modem::many(lines).map_err(|error| error.to_string())?;
    let server = Server::start(kind, &modems)?;
    let mut clients = Vec::with_capacity(lines);
    for (address, modem) in server.addresses.iter().zip(&modems) {
        clients.push(Client::through(address, kind.is_telnet(), modem)?);
    }
    let processes = server.processes();
    run(&modems, &mut clients, time / 8)?;
    let (used, switched) = (cpu(&processes), switches(&processes));
    let measured = run(&modems, &mut clients, time)?;
    let used = cpu(&processes).saturating_sub(used);
    let switched = switches(&processes).saturating_sub(switched);
    let pieces = measured.delays.len() as f64;
    let kib = pieces * PIECE as f64 / 1024.0;
    let mut figures = vec![
        Figure::new(
            "CPU",
            "µs/piece",
            used.as_secs_f64() * 1e6 / pieces,
            Better::Less,
        ),
        Figure::plain(
            "CPU of all",
            "%",
            used.as_secs_f64() / time.as_secs_f64() * 100.0,
        ),
    ];
    figures.extend(percentiles(measured.delays).into_iter().take(2));
    figures.push(Figure::new(
        "switches",
        "/KiB",
        switched as f64 / kib,
        Better::Less,
    ));
    if let Some(counting) = Syscalls::count(&processes) {
        let counted = run(&modems, &mut clients, time / 4)?;
        let kib = (counted.delays.len() * PIECE) as f64 / 1024.0;
        if let Some(calls) = counting.end() {
            figures.push(Figure::new(
                "system calls",
                "/KiB",
                calls as f64 / kib,
                Better::Less,
            ));
        }
    }
    let delivered = pieces / measured.wanted as f64 * 100.0;
    figures.push(Figure::plain("in time", "%", delivered));
    Ok(figures)
}

struct Run {
    /// From a modem's write to the client's read.
    delays: Vec<Duration>,
    /// How many pieces should have been said in that time.
    wanted: u64,
}

/// Every piece says which one it is, and when it was said.
fn piece(number: u32, since: Instant) -> [u8; PIECE] {
    let mut piece = [0x55; PIECE];
    let now = u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX);
    piece[..4].copy_from_slice(&number.to_be_bytes());
    piece[4..12].copy_from_slice(&now.to_be_bytes());
    piece
}

fn run(modems: &[Modem], clients: &mut [Client], time: Duration) -> Result<Run, String> {
    let since = Instant::now();
    let all_said = &AtomicBool::new(false);
    thread::scope(|scope| {
        let speaking = scope.spawn(move || {
            let said = speak(modems, since, time);
            all_said.store(true, Ordering::SeqCst);
            said
        });
        let hearing = scope.spawn(move || hear(clients, since, all_said));
        let said = speaking.join().map_err(|_| "a thread failed")?;
        let said = said.map_err(|error| format!("saying: {error}"))?;
        let heard = hearing.join().map_err(|_| "a thread failed")?;
        let delays = heard.map_err(|error| format!("hearing: {error}"))?;
        if delays.len() as u64 != said {
            return Err(format!(
                "{said} pieces were said and {} heard",
                delays.len()
            ));
        }
        let each = u64::try_from(time.as_nanos() / INTERVAL.as_nanos()).unwrap_or(u64::MAX);
        Ok(Run {
            delays,
            wanted: each * modems.len() as u64,
        })
    })
}

/// Tells how many pieces found room. One that finds none is lost before it was said, as in a modem.
fn speak(modems: &[Modem], since: Instant, time: Duration) -> io::Result<u64> {
    let groups = GROUPS.min(modems.len());
    let step = INTERVAL / u32::try_from(groups).unwrap_or(1);
    let size = modems.len().div_ceil(groups);
    let mut numbers = vec![0; modems.len()];
    let mut said = 0;
    let mut next = since.elapsed();
    for group in (0..groups).cycle() {
        next += step;
        let now = since.elapsed();
        if now >= time {
            break;
        }
        if next > now {
            thread::sleep(next.saturating_sub(now));
        } else if now.saturating_sub(next) > INTERVAL {
            // More than can be said on this machine.
            next = now;
        }
        let begin = group * size;
        let end = (begin + size).min(modems.len());
        for (modem, number) in modems[begin..end].iter().zip(&mut numbers[begin..end]) {
            let piece = piece(*number, since);
            match modem.try_write(&piece) {
                Ok(part) => {
                    modem.write_all(&piece[part..])?;
                    *number += 1;
                    said += 1;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(said)
}

fn hear(
    clients: &mut [Client],
    since: Instant,
    all_said: &AtomicBool,
) -> io::Result<Vec<Duration>> {
    let epoll = Epoll::new(EpollCreateFlags::empty())?;
    for (number, client) in clients.iter().enumerate() {
        let event = EpollEvent::new(EpollFlags::EPOLLIN, number as u64);
        epoll.add(client.socket.as_fd(), event)?;
    }
    let mut began: Vec<Vec<u8>> = vec![Vec::new(); clients.len()];
    let mut numbers = vec![0_u32; clients.len()];
    let mut delays = Vec::new();
    let mut events = [EpollEvent::empty(); 256];
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let over = all_said.load(Ordering::SeqCst);
        // What is on its way then is here long before.
        let count = epoll.wait(&mut events, 200_u16)?;
        if count == 0 && over {
            return Ok(delays);
        }
        for event in &events[..count] {
            let line = usize::try_from(event.data()).expect("it was a usize");
            let octets = clients[line].read(&mut buffer)?;
            let now = since.elapsed();
            began[line].extend_from_slice(octets);
            let whole = began[line].len() / PIECE * PIECE;
            for heard in began[line][..whole].chunks_exact(PIECE) {
                let number = u32::from_be_bytes(heard[..4].try_into().expect("four"));
                let said = u64::from_be_bytes(heard[4..12].try_into().expect("eight"));
                if number != numbers[line] || heard[12..] != [0x55; 4] {
                    return Err(io::Error::other(format!("not what line {line} said")));
                }
                numbers[line] += 1;
                delays.push(now.saturating_sub(Duration::from_nanos(said)));
            }
            began[line].drain(..whole);
        }
    }
}
