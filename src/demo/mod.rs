//! Emulated modems on pseudoterminals: a serial line for anybody without a modem, and for tests.
//!
//! Each pty's slave is what a serial port with a modem would be; its master feeds the modem in
//! [`crate::at`], which does all the thinking. Here are only descriptors and the clock.
mod pty;

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use tokio::time::{Instant, Sleep, sleep_until};

use self::pty::{Heard, Pty, Unregistered};
use crate::at::exchange::Exchange;
use crate::at::plan;
use crate::at::temperament::Temperament;

/// Bytes read from one terminal before another has its turn.
const CHUNK: usize = 4096;

/// Turns for all lines before other tasks of the runtime have theirs.
const ROUNDS: usize = 16;

/// How long what a terminal sent before it went may still wait for the far side to read. A real
/// modem would throw it away at once; `modemd` hanging up after a client's last byte should not
/// cost that byte.
const LINGER: Duration = Duration::from_secs(2);

/// Modems, each on its own pty, and the telephone exchange between them.
///
/// Made anywhere, moved to any thread, and alive while [`Self::run`] is polled there.
#[derive(Debug)]
pub struct EmulatedModems {
    devices: Vec<Device>,
    temperaments: Vec<Temperament>,
    ptys: Vec<Unregistered>,
    dialled: Dialled,
}

/// Every number that one of the modems has really dialled, in the order in which that happened; also while
/// they work on another thread.
#[derive(Debug, Clone, Default)]
pub struct Dialled(Arc<Mutex<Vec<String>>>);

impl Dialled {
    /// The numbers until now.
    #[must_use]
    pub fn numbers(&self) -> Vec<String> {
        let numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        numbers.clone()
    }

    fn note(&self, numbers: &[String]) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend_from_slice(numbers);
    }
}

/// Where an emulated modem is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    path: PathBuf,
    number: String,
}

impl Device {
    /// The terminal device, such as `/dev/pts/3`.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The telephone number it is called under; see [`plan`] for the others.
    #[must_use]
    pub fn number(&self) -> &str {
        &self.number
    }
}

/// Emulated modems could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The numbering plan ends at [`plan::MOST_LINES`].
    #[error("emulated modems: `{0}`: too many, there are numbers for {most}", most = plan::MOST_LINES)]
    TooMany(usize),
    /// The system gave no pty.
    #[error(
        "emulated modem: making a pseudoterminal: {0} (is /dev/pts mounted, and `ulimit -n` high enough?)"
    )]
    Pty(#[from] Errno),
}

impl EmulatedModems {
    /// Makes `count` modems; they answer once [`Self::run`] is polled.
    pub fn start(count: usize) -> Result<Self, StartError> {
        Self::start_with(&vec![Temperament::default(); count])
    }

    /// Makes a modem like each of these; they answer once [`Self::run`] is polled.
    pub fn start_with(temperaments: &[Temperament]) -> Result<Self, StartError> {
        let count = temperaments.len();
        if count > plan::MOST_LINES {
            return Err(StartError::TooMany(count));
        }
        let ptys = temperaments
            .iter()
            .map(|_| Unregistered::new())
            .collect::<Result<Vec<_>, _>>()?;
        let device = |(line, pty): (usize, &Unregistered)| Device {
            path: pty.device().to_owned(),
            number: plan::number(line),
        };
        Ok(Self {
            devices: ptys.iter().enumerate().map(device).collect(),
            temperaments: temperaments.to_vec(),
            ptys,
            dialled: Dialled::default(),
        })
    }

    /// The modems' devices and numbers, the lowest number first.
    #[must_use]
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// What they dial from now on.
    #[must_use]
    pub fn dialled(&self) -> Dialled {
        self.dialled.clone()
    }

    /// Lets the modems work, until dropped.
    ///
    /// Returns only if the runtime does not take the descriptors. It wakes up for bytes and for
    /// what a modem waits for, never otherwise.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O and time.
    pub async fn run(self) -> io::Result<Infallible> {
        let now = Instant::now();
        let mut bank = Bank {
            exchange: Exchange::with(&self.temperaments, now.into_std(), SystemTime::now()),
            lines: self
                .ptys
                .into_iter()
                .map(|pty| pty.register().map(Line::new))
                .collect::<io::Result<_>>()?,
            dialled: self.dialled,
            alarm: Box::pin(sleep_until(now)),
        };
        poll_fn(|cx| bank.poll(cx)).await
    }
}

struct Bank {
    exchange: Exchange,
    lines: Vec<Line>,
    dialled: Dialled,
    alarm: Pin<Box<Sleep>>,
}

struct Line {
    pty: Pty,
    /// How many numbers this modem has dialled, as far as that is told.
    dialled: usize,
    /// Read, but not taken by the modem yet.
    held: Vec<u8>,
    /// While the terminal is gone: when `held` is given up.
    gives_up: Option<Instant>,
}

impl Line {
    fn new(pty: Pty) -> Self {
        Self {
            pty,
            dialled: 0,
            held: Vec::new(),
            gives_up: None,
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.gives_up.or(self.pty.tries_again())
    }
}

impl Bank {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Infallible>> {
        let mut chunk = [0; CHUNK];
        for _ in 0..ROUNDS {
            let now = Instant::now();
            self.exchange.advance(now.into_std());
            let mut moved = false;
            for index in 0..self.lines.len() {
                moved |= self.serve(index, &mut chunk, now, cx)?;
                self.note_dialled(index);
            }
            if !moved {
                return self.set_alarm(cx);
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Tells what was dialled before it is told how that went.
    fn note_dialled(&mut self, index: usize) {
        let all = self.exchange.dialled(index);
        let line = &mut self.lines[index];
        if all.len() > line.dialled {
            self.dialled.note(&all[line.dialled..]);
            line.dialled = all.len();
        }
    }

    fn set_alarm(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Infallible>> {
        let modems = self.exchange.next_deadline().map(Instant::from_std);
        let lines = self.lines.iter().filter_map(Line::next_deadline).min();
        if let Some(deadline) = modems.into_iter().chain(lines).min() {
            if self.alarm.deadline() != deadline {
                self.alarm.as_mut().reset(deadline);
            }
            if self.alarm.as_mut().poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
        }
        Poll::Pending
    }

    /// One turn for one line; true if anything changed.
    fn serve(
        &mut self,
        index: usize,
        chunk: &mut [u8],
        now: Instant,
        cx: &mut Context<'_>,
    ) -> io::Result<bool> {
        let wrote = self.write(index, chunk, now, cx)?;
        let line = &mut self.lines[index];
        line.pty.poll_readable(cx);
        if line.pty.is_to_look(now) {
            self.look(index, false, chunk, now)?;
            return Ok(true);
        }
        if line.held.is_empty() {
            match line.pty.read(chunk)? {
                Heard::Bytes(count) => {
                    self.hand_on(index, &chunk[..count], now);
                    return Ok(true);
                }
                Heard::Settings => {
                    self.look(index, true, chunk, now)?;
                    return Ok(true);
                }
                Heard::Nothing => return Ok(wrote),
                Heard::Gone => {
                    line.gives_up = None;
                    self.terminal_gone(index, now)?;
                    return Ok(true);
                }
                Heard::Reopened => {
                    line.gives_up = None;
                    line.pty.watch_anew()?;
                    self.exchange.terminal_gone(index, now.into_std());
                    self.exchange.terminal_came(index);
                    self.look(index, true, chunk, now)?;
                    return Ok(true);
                }
            }
        }
        let taken = self.exchange.receive(index, &line.held, now.into_std());
        line.held.drain(..taken);
        if taken > 0 {
            line.gives_up = None;
        } else if line.pty.is_gone() {
            let gives_up = *line.gives_up.get_or_insert(now + LINGER);
            if gives_up <= now {
                line.gives_up = None;
                line.held.clear();
                line.pty.discard(chunk);
                return Ok(true);
            }
        }
        Ok(wrote || taken > 0)
    }

    /// Writes what the modem has to say; true if it got rid of some.
    fn write(
        &mut self,
        index: usize,
        chunk: &mut [u8],
        now: Instant,
        cx: &mut Context<'_>,
    ) -> io::Result<bool> {
        let line = &mut self.lines[index];
        if self.exchange.output(index).is_empty() {
            return Ok(false);
        }
        if line.pty.is_gone() {
            self.exchange.discard_output(index, now.into_std());
            return Ok(true);
        }
        if line.pty.is_kept_open() {
            match line.pty.look_for_terminal(chunk) {
                Heard::Bytes(count) => self.hand_on(index, &chunk[..count], now),
                Heard::Settings => {
                    self.look(index, true, chunk, now)?;
                    return Ok(true);
                }
                Heard::Nothing | Heard::Reopened => self.exchange.terminal_came(index),
                Heard::Gone => {
                    self.terminal_gone(index, now)?;
                    return Ok(true);
                }
            }
        }
        let pty = &mut self.lines[index].pty;
        let written = pty.poll_write(cx, self.exchange.output(index));
        self.exchange.sent(index, written, now.into_std());
        Ok(written > 0)
    }

    /// DTR as the settings have it. What was sent before it went off comes first: that the
    /// settings are others is told before anything that is still to be read.
    fn look(&mut self, index: usize, told: bool, chunk: &mut [u8], now: Instant) -> io::Result<()> {
        let line = &mut self.lines[index];
        let ready = line.pty.look(told, now)?;
        if !ready {
            while self.lines[index].held.is_empty()
                && let Some(count) = self.lines[index].pty.read_waiting(chunk)
            {
                self.hand_on(index, &chunk[..count], now);
            }
        }
        self.exchange
            .set_terminal_ready(index, ready, now.into_std());
        Ok(())
    }

    /// Gives the modem what its terminal said, and holds what it does not take.
    fn hand_on(&mut self, index: usize, bytes: &[u8], now: Instant) {
        let taken = self.exchange.receive(index, bytes, now.into_std());
        self.lines[index].held.extend(&bytes[taken..]);
    }

    /// DTR off, and what the modem had to tell is told to nobody.
    fn terminal_gone(&mut self, index: usize, now: Instant) -> io::Result<()> {
        self.exchange.terminal_gone(index, now.into_std());
        self.exchange.discard_output(index, now.into_std());
        self.lines[index].pty.await_terminal(now)
    }
}

#[cfg(test)]
mod tests;
