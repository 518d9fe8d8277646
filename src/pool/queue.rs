//! Who waits for a line, in the order of asking.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// Those who wait.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Their numbers, the lowest first.
    tickets: RefCell<VecDeque<u64>>,
    next: Cell<u64>,
    /// Somebody left the queue, or is first again.
    moved: Notify,
}

/// A place in the queue, until it is dropped.
pub(super) struct Place<'a> {
    queue: &'a Queue,
    ticket: u64,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.tickets.borrow().is_empty()
    }

    /// Completes when somebody has moved up, or back.
    pub(super) fn moved(&self) -> Notified<'_> {
        self.moved.notified()
    }

    pub(super) fn place_at_the_end(&self) -> Place<'_> {
        let ticket = self.next.get();
        self.next.set(ticket + 1);
        self.tickets.borrow_mut().push_back(ticket);
        Place {
            queue: self,
            ticket,
        }
    }
}

impl Place<'_> {
    /// From 1.
    pub(super) fn number(&self) -> usize {
        let tickets = self.queue.tickets.borrow();
        1 + tickets.partition_point(|other| *other < self.ticket)
    }

    /// Nobody waits for this one meanwhile.
    pub(super) fn step_out(&self) {
        let mut tickets = self.queue.tickets.borrow_mut();
        if let Ok(at) = tickets.binary_search(&self.ticket) {
            tickets.remove(at);
        }
        self.queue.moved.notify_waiters();
    }

    /// In front of all who came later.
    pub(super) fn step_in(&self) {
        let mut tickets = self.queue.tickets.borrow_mut();
        if let Err(at) = tickets.binary_search(&self.ticket) {
            tickets.insert(at, self.ticket);
        }
        self.queue.moved.notify_waiters();
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.step_out();
    }
}
