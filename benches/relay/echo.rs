//! One octet to the modem and back: alone, and beside a transfer on another line.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::bulk::{Ways, transfer};
use crate::cost::cpu;
use crate::modem::Modem;
use crate::server::{Kind, Server};
use crate::stream::{Client, Stream};
use crate::table::{Better, Figure, percentiles};

pub(crate) fn measure(kind: Kind, trips: usize) -> Result<Vec<Figure>, String> {
    let modems = Modem::many(1).map_err(|error| error.to_string())?;
    let server = Server::start(kind, &modems)?;
    let mut client = Client::through(&server.addresses[0], kind.is_telnet(), &modems[0])?;
    let processes = server.processes();
    with_echo(&modems[0], || {
        round_trips(&mut client, trips / 10)?;
        let before = cpu(&processes);
        let times = round_trips(&mut client, trips)?;
        let used = cpu(&processes).saturating_sub(before);
        let mut figures = percentiles(times);
        figures.push(Figure::new(
            "CPU",
            "µs/trip",
            used.as_secs_f64() * 1e6 / trips as f64,
            Better::Less,
        ));
        Ok(figures)
    })
}

pub(crate) fn beside_bulk(kind: Kind, time: Duration) -> Result<Vec<Figure>, String> {
    let modems = Modem::many(2).map_err(|error| error.to_string())?;
    let server = Server::start(kind, &modems)?;
    let mut bulk = Client::through(&server.addresses[0], kind.is_telnet(), &modems[0])?;
    let mut client = Client::through(&server.addresses[1], kind.is_telnet(), &modems[1])?;
    with_echo(&modems[1], || {
        let busy = &AtomicBool::new(true);
        thread::scope(|scope| {
            let modem = &modems[0];
            let transferring = scope.spawn(move || {
                let moved = transfer(modem, &mut bulk, Ways::FromModem, Stream::Any, time);
                busy.store(false, Ordering::Relaxed);
                moved
            });
            let mut times = Vec::new();
            while busy.load(Ordering::Relaxed) {
                times.extend(round_trips(&mut client, 1)?);
            }
            let moved = transferring.join().map_err(|_| "a thread failed")?? as f64;
            let mut figures = percentiles(times);
            let speed = moved / f64::from(1 << 20) / time.as_secs_f64();
            figures.push(Figure::new("the transfer", "MiB/s", speed, Better::More));
            Ok(figures)
        })
    })
}

/// While the modem says everything again that it hears.
pub(crate) fn with_echo<T>(
    modem: &Modem,
    work: impl FnOnce() -> Result<T, String>,
) -> Result<T, String> {
    let stop = &AtomicBool::new(false);
    thread::scope(|scope| {
        let echo = scope.spawn(move || modem.echo(stop));
        let done = work();
        stop.store(true, Ordering::Relaxed);
        let echoed = echo.join().map_err(|_| "a thread failed")?;
        echoed.map_err(|error| format!("echo: {error}"))?;
        done
    })
}

fn round_trips(client: &mut Client, count: usize) -> Result<Vec<Duration>, String> {
    let mut buffer = [0; 16];
    let mut times = Vec::with_capacity(count);
    for trip in 0..count {
        let octet = u8::try_from(trip % 251).expect("less than 251");
        let since = Instant::now();
        client
            .socket
            .write_all(&[octet])
            .map_err(|error| error.to_string())?;
        let read = client
            .read(&mut buffer)
            .map_err(|error| error.to_string())?;
        times.push(since.elapsed());
        if read != [octet] {
            return Err(format!("sent {octet}, received {read:?}"));
        }
    }
    Ok(times)
}
