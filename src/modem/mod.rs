//! What is done with a modem before a session and after it: it is prepared, and its call is ended.
//!
//! A port whose configuration knows of no modem has no [`Care`]: nothing of ours is sent to its lines.

mod talk;
#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::at::dialogue::{Failed, Step, Wants};
use crate::config::{self, HangUp, Modem};
use crate::guard::setup;
use crate::line::Line;
use talk::{listen, say, talk};

/// `+++`: what brings a modem from its call to its commands, with silence around it.
const ESCAPE: &[u8] = b"+++";

/// The least of that silence, unless it is configured: what S12 has in every Hayes modem.
const GUARD_TIME: Duration = Duration::from_secs(1);

/// In command state this ends a call whatever DTR has done, and the answer comes in words.
const HANG_UP: &str = "ATQ0V1H0";

/// How long a modem that has hung up by DTR may take to answer that. Three tries of it, the same of the
/// other way, and the guard time: all of that is less than what stopping the service may take.
const AFTER_DTR: Duration = Duration::from_millis(700);

/// The same of one that ends its call for that: it may take leave of the other modem first.
const AFTER_ESCAPE: Duration = Duration::from_secs(1);

/// How long hanging up may take, but for the silence around `+++`.
const LONGEST: Duration = Duration::from_secs(7);

/// How long DCD may stay on after DTR has gone off.
const CARRIER_FALLS: Duration = Duration::from_secs(1);

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// How the modems of a port are treated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Care {
    /// What is said before each session.
    preparation: Vec<Step>,
    /// How long each answer to that may take.
    timeout: Duration,
    hang_up: HangUp,
    /// A client that may not dial whatever it likes may have left half a line in the modem's buffer.
    may_find_half_a_line: bool,
    /// Before `+++` and after it.
    silence: Duration,
    /// Whether `+++` means anything to the modem.
    can_escape: bool,
}

/// Why a modem cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// It does not do what it is told.
    #[error("{0}")]
    Failed(#[from] Failed),
    /// Its call is perhaps still there.
    #[error("does not hang up: {0}")]
    OffHook(Failed),
    /// The line is gone, and its modem with it.
    #[error("the line is gone: {0}")]
    Lost(#[from] std::io::Error),
}

impl Care {
    /// As the port is configured; none if nothing is said of modems there.
    #[must_use]
    pub fn of(port: &config::Port) -> Option<Care> {
        let is_guarded = port.dial.is_some();
        let modem = match &port.modem {
            Some(modem) => modem.clone(),
            None if is_guarded => Modem::default(),
            None => return None,
        };
        let init = modem.init.into_iter().map(|line| Step {
            line,
            wants: Wants::Ok,
        });
        let mut preparation = Vec::from_iter(is_guarded.then(setup::clearing));
        preparation.extend(init);
        if is_guarded {
            preparation.extend(setup::steps(modem.guard_time));
        }
        Some(Care {
            preparation,
            timeout: modem.timeout,
            hang_up: modem.hangup,
            may_find_half_a_line: is_guarded,
            // A guarded modem has no escape unless it cannot do without.
            can_escape: !is_guarded || modem.guard_time.is_some(),
            silence: setup::silence(modem.guard_time.unwrap_or(GUARD_TIME)),
        })
    }

    /// Makes the modem ready for a session. What it has said is not left to be read.
    pub async fn prepare(&self, line: &mut Line) -> Result<(), Trouble> {
        if self.hang_up == HangUp::None {
            line.keep_dtr_up();
        }
        talk(line, &self.preparation, self.timeout).await
    }

    /// Ends whatever call there is, and makes sure of it.
    pub async fn release(&self, line: &mut Line) -> Result<(), Trouble> {
        let ways: &[Way] = match self.hang_up {
            HangUp::None => {
                line.keep_dtr_up();
                return Ok(());
            }
            HangUp::Dtr if self.can_escape => &[Way::Dtr, Way::Escape],
            HangUp::Escape if self.can_escape => &[Way::Escape, Way::Dtr],
            HangUp::Dtr | HangUp::Escape => &[Way::Dtr],
        };
        let no_answer = || {
            Trouble::OffHook(Failed::NoAnswer {
                line: HANG_UP.to_owned(),
            })
        };
        let all = async {
            let mut trouble = no_answer();
            for way in ways {
                let done = match way {
                    Way::Dtr => self.by_dtr(line).await,
                    Way::Escape => self.by_escape(line).await,
                };
                match done {
                    Ok(()) => return Ok(()),
                    Err(Trouble::Failed(why) | Trouble::OffHook(why)) => {
                        trouble = Trouble::OffHook(why);
                    }
                    Err(lost) => return Err(lost),
                }
            }
            Err(trouble)
        };
        let done = timeout(self.patience(), all).await;
        done.unwrap_or_else(|_| Err(no_answer()))
    }

    /// Whether there is anything to do after a session.
    #[must_use]
    pub fn hangs_up(&self) -> bool {
        self.hang_up != HangUp::None
    }

    /// How long hanging up may take.
    fn patience(&self) -> Duration {
        LONGEST + 2 * self.silence
    }

    async fn by_dtr(&self, line: &mut Line) -> Result<(), Trouble> {
        let had_carrier = line.carrier() == Some(true);
        line.hang_up_even_without_dtr().await;
        if had_carrier && carrier_falls(line).await {
            return Ok(());
        }
        line.raise_dtr();
        self.confirm(line, AFTER_DTR).await
    }

    async fn by_escape(&self, line: &mut Line) -> Result<(), Trouble> {
        line.raise_dtr();
        listen(line, self.silence).await?;
        say(line, ESCAPE, self.silence).await?;
        listen(line, self.silence).await?;
        self.confirm(line, AFTER_ESCAPE).await
    }

    /// A modem in command state says so, and has hung up then. One in a call says nothing, and the far end
    /// is told a few words at the end of it.
    async fn confirm(&self, line: &mut Line, answer: Duration) -> Result<(), Trouble> {
        let step = Step {
            line: if self.may_find_half_a_line {
                setup::cleared(HANG_UP)
            } else {
                HANG_UP.to_owned()
            },
            wants: Wants::Ok,
        };
        talk(line, &[step], answer).await
    }
}

/// A way to hang up.
enum Way {
    Dtr,
    Escape,
}

/// Whether a carrier that was there goes away.
async fn carrier_falls(line: &Line) -> bool {
    let since = Instant::now();
    while line.carrier() == Some(true) {
        if since.elapsed() >= CARRIER_FALLS {
            return false;
        }
        sleep(LOOK).await;
    }
    true
}
