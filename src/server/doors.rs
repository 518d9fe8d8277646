//! The listening sockets, each with the task that accepts from it.

use std::collections::HashSet;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use nix::errno::Errno;
use socket2::Socket;
use tokio::io::unix::AsyncFd;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::sleep;
use tracing::{debug, error, info, warn};

use super::{Server, endpoints};
use crate::activation::Listener;
use crate::config::Endpoint;
use crate::journal;
use crate::listen;
use crate::watched::watch;

/// How long to pause when accepting fails for want of descriptors or memory.
const BREATHER: Duration = Duration::from_millis(250);

/// All of them.
pub(super) struct Doors {
    open: Vec<Door>,
}

struct Door {
    /// What it was bound to, where we did that ourselves.
    bound: Option<(String, Endpoint)>,
    task: JoinHandle<()>,
}

impl Doors {
    pub(super) fn new(server: &Rc<Server>, listeners: Vec<Listener>) -> io::Result<Doors> {
        let mut doors = Doors { open: Vec::new() };
        for listener in listeners {
            doors.add(server, listener)?;
        }
        Ok(doors)
    }

    fn add(&mut self, server: &Rc<Server>, listener: Listener) -> io::Result<()> {
        listener.socket.set_nonblocking(true)?;
        if listener.bound.is_some() {
            // Not when it was bound: whoever waits for this line can rely on us from now on.
            announce(&listener);
        }
        let bound = listener.bound.map(|at| (listener.port.clone(), at));
        let socket = watch(listener.socket)?;
        let task = spawn_local(accept(Rc::clone(server), socket, listener.port));
        self.open.push(Door { bound, task });
        Ok(())
    }

    /// Opens what is new in the configuration and closes what it does not name any more; the
    /// latter only if it has no mistake, which may hide what it names. Who comes through such a door
    /// is refused, and the door is still there when the mistake is mended: what root bound, we could
    /// not bind again.
    pub(super) async fn follow(&mut self, server: &Rc<Server>) {
        let wanted = endpoints(&server.config.borrow());
        let is_wanted: HashSet<_> = wanted.iter().collect();
        let is_certain = server.config.borrow().problems.is_empty();
        let is_unwanted = |door: &mut Door| {
            let bound = door.bound.as_ref();
            is_certain && bound.is_some_and(|bound| !is_wanted.contains(bound))
        };
        for door in self.open.extract_if(.., is_unwanted) {
            door.task.abort();
            // Its address may be wanted for another port, and is in use until the task is gone.
            let _ = door.task.await;
        }
        let open = self.open.iter().filter_map(|door| door.bound.clone());
        let open: HashSet<_> = open.collect();
        for pair in wanted.iter().filter(|pair| !open.contains(pair)) {
            let (port, endpoint) = pair;
            let opened = listen::open(port, endpoint)
                .map_err(|error| error.to_string())
                .and_then(|listener| {
                    self.add(server, listener)
                        .map_err(|error| error.to_string())
                });
            if let Err(reason) = opened {
                error!(MODEMD_PORT = port, "{port}: {reason}");
            }
        }
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
        for door in &self.open {
            door.task.abort();
        }
    }
}

/// Accepts for ever.
async fn accept(server: Rc<Server>, listener: AsyncFd<Socket>, port: String) {
    let mut told = false;
    loop {
        // An error means that the runtime ends.
        let Ok(mut ready) = listener.readable().await else {
            return;
        };
        let Ok(accepted) = ready.try_io(|listener| listener.get_ref().accept()) else {
            continue;
        };
        match accepted {
            Ok((socket, _)) => {
                told = false;
                server.welcome(socket, &port);
            }
            Err(error) if is_about_resources(&error) => {
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
            // Whoever it was left before we came (`accept(2)`).
            Err(error) => debug!("{port}: nobody to accept: {error}"),
        }
    }
}

fn is_about_resources(error: &io::Error) -> bool {
    [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS, Errno::ENOMEM]
        .iter()
        .any(|&errno| error.raw_os_error() == Some(errno as i32))
}
