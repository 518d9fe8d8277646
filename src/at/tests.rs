//! Transcripts of whole modems on an exchange.

mod calls;
mod commands;
mod dialled;
mod mobile;
mod properties;
mod temperaments;

use std::time::{Duration, Instant, SystemTime};

use super::exchange::Exchange;
use super::temperament::Temperament;

/// A table with several terminals and modems, and a clock moved by hand.
struct Desk {
    exchange: Exchange,
    now: Instant,
}

const A: usize = 0;
const B: usize = 1;
const C: usize = 2;

impl Desk {
    fn new() -> Self {
        Self::of(Temperament::hayes())
    }

    /// Modem A is one like this; the others are as ever.
    fn of(temperament: Temperament) -> Self {
        let now = Instant::now();
        let modems = [temperament, Temperament::hayes(), Temperament::hayes()];
        Self {
            exchange: Exchange::with(&modems, now, SystemTime::UNIX_EPOCH),
            now,
        }
    }

    /// Modem A is one like this, told to speak in words, and in a call with B.
    fn in_a_call(temperament: Temperament) -> Self {
        let mut desk = Self::of(temperament);
        desk.send(A, "ATE0Q0V1\r");
        desk.wait(5000);
        desk.send(A, "ATDT5551002\r");
        desk.wait(5000);
        desk.send(B, "ATE0A\r");
        desk.wait(5000);
        for line in [A, B] {
            let told = desk.read(line);
            assert!(
                told.ends_with(b"\r\nCONNECT 115200\r\n"),
                "{}",
                told.escape_ascii()
            );
        }
        desk
    }

    /// Modems A and B in a call with each other; what was said to get there is read.
    fn with_a_call() -> Self {
        let mut desk = Self::new();
        desk.send(A, "ATE0DT5551002\r");
        desk.send(B, "ATE0A\r");
        desk.wait(1000);
        desk.expect(B, "\r\nRING\r\nATE0A\r\r\nCONNECT 115200\r\n");
        desk.expect(A, "ATE0DT5551002\r\r\nCONNECT 115200\r\n");
        desk
    }

    fn send(&mut self, line: usize, text: &str) {
        assert_eq!(self.give(line, text.as_bytes()), text.len());
    }

    fn give(&mut self, line: usize, data: &[u8]) -> usize {
        self.exchange.receive(line, data, self.now)
    }

    fn read(&mut self, line: usize) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let piece = self.exchange.output(line);
            let count = piece.len();
            if count == 0 {
                return all;
            }
            all.extend(piece);
            self.exchange.sent(line, count, self.now);
        }
    }

    #[track_caller]
    fn expect(&mut self, line: usize, text: &str) {
        let read = self.read(line);
        assert_eq!(String::from_utf8_lossy(&read), text);
    }

    /// Sends a line and expects the echo and then this.
    #[track_caller]
    fn dialogue(&mut self, line: usize, sent: &str, answer: &str) {
        self.send(line, sent);
        self.send(line, "\r");
        self.expect(line, &format!("{sent}\r{answer}"));
    }

    fn wait(&mut self, milliseconds: u64) {
        self.now += Duration::from_millis(milliseconds);
        self.exchange.advance(self.now);
    }

    fn hang_up_terminal(&mut self, line: usize) {
        self.exchange.terminal_gone(line, self.now);
        self.exchange.discard_output(line, self.now);
    }
}
