//! The signals that tell a service what to do.

use std::future::pending;
use std::io;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use tokio::io::unix::AsyncFd;

use crate::watched::watch;

/// What systemd sends. `SIGUSR1` is `RestartKillSignal=` of `modem.service`: the next process is about
/// to start.
const OF_SYSTEMD: [Signal; 3] = [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGUSR1];

/// Holds back the signals that systemd sends, until [`Signals::take`]. Threads that are started later
/// never get one, so call it before there are any.
pub fn hold_signals() {
    let _ = SigSet::from_iter(OF_SYSTEMD).thread_block();
}

/// Signals that are read, as bytes are: nothing is interrupted by one.
pub struct Signals(AsyncFd<SignalFd>);

impl Signals {
    /// Takes these from now on, and what was held back of them. Must be called in a tokio runtime and
    /// before there are threads.
    ///
    /// Others that were held back do what they do to every process.
    pub fn take(wanted: &[Signal]) -> io::Result<Signals> {
        let wanted: SigSet = wanted.iter().copied().collect();
        wanted.thread_block()?;
        let others = OF_SYSTEMD.into_iter().filter(|&it| !wanted.contains(it));
        others.collect::<SigSet>().thread_unblock()?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        Ok(Signals(watch(SignalFd::with_flags(&wanted, flags)?)?))
    }

    /// The next one. Whoever drops this has not lost any.
    pub async fn next(&self) -> Signal {
        while let Ok(mut ready) = self.0.readable().await {
            match self.0.get_ref().read_signal() {
                Ok(Some(told)) => {
                    let number = i32::try_from(told.ssi_signo).unwrap_or_default();
                    if let Ok(signal) = Signal::try_from(number) {
                        return signal;
                    }
                }
                Ok(None) => ready.clear_ready(),
                Err(_) => break,
            }
        }
        // There is none to come any more: the event loop ends.
        pending().await
    }
}
