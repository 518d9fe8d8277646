//! Connections that come and go: how fast they are served, released, and whether anything stays.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::PollFlags;

use crate::cost::memory;
use crate::echo::with_echo;
use crate::many::descriptors_when_calm;
use crate::modem::{Modem, PATIENCE};
use crate::server::{Kind, Server, reset};
use crate::stream::Client;
use crate::table::{Better, Figure, percentiles};

/// From nothing to the first octet that the modem answers, and from the client's end to a line that is
/// closed.
pub(crate) fn fresh(kind: Kind, count: usize) -> Result<Vec<Figure>, String> {
    let mut modems = Modem::many(1).map_err(|error| error.to_string())?;
    let server = Server::start(kind, &modems)?;
    modems[0].let_go();
    let (mut answered, mut released) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let since = Instant::now();
        let client = Client::through(&server.addresses[0], kind.is_telnet(), &modems[0])?;
        answered.push(since.elapsed());
        let since = Instant::now();
        drop(client);
        if !modems[0]
            .wait(PollFlags::empty(), PATIENCE)
            .map_err(|error| error.to_string())?
        {
            return Err("the line was not closed".into());
        }
        released.push(since.elapsed());
        // Who comes while it is being released may be refused.
        thread::sleep(Duration::from_millis(20));
    }
    let mut figures = percentiles(answered);
    figures.truncate(2);
    let released = percentiles(released);
    figures.extend(released.into_iter().take(2).map(|figure| Figure {
        name: format!("released, {}", figure.name),
        ..figure
    }));
    Ok(figures)
}

/// Who takes longer than this for all of it need not finish.
const ENOUGH: Duration = Duration::from_secs(20);

/// Connect, talk, leave at once, over and over; politely or with a reset.
pub(crate) fn churn(kind: Kind, count: usize, polite: bool) -> Result<Vec<Figure>, String> {
    let modems = Modem::many(1).map_err(|error| error.to_string())?;
    let mut server = Server::start(kind, &modems)?;
    let mut failures = 0;
    let mut cycles = |server: &Server, count: usize| {
        let since = Instant::now();
        with_echo(&modems[0], || {
            let mut done = 0;
            while done < count && since.elapsed() < ENOUGH {
                done += 1;
                match cycle(server) {
                    Ok(client) if polite => drop(client),
                    Ok(client) => reset(client.socket),
                    Err(_) => failures += 1,
                }
            }
            Ok(done)
        })
    };
    cycles(&server, count / 20)?;
    let before = (
        descriptors_when_calm(&server),
        memory(&server.processes()) as f64,
    );
    let since = Instant::now();
    let done = cycles(&server, count)? as f64;
    let took = since.elapsed();
    let left = descriptors_when_calm(&server).saturating_sub(before.0);
    let grown = memory(&server.processes()) as f64 - before.1;
    if !server.runs() {
        return Err("it ended".into());
    }
    Ok(vec![
        Figure::new("cycles", "/s", done / took.as_secs_f64(), Better::More),
        Figure::plain("done", "", done),
        Figure::plain("failed", "", f64::from(failures)),
        Figure::plain("descriptors left", "", left as f64),
        Figure::plain("locks left", "", server.locks_left() as f64),
        Figure::plain("memory grown", "KiB", grown),
    ])
}

fn cycle(server: &Server) -> Result<Client, String> {
    let text = |error: std::io::Error| error.to_string();
    let mut client =
        Client::connect(&server.addresses[0], server.kind.is_telnet()).map_err(text)?;
    let patience = Duration::from_secs(2);
    client
        .socket
        .set_read_timeout(Some(patience))
        .map_err(text)?;
    client.socket.write_all(b"!").map_err(text)?;
    client.until(b'!').map_err(text)?;
    Ok(client)
}
