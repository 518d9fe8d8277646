//! The methods with many replies: what happens, and what goes by.

use std::io;
use std::time::Duration;

use tokio::time::sleep;

use super::answer::{error, failed};
use super::interface::{Overheard, Traffic, Watched, Way};
use super::wire::Wire;
use super::{Control, WATCHERS};
use crate::board::Stage;
use crate::events::{self, usec};
use crate::ledger;
use crate::relay::{Answers, Request};
use crate::tap::{Part, tap};
use crate::varlink::Reply;

/// How often at the most a listener is told what went by: telling costs time that the sessions of this
/// process could use, and the more goes by the cheaper it is to tell it in one go. What goes by meanwhile
/// is more than there is room for only at more than 1.2 MB/s.
const PACE: Duration = Duration::from_millis(50);

/// One of those who watch, until dropped.
struct Watcher<'a>(&'a Control);

impl<'a> Watcher<'a> {
    fn new(control: &'a Control) -> Result<Self, Reply> {
        let watching = control.watching.get();
        if watching >= WATCHERS {
            return Err(error("TooManyWatch", &[]));
        }
        control.watching.set(watching + 1);
        Ok(Watcher(control))
    }
}

impl Drop for Watcher<'_> {
    fn drop(&mut self) {
        self.0.watching.set(self.0.watching.get() - 1);
    }
}

impl Control {
    pub(super) async fn watch_events(&self, caller: &mut Wire) -> io::Result<()> {
        let _watcher = match Watcher::new(self) {
            Ok(watcher) => watcher,
            Err(refusal) => return caller.say(&refusal).await,
        };
        let watch = events::watch();
        let _collector = self.collect_events();
        caller
            .say(&Reply::of(&Watched::default()).and_more())
            .await?;
        loop {
            let (event, missed) = tokio::select! {
                next = watch.next() => next,
                () = caller.gone() => return Err(io::ErrorKind::ConnectionAborted.into()),
            };
            let watched = Watched {
                event: Some(event),
                missed,
            };
            caller.say(&Reply::of(&watched).and_more()).await?;
        }
    }

    pub(super) async fn watch_session(&self, number: u64, caller: &mut Wire) -> io::Result<()> {
        let _watcher = match Watcher::new(self) {
            Ok(watcher) => watcher,
            Err(refusal) => return caller.say(&refusal).await,
        };
        let standing = self.board.session(number);
        let on_line = |stage: &Stage| matches!(stage, Stage::Serving(_));
        let (tap, ear) = tap();
        let begun = Answers::default();
        let listens = standing
            .filter(|of| on_line(&of.stage()))
            .is_some_and(|of| of.mailbox.put(Request::Listen(tap, begun.ask())));
        if !listens {
            return caller.say(&failed("the session is on no line")).await;
        }
        tokio::select! {
            () = begun.all() => {}
            () = caller.gone() => return Err(io::ErrorKind::ConnectionAborted.into()),
        }
        let nothing = Reply::of(&Overheard::default());
        caller.say(&nothing.clone().and_more()).await?;
        loop {
            let parts = tokio::select! {
                parts = ear.hear() => parts,
                () = caller.gone() => return Err(io::ErrorKind::ConnectionAborted.into()),
            };
            let Some(parts) = parts else {
                return caller.say(&nothing).await;
            };
            for part in parts {
                let overheard = Overheard {
                    traffic: Some(traffic(part)),
                };
                caller.say(&Reply::of(&overheard).and_more()).await?;
            }
            sleep(PACE).await;
        }
    }
}

fn traffic(part: Part) -> Traffic {
    Traffic {
        time_usec: usec(part.at),
        way: match part.way {
            ledger::Way::ToLine => Way::ToLine,
            ledger::Way::ToClient => Way::ToClient,
        },
        data: part.octets,
        missed: part.missed,
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Read;
    use std::path::Path;
    use std::pin::pin;
    use std::rc::Rc;
    use std::task::Poll;
    use std::time::Instant;

    use tokio::net::UnixStream;

    use super::*;
    use crate::board::Board;
    use crate::client::Peer;
    use crate::varlink::LONGEST;

    #[tokio::test(flavor = "current_thread")]
    async fn whoever_watches_a_session_is_told_so_when_nothing_is_missed_any_more() {
        let board = Rc::new(Board::default());
        let seat = board.arrive(7, "modem", Peer::Network(([127, 0, 0, 1], 1).into()));
        seat.take_line(Path::new("/dev/ttyS1"), Instant::now());
        let standing = board.session(7).unwrap();
        let (tally, drained, aside, config) = Default::default();
        let control = Control::new(Rc::clone(&board), tally, drained, aside, config, None);

        let (ours, theirs) = UnixStream::pair().unwrap();
        // What is said now goes out at once, and can be read at once.
        ours.writable().await.unwrap();
        let theirs = theirs.into_std().unwrap();
        let mut caller = Wire::new(ours, LONGEST);
        let mut watching = pin!(control.watch_session(7, &mut caller));
        let answer = poll_fn(|context| Poll::Ready(watching.as_mut().poll(context))).await;
        assert!(answer.is_pending());
        let told = (&theirs).read(&mut [0; 64]).map_err(|error| error.kind());
        assert_eq!(told, Err(io::ErrorKind::WouldBlock), "told too early");

        let Request::Listen(_tap, asked) = standing.mailbox.next().await else {
            panic!("it asks for something else");
        };
        drop(asked);
        let mut them = Wire::new(UnixStream::from_std(theirs).unwrap(), LONGEST);
        let first: Reply = tokio::select! {
            _ = &mut watching => panic!("it has stopped"),
            reply = them.hear() => reply.unwrap(),
        };
        assert!(first.continues);
    }
}
