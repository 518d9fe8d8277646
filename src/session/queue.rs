//! From a client to its line, perhaps after a while in a queue.

use std::time::Duration;

use tracing::{info, warn};

use super::deposit::{Deposit, Head, Stage, Wait, uptime};
use super::{Process, new_number};
use crate::client::Client;
use crate::config::{Busy, Instance};
use crate::journal;
use crate::line::Line;
use crate::pool::NoLine;
use crate::port::Port;
use crate::relay::Protocol;

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
    pub(super) fn new(client: Client, port: &Port) -> Self {
        Guest {
            session: new_number(),
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

/// The line for this client, or nothing: it was told why, is gone, or is left to another process.
pub(super) async fn get_line(
    mut guest: Guest,
    port: &Port,
    process: &Process<'_>,
) -> Option<(Guest, Line)> {
    let peer = guest.client.peer();
    let busy = match guest.wait {
        Some(wait) => Busy::Wait(wait.until.saturating_sub(uptime())),
        None => port.busy,
    };
    let waits = matches!(busy, Busy::Wait(_));
    let in_words = matches!(port.protocol, Protocol::Telnet(_));
    let place = |number| {
        let told = guest.wait.and_then(|wait| wait.told);
        if waits && in_words && told != Some(number) {
            let words = words_of_place(number, port.instance, told.is_some());
            guest.client.mention(&words);
        }
        let patience = match busy {
            Busy::Wait(limit) => limit,
            Busy::Refuse => Duration::ZERO,
        };
        let now = uptime();
        let wait = guest.wait.get_or_insert(Wait {
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
        match (&mut guest.deposit, process.store) {
            (Some(deposit), _) => deposit.write(&head),
            (deposit, Some(store)) => {
                *deposit = Deposit::make(store, guest.session, &guest.client, None, &head);
            }
            (None, None) => {}
        }
    };
    let line = tokio::select! {
        biased;
        // First: who leaves the queue now moves nobody up, all leave.
        () = process.handed_over() => {
            guest.leave(process);
            return None;
        }
        () = process.stopped() => return None,
        line = port.pool.acquire(busy, place) => line,
        () = guest.client.gone(), if waits => {
            info!(
                MODEMD_PORT = port.name,
                MODEMD_CLIENT = %peer,
                "{}: {peer} left while it waited for a line",
                port.name
            );
            return None;
        }
    };
    let refusal = match line {
        Ok(line) if waits => match guest.client.watched_anew() {
            Ok(client) => {
                if in_words && guest.wait.is_some() {
                    client.mention("You have a modem now.\r\n");
                }
                return Some((Guest { client, ..guest }, line));
            }
            Err(error) => {
                warn!("{}: {peer} cannot be served: {error}", port.name);
                let device = line.device().to_owned();
                drop(line);
                port.pool.release(&device);
                return None;
            }
        },
        Ok(line) => return Some((guest, line)),
        Err(refusal) => refusal,
    };
    let (words, reason) = match &refusal {
        NoLine::Busy(_) if in_words => (
            "\r\nAll modems are busy. Please try again later.\r\n".to_owned(),
            "busy",
        ),
        NoLine::Busy(_) => ("\r\nBUSY\r\n".to_owned(), "busy"),
        NoLine::Broken(_) => (
            format!("\r\nERROR: no modem here works: {refusal}\r\n"),
            "broken",
        ),
    };
    warn!(
        MESSAGE_ID = journal::NO_LINE,
        MODEMD_PORT = port.name,
        MODEMD_CLIENT = %peer,
        MODEMD_REASON = reason,
        "{}: no line for {peer}: {refusal}",
        port.name
    );
    guest.client.part_with(words.as_bytes()).await;
    None
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
