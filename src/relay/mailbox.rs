//! What a session is asked to do beside its work.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use tokio::sync::Notify;

use crate::tap::Tap;

/// A request to a session.
#[derive(Debug)]
pub enum Request {
    /// To show how it stands now.
    Look(Asked),
    /// To end.
    HangUp,
    /// To let somebody listen in, from when the answer is there.
    Listen(Tap, Asked),
}

/// Whoever asked waits until this is dropped.
#[derive(Debug)]
pub struct Asked(Rc<Notify>);

impl Drop for Asked {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// Waits for several sessions.
#[derive(Debug, Default)]
pub struct Answers(Rc<Notify>);

impl Answers {
    /// For one more session.
    #[must_use]
    pub fn ask(&self) -> Asked {
        Asked(Rc::clone(&self.0))
    }

    /// Completes when all that were asked have answered, or will not.
    pub async fn all(&self) {
        while Rc::strong_count(&self.0) > 1 {
            self.0.notified().await;
        }
    }
}

/// Where requests to one session wait. A session that has none pays for a glance at it.
#[derive(Default)]
pub struct Mailbox {
    requests: RefCell<VecDeque<Request>>,
    reader: Cell<Option<Waker>>,
    is_closed: Cell<bool>,
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mailbox").field(&self.requests).finish()
    }
}

impl Mailbox {
    /// Asks for something. False if the session does nothing for anybody any more.
    pub fn put(&self, request: Request) -> bool {
        if self.is_closed.get() {
            return false;
        }
        self.requests.borrow_mut().push_back(request);
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        true
    }

    /// The next request. Only one may wait for it at a time; whoever drops this has lost none.
    pub async fn next(&self) -> Request {
        poll_fn(|context| {
            if let Some(request) = self.requests.borrow_mut().pop_front() {
                return Poll::Ready(request);
            }
            match self.reader.take() {
                Some(reader) if reader.will_wake(context.waker()) => self.reader.set(Some(reader)),
                _ => self.reader.set(Some(context.waker().clone())),
            }
            Poll::Pending
        })
        .await
    }

    /// Completes when the session is asked to end; everything else is left undone.
    pub async fn told_to_hang_up(&self) {
        while !matches!(self.next().await, Request::HangUp) {}
    }

    /// Nothing will be done any more.
    pub fn close(&self) {
        self.is_closed.set(true);
        self.requests.borrow_mut().clear();
    }
}
