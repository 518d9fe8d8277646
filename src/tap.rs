//! Somebody listens in on a session, and never slows it down: there is room for so much that was not
//! heard yet, and what does not fit is missed.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::SystemTime;

use tokio::sync::Notify;

use crate::ledger::Way;

/// How much may wait to be heard, in octets: what the fastest UARTs (4 Mbaud) say in 160 ms.
const ROOM: usize = 64 * 1024;

/// What a part takes beside its octets.
const PER_PART: usize = size_of::<Part>();

/// Octets that went by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// When.
    pub at: SystemTime,
    /// Where to.
    pub way: Way,
    /// The octets.
    pub octets: Vec<u8>,
    /// How many were missed since the part before, both ways.
    pub missed: u64,
}

#[derive(Debug, Default)]
struct Shared {
    parts: RefCell<VecDeque<Part>>,
    held: Cell<usize>,
    /// How many octets were missed since the last part that fitted, and where the last of them went.
    missed: Cell<u64>,
    way: Cell<Option<Way>>,
    is_over: Cell<bool>,
    changed: Notify,
}

/// The session's end. It is over when this is dropped.
#[derive(Debug)]
pub struct Tap(Rc<Shared>);

/// The listener's end.
#[derive(Debug)]
pub struct Ear(Rc<Shared>);

/// A tap, and the ear at it.
#[must_use]
pub fn tap() -> (Tap, Ear) {
    let shared = Rc::new(Shared::default());
    (Tap(Rc::clone(&shared)), Ear(shared))
}

impl Tap {
    /// Octets go by. False if nobody listens any more.
    #[must_use]
    pub fn pass(&self, way: Way, octets: &[u8]) -> bool {
        let shared = &self.0;
        if Rc::strong_count(shared) == 1 {
            return false;
        }
        let held = shared.held.get() + octets.len() + PER_PART;
        if held > ROOM {
            let missed = shared.missed.get() + octets.len() as u64;
            shared.missed.set(missed);
            shared.way.set(Some(way));
            return true;
        }
        shared.held.set(held);
        shared.parts.borrow_mut().push_back(Part {
            at: SystemTime::now(),
            way,
            octets: octets.to_vec(),
            missed: shared.missed.take(),
        });
        shared.changed.notify_one();
        true
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.0.is_over.set(true);
        self.0.changed.notify_one();
    }
}

impl Ear {
    /// All that went by since this was asked last, when there is something; nothing when the session is
    /// over.
    pub async fn hear(&self) -> Option<VecDeque<Part>> {
        let shared = &self.0;
        loop {
            let mut parts = shared.parts.take();
            shared.held.set(0);
            if shared.is_over.get()
                && let Some(way) = shared.way.take()
                && shared.missed.get() > 0
            {
                parts.push_back(Part {
                    at: SystemTime::now(),
                    way,
                    octets: Vec::new(),
                    missed: shared.missed.take(),
                });
            }
            if !parts.is_empty() {
                return Some(parts);
            }
            if shared.is_over.get() {
                return None;
            }
            shared.changed.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What can be heard now.
    fn hear(ear: &Ear) -> Option<VecDeque<Part>> {
        let mut heard = Box::pin(ear.hear());
        let mut look = std::task::Context::from_waker(std::task::Waker::noop());
        match heard.as_mut().poll(&mut look) {
            std::task::Poll::Ready(parts) => parts,
            std::task::Poll::Pending => Some(VecDeque::new()),
        }
    }

    #[test]
    fn nobody_has_to_be_told_what_nobody_listens_to() {
        let (tap, ear) = tap();
        assert!(tap.pass(Way::ToLine, b"AT\r"));
        drop(ear);
        assert!(!tap.pass(Way::ToLine, b"AT\r"));
    }

    proptest! {
        #[test]
        fn every_octet_is_heard_in_its_order_or_counted_as_missed(
            steps in prop::collection::vec((any::<bool>(), 1..30_000_usize, any::<bool>()), 1..30)
        ) {
            let (tap, ear) = tap();
            let (mut said, mut heard, mut missed) = (Vec::new(), Vec::new(), 0);
            let mut positions = Vec::new();
            let mut listen = |ear: &Ear, positions: &mut Vec<u64>| {
                let mut over = false;
                match hear(ear) {
                    None => over = true,
                    Some(parts) => for part in parts {
                        missed += part.missed;
                        positions.push(missed + heard.len() as u64);
                        heard.extend(part.octets);
                    }
                }
                (over, heard.len() as u64 + missed)
            };
            for (number, (to_line, length, listens)) in steps.into_iter().enumerate() {
                let way = if to_line { Way::ToLine } else { Way::ToClient };
                let octets = vec![u8::try_from(number).unwrap(); length];
                prop_assert!(tap.pass(way, &octets));
                prop_assert!(tap.0.held.get() <= ROOM);
                said.extend(octets);
                if listens {
                    listen(&ear, &mut positions);
                }
            }
            drop(tap);
            let mut over = false;
            let mut accounted = 0;
            while !over {
                (over, accounted) = listen(&ear, &mut positions);
            }
            prop_assert_eq!(accounted, said.len() as u64);
            // In order: what was heard is what was said, but for what was missed.
            let mut rest = said.iter();
            prop_assert!(heard.iter().all(|octet| rest.any(|said| said == octet)));
        }
    }
}
