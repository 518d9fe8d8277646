//! How one session stands, for whoever looks.

use std::cell::{Cell, Ref, RefCell};
use std::path::PathBuf;
use std::time::Instant;

use crate::client::Peer;
use crate::com_port::{Signals, State};
use crate::relay::{Mailbox, Moved};

/// How one session stands.
#[derive(Debug)]
pub struct Standing {
    /// Its number.
    pub session: u64,
    /// The port that the client came to.
    pub port: String,
    /// The client.
    pub peer: Peer,
    /// For requests to it.
    pub mailbox: Mailbox,
    stage: RefCell<Stage>,
    since: Cell<Instant>,
    look: Cell<Option<Look>>,
}

/// What a session does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// It may not even be allowed.
    Arrived,
    /// It waits for a line, in this place of the queue, from 1, as far as that is known.
    Waiting(Option<usize>),
    /// It is on this line.
    Serving(PathBuf),
    /// It is over, and this line is being released.
    Ending(PathBuf),
}

/// What there was to see of a session with a line.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// When.
    pub at: Instant,
    /// What went where.
    pub moved: Moved,
    /// How many octets may have been lost when modemd died.
    pub lost: u64,
    /// How many octets the line, and the client, has not taken yet.
    pub kept: [usize; 2],
    /// When something moved last.
    pub last_byte: Instant,
    /// The settings in force.
    pub state: State,
    /// The modem's signals, if the line has any.
    pub signals: Option<Signals>,
    /// Framing errors, parity errors, overruns and BREAKs during the session, if they are counted.
    pub errors: Option<[u64; 4]>,
}

impl Standing {
    pub(super) fn new(session: u64, port: &str, peer: Peer) -> Self {
        Standing {
            session,
            port: port.to_owned(),
            peer,
            mailbox: Mailbox::default(),
            stage: RefCell::new(Stage::Arrived),
            since: Cell::new(Instant::now()),
            look: Cell::new(None),
        }
    }

    /// What it does.
    #[must_use]
    pub fn stage(&self) -> Ref<'_, Stage> {
        self.stage.borrow()
    }

    /// Since when it is on its line, or here.
    #[must_use]
    pub fn since(&self) -> Instant {
        self.since.get()
    }

    /// What was seen last.
    #[must_use]
    pub fn look(&self) -> Option<Look> {
        self.look.get()
    }

    /// This is to be seen of it.
    pub fn show(&self, look: Look) {
        self.look.set(Some(look));
    }

    /// It waits.
    pub fn wait(&self, place: Option<usize>) {
        *self.stage.borrow_mut() = Stage::Waiting(place);
    }

    /// It was here before this process.
    pub fn came(&self, since: Instant) {
        self.since.set(since);
    }

    pub(super) fn set_stage(&self, stage: Stage) {
        *self.stage.borrow_mut() = stage;
    }

    /// It is over, but for the release of its line. Nothing is done for anybody any more.
    pub fn ends(&self) {
        self.mailbox.close();
        let mut stage = self.stage.borrow_mut();
        if let Stage::Serving(device) = &mut *stage {
            *stage = Stage::Ending(std::mem::take(device));
        }
    }
}
