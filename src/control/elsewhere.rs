//! The processes that serve one client each: asked in their callers' place, and heard for who watches.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use serde_json::from_slice;
use socket2::Socket;
use tokio::net::{UnixDatagram, UnixStream};
use tokio::task::{JoinHandle, JoinSet, spawn_local};
use tokio::time::timeout;

use super::Control;
use super::answer::tell;
use super::interface::{NAME, Session, Sessions};
use super::wire::Wire;
use crate::events;
use crate::state_dir::StateDir;
use crate::varlink::{Call, LONGEST, Parameters, Reply};

/// How long such a process may take to tell how it stands.
const PATIENCE: Duration = Duration::from_secs(1);

/// The longest event.
const LONGEST_EVENT: usize = 64 * 1024;

/// The socket of a process that serves one session, until dropped.
pub struct Door(PathBuf);

impl Door {
    /// Binds it, in a directory that nobody else can look into.
    pub fn open(state: &StateDir, session: u64) -> io::Result<(Door, Socket)> {
        state.make_sessions()?;
        let path = state.socket_of(session);
        let listener = std::os::unix::net::UnixListener::bind(&path)?;
        state.give_away(&path)?;
        Ok((Door(path), OwnedFd::from(listener).into()))
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Hears the events of other processes, for as long as somebody here watches.
pub(super) struct Collector {
    path: PathBuf,
    task: JoinHandle<()>,
}

impl Collector {
    fn start(path: PathBuf) -> io::Result<Collector> {
        let _ = fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path)?;
        let task = spawn_local(async move {
            let mut octets = vec![0; LONGEST_EVENT];
            while let Ok(count) = socket.recv(&mut octets).await {
                if let Ok(event) = from_slice(&octets[..count]) {
                    events::tell(&event);
                }
            }
        });
        Ok(Collector { path, task })
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
        let _ = fs::remove_file(&self.path);
    }
}

async fn ask(socket: &Path, call: &Call) -> io::Result<Wire> {
    let mut other = Wire::new(UnixStream::connect(socket).await?, LONGEST);
    other.say(call).await?;
    Ok(other)
}

impl Control {
    /// What the others tell of their sessions. One that takes too long is left out.
    pub(super) async fn sessions_elsewhere(&self) -> Vec<Session> {
        let Some(others) = &self.others else {
            return Vec::new();
        };
        let mut asked = JoinSet::new();
        for entry in fs::read_dir(others.sessions())
            .into_iter()
            .flatten()
            .flatten()
        {
            asked.spawn_local(timeout(PATIENCE, sessions_of(entry.path())));
        }
        let mut sessions = Vec::new();
        while let Some(answer) = asked.join_next().await {
            if let Ok(Ok(Ok(answer))) = answer {
                sessions.extend(answer);
            }
        }
        sessions.sort_by(|one, other| one.session.cmp(&other.session));
        sessions
    }

    /// Has another process answer.
    pub(super) async fn forward(
        &self,
        call: &Call,
        session: u64,
        caller: &mut Wire,
    ) -> io::Result<()> {
        let Some(others) = &self.others else {
            return Err(io::ErrorKind::ConnectionAborted.into());
        };
        // Its end is waited for also for a caller who does not.
        let asked = Call {
            oneway: false,
            ..call.clone()
        };
        let is_end = call.method.ends_with(".HangUp");
        let Ok(mut other) = ask(&others.socket_of(session), &asked).await else {
            // It has ended meanwhile.
            return tell(&gone(session, is_end), call, caller).await;
        };
        loop {
            let reply = tokio::select! {
                reply = other.hear::<Reply>() => reply,
                () = caller.gone() => return Err(io::ErrorKind::ConnectionAborted.into()),
            };
            // With its session the process ends, and may have no time to say so.
            let reply = reply.unwrap_or_else(|_| gone(session, is_end || call.more));
            tell(&reply, call, caller).await?;
            if !reply.continues {
                return Ok(());
            }
        }
    }

    /// Sees to it that the events of other processes are heard, until what this gives is dropped.
    pub(super) fn collect_events(&self) -> Option<Rc<Collector>> {
        let others = self.others.as_ref()?;
        if let Some(collector) = self.collector.borrow().upgrade() {
            return Some(collector);
        }
        let started = Collector::start(others.events());
        let collector = started
            .inspect_err(|error| tracing::warn!("events of others cannot be heard: {error}"))
            .ok()?;
        let collector = Rc::new(collector);
        self.collector.replace(Rc::downgrade(&collector));
        Some(collector)
    }
}

/// What there is to say when a process is not there any more.
fn gone(session: u64, is_as_wanted: bool) -> Reply {
    if is_as_wanted {
        return Reply::of(&Parameters::new());
    }
    super::answer::error("NoSuchSession", &[("session", &format!("{session:016x}"))])
}

async fn sessions_of(socket: PathBuf) -> io::Result<Vec<Session>> {
    let call = Call {
        method: format!("{NAME}.ListSessions"),
        ..Call::default()
    };
    let mut other = match ask(&socket, &call).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            // Left by a process that was killed.
            let _ = fs::remove_file(&socket);
            return Err(error);
        }
        other => other?,
    };
    let reply = other.hear::<Reply>().await?;
    let sessions: Sessions = serde_json::from_value(reply.parameters.into())?;
    Ok(sessions.sessions)
}
