//! The lines of one port, and who gets which.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard, Notify};
use tokio::task::yield_now;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::warn;

use crate::claim::{Claim, LockDirectory, Unavailable};
use crate::config::{Busy, LineSettings};
use crate::journal;
use crate::line::Line;

/// How long a line that failed is tried after all others.
const SET_ASIDE: Duration = Duration::from_secs(60);

/// How often somebody who waits looks whether another program has let go of a line: its lock file
/// vanishes without a word to us.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How long a client waits in any case for a line whose own client has left, or has closed its
/// sending side and most likely left: the silence asked for then, and the time to hang up.
const LINGERING: Duration = Duration::from_secs(3);

/// The lines of one port.
#[derive(Debug)]
pub struct Pool {
    devices: Vec<PathBuf>,
    settings: LineSettings,
    locks: Rc<LockDirectory>,
    failed: RefCell<Vec<(PathBuf, Instant)>>,
    /// Whose turn it is; tokio's mutex is handed on in the order of asking.
    turn: Mutex<()>,
    /// The numbers of those who wait, in the order of asking.
    queue: RefCell<VecDeque<u64>>,
    /// Somebody left the queue.
    moved_up: Notify,
    lingering: Cell<usize>,
    /// A line of ours became free.
    freed: Notify,
    /// Somebody began to wait.
    wanted: Notify,
}

/// Why no line could be had.
#[derive(Debug)]
pub enum NoLine {
    /// All are in use (or out of order); the reason for each, or none where others who wait are
    /// first.
    Busy(Vec<Unavailable>),
    /// None of them works; the reason for each.
    Broken(Vec<Unavailable>),
}

impl NoLine {
    fn reasons(&self) -> &[Unavailable] {
        match self {
            NoLine::Busy(reasons) | NoLine::Broken(reasons) => reasons,
        }
    }
}

impl std::fmt::Display for NoLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.reasons().is_empty() {
            return f.write_str("others have waited longer");
        }
        for (number, reason) in self.reasons().iter().enumerate() {
            if number > 0 {
                f.write_str("; ")?;
            }
            reason.fmt(f)?;
        }
        Ok(())
    }
}

impl Pool {
    /// A pool of `devices`, at least one, all with the same `settings`.
    #[must_use]
    pub fn new(devices: Vec<PathBuf>, settings: LineSettings, locks: Rc<LockDirectory>) -> Pool {
        Pool {
            devices,
            settings,
            locks,
            failed: RefCell::default(),
            turn: Mutex::new(()),
            queue: RefCell::default(),
            moved_up: Notify::new(),
            lingering: Cell::new(0),
            freed: Notify::new(),
            wanted: Notify::new(),
        }
    }

    /// The lines as configured.
    #[must_use]
    pub fn devices(&self) -> &[PathBuf] {
        &self.devices
    }

    /// Gets a line: the first one that can be had, now or, with [`Busy::Wait`], when its turn
    /// comes. Dropping the future gives up the place in the queue.
    ///
    /// Who has to wait is `told` the place in the queue, from 1, and each new one.
    pub async fn acquire(&self, busy: Busy, mut told: impl FnMut(usize)) -> Result<Line, NoLine> {
        let patience = match busy {
            Busy::Wait(limit) => limit,
            Busy::Refuse => match self.try_all() {
                Err(refusal @ NoLine::Busy(_)) => {
                    // That somebody has left may have come with this very client.
                    yield_now().await;
                    if self.lingering.get() == 0 {
                        return Err(refusal);
                    }
                    // The others in this pool were first; a refusing pool has no queue of its own.
                    LINGERING
                }
                result => return result,
            },
        };
        let deadline = Instant::now() + patience;
        let place = Place::at_the_end(self);
        let turn = match self.turn.try_lock() {
            Ok(turn) => Ok(turn),
            Err(_) => timeout_at(deadline, self.my_turn(&place, &mut told)).await,
        };
        let Ok(_turn) = turn else {
            return Err(NoLine::Busy(Vec::new()));
        };
        let mut told = Some(told);
        loop {
            let freed = self.freed.notified();
            let refusal = match self.try_all() {
                Err(refusal @ NoLine::Busy(_)) => refusal,
                result => return result,
            };
            if let Some(mut told) = told.take() {
                told(1);
            }
            self.wanted.notify_waiters();
            if Instant::now() >= deadline {
                return Err(refusal);
            }
            let _ = timeout_at(deadline, timeout(LOOK_AGAIN, freed)).await;
        }
    }

    /// Waits until all who were there before have a line or have left.
    async fn my_turn(&self, place: &Place<'_>, told: &mut impl FnMut(usize)) -> MutexGuard<'_, ()> {
        let turn = self.turn.lock();
        tokio::pin!(turn);
        let mut known = None;
        loop {
            let moved_up = self.moved_up.notified();
            let number = place.number();
            // The first in the queue is told when there is no line either.
            if number > 1 && known.replace(number) != Some(number) {
                told(number);
            }
            tokio::select! {
                biased;
                turn = &mut turn => return turn,
                () = moved_up => {}
            }
        }
    }

    /// Tries each line once, those that failed lately last.
    fn try_all(&self) -> Result<Line, NoLine> {
        let mut reasons = Vec::new();
        let mut all_broken = true;
        for device in self.in_order() {
            match self.try_line(&device) {
                Ok(line) => {
                    self.failed
                        .borrow_mut()
                        .retain(|(failed, _)| *failed != device);
                    return Ok(line);
                }
                Err(reason) => {
                    all_broken &= matches!(reason, Unavailable::Broken { .. });
                    reasons.push(reason);
                }
            }
        }
        Err(if all_broken {
            NoLine::Broken(reasons)
        } else {
            NoLine::Busy(reasons)
        })
    }

    fn in_order(&self) -> Vec<PathBuf> {
        let mut failed = self.failed.borrow_mut();
        failed.retain(|(_, when)| when.elapsed() < SET_ASIDE);
        let has_failed = |device: &Path| failed.iter().any(|(path, _)| path == device);
        let mut devices = self.devices.clone();
        devices.sort_by_key(|device| has_failed(device));
        devices
    }

    fn try_line(&self, device: &Path) -> Result<Line, Unavailable> {
        let opened = Claim::take(device, &self.locks)
            .and_then(|claim| Line::open(device, self.settings, claim));
        if let Err(broken @ Unavailable::Broken { .. }) = &opened {
            let mut failed = self.failed.borrow_mut();
            if !failed.iter().any(|(path, _)| path == device) {
                warn!(MESSAGE_ID = journal::LINE_FAILED, MODEMD_LINE = %device.display(), "{broken}");
                failed.push((device.to_owned(), Instant::now()));
            }
        }
        opened
    }

    /// Tells whoever waits that a line was released.
    pub fn release(&self) {
        self.freed.notify_one();
    }

    /// A line is being released. Until what this gives is dropped, new clients know that waiting for
    /// a moment is worth it: a program that closes its port often opens it again at once.
    pub fn releasing(&self) -> impl Drop + '_ {
        Count::up(&self.lingering)
    }

    /// Completes when somebody waits for a line. To be awaited by a session whose client has closed
    /// its sending side; while it is, new clients know that waiting for a moment is worth it.
    pub async fn wanted(&self) {
        let _lingering = Count::up(&self.lingering);
        loop {
            let wanted = self.wanted.notified();
            if !self.queue.borrow().is_empty() {
                return;
            }
            wanted.await;
        }
    }
}

/// A place in the queue, until it is dropped.
struct Place<'a> {
    pool: &'a Pool,
    ticket: u64,
}

impl<'a> Place<'a> {
    fn at_the_end(pool: &'a Pool) -> Self {
        let mut queue = pool.queue.borrow_mut();
        let ticket = queue.back().map_or(0, |last| last + 1);
        queue.push_back(ticket);
        Place { pool, ticket }
    }

    /// From 1.
    fn number(&self) -> usize {
        let queue = self.pool.queue.borrow();
        1 + queue
            .iter()
            .take_while(|other| **other < self.ticket)
            .count()
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut queue = self.pool.queue.borrow_mut();
        queue.retain(|ticket| *ticket != self.ticket);
        self.pool.moved_up.notify_waiters();
    }
}

/// One more in a counter, while it lives.
struct Count<'a>(&'a Cell<usize>);

impl<'a> Count<'a> {
    fn up(cell: &'a Cell<usize>) -> Self {
        cell.set(cell.get() + 1);
        Count(cell)
    }
}

impl Drop for Count<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
