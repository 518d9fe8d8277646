//! Who is on which line now, for `systemctl status`.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use tokio::sync::Notify;

use crate::client::Peer;

/// How many sessions the text names; the others are counted.
const NAMED: usize = 3;

/// The sessions that run, and the lines that there are.
#[derive(Debug, Default)]
pub struct Board {
    seats: RefCell<BTreeMap<u64, (PathBuf, Peer)>>,
    lines: RefCell<Lines>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Lines {
    /// Those that could be in use.
    configured: HashSet<PathBuf>,
    /// Those that left the configuration, with the number of sessions on each.
    former: HashMap<PathBuf, usize>,
}

impl Lines {
    fn count(&self) -> usize {
        self.configured.len() + self.former.len()
    }

    fn enter(&mut self, device: &Path) {
        if !self.configured.contains(device) {
            *self.former.entry(device.to_owned()).or_default() += 1;
        }
    }

    fn leave(&mut self, device: &Path) {
        if let Some(sessions) = self.former.get_mut(device) {
            *sessions -= 1;
            if *sessions == 0 {
                self.former.remove(device);
            }
        }
    }
}

/// A session's place on the board, until dropped.
#[derive(Debug)]
pub struct Seat<'a> {
    board: &'a Board,
    session: u64,
}

impl Board {
    /// Tells the lines that could be in use, in place of those told before. One that left the
    /// configuration counts for as long as a session is on it, and one that is told twice counts once.
    pub fn configure<'a>(&self, devices: impl IntoIterator<Item = &'a PathBuf>) {
        let mut lines = Lines {
            configured: devices.into_iter().cloned().collect(),
            former: HashMap::new(),
        };
        for (device, _) in self.seats.borrow().values() {
            lines.enter(device);
        }
        *self.lines.borrow_mut() = lines;
    }

    /// Puts a session on the board.
    pub fn enter(&self, session: u64, device: &Path, peer: Peer) -> Seat<'_> {
        self.lines.borrow_mut().enter(device);
        let seat = (device.to_owned(), peer);
        self.seats.borrow_mut().insert(session, seat);
        self.changed.notify_one();
        Seat {
            board: self,
            session,
        }
    }

    /// Completes when the board has changed since the last time.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// In plain words: `1 of 2 lines in use: /dev/ttyS1 by 192.168.2.1:50112`.
    pub fn text(&self) -> String {
        let seats = self.seats.borrow();
        let lines = self.lines.borrow().count();
        let noun = if lines == 1 { "line" } else { "lines" };
        let mut text = format!("{} of {lines} {noun} in use", seats.len());
        for (number, (device, peer)) in seats.values().take(NAMED).enumerate() {
            let before = if number == 0 { ":" } else { "," };
            let _ = write!(text, "{before} {} by {peer}", device.display());
        }
        if seats.len() > NAMED {
            let _ = write!(text, " and {} more", seats.len() - NAMED);
        }
        text
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        if let Some((device, _)) = self.board.seats.borrow_mut().remove(&self.session) {
            self.board.lines.borrow_mut().leave(&device);
        }
        self.board.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn peer(port: u16) -> Peer {
        Peer::Network(([192, 168, 2, 1], port).into())
    }

    fn line(number: u16) -> PathBuf {
        format!("/dev/ttyS{number}").into()
    }

    fn lines(count: u16) -> Vec<PathBuf> {
        (1..=count).map(line).collect()
    }

    #[test]
    fn the_board_says_who_is_on_which_line() {
        let board = Board::default();
        board.configure(&lines(1));
        assert_eq!(board.text(), "0 of 1 line in use");
        let seat = board.enter(1, Path::new("/dev/ttyS1"), peer(50112));
        board.configure(&lines(2));
        assert_eq!(
            board.text(),
            "1 of 2 lines in use: /dev/ttyS1 by 192.168.2.1:50112"
        );
        drop(seat);
        assert_eq!(board.text(), "0 of 2 lines in use");
    }

    #[test]
    fn a_line_that_left_the_configuration_counts_while_somebody_is_on_it() {
        let board = Board::default();
        let seat = board.enter(1, Path::new("/dev/ttyS9"), peer(1));
        assert_eq!(
            board.text(),
            "1 of 1 line in use: /dev/ttyS9 by 192.168.2.1:1"
        );
        drop(seat);
        assert_eq!(board.text(), "0 of 0 lines in use");
    }

    #[test]
    fn a_line_of_several_ports_counts_once() {
        let board = Board::default();
        board.configure(lines(2).iter().chain(&lines(3)));
        assert_eq!(board.text(), "0 of 3 lines in use");
    }

    #[test]
    fn a_crowded_board_names_some_and_counts_the_others() {
        let board = Board::default();
        board.configure(&lines(9));
        let _seats: Vec<_> = (1..=5)
            .map(|n| board.enter(n.into(), &line(n), peer(n)))
            .collect();
        let text = board.text();
        assert!(text.starts_with("5 of 9 lines in use: "), "{text}");
        assert!(text.ends_with(" and 2 more"), "{text}");
    }

    /// What may happen to a board.
    #[derive(Debug, Clone)]
    enum Event {
        Configure(Vec<u16>),
        Enter(u64, u16),
        Leave(u64),
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            prop::collection::vec(0..6_u16, 0..8).prop_map(Event::Configure),
            (0..8_u64, 0..6_u16).prop_map(|(session, line)| Event::Enter(session, line)),
            (0..8_u64).prop_map(Event::Leave),
        ]
    }

    proptest! {
        #[test]
        fn the_lines_are_those_of_the_configuration_and_those_with_a_session(
            events in prop::collection::vec(event(), 0..40)
        ) {
            let board = Board::default();
            let mut seats = BTreeMap::new();
            let mut configured = Vec::new();
            for event in events {
                match event {
                    Event::Configure(numbers) => {
                        configured = numbers.into_iter().map(line).collect();
                        board.configure(&configured);
                    }
                    // The numbers of sessions are not used twice at once.
                    Event::Enter(session, _) if seats.contains_key(&session) => {}
                    Event::Enter(session, on) => {
                        let seat = board.enter(session, &line(on), peer(1));
                        seats.insert(session, (line(on), seat));
                    }
                    Event::Leave(session) => drop(seats.remove(&session)),
                }
                let all: HashSet<_> = configured
                    .iter()
                    .chain(seats.values().map(|(device, _)| device))
                    .collect();
                let noun = if all.len() == 1 { "line" } else { "lines" };
                let begins = format!("{} of {} {noun} in use", seats.len(), all.len());
                prop_assert!(board.text().starts_with(&begins), "{} {begins}", board.text());
            }
        }
    }
}
