//! As much as goes through: from the modem, to it, and both ways at once.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::cost::{Syscalls, cpu};
use crate::modem::Modem;
use crate::server::{Kind, Server};
use crate::stream::{Check, Client, MOST, Stream, doubled};
use crate::table::{Better, Figure};

const GIB: f64 = (1_u64 << 30) as f64;
const MIB: f64 = (1_u64 << 20) as f64;

/// How much a modem says at a time.
const SAID: usize = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ways {
    FromModem,
    ToModem,
    Both,
}

pub(crate) fn measure(
    kind: Kind,
    ways: Ways,
    stream: Stream,
    time: Duration,
) -> Result<Vec<Figure>, String> {
    let modems = Modem::many(1).map_err(|error| error.to_string())?;
    let server = Server::start(kind, &modems)?;
    let address = &server.addresses[0];
    let mut client = if kind == Kind::ModemdGuarded {
        Client::in_call(address, &modems[0])?
    } else {
        Client::through(address, kind.is_telnet(), &modems[0])?
    };
    // Whatever grows in the beginning has grown.
    transfer(&modems[0], &mut client, ways, stream, time / 4)?;
    let processes = server.processes();
    let (before, since) = (cpu(&processes), Instant::now());
    let moved = transfer(&modems[0], &mut client, ways, stream, time)? as f64;
    let (used, took) = (cpu(&processes).saturating_sub(before), since.elapsed());
    let counting = Syscalls::count(&processes);
    let syscalls = match counting {
        None => None,
        Some(counting) => {
            let moved = transfer(&modems[0], &mut client, ways, stream, time / 4)? as f64;
            counting.end().map(|calls| calls as f64 / (moved / 1024.0))
        }
    };
    let mut figures = vec![
        Figure::new(
            "speed",
            "MiB/s",
            moved / MIB / took.as_secs_f64(),
            Better::More,
        ),
        Figure::new(
            "CPU",
            "s/GiB",
            used.as_secs_f64() / (moved / GIB),
            Better::Less,
        ),
    ];
    if let Some(syscalls) = syscalls {
        figures.push(Figure::new("system calls", "/KiB", syscalls, Better::Less));
    }
    Ok(figures)
}

/// Moves octets for a while and checks every one; tells how many.
pub(crate) fn transfer(
    modem: &Modem,
    client: &mut Client,
    ways: Ways,
    stream: Stream,
    time: Duration,
) -> Result<u64, String> {
    let telnet = client.hearing.is_some();
    let mut socket = client
        .socket
        .try_clone()
        .map_err(|error| error.to_string())?;
    let (said, heard) = (&AtomicU64::new(u64::MAX), &AtomicU64::new(u64::MAX));
    thread::scope(|scope| {
        let until = Instant::now() + time;
        let mut tasks = Vec::new();
        if ways != Ways::ToModem {
            tasks.push(
                scope.spawn(move || send(stream, until, said, SAID, |part| modem.write_all(part))),
            );
            tasks.push(scope.spawn(move || {
                let mut buffer = vec![0; MOST];
                receive(stream, said, &mut buffer, |buffer| {
                    Ok(client.read(buffer)?.len())
                })
            }));
        }
        if ways != Ways::FromModem {
            tasks.push(scope.spawn(move || {
                send(stream, until, heard, MOST / 4, |part| {
                    if telnet {
                        socket.write_all(&doubled(part))
                    } else {
                        socket.write_all(part)
                    }
                })
            }));
            tasks.push(scope.spawn(move || {
                let mut buffer = vec![0; MOST];
                receive(stream, heard, &mut buffer, |buffer| modem.read(buffer))
            }));
        }
        let mut moved = 0;
        for (number, task) in tasks.into_iter().enumerate() {
            let done = task.join().map_err(|_| "a thread failed".to_owned())??;
            if number % 2 == 1 {
                moved += done;
            }
        }
        Ok(moved)
    })
}

fn send(
    stream: Stream,
    until: Instant,
    total: &AtomicU64,
    size: usize,
    mut write: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<u64, String> {
    let mut sent = 0;
    loop {
        let is_last = Instant::now() >= until;
        if is_last {
            // Before it is sent: whoever has it all knows that it is all.
            total.store(sent + size as u64, Ordering::SeqCst);
        }
        write(stream.chunk(sent, size)).map_err(|error| format!("sending: {error}"))?;
        sent += size as u64;
        if is_last {
            return Ok(sent);
        }
    }
}

fn receive(
    stream: Stream,
    total: &AtomicU64,
    buffer: &mut [u8],
    mut read: impl FnMut(&mut [u8]) -> io::Result<usize>,
) -> Result<u64, String> {
    let mut check = Check { stream, seen: 0 };
    while check.seen < total.load(Ordering::SeqCst) {
        let count = read(buffer).map_err(|error| format!("receiving: {error}"))?;
        check.take(&buffer[..count])?;
    }
    Ok(check.seen)
}
