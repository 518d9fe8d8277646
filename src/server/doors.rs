//! The listening sockets, and the task that accepts from all of them.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::rc::Rc;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use socket2::Socket;
use tokio::io::unix::AsyncFd;
use tokio::task::{JoinHandle, spawn_local, yield_now};
use tokio::time::sleep;
use tracing::{debug, error, info, warn};

use super::{Server, endpoints};
use crate::activation::Listener;
use crate::config::{Config, Endpoint};
use crate::journal;
use crate::listen;
use crate::watched::{Epoll, watch};

/// How long to pause when accepting fails for want of descriptors or memory.
const BREATHER: Duration = Duration::from_millis(250);

/// How many clients may come in before others have their turn.
const AT_ONCE: usize = 64;

/// All of them.
pub(super) struct Doors {
    open: Rc<Open>,
    task: JoinHandle<()>,
}

/// A task and a place in tokio's reactor for each would take a KiB of memory each: with a thousand
/// ports that nobody comes to, most of what there is.
struct Open {
    doors: RefCell<BTreeMap<RawFd, Door>>,
    knocks: AsyncFd<Epoll>,
}

struct Door {
    port: String,
    socket: Socket,
    /// What it was bound to, where we did that ourselves.
    bound: Option<Endpoint>,
}

impl Doors {
    pub(super) fn new(server: &Rc<Server>, listeners: Vec<Listener>) -> io::Result<Doors> {
        let knocks = Epoll(nix::sys::epoll::Epoll::new(
            EpollCreateFlags::EPOLL_CLOEXEC,
        )?);
        let open = Rc::new(Open {
            doors: RefCell::default(),
            knocks: watch(knocks)?,
        });
        for listener in listeners {
            open.add(listener)?;
        }
        let task = spawn_local(accept(Rc::clone(server), Rc::clone(&open)));
        Ok(Doors { open, task })
    }

    /// Opens what is new in the configuration and closes what it does not name any more; the
    /// latter only if it has no mistake, which may hide what it names. Who comes through such a door
    /// is refused, and the door is still there when the mistake is mended: what root bound, we could
    /// not bind again.
    pub(super) fn follow(&self, config: &Config) {
        let wanted = endpoints(config);
        if config.problems.is_empty() {
            let wanted: HashSet<_> = wanted.iter().map(|(port, at)| (port, at)).collect();
            let stays = |door: &Door| {
                let bound = door.bound.as_ref();
                bound.is_none_or(|at| wanted.contains(&(&door.port, at)))
            };
            self.open.doors.borrow_mut().retain(|_, door| stays(door));
        }
        let bound = |door: &Door| Some((door.port.clone(), door.bound.clone()?));
        let bound: HashSet<_> = self
            .open
            .doors
            .borrow()
            .values()
            .filter_map(bound)
            .collect();
        for pair in wanted.iter().filter(|pair| !bound.contains(pair)) {
            let (port, endpoint) = pair;
            let opened = listen::open(port, endpoint)
                .map_err(|error| error.to_string())
                .and_then(|listener| self.open.add(listener).map_err(|error| error.to_string()));
            if let Err(reason) = opened {
                error!(MODEMD_PORT = port, "{port}: {reason}");
            }
        }
    }
}

impl Open {
    fn add(&self, listener: Listener) -> io::Result<()> {
        listener.socket.set_nonblocking(true)?;
        if listener.bound.is_some() {
            // Not when it was bound: whoever waits for this line can rely on us from now on.
            announce(&listener);
        }
        let Listener {
            port,
            socket,
            bound,
        } = listener;
        let number = socket.as_raw_fd();
        let knock = EpollEvent::new(
            EpollFlags::EPOLLIN,
            u64::try_from(number).unwrap_or_default(),
        );
        self.knocks.get_ref().0.add(&socket, knock)?;
        let door = Door {
            port,
            socket,
            bound,
        };
        self.doors.borrow_mut().insert(number, door);
        Ok(())
    }

    /// Lets in one client at each door where somebody is, and tells how many doors those are.
    fn let_in(&self, server: &Rc<Server>) -> Result<usize, (String, io::Error)> {
        let mut knocks = [EpollEvent::empty(); AT_ONCE];
        let knocks = match self
            .knocks
            .get_ref()
            .0
            .wait(&mut knocks, EpollTimeout::ZERO)
        {
            Ok(count) => &knocks[..count],
            Err(_interrupted) => return Ok(1),
        };
        let doors = self.doors.borrow();
        for knock in knocks {
            let number = RawFd::try_from(knock.data()).unwrap_or(-1);
            let Some(Door { port, socket, .. }) = doors.get(&number) else {
                continue;
            };
            match socket.accept() {
                Ok((client, _)) => server.welcome(client, port),
                Err(error) if is_about_resources(&error) => return Err((port.clone(), error)),
                // Whoever it was left before we came (`accept(2)`).
                Err(error) => debug!("{port}: nobody to accept: {error}"),
            }
        }
        Ok(knocks.len())
    }
}

fn announce(listener: &Listener) {
    let Listener { port, socket, .. } = listener;
    if let Ok(address) = socket.local_addr() {
        match (address.as_socket(), address.as_pathname()) {
            (Some(address), _) => info!("{port}: listening on {address}"),
            (None, Some(path)) => info!("{port}: listening on {}", path.display()),
            (None, None) => {}
        }
    }
}

impl Drop for Doors {
    fn drop(&mut self) {
        self.task.abort();
        self.open.doors.borrow_mut().clear();
    }
}

/// Accepts for ever.
async fn accept(server: Rc<Server>, open: Rc<Open>) {
    let mut told = false;
    let mut in_a_row = 0;
    loop {
        // An error means that the runtime ends.
        let Ok(mut ready) = open.knocks.readable().await else {
            return;
        };
        match open.let_in(&server) {
            Ok(0) => {
                in_a_row = 0;
                ready.clear_ready();
            }
            Ok(count) => {
                told = false;
                in_a_row += count;
                if in_a_row >= AT_ONCE {
                    in_a_row = 0;
                    yield_now().await;
                }
            }
            Err((port, error)) => {
                if !told {
                    warn!(
                        MESSAGE_ID = journal::NO_RESOURCES,
                        MODEMD_PORT = port,
                        "{port}: clients have to wait: {error}"
                    );
                    told = true;
                }
                sleep(BREATHER).await;
            }
        }
    }
}

fn is_about_resources(error: &io::Error) -> bool {
    [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS, Errno::ENOMEM]
        .iter()
        .any(|&errno| error.raw_os_error() == Some(errno as i32))
}
