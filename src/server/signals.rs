//! The signals that tell the daemon what to do.

use std::io;

use nix::sys::signal::{SigSet, Signal as Number};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What the daemon is told.
pub(super) struct Signals {
    pub(super) terminate: Signal,
    pub(super) interrupt: Signal,
    pub(super) hangup: Signal,
    /// `RestartKillSignal=` of `modem.service`: the next process is about to start.
    pub(super) hand_over: Signal,
}

impl Signals {
    pub(super) fn new() -> io::Result<Signals> {
        let signals = Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            hand_over: signal(SignalKind::user_defined1())?,
        };
        take_signals();
        Ok(signals)
    }
}

fn signals_of_systemd() -> SigSet {
    SigSet::from_iter([Number::SIGTERM, Number::SIGHUP, Number::SIGUSR1])
}

/// Holds back the signals that systemd sends, until [`take_signals`].
pub fn hold_signals() {
    let _ = signals_of_systemd().thread_block();
}

/// Lets in the signals that were held back: somebody listens for them.
pub fn take_signals() {
    let _ = signals_of_systemd().thread_unblock();
}
