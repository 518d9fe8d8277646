//! What happens, for those who watch: what goes to the journal with a `MESSAGE_ID=` goes to them too.
//!
//! Nobody waits for a watcher. For each there is room for so many events, and what does not fit is
//! counted as missed.

use std::collections::VecDeque;
use std::fmt::{Debug, Write as _};
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer};

use crate::journal::{self, Message};

/// How many events may wait for one watcher.
const ROOM: usize = 1024;

/// Something that happened; `io.modemd` says what each field is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(
    missing_docs,
    reason = "the interface's own text has a sentence for each"
)]
pub struct Event {
    pub time_usec: u64,
    pub message_id: String,
    pub kind: String,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Those who watch. Events may come from any thread.
static WATCHERS: Mutex<Vec<Weak<Queue>>> = Mutex::new(Vec::new());

/// Where events are sent for those who watch another process.
static ELSEWHERE: Mutex<Option<Elsewhere>> = Mutex::new(None);

/// Whether anybody might want to hear of an event.
static IS_WATCHED: AtomicBool = AtomicBool::new(false);

#[derive(Debug, Default)]
struct Queue {
    /// Each with the number of those that were missed before it; and how many were missed since.
    waiting: Mutex<(VecDeque<(Event, u64)>, u64)>,
    changed: Notify,
}

struct Elsewhere {
    socket: UnixDatagram,
    path: PathBuf,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Somebody who watches, until dropped.
#[derive(Debug)]
pub struct Watch(Arc<Queue>);

/// Watches from now on.
#[must_use]
pub fn watch() -> Watch {
    let queue = Arc::default();
    let mut watchers = lock(&WATCHERS);
    watchers.retain(|watcher| watcher.strong_count() > 0);
    watchers.push(Arc::downgrade(&queue));
    IS_WATCHED.store(true, Ordering::Relaxed);
    Watch(queue)
}

impl Watch {
    /// The next event, and how many were missed before it.
    pub async fn next(&self) -> (Event, u64) {
        loop {
            {
                let (events, _) = &mut *lock(&self.0.waiting);
                if let Some(next) = events.pop_front() {
                    return next;
                }
            }
            self.0.changed.notified().await;
        }
    }
}

/// Tells all who watch this process.
pub fn tell(event: &Event) {
    let mut watchers = lock(&WATCHERS);
    watchers.retain(|watcher| {
        let Some(queue) = watcher.upgrade() else {
            return false;
        };
        let (events, missed) = &mut *lock(&queue.waiting);
        if events.len() < ROOM {
            events.push_back((event.clone(), std::mem::take(missed)));
        } else {
            *missed += 1;
        }
        queue.changed.notify_one();
        true
    });
    let elsewhere = lock(&ELSEWHERE);
    IS_WATCHED.store(
        !watchers.is_empty() || elsewhere.is_some(),
        Ordering::Relaxed,
    );
    if let Some(elsewhere) = &*elsewhere
        && let Ok(text) = serde_json::to_vec(event)
    {
        // Where nobody watches, nobody listens there.
        let _ = elsewhere.socket.send_to(&text, &elsewhere.path);
    }
}

/// Sends all events to this socket as well, where the shared daemon listens while somebody watches it.
pub fn send_to(path: PathBuf) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    *lock(&ELSEWHERE) = Some(Elsewhere { socket, path });
    IS_WATCHED.store(true, Ordering::Relaxed);
    Ok(())
}

/// Microseconds since 1970.
#[must_use]
pub fn usec(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Makes events of what is logged.
pub(crate) struct Watched;

impl<S: Subscriber> Layer<S> for Watched {
    fn on_event(&self, logged: &tracing::Event<'_>, _: Context<'_, S>) {
        if !IS_WATCHED.load(Ordering::Relaxed) {
            return;
        }
        let mut event = Event::default();
        logged.record(&mut event);
        if let Some(kind) = journal::kind(&event.message_id) {
            kind.clone_into(&mut event.kind);
            event.time_usec = usec(SystemTime::now());
            event.message = Message::of(logged);
            tell(&event);
        }
    }
}

impl Visit for Event {
    fn record_str(&mut self, field: &Field, value: &str) {
        let value = value.to_owned();
        match field.name() {
            "MESSAGE_ID" => self.message_id = value,
            "MODEMD_PORT" => self.port = Some(value),
            "MODEMD_LINE" => self.line = Some(value),
            "MODEMD_CLIENT" => self.client = Some(value),
            "MODEMD_SESSION" => self.session = Some(value),
            "MODEMD_REASON" => self.reason = Some(value),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name().starts_with("MODEMD_") {
            let mut text = String::new();
            let _ = write!(text, "{value:?}");
            self.record_str(field, &text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt;

    fn next(watch: &Watch) -> Option<(Event, u64)> {
        let mut next = Box::pin(watch.next());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match next.as_mut().poll(&mut context) {
            std::task::Poll::Ready(event) => Some(event),
            std::task::Poll::Pending => None,
        }
    }

    /// Tests run side by side, and all of them are watched.
    fn of(watch: &Watch, port: &str) -> Vec<(Event, u64)> {
        let mut events = Vec::new();
        while let Some((event, missed)) = next(watch) {
            if event.port.as_deref() == Some(port) || missed > 0 {
                events.push((event, missed));
            }
        }
        events
    }

    #[test]
    fn what_is_logged_with_an_identity_is_an_event() {
        let watch = watch();
        let registry = tracing_subscriber::registry().with(Watched);
        tracing::subscriber::with_default(registry, || {
            tracing::info!(MODEMD_PORT = "of-events", "only for people");
            tracing::info!(
                MESSAGE_ID = journal::CLIENT_DENIED,
                MODEMD_PORT = "of-events",
                MODEMD_CLIENT = %"192.168.2.7:50112",
                MODEMD_REASON = "denied",
                "refused"
            );
        });
        let events = of(&watch, "of-events");
        assert_eq!(events.len(), 1);
        let (event, missed) = &events[0];
        assert_eq!((event.kind.as_str(), *missed), ("client-denied", 0));
        assert_eq!(event.client.as_deref(), Some("192.168.2.7:50112"));
        assert_eq!(event.reason.as_deref(), Some("denied"));
        assert_eq!((event.message.as_str(), &event.line), ("refused", &None));
        assert!(event.time_usec > 0);
    }

    #[test]
    fn who_does_not_read_misses_events_and_learns_how_many() {
        let watch = watch();
        let event = Event {
            port: Some("of-flood".to_owned()),
            ..Event::default()
        };
        for _ in 0..=ROOM + 1 {
            tell(&event);
        }
        let events = of(&watch, "of-flood");
        assert!(events.len() <= ROOM && events.iter().all(|(_, missed)| *missed == 0));
        tell(&event);
        // Others may have told something meanwhile.
        let events = of(&watch, "of-flood");
        let missed: u64 = events.iter().map(|(_, missed)| missed).sum();
        assert!(missed >= 2, "{missed}");
    }
}
