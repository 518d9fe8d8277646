//! The lines of one port, and who gets which.

mod care;
mod order;
mod queue;
mod refusal;

use std::cell::{Cell, OnceCell, RefCell};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::warn;

use crate::aside::{Aside, AsideLines};
use crate::claim::{Claim, LockDirectory, Unavailable};
use crate::config::{Busy, LineSettings};
use crate::drained::{Drained, DrainedLines};
use crate::journal;
use crate::line::Line;
use crate::modem::Care;
use crate::uptime::uptime;
use order::Order;
use queue::Queue;
pub use refusal::NoLine;

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
    /// None where nothing is known of modems.
    care: Option<Care>,
    locks: Rc<LockDirectory>,
    drained: Rc<Drained>,
    aside: Rc<Aside>,
    order: RefCell<Order>,
    /// The numbers of the lines in the order of their paths, once that is asked for.
    by_path: OnceCell<Vec<usize>>,
    queue: Queue,
    lingering: Cell<usize>,
    /// A line of ours became free.
    freed: Notify,
    /// Somebody began to wait.
    wanted: Notify,
}

impl Pool {
    /// A pool of `devices`, at least one, all with the same `settings`, whose modems are treated alike.
    #[must_use]
    pub fn new(
        devices: Vec<PathBuf>,
        settings: LineSettings,
        care: Option<Care>,
        locks: Rc<LockDirectory>,
        drained: Rc<Drained>,
        aside: Rc<Aside>,
    ) -> Pool {
        Pool {
            order: RefCell::new(Order::of(devices.len())),
            by_path: OnceCell::new(),
            devices,
            settings,
            care,
            locks,
            drained,
            aside,
            queue: Queue::default(),
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

    /// Gets a line: the first one that can be had and whose modem can be prepared, now or, with
    /// [`Busy::Wait`], when its turn comes. Dropping the future gives up the place in the queue.
    ///
    /// Who has to wait is `told` the place in the queue, from 1, and each new one.
    pub async fn acquire(&self, busy: Busy, mut told: impl FnMut(usize)) -> Result<Line, NoLine> {
        let patience = match busy {
            Busy::Wait(limit) => limit,
            Busy::Refuse => match self.get_now().await {
                Err(NoLine::Busy(_)) => {
                    // That somebody has left may have come with this very client, and his line may be
                    // free by now.
                    yield_now().await;
                    if self.lingering.get() == 0 {
                        return self.get_now().await;
                    }
                    // The others in this pool were first; a refusing pool has no queue of its own.
                    LINGERING
                }
                result => return result,
            },
        };
        let deadline = Instant::now() + patience;
        let place = self.queue.place_at_the_end();
        let mut known = None;
        let mut refusal = NoLine::Busy(Vec::new());
        loop {
            let (freed, moved) = (self.freed.notified(), self.queue.moved());
            let number = place.number();
            if number == 1 {
                match self.try_all() {
                    Ok(line) => {
                        // Who comes next need not wait for what this modem has to say.
                        place.step_out();
                        if let Some(line) = self.prepare(line).await {
                            return Ok(line);
                        }
                        place.step_in();
                        continue;
                    }
                    Err(busy @ NoLine::Busy(_)) => refusal = busy,
                    broken => return broken,
                }
            }
            if known.replace(number) != Some(number) {
                told(number);
            }
            if number == 1 {
                self.wanted.notify_waiters();
            }
            if Instant::now() >= deadline {
                return Err(refusal);
            }
            let changed = async {
                tokio::select! {
                    _ = timeout(LOOK_AGAIN, freed), if number == 1 => {}
                    () = moved => {}
                }
            };
            let _ = timeout_at(deadline, changed).await;
        }
    }

    /// The first line that can be had now and whose modem can be prepared.
    async fn get_now(&self) -> Result<Line, NoLine> {
        loop {
            let line = self.try_all()?;
            if let Some(line) = self.prepare(line).await {
                return Ok(line);
            }
        }
    }

    /// Tries the lines until one can be had: those that failed lately after all others, then those whose
    /// modems did when they were last tried, and those that sessions of this pool are on only to tell why
    /// there is none.
    fn try_all(&self) -> Result<Line, NoLine> {
        let mut order = self.order.borrow_mut();
        let now = Instant::now();
        order.forgive(now);
        let mut had = None;
        let drained = self.drained.now();
        let aside = self.lines_aside();
        let mut refusals = Vec::new();
        let is_suspect = |number: &usize| aside.last(&self.devices[*number]).is_some();
        let (suspect, sound): (Vec<_>, Vec<_>) = order.round().partition(is_suspect);
        for number in sound.into_iter().chain(suspect) {
            match self.try_line(&self.devices[number], &drained, &aside) {
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
            if matches!(reason, Unavailable::Aside { .. }) {
                continue;
            }
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

    fn try_line(
        &self,
        device: &Path,
        drained: &DrainedLines,
        aside: &AsideLines,
    ) -> Result<Line, Unavailable> {
        if drained.contains(device) {
            return Err(Unavailable::Drained {
                device: device.to_owned(),
            });
        }
        let now = uptime();
        if let Some(pause) = aside.get(device, now) {
            return Err(Unavailable::Aside {
                device: device.to_owned(),
                why: pause.why.clone(),
                left: pause.until.saturating_sub(now),
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
            if !self.queue.is_empty() {
                return;
            }
            wanted.await;
        }
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
mod tests;
