//! The lines of one port, and who gets which.

mod order;

use std::cell::{Cell, OnceCell, RefCell};
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
use crate::drained::{Drained, DrainedLines};
use crate::journal;
use crate::line::Line;
use order::Order;

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
    drained: Rc<Drained>,
    order: RefCell<Order>,
    /// The numbers of the lines in the order of their paths, once that is asked for.
    by_path: OnceCell<Vec<usize>>,
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
    pub fn new(
        devices: Vec<PathBuf>,
        settings: LineSettings,
        locks: Rc<LockDirectory>,
        drained: Rc<Drained>,
    ) -> Pool {
        Pool {
            order: RefCell::new(Order::of(devices.len())),
            by_path: OnceCell::new(),
            devices,
            settings,
            locks,
            drained,
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
                Err(NoLine::Busy(_)) => {
                    // That somebody has left may have come with this very client, and his line may be
                    // free by now.
                    yield_now().await;
                    if self.lingering.get() == 0 {
                        return self.try_all();
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

    /// Tries the lines until one can be had: those that failed lately after all others, and those
    /// that sessions of this pool are on only to tell why there is none.
    fn try_all(&self) -> Result<Line, NoLine> {
        let mut order = self.order.borrow_mut();
        let now = Instant::now();
        order.forgive(now);
        let mut had = None;
        let drained = self.drained.now();
        let mut refusals = Vec::new();
        for number in order.round() {
            match self.try_line(&self.devices[number], &drained) {
                Ok(line) => {
                    had = Some((number, line));
                    break;
                }
                Err(reason) => refusals.push((order.is_aside(number), number, reason)),
            }
        }
        let is_broken = |reason: &Unavailable| matches!(reason, Unavailable::Broken { .. });
        let mut all_broken = true;
        for (_, number, reason) in &refusals {
            if !is_broken(reason) {
                all_broken = false;
            } else if order.set_aside(*number, now) {
                let device = self.devices[*number].display();
                warn!(MESSAGE_ID = journal::LINE_FAILED, MODEMD_LINE = %device, "{reason}");
            }
        }
        if let Some((number, line)) = had {
            order.take(number);
            return Ok(line);
        }
        refusals.sort_by_key(|(is_aside, number, _)| (*is_aside, *number));
        let reasons = refusals.into_iter().map(|(.., reason)| reason).collect();
        Err(if all_broken {
            NoLine::Broken(reasons)
        } else {
            NoLine::Busy(reasons)
        })
    }

    fn try_line(&self, device: &Path, drained: &DrainedLines) -> Result<Line, Unavailable> {
        if drained.contains(device) {
            return Err(Unavailable::Drained {
                device: device.to_owned(),
            });
        }
        let claim = Claim::take(device, &self.locks)?;
        Line::open(device, self.settings, claim)
    }

    /// A session is on this line that did not get it here: another process has left it.
    pub fn occupy(&self, device: &Path) {
        if let Some(number) = self.number_of(device) {
            self.order.borrow_mut().take(number);
        }
    }

    /// A line was released: whoever waits is told.
    pub fn release(&self, device: &Path) {
        if let Some(number) = self.number_of(device) {
            self.order.borrow_mut().give_back(number);
        }
        self.freed.notify_one();
    }

    fn number_of(&self, device: &Path) -> Option<usize> {
        let by_path = self.by_path.get_or_init(|| {
            let mut numbers: Vec<_> = (0..self.devices.len()).collect();
            numbers.sort_by_key(|number| &self.devices[*number]);
            numbers
        });
        let search = |number: &usize| self.devices[*number].as_path().cmp(device);
        by_path.binary_search_by(search).ok().map(|at| by_path[at])
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
        1 + queue.partition_point(|other| *other < self.ticket)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut queue = self.pool.queue.borrow_mut();
        if let Ok(at) = queue.binary_search(&self.ticket) {
            queue.remove(at);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_place_in_the_queue_is_the_number_of_those_before_and_oneself(
            leaving in prop::collection::vec((any::<bool>(), 0..8_usize), 0..40)
        ) {
            let pool = pool(&["/dev/null"]);
            let mut places = Vec::new();
            for (leaves, which) in leaving {
                if leaves && which < places.len() {
                    drop(places.remove(which));
                } else {
                    places.push(Place::at_the_end(&pool));
                }
                let numbers: Vec<_> = places.iter().map(Place::number).collect();
                prop_assert_eq!(numbers, (1..=places.len()).collect::<Vec<_>>());
            }
        }
    }

    fn pool(devices: &[&str]) -> Pool {
        let nowhere = LockDirectory::new(Some("/nonexistent".into()), None);
        let devices = devices.iter().map(PathBuf::from).collect();
        Pool::new(
            devices,
            LineSettings::default(),
            nowhere.into(),
            Rc::default(),
        )
    }

    #[test]
    fn a_line_that_a_session_brought_along_is_tried_last_until_it_is_released() {
        let pool = pool(&["/dev/b", "/dev/a", "/dev/c"]);
        let round = || pool.order.borrow().round().collect::<Vec<_>>();
        pool.occupy(Path::new("/dev/b"));
        pool.occupy(Path::new("/dev/of-another-port"));
        assert_eq!(round(), [1, 2, 0]);
        pool.release(Path::new("/dev/of-another-port"));
        pool.release(Path::new("/dev/b"));
        assert_eq!(round(), [0, 1, 2]);
    }

    #[test]
    fn the_reasons_come_as_configured_whatever_was_tried_first() {
        let pool = pool(&["/nonexistent/1", "/nonexistent/2", "/nonexistent/3"]);
        pool.occupy(Path::new("/nonexistent/1"));
        let Err(refusal @ NoLine::Broken(_)) = pool.try_all() else {
            panic!("there are no such lines");
        };
        let text = refusal.to_string();
        let at = |name: &str| text.find(name).unwrap_or_else(|| panic!("{name}: {text}"));
        assert!(at("/nonexistent/1") < at("/nonexistent/2"), "{text}");
        assert!(at("/nonexistent/2") < at("/nonexistent/3"), "{text}");
    }
}
