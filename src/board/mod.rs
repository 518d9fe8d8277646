//! Who is here and on which line: for `systemctl status`, and for who looks closer or wants something of
//! a session.

mod standing;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;

use tokio::sync::Notify;

use crate::client::Peer;
pub use standing::{Look, Stage, Standing};

/// How many sessions the text names; the others are counted.
const NAMED: usize = 3;

/// The sessions that run, and the lines that there are.
#[derive(Debug, Default)]
pub struct Board {
    sessions: RefCell<BTreeMap<u64, Rc<Standing>>>,
    /// Those of them that have a line, and the lines.
    on_lines: RefCell<BTreeMap<u64, (PathBuf, Peer)>>,
    lines: RefCell<Lines>,
    changed: Notify,
    /// Somebody left.
    left: Notify,
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
    standing: Rc<Standing>,
}

impl Deref for Seat<'_> {
    type Target = Standing;

    fn deref(&self) -> &Standing {
        &self.standing
    }
}

impl Board {
    /// Tells the lines that could be in use, in place of those told before. One that left the
    /// configuration counts for as long as a session is on it, and one that is told twice counts once.
    pub fn configure<'a>(&self, devices: impl IntoIterator<Item = &'a PathBuf>) {
        let mut lines = Lines {
            configured: devices.into_iter().cloned().collect(),
            former: HashMap::new(),
        };
        for (device, _) in self.on_lines.borrow().values() {
            lines.enter(device);
        }
        *self.lines.borrow_mut() = lines;
    }

    /// Puts a client on the board, who has no line yet.
    pub fn arrive(&self, session: u64, port: &str, peer: Peer) -> Seat<'_> {
        let standing = Rc::new(Standing::new(session, port, peer));
        let mut sessions = self.sessions.borrow_mut();
        sessions.insert(session, Rc::clone(&standing));
        Seat {
            board: self,
            standing,
        }
    }

    /// All sessions.
    #[must_use]
    pub fn sessions(&self) -> Vec<Rc<Standing>> {
        self.sessions.borrow().values().cloned().collect()
    }

    /// One of them.
    #[must_use]
    pub fn session(&self, session: u64) -> Option<Rc<Standing>> {
        self.sessions.borrow().get(&session).cloned()
    }

    /// Completes when this session is not here any more.
    pub async fn without(&self, session: u64) {
        loop {
            let left = self.left.notified();
            if self.session(session).is_none() {
                return;
            }
            left.await;
        }
    }

    /// Completes when the board has changed since the last time.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// In plain words: `1 of 2 lines in use: /dev/ttyS1 by 192.168.2.1:50112`.
    pub fn text(&self) -> String {
        let on_lines = self.on_lines.borrow();
        let lines = self.lines.borrow().count();
        let noun = if lines == 1 { "line" } else { "lines" };
        let mut text = format!("{} of {lines} {noun} in use", on_lines.len());
        for (number, (device, peer)) in on_lines.values().take(NAMED).enumerate() {
            let before = if number == 0 { ":" } else { "," };
            let _ = write!(text, "{before} {} by {peer}", device.display());
        }
        if on_lines.len() > NAMED {
            let _ = write!(text, " and {} more", on_lines.len() - NAMED);
        }
        text
    }
}

impl Seat<'_> {
    /// The session has got a line, and has it since then.
    pub fn take_line(&self, device: &Path, since: Instant) {
        let Standing { session, peer, .. } = *self.standing;
        self.standing.came(since);
        self.standing.set_stage(Stage::Serving(device.to_owned()));
        self.board.lines.borrow_mut().enter(device);
        let on_line = (device.to_owned(), peer);
        self.board.on_lines.borrow_mut().insert(session, on_line);
        self.board.changed.notify_one();
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let session = self.standing.session;
        self.standing.mailbox.close();
        self.board.sessions.borrow_mut().remove(&session);
        self.board.left.notify_waiters();
        let on_line = self.board.on_lines.borrow_mut().remove(&session);
        if let Some((device, _)) = on_line {
            self.board.lines.borrow_mut().leave(&device);
            self.board.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::{Answers, Request};
    use proptest::prelude::*;

    fn peer(port: u16) -> Peer {
        Peer::Network(([192, 168, 2, 1], port).into())
    }

    fn enter<'b>(board: &'b Board, session: u64, device: &Path, peer: Peer) -> Seat<'b> {
        let seat = board.arrive(session, "modem", peer);
        seat.take_line(device, Instant::now());
        seat
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
        let seat = enter(&board, 1, Path::new("/dev/ttyS1"), peer(50112));
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
        let seat = enter(&board, 1, Path::new("/dev/ttyS9"), peer(1));
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
            .map(|n| enter(&board, n.into(), &line(n), peer(n)))
            .collect();
        let text = board.text();
        assert!(text.starts_with("5 of 9 lines in use: "), "{text}");
        assert!(text.ends_with(" and 2 more"), "{text}");
    }

    #[test]
    fn a_client_without_a_line_is_there_and_on_no_line() {
        let board = Board::default();
        board.configure(&lines(1));
        let seat = board.arrive(7, "modem", peer(1));
        assert_eq!(*board.session(7).unwrap().stage(), Stage::Arrived);
        seat.wait(Some(2));
        assert_eq!(board.text(), "0 of 1 line in use");
        assert_eq!(*board.session(7).unwrap().stage(), Stage::Waiting(Some(2)));
        seat.take_line(&line(1), Instant::now());
        seat.ends();
        assert_eq!(*board.session(7).unwrap().stage(), Stage::Ending(line(1)));
        drop(seat);
        assert!(board.session(7).is_none() && board.sessions().is_empty());
    }

    #[test]
    fn whoever_asks_is_answered_or_told_that_there_will_be_no_answer() {
        let board = Board::default();
        let seat = board.arrive(7, "modem", peer(1));
        let standing = board.session(7).unwrap();
        let answers = Answers::default();
        assert!(standing.mailbox.put(Request::Look(answers.ask())));
        let mut all = Box::pin(answers.all());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(all.as_mut().poll(&mut context).is_pending());
        drop(seat);
        assert!(all.as_mut().poll(&mut context).is_ready());
        assert!(!standing.mailbox.put(Request::HangUp));
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
                        let seat = enter(&board, session, &line(on), peer(1));
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
