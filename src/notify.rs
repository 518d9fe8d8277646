//! Talking to systemd (`sd_notify(3)`); each of these does nothing where nobody listens.

use std::time::Duration;

use sd_notify::NotifyState;

/// One line, since each line of a notification is a variable of its own (`sd_notify(3)`), and there
/// are names in what we say.
fn one_line(status: &str) -> String {
    status.replace(char::is_control, "?")
}

fn tell(state: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!("systemd cannot be told {state:?}: {error}");
    }
}

/// Start-up is complete, or a reload is.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(&one_line(status))]);
}

/// What the service does now, for `systemctl status`.
pub fn status(status: &str) {
    tell(&[NotifyState::Status(&one_line(status))]);
}

/// The configuration is being read anew. Comes before [`ready`].
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// The service ends.
pub fn stopping(status: &str) {
    tell(&[
        NotifyState::Stopping,
        NotifyState::Status(&one_line(status)),
    ]);
}

/// Shows that the event loop turns, at half the interval of `WatchdogSec=`; never returns.
pub async fn watchdog() {
    let Some(interval) = sd_notify::watchdog_enabled().filter(|interval| !interval.is_zero())
    else {
        return std::future::pending().await;
    };
    let mut beat = tokio::time::interval((interval / 2).max(Duration::from_millis(1)));
    loop {
        beat.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}
