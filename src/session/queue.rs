//! From a client to its line, perhaps after a while in a queue.

use std::time::Duration;

use tracing::{info, warn};

use super::Process;
use super::deposit::{Deposit, Head, Stage, Wait};
use crate::board::Seat;
use crate::client::Client;
use crate::config::{Busy, Instance};
use crate::journal;
use crate::line::Line;
use crate::pool::NoLine;
use crate::port::Port;
use crate::relay::Protocol;
use crate::tally::PortWord;
use crate::uptime::uptime;

/// A client who wants a line.
pub struct Guest {
    pub(super) session: u64,
    /// The name of the port that it came to.
    pub(super) port: String,
    pub(super) client: Client,
    /// Since it was first told to wait.
    pub(super) wait: Option<Wait>,
    pub(super) deposit: Option<Deposit>,
}

impl Guest {
    pub(super) fn new(session: u64, client: Client, port: &Port) -> Self {
        Guest {
            session,
            port: port.name.clone(),
            client,
            wait: None,
            deposit: None,
        }
    }

    /// Leaves the client to the next process, or lets it go if that cannot be.
    pub(super) fn leave(self, process: &Process<'_>) {
        let head = Head {
            port: self.port,
            peer: self.client.peer(),
            stage: self.wait.map_or(Stage::Arrived, Stage::Waits),
        };
        let deposit = self.deposit.or_else(|| {
            let store = process.store?;
            Deposit::make(store, self.session, &self.client, None, &head)
        });
        if let Some(deposit) = deposit {
            deposit.leave();
        }
    }
}

/// How the wait for a line ended.
enum Outcome {
    /// With a line, or without.
    Asked(Box<Result<Line, NoLine>>),
    /// The client left.
    Left,
    /// Somebody who runs the server has ended it.
    HungUp,
}

/// The line for this client, or nothing: it was told why, is gone, or is left to another process.
pub(super) async fn get_line(
    mut guest: Guest,
    port: &Port,
    process: &Process<'_>,
    seat: &Seat<'_>,
) -> Option<(Guest, Line)> {
    let busy = match guest.wait {
        Some(wait) => Busy::Wait(wait.until.saturating_sub(uptime())),
        None => port.busy,
    };
    let waits = matches!(busy, Busy::Wait(_));
    let mut waiting = Waiting {
        session: guest.session,
        client: &guest.client,
        wait: &mut guest.wait,
        deposit: &mut guest.deposit,
    };
    let outcome = tokio::select! {
        biased;
        // First: who leaves the queue now moves nobody up, all leave.
        () = process.handed_over() => {
            guest.leave(process);
            return None;
        }
        () = process.stopped() => return None,
        () = seat.mailbox.told_to_hang_up() => Outcome::HungUp,
        line = port.pool.acquire(busy, |place| waiting.at(place, busy, port, process, seat)) => {
            Outcome::Asked(Box::new(line))
        }
        () = guest.client.gone(), if waits => Outcome::Left,
    };
    if waits && let Some(wait) = guest.wait {
        let waited = uptime().saturating_sub(wait.since).as_micros();
        let waited = u64::try_from(waited).unwrap_or(u64::MAX);
        process.tally.add(&port.name, PortWord::Waited, waited);
    }
    match outcome {
        Outcome::Asked(asked) => match *asked {
            Ok(line) if waits => guest.has_waited(line, port),
            Ok(line) => Some((guest, line)),
            Err(refusal) => {
                guest.refuse(&refusal, port, process).await;
                None
            }
        },
        Outcome::Left => {
            process.tally.add(&port.name, PortWord::GaveUp, 1);
            guest.tell_end(port, "left", "left while it waited for a line");
            None
        }
        Outcome::HungUp => {
            guest.tell_end(
                port,
                "hung-up",
                "was ended by `modemctl hangup` before it had a line",
            );
            guest.client.part_with(&[]).await;
            None
        }
    }
}

/// A client in the queue.
struct Waiting<'g> {
    session: u64,
    client: &'g Client,
    wait: &'g mut Option<Wait>,
    deposit: &'g mut Option<Deposit>,
}

impl Waiting<'_> {
    /// It has this place now.
    fn at(
        &mut self,
        number: usize,
        busy: Busy,
        port: &Port,
        process: &Process<'_>,
        seat: &Seat<'_>,
    ) {
        let peer = self.client.peer();
        let told = self.wait.and_then(|wait| wait.told);
        let patience = match busy {
            Busy::Wait(limit) => {
                seat.wait((port.instance == Instance::Shared).then_some(number));
                if told.is_none() {
                    process.tally.add(&port.name, PortWord::Waits, 1);
                    self.tell(port);
                }
                if matches!(port.protocol, Protocol::Telnet(_)) && told != Some(number) {
                    let words = words_of_place(number, port.instance, told.is_some());
                    self.client.mention(&words);
                }
                limit
            }
            Busy::Refuse => Duration::ZERO,
        };
        let now = uptime();
        let wait = self.wait.get_or_insert(Wait {
            since: now,
            until: now + patience,
            told: None,
        });
        wait.told = Some(number);
        let head = Head {
            port: port.name.clone(),
            peer,
            stage: Stage::Waits(*wait),
        };
        match (&mut *self.deposit, process.store) {
            (Some(deposit), _) => deposit.write(&head),
            (deposit, Some(store)) => {
                *deposit = Deposit::make(store, self.session, self.client, None, &head);
            }
            (None, None) => {}
        }
    }

    fn tell(&self, port: &Port) {
        info!(
            MESSAGE_ID = journal::CLIENT_WAITS,
            MODEMD_PORT = port.name,
            MODEMD_CLIENT = %self.client.peer(),
            MODEMD_SESSION = format_args!("{:016x}", self.session),
            "{}: {} waits for a line",
            port.name,
            self.client.peer()
        );
    }
}

impl Guest {
    fn tell_end(&self, port: &Port, reason: &str, words: &str) {
        info!(
            MESSAGE_ID = journal::WAIT_ENDED,
            MODEMD_PORT = port.name,
            MODEMD_CLIENT = %self.client.peer(),
            MODEMD_SESSION = format_args!("{:016x}", self.session),
            MODEMD_REASON = reason,
            "{}: {} {words}",
            port.name,
            self.client.peer()
        );
    }

    /// It was its turn.
    fn has_waited(self, line: Line, port: &Port) -> Option<(Guest, Line)> {
        let in_words = matches!(port.protocol, Protocol::Telnet(_));
        let peer = self.client.peer();
        match self.client.watched_anew() {
            Ok(client) => {
                if in_words && self.wait.is_some() {
                    client.mention("You have a modem now.\r\n");
                }
                Some((Guest { client, ..self }, line))
            }
            Err(error) => {
                warn!("{}: {peer} cannot be served: {error}", port.name);
                let device = line.device().to_owned();
                drop(line);
                port.pool.release(&device);
                None
            }
        }
    }

    /// There is no line for it.
    async fn refuse(self, refusal: &NoLine, port: &Port, process: &Process<'_>) {
        let (words, reason, count) = match refusal {
            NoLine::Busy(_) if matches!(port.protocol, Protocol::Telnet(_)) => (
                "\r\nAll modems are busy. Please try again later.\r\n".to_owned(),
                "busy",
                PortWord::Busy,
            ),
            NoLine::Busy(_) => ("\r\nBUSY\r\n".to_owned(), "busy", PortWord::Busy),
            NoLine::Broken(_) => (
                format!("\r\nERROR: no modem here works: {refusal}\r\n"),
                "broken",
                PortWord::Broken,
            ),
        };
        process.tally.add(&port.name, count, 1);
        let peer = self.client.peer();
        warn!(
            MESSAGE_ID = journal::NO_LINE,
            MODEMD_PORT = port.name,
            MODEMD_CLIENT = %peer,
            MODEMD_REASON = reason,
            "{}: no line for {peer}: {refusal}",
            port.name
        );
        self.client.part_with(words.as_bytes()).await;
    }
}

/// What a person who waits is told. An instance of its own does not know who else waits.
fn words_of_place(number: usize, instance: Instance, told: bool) -> String {
    match instance {
        Instance::PerConnection => "\r\nAll modems are busy. Please wait.\r\n".to_owned(),
        Instance::Shared if told => format!("You are number {number} in the queue.\r\n"),
        Instance::Shared => format!(
            "\r\nAll modems are busy. You are number {number} in the queue. Please wait.\r\n"
        ),
    }
}
