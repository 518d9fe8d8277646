//! What is logged, and where to: natively to systemd's journal with fields to filter by, to stderr
//! in a shell, to syslog where inetd has made stderr the client's connection.
//!
//! Fields: `MODEMD_PORT=`, `MODEMD_LINE=`, `MODEMD_CLIENT=`, `MODEMD_SESSION=`, `MODEMD_REASON=`,
//! `MODEMD_BYTES_TO_LINE=`, `MODEMD_BYTES_TO_CLIENT=`, `MODEMD_DURATION_USEC=`, those of calls that
//! [`crate::call::record`] has, and one of the `MESSAGE_ID=`s below, which `units/modemd.catalog` explains to
//! `journalctl -x`.

use std::fmt::{Debug, Write as _};
use std::io::{self, Write as _};
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;

use nix::sys::stat::fstat;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::events::Watched;

/// A client got a line.
pub const SESSION_BEGAN: &str = "16275e76514d4ea08a22402c5bd02b12";
/// A session is over and its line released.
pub const SESSION_ENDED: &str = "c3f159d65dd7491ab32eb5cc9c04cd71";
/// A session goes on that another process has left.
pub const SESSION_RESUMED: &str = "4d3c1ef0f4c54d0e9a31fb1ab0e8e1d5";
/// A client may not use the port.
pub const CLIENT_DENIED: &str = "081ccbad174c4eb5b38a6a8d4952024a";
/// No line of the port could be had for a client.
pub const NO_LINE: &str = "36d7230141b34d44a36a17c0b4a6997f";
/// A client waits for a line.
pub const CLIENT_WAITS: &str = "32262ce8d5044726baa63b48dc82bb9c";
/// A client who waited for a line does so no more, and has none.
pub const WAIT_ENDED: &str = "29ee9051c14e4605ad66ea5e2bdac321";
/// A line was taken out of service.
pub const LINE_DRAINED: &str = "994b855a8ab84c1eabed3780ab07b7fd";
/// A line was put back into service.
pub const LINE_RESUMED: &str = "f2fb217ae9ab4d398bb6d2bf2aa145c6";
/// A line does not work and is tried last for a while, or its modem, and it is set aside.
pub const LINE_FAILED: &str = "89f0529a7e7446eea4c4b721ad8c7383";
/// The configuration has a mistake.
pub const BAD_CONFIGURATION: &str = "dfe8e0e37b9c40789f062a2d5591b453";
/// A client came to a port that is not served.
pub const PORT_DISABLED: &str = "8659847665664baf99d14590e0e721f2";
/// Lines are held without lock files.
pub const NO_LOCK_FILES: &str = "3281be1e089f4aa885c182ccc9d0f341";
/// modemd keeps the privileges of root.
pub const STAYS_ROOT: &str = "db7371c329144920af7ce0a93b6265e4";
/// A call is over, or did not come about.
pub const CALL: &str = "e7605244e8814c59a2f90f02d551e371";
/// A number was not dialled: a rule forbids it, or it is none that could be judged.
pub const CALL_REFUSED: &str = "0c19af0bbc1e463ba3aa067ee5d88ce7";
/// No descriptors or memory are left for new clients.
pub const NO_RESOURCES: &str = "f6a1ea7969ef460abd36c23bb3375db1";

/// Each kind of event in a word.
const KINDS: [(&str, &str); 17] = [
    (SESSION_BEGAN, "session-began"),
    (SESSION_ENDED, "session-ended"),
    (SESSION_RESUMED, "session-resumed"),
    (CALL, "call"),
    (CALL_REFUSED, "call-refused"),
    (CLIENT_DENIED, "client-denied"),
    (CLIENT_WAITS, "client-waits"),
    (WAIT_ENDED, "wait-ended"),
    (NO_LINE, "no-line"),
    (LINE_FAILED, "line-failed"),
    (LINE_DRAINED, "line-drained"),
    (LINE_RESUMED, "line-resumed"),
    (BAD_CONFIGURATION, "bad-configuration"),
    (PORT_DISABLED, "port-disabled"),
    (NO_LOCK_FILES, "no-lock-files"),
    (STAYS_ROOT, "stays-root"),
    (NO_RESOURCES, "no-resources"),
];

/// The kind of an event by its `MESSAGE_ID=`, in a word.
pub(crate) fn kind(message_id: &str) -> Option<&'static str> {
    let mut kinds = KINDS.iter();
    kinds
        .find(|(id, _)| *id == message_id)
        .map(|(_, kind)| *kind)
}

/// Where systemd's journal takes entries (`systemd-journald.service(8)`).
const JOURNAL: &str = "/run/systemd/journal/socket";

/// Starts logging. `verbose` adds what is of interest only to somebody who looks for a fault.
///
/// Call it once, first of all.
pub fn start(verbose: bool) {
    let level = if verbose {
        LevelFilter::DEBUG
    } else {
        LevelFilter::INFO
    };
    let registry = tracing_subscriber::registry().with(level).with(Watched);
    let journal = || tracing_journald::Layer::new().map(|layer| layer.with_field_prefix(None));
    let is_client = stderr_is_stdin();
    if (stderr_is_journal() || (is_client && std::path::Path::new(JOURNAL).exists()))
        && let Ok(journal) = journal()
    {
        registry.with(journal).init();
    } else if is_client {
        // Nothing of ours may reach the client; without a syslog there is nobody to tell.
        if let Some(syslog) = Syslog::connect() {
            registry.with(syslog).init();
        }
    } else {
        registry.with(Stderr).init();
    }
}

/// Whether stderr leads to the journal anyway (`$JOURNAL_STREAM`, `systemd.exec(5)`).
pub(crate) fn stderr_is_journal() -> bool {
    let stream = std::env::var("JOURNAL_STREAM").unwrap_or_default();
    fstat(io::stderr()).is_ok_and(|of| stream == format!("{}:{}", of.st_dev, of.st_ino))
}

/// Whether inetd has made stdin, stdout and stderr one and the same connection.
fn stderr_is_stdin() -> bool {
    let identity = |fd: &dyn AsFd| fstat(fd.as_fd()).map(|of| (of.st_dev, of.st_ino, of.st_mode));
    match (identity(&io::stdin()), identity(&io::stderr())) {
        (Ok(stdin), Ok(stderr)) => {
            let socket = nix::libc::S_IFSOCK;
            stdin == stderr && stdin.2 & nix::libc::S_IFMT == socket
        }
        _ => false,
    }
}

/// The text of an event; its other fields are for machines, and say the same again.
#[derive(Default)]
pub(crate) struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            let _ = write!(self.0, "{value:?}");
        }
    }
}

impl Message {
    /// Without control characters, whatever the names in it contain. Line ends stay, since the
    /// configuration's mistakes are told in several lines; what follows one is indented, so that no
    /// name can pass for a message of its own.
    pub(crate) fn of(event: &Event<'_>) -> String {
        let mut message = Message::default();
        event.record(&mut message);
        let mut text = String::with_capacity(message.0.len());
        for c in message.0.chars() {
            match c {
                '\n' => text.push_str("\n  "),
                c if c.is_control() => text.extend(c.escape_default()),
                c => text.push(c),
            }
        }
        text
    }
}

struct Stderr;

impl<S: Subscriber> Layer<S> for Stderr {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let label = match *event.metadata().level() {
            Level::ERROR => "error: ",
            Level::WARN => "warning: ",
            _ => "",
        };
        // In one piece, also where others write to the same terminal.
        let line = format!("modemd: {label}{}\n", Message::of(event));
        let _ = io::stderr().write_all(line.as_bytes());
    }
}

/// The local syslog, in the format of `syslog(3)`.
struct Syslog(UnixDatagram);

impl Syslog {
    fn connect() -> Option<Self> {
        let socket = UnixDatagram::unbound().ok()?;
        socket.connect("/dev/log").ok()?;
        socket.set_nonblocking(true).ok()?;
        Some(Syslog(socket))
    }
}

impl<S: Subscriber> Layer<S> for Syslog {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        const DAEMON: u8 = 3 << 3;
        let severity = match *event.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 5,
            _ => 7,
        };
        let (priority, pid) = (DAEMON | severity, std::process::id());
        let line = format!("<{priority}>modemd[{pid}]: {}", Message::of(event));
        let _ = self.0.send(line.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_event_has_an_entry_in_the_catalog() {
        let catalog = include_str!("../units/modemd.catalog");
        for (id, _) in KINDS {
            assert_eq!(id.len(), 32);
            assert!(catalog.contains(&format!("-- {id}\n")), "{id}");
        }
    }
}
