//! In which order the lines of a pool are tried.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

/// How long a line that failed is tried after all others.
const SET_ASIDE: Duration = Duration::from_secs(60);

/// In which order the lines are tried, by their numbers in the configuration.
#[derive(Debug)]
pub(super) struct Order {
    /// Those that are neither aside nor taken.
    first: BTreeSet<usize>,
    /// Those that failed lately, with the time, and the same by time.
    aside: BTreeMap<usize, Instant>,
    by_time: BTreeSet<(Instant, usize)>,
    /// Those that sessions of this pool are on. It costs time to find a line in use, and only another
    /// program's comes free without a word to us.
    taken: BTreeSet<usize>,
}

impl Order {
    pub(super) fn of(lines: usize) -> Order {
        Order {
            first: (0..lines).collect(),
            aside: BTreeMap::new(),
            by_time: BTreeSet::new(),
            taken: BTreeSet::new(),
        }
    }

    /// Each line once.
    pub(super) fn round(&self) -> impl Iterator<Item = usize> {
        let aside = self.aside.keys();
        let aside = aside.filter(|number| !self.taken.contains(number));
        self.first.iter().chain(aside).chain(&self.taken).copied()
    }

    pub(super) fn is_aside(&self, number: usize) -> bool {
        self.aside.contains_key(&number)
    }

    /// Whether it was not there yet.
    pub(super) fn set_aside(&mut self, number: usize, now: Instant) -> bool {
        if self.is_aside(number) {
            return false;
        }
        self.first.remove(&number);
        self.aside.insert(number, now);
        self.by_time.insert((now, number))
    }

    /// Those that were set aside long enough ago are lines like all others.
    pub(super) fn forgive(&mut self, now: Instant) {
        while let Some(&(when, number)) = self.by_time.first()
            && now.duration_since(when) >= SET_ASIDE
        {
            self.by_time.pop_first();
            self.aside.remove(&number);
            if !self.taken.contains(&number) {
                self.first.insert(number);
            }
        }
    }

    pub(super) fn take(&mut self, number: usize) {
        if let Some(when) = self.aside.remove(&number) {
            self.by_time.remove(&(when, number));
        }
        self.first.remove(&number);
        self.taken.insert(number);
    }

    pub(super) fn give_back(&mut self, number: usize) {
        if self.taken.remove(&number) && !self.is_aside(number) {
            self.first.insert(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LINES: usize = 6;

    #[derive(Debug, Clone, Copy)]
    enum Event {
        Fail(usize),
        Take(usize),
        GiveBack(usize),
        Pass(Duration),
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            (0..LINES).prop_map(Event::Fail),
            (0..LINES).prop_map(Event::Take),
            (0..LINES).prop_map(Event::GiveBack),
            (0..70_u64).prop_map(|seconds| Event::Pass(Duration::from_secs(seconds))),
        ]
    }

    proptest! {
        #[test]
        fn lines_come_as_configured_but_for_those_that_failed_and_those_that_are_taken(
            events in prop::collection::vec(event(), 0..60)
        ) {
            let mut order = Order::of(LINES);
            let mut failed = [None; LINES];
            let mut is_taken = [false; LINES];
            let mut now = Instant::now();
            for event in events {
                match event {
                    Event::Fail(line) => {
                        prop_assert_eq!(order.set_aside(line, now), failed[line].is_none());
                        failed[line].get_or_insert(now);
                    }
                    Event::Take(line) => {
                        order.take(line);
                        (failed[line], is_taken[line]) = (None, true);
                    }
                    Event::GiveBack(line) => {
                        order.give_back(line);
                        is_taken[line] = false;
                    }
                    Event::Pass(time) => now += time,
                }
                order.forgive(now);
                for failed in &mut failed {
                    *failed = failed.filter(|when| now - *when < SET_ASIDE);
                }
                let mut naive: Vec<_> = (0..LINES).collect();
                naive.sort_by_key(|&line| (is_taken[line], !is_taken[line] && failed[line].is_some()));
                prop_assert_eq!(order.round().collect::<Vec<_>>(), naive);
                for (line, failed) in failed.iter().enumerate() {
                    prop_assert_eq!(order.is_aside(line), failed.is_some());
                }
            }
        }
    }
}
