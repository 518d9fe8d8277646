//! A process that serves one client: a per-connection instance of systemd's, or what inetd starts.

use std::path::PathBuf;
use std::rc::Rc;

use nix::sys::signal::Signal;
use tokio::sync::watch;
use tracing::{debug, warn};

use super::{Failure, block_on, not_permitted, plan, shared_state, unavailable};
use crate::access::Admission;
use crate::board::Board;
use crate::claim::LockDirectory;
use crate::client::Client;
use crate::config::{self, Config, Instance};
use crate::control::{Control, Door};
use crate::events;
use crate::notify;
use crate::port::Port;
use crate::server::Signals;
use crate::session::{self, Farewell, Process};
use crate::state_dir::{SharedState, StateDir};

/// The per-connection instance: one client, one session. What may look up names in a thread is over
/// before the privileges go, and they go when the line is open and before the client is heard.
pub(super) fn serve_one(
    socket: socket2::Socket,
    settings: &config::Port,
    config: &Config,
    admission: Admission,
    run_dir: Option<PathBuf>,
) -> Result<(), Failure> {
    let privileges = plan(&config.server)?;
    let SharedState {
        directory,
        tally,
        drained,
        aside,
        accounts,
    } = shared_state(run_dir, &privileges)?;
    let locks = LockDirectory::new(config.server.lock_dir.clone(), privileges.identity());
    let instance = Instance::PerConnection;
    let port = Port::new(
        settings,
        instance,
        admission,
        locks.into(),
        Rc::clone(&drained),
        Rc::clone(&aside),
    );
    let board = Rc::<Board>::default();
    board.configure(port.pool.devices());
    block_on(async {
        let (farewell, told) = watch::channel(None);
        let signals = Signals::take(&[Signal::SIGTERM]).map_err(unavailable)?;
        let client = match Client::new(socket) {
            Ok(client) => client,
            Err(error) => {
                debug!("{}: a client left at once: {error}", settings.name);
                notify::ready("the client left at once");
                return Ok(());
            }
        };
        notify::ready(&format!("serving {}", client.peer()));
        let number = session::new_number();
        let control = Control::new(
            Rc::clone(&board),
            Rc::clone(&tally),
            drained,
            aside,
            Rc::default(),
            None,
        );
        let _door =
            directory.and_then(|directory| open_door(&directory, number, &Rc::new(control)));
        let process = Process {
            board: &board,
            tally: &tally,
            accounts: &accounts,
            // systemd starts no instance again whose client is gone from it.
            store: None,
            farewell: told,
        };
        let session = session::run(number, client, &port, &process, || privileges.let_go());
        tokio::pin!(session);
        loop {
            tokio::select! {
                done = &mut session => return done.map_err(not_permitted),
                _ = signals.next() => drop(farewell.send_replace(Some(Farewell::Stop))),
                () = board.changed() => notify::status(&board.text()),
            }
        }
    })?
}

/// Lets the shared daemon see and steer the one session of this process. The session does without, if
/// that cannot be.
fn open_door(directory: &StateDir, session: u64, control: &Rc<Control>) -> Option<Door> {
    let opened = Door::open(directory, session).and_then(|(door, listener)| {
        control.serve(listener)?;
        events::send_to(directory.events())?;
        Ok(door)
    });
    opened
        .inspect_err(|error| warn!("modemctl cannot see this session: {error}"))
        .ok()
}
