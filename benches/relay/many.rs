//! What ports and idle sessions cost, and a thousand of them dropped at once.

use std::thread;
use std::time::{Duration, Instant};

use crate::cost::{cpu, descriptors, memory, switches};
use crate::modem::Modem;
use crate::server::{Kind, Server};
use crate::stream::Client;
use crate::table::{Better, Figure};

/// Memory and wake-ups of so many ports, first without anybody, then with a session on each.
pub(crate) fn idle(kind: Kind, ports: usize, time: Duration) -> Result<Vec<Figure>, String> {
    let modems = Modem::many(ports).map_err(|error| error.to_string())?;
    let server = Server::start(kind, &modems)?;
    let before = memory(&server.processes()) as f64;
    let clients = connect_all(&server, &modems)?;
    let processes = server.processes();
    // What they still have to do for the sessions that have just begun.
    thread::sleep(time);
    let after = memory(&processes) as f64;
    let (switched, used) = (switches(&processes), cpu(&processes));
    thread::sleep(time);
    let wakeups = switches(&processes).saturating_sub(switched) as f64 / time.as_secs_f64();
    let used = cpu(&processes).saturating_sub(used).as_secs_f64() * 1e3 / time.as_secs_f64();
    drop(clients);
    Ok(vec![
        Figure::new("ports only", "KiB", before, Better::Less),
        Figure::new("all in use", "KiB", after, Better::Less),
        Figure::plain("a session", "KiB", (after - before) / ports as f64),
        Figure::plain("wake-ups", "/s", wakeups),
        Figure::plain("CPU", "ms/s", used),
    ])
}

fn connect_all(server: &Server, modems: &[Modem]) -> Result<Vec<Client>, String> {
    let telnet = server.kind.is_telnet();
    let pairs = server.addresses.iter().zip(modems);
    pairs
        .map(|(address, modem)| Client::through(address, telnet, modem))
        .collect()
}

/// All clients leave in the same moment.
pub(crate) fn dropped(kind: Kind, ports: usize) -> Result<Vec<Figure>, String> {
    let modems = Modem::many(ports).map_err(|error| error.to_string())?;
    let mut server = Server::start(kind, &modems)?;
    // One first, for what is opened with the first and stays.
    drop(Client::through(
        &server.addresses[0],
        kind.is_telnet(),
        &modems[0],
    )?);
    let settled = |server: &Server, least: usize| {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let now = descriptors(&server.processes());
            if now <= least || Instant::now() > deadline {
                return now;
            }
            thread::sleep(Duration::from_millis(1));
        }
    };
    let before = descriptors_when_calm(&server);
    let clients = connect_all(&server, &modems)?;
    let since = Instant::now();
    drop(clients);
    let after = settled(&server, before);
    let took = since.elapsed();
    // All of it, also that it serves the next one. Where it was killed by that, it may still be ending.
    let next = Client::through(&server.addresses[0], kind.is_telnet(), &modems[0]);
    let survived = next.is_ok() && server.runs();
    let mut figures = vec![Figure::plain("survived", "", f64::from(u8::from(survived)))];
    if survived {
        let left = after.saturating_sub(before) as f64;
        figures.push(Figure::plain("descriptors left", "", left));
        figures.push(Figure::new(
            "all released after",
            "ms",
            took.as_secs_f64() * 1e3,
            Better::Less,
        ));
    }
    Ok(figures)
}

/// How many descriptors there are when nothing changes any more.
pub(crate) fn descriptors_when_calm(server: &Server) -> usize {
    // socat keeps the line for half a second.
    let still = if server.kind == Kind::Socat { 600 } else { 200 };
    let mut before = usize::MAX;
    loop {
        let now = descriptors(&server.processes());
        if now == before {
            return now;
        }
        before = now;
        thread::sleep(Duration::from_millis(still));
    }
}
