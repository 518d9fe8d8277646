//! Transcripts of guarded sessions: what the client types and reads, and what the modem gets.

mod calls;
mod commands;
mod hazards;

use std::time::{Duration, Instant};

use super::*;
use crate::config::{DialRules, Refusal};

/// A client, a guard, and somebody who plays the modem; the clock is moved by hand.
struct Desk {
    guard: Guard,
    now: Instant,
    wires: Wires,
    to_modem: Vec<u8>,
    to_client: Vec<u8>,
    dtr: Vec<bool>,
    events: Vec<CallEvent>,
}

#[derive(Clone, Copy)]
struct Wires {
    carrier: Option<bool>,
    unsent: u32,
    uptime: Duration,
    talked: Duration,
}

impl World for Wires {
    fn carrier(&self) -> Option<bool> {
        self.carrier
    }

    fn unsent(&self) -> u32 {
        self.unsent
    }

    fn uptime(&self) -> Duration {
        self.uptime
    }

    fn moment(&self) -> Moment {
        Moment {
            weekday: 0,
            minute: 600,
        }
    }

    fn spent(&self) -> Result<Spent, String> {
        Ok(Spent {
            talked: self.talked,
            ..Spent::default()
        })
    }

    fn book(&self) -> Result<(), String> {
        Ok(())
    }
}

fn rules() -> Rules {
    let patterns = |of: &[&str]| of.iter().map(|of| of.parse().unwrap()).collect();
    Rules {
        dial: DialRules {
            allow: patterns(&["030*", "0800*"]),
            deny: patterns(&["*0900*"]),
            minutes_per_call: Some(10),
            ..DialRules::default()
        },
        refusal: Refusal::NoCarrier,
        commands: Vec::new(),
        init: Vec::new(),
        timeout: Duration::from_secs(5),
        guard_time: None,
        by_escape: false,
    }
}

impl Desk {
    fn new() -> Self {
        Self::with(rules())
    }

    fn with(rules: Rules) -> Self {
        Desk {
            guard: Guard::new(rules),
            now: Instant::now(),
            wires: Wires {
                carrier: Some(false),
                unsent: 0,
                uptime: Duration::from_secs(1000),
                talked: Duration::ZERO,
            },
            to_modem: Vec::new(),
            to_client: Vec::new(),
            dtr: Vec::new(),
            events: Vec::new(),
        }
    }

    /// In a call with 030123, of which everything was read.
    fn in_a_call() -> Self {
        Self::in_a_call_with(rules())
    }

    fn in_a_call_with(rules: Rules) -> Self {
        let mut desk = Self::with(rules);
        desk.client("ATE0DT030123\r", "ATE0DT030123\r");
        desk.modem_gets("ATDT030123\r");
        desk.wires.carrier = Some(true);
        desk.modem_says("\r\nCONNECT 33600\r\n", "\r\nCONNECT 33600\r\n");
        desk
    }

    fn take(&mut self) {
        let out = self.guard.take_output();
        self.to_modem.extend(out.to_modem);
        self.to_client.extend(out.to_client);
        self.dtr.extend(out.dtr);
        self.events.extend(out.events);
    }

    /// The client sends this, and reads that.
    #[track_caller]
    fn client(&mut self, sent: &str, read: &str) {
        let mut rest = sent.as_bytes();
        while !rest.is_empty() {
            let taken = match self.guard.client(rest, self.now, &self.wires) {
                Taken::Here(0) | Taken::Through(0) => break,
                Taken::Through(count) => {
                    self.to_modem.extend(&rest[..count]);
                    count
                }
                Taken::Here(count) => count,
            };
            rest = &rest[taken..];
            self.take();
        }
        self.take();
        self.client_reads(read);
    }

    #[track_caller]
    fn client_reads(&mut self, text: &str) {
        let read = std::mem::take(&mut self.to_client);
        assert_eq!(String::from_utf8_lossy(&read), text);
    }

    #[track_caller]
    fn modem_gets(&mut self, text: &str) {
        let got = std::mem::take(&mut self.to_modem);
        assert_eq!(String::from_utf8_lossy(&got), text);
    }

    /// The modem says this, and the client reads that.
    #[track_caller]
    fn modem_says(&mut self, said: &str, read: &str) {
        let mut rest = said.as_bytes();
        while !rest.is_empty() {
            let taken = match self.guard.modem(rest, self.now, &self.wires) {
                Taken::Here(0) | Taken::Through(0) => {
                    // It is somebody else's now.
                    self.take();
                    continue;
                }
                Taken::Through(count) => {
                    self.to_client.extend(&rest[..count]);
                    count
                }
                Taken::Here(count) => count,
            };
            rest = &rest[taken..];
            self.take();
        }
        self.client_reads(read);
    }

    /// The client sends a line that the modem carries out in this form.
    #[track_caller]
    fn done_by_the_modem(&mut self, line: &str, command: &str) {
        self.client(line, "");
        self.modem_gets(command);
        self.modem_says("\r\nOK\r\n", "\r\nOK\r\n");
    }

    fn wait(&mut self, milliseconds: u64) {
        let until = self.now + Duration::from_millis(milliseconds);
        let begin = self.now;
        while let Some(due) = self.guard.next_deadline().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.guard.advance(self.now, &self.wires);
            self.take();
        }
        self.now = until;
        self.wires.uptime += until - begin;
    }

    /// A modem that knows all commands hangs up and is set up anew.
    #[track_caller]
    fn modem_is_set_up(&mut self) {
        self.wires.carrier = Some(false);
        self.wait(1000);
        let mut lines = 0;
        while !self.to_modem.is_empty() {
            let line = std::mem::take(&mut self.to_modem);
            let answer: &[u8] = match &line[..] {
                b"ATS2?\r" => b"\r\n255\r\n\r\nOK\r\n",
                b"ATS3?\r" => b"\r\n013\r\n\r\nOK\r\n",
                _ => b"\r\nOK\r\n",
            };
            let _ = self.guard.modem(answer, self.now, &self.wires);
            self.take();
            lines += 1;
        }
        assert!(lines > 5, "{:?}", self.guard);
    }
}
