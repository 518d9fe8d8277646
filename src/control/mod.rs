//! The control interface, `io.modemd` over Varlink: see who is on which line, and steer it.
//!
//! Every process of modemd speaks it: the shared daemon on the socket that systemd has made, whoever
//! serves one client on a socket that only the shared daemon knows, which asks it in its callers' place.

pub mod interface;

mod answer;
mod elsewhere;
mod streams;
#[cfg(test)]
mod tests;
mod view;
mod wire;

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use socket2::Socket;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, Semaphore};
use tokio::task::spawn_local;
use tokio::time::sleep;
use tracing::{debug, warn};

use crate::aside::Aside;
use crate::board::Board;
use crate::config::Config;
use crate::drained::Drained;
use crate::state_dir::StateDir;
use crate::tally::Tally;
use crate::varlink::Call;
pub use elsewhere::Door;
use wire::Wire;

/// How many may be connected at once; others wait to be accepted.
const CONNECTIONS: usize = 64;

/// How many of them may watch.
const WATCHERS: usize = 16;

/// The longest call: a method with a name or two.
const LONGEST_CALL: usize = 64 * 1024;

/// How long to pause when nobody can be accepted.
const BREATHER: Duration = Duration::from_millis(250);

/// What a process has to show, and what can be done to it.
pub struct Control {
    /// Its sessions.
    board: Rc<Board>,
    /// What was counted.
    tally: Rc<Tally>,
    /// Which lines are out of service.
    drained: Rc<Drained>,
    /// Which lines are set aside.
    aside: Rc<Aside>,
    /// Its ports; none where it serves one client.
    config: Rc<RefCell<Config>>,
    /// Where other processes are to be found; nowhere for those who serve one client.
    others: Option<StateDir>,
    open: Cell<usize>,
    watching: Cell<usize>,
    changed: Notify,
    /// Who watches needs the events of the others as well.
    collector: RefCell<Weak<elsewhere::Collector>>,
}

impl Control {
    /// What a process has to show. The shared daemon shows `others` as well; who serves one client has
    /// neither those nor a configuration to show.
    #[must_use]
    pub fn new(
        board: Rc<Board>,
        tally: Rc<Tally>,
        drained: Rc<Drained>,
        aside: Rc<Aside>,
        config: Rc<RefCell<Config>>,
        others: Option<StateDir>,
    ) -> Self {
        Control {
            board,
            tally,
            drained,
            aside,
            config,
            others,
            open: Cell::new(0),
            watching: Cell::new(0),
            changed: Notify::new(),
            collector: RefCell::default(),
        }
    }

    /// Whether anybody is connected.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open.get() > 0
    }

    /// Completes when somebody has come or gone since the last time.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Serves whoever connects to `socket`, in a task of its own. Must be called in a
    /// [`tokio::task::LocalSet`].
    pub fn serve(self: &Rc<Self>, socket: Socket) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        let listener = UnixListener::from_std(OwnedFd::from(socket).into())?;
        spawn_local(Rc::clone(self).accept(listener));
        Ok(())
    }

    async fn accept(self: Rc<Self>, listener: UnixListener) {
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let mut told = false;
        loop {
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((stream, _)) => {
                    told = false;
                    let this = Rc::clone(&self);
                    spawn_local(async move {
                        let _permit = permit;
                        let _open = Open::new(&this);
                        let Err(error) = this.talk(stream).await;
                        debug!("somebody looks no more: {error}");
                    });
                }
                Err(error) => {
                    if !told {
                        warn!("nobody can be let in to look: {error}");
                        told = true;
                    }
                    sleep(BREATHER).await;
                }
            }
        }
    }

    /// Answers until the caller is gone, or talks nonsense.
    async fn talk(&self, stream: UnixStream) -> io::Result<Infallible> {
        let mut caller = Wire::new(stream, LONGEST_CALL);
        loop {
            let call: Call = caller.hear().await?;
            self.answer(call, &mut caller).await?;
        }
    }
}

/// One more connection, until dropped.
struct Open<'a>(&'a Control);

impl<'a> Open<'a> {
    fn new(control: &'a Control) -> Self {
        control.open.set(control.open.get() + 1);
        control.changed.notify_one();
        Open(control)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
        self.0.changed.notify_one();
    }
}
