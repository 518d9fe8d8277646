//! Who is on which line now, for `systemctl status`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use tokio::sync::Notify;

use crate::client::Peer;

/// How many sessions the text names; the others are counted.
const NAMED: usize = 3;

/// The sessions that run.
#[derive(Debug, Default)]
pub struct Board {
    seats: RefCell<BTreeMap<u64, (PathBuf, Peer)>>,
    changed: Notify,
}

/// A session's place on the board, until dropped.
#[derive(Debug)]
pub struct Seat<'a> {
    board: &'a Board,
    session: u64,
}

impl Board {
    /// Puts a session on the board.
    pub fn enter(&self, session: u64, device: &Path, peer: Peer) -> Seat<'_> {
        self.seats
            .borrow_mut()
            .insert(session, (device.to_owned(), peer));
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
    ///
    /// `configured` are the lines that could be in use; one that left the configuration counts for
    /// as long as a session is on it.
    pub fn text<'a>(&self, configured: impl IntoIterator<Item = &'a PathBuf>) -> String {
        let seats = self.seats.borrow();
        let mut lines: BTreeSet<&Path> =
            seats.values().map(|(device, _)| device.as_path()).collect();
        for device in configured {
            lines.insert(device);
        }
        let lines = lines.len();
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
        self.board.seats.borrow_mut().remove(&self.session);
        self.board.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(port: u16) -> Peer {
        Peer::Network(([192, 168, 2, 1], port).into())
    }

    fn lines(count: u16) -> Vec<PathBuf> {
        (1..=count)
            .map(|n| format!("/dev/ttyS{n}").into())
            .collect()
    }

    #[test]
    fn the_board_says_who_is_on_which_line() {
        let board = Board::default();
        assert_eq!(board.text(&lines(1)), "0 of 1 line in use");
        let seat = board.enter(1, Path::new("/dev/ttyS1"), peer(50112));
        assert_eq!(
            board.text(&lines(2)),
            "1 of 2 lines in use: /dev/ttyS1 by 192.168.2.1:50112"
        );
        drop(seat);
        assert_eq!(board.text(&lines(2)), "0 of 2 lines in use");
    }

    #[test]
    fn a_line_that_left_the_configuration_counts_while_somebody_is_on_it() {
        let board = Board::default();
        let _seat = board.enter(1, Path::new("/dev/ttyS9"), peer(1));
        assert_eq!(
            board.text(&[]),
            "1 of 1 line in use: /dev/ttyS9 by 192.168.2.1:1"
        );
    }

    #[test]
    fn a_crowded_board_names_some_and_counts_the_others() {
        let board = Board::default();
        let _seats: Vec<_> = (1..=5)
            .map(|n| board.enter(n.into(), &lines(5)[usize::from(n) - 1], peer(n)))
            .collect();
        let text = board.text(&lines(9));
        assert!(text.starts_with("5 of 9 lines in use: "), "{text}");
        assert!(text.ends_with(" and 2 more"), "{text}");
    }
}
