//! The modems on the lines of a pool: prepared before a session, hung up after it, and set aside when they do
//! not do what they are told.

use std::path::Path;

use tokio::task::spawn_blocking;
use tracing::warn;

use super::Pool;
use crate::aside::AsideLines;
use crate::com_port::Uart as _;
use crate::journal;
use crate::line::Line;
use crate::modem::Trouble;
use crate::uptime::uptime;

impl Pool {
    pub(super) fn lines_aside(&self) -> AsideLines {
        match self.care {
            Some(_) => self.aside.lines(),
            None => AsideLines::default(),
        }
    }

    /// A line of this pool with its modem ready; or none, and it is set aside.
    pub(super) async fn prepare(&self, line: Line) -> Option<Line> {
        let Some(care) = &self.care else {
            return Some(line);
        };
        let mut held = Held {
            pool: self,
            line: Some(line),
        };
        let line = held.line.as_mut()?;
        match care.prepare(line).await {
            Ok(()) => {
                if !care.hangs_up() {
                    self.aside.forget(line.device());
                }
                held.line.take()
            }
            Err(trouble) => {
                self.set_aside(line.device(), &trouble);
                None
            }
        }
    }

    /// Ends the call that there may be, as it is done at this port.
    pub async fn hang_up(&self, line: &mut Line) {
        let Some(care) = &self.care else {
            line.hang_up().await;
            return;
        };
        match care.release(line).await {
            Ok(()) => {
                if care.hangs_up() {
                    // Only now it has done all that there was to do.
                    self.aside.forget(line.device());
                }
            }
            // What is there of one that is gone, who wants it next will find out.
            Err(Trouble::Lost(_)) => {}
            Err(trouble) => self.set_aside(line.device(), &trouble),
        }
    }

    fn set_aside(&self, device: &Path, trouble: &Trouble) {
        let pause = self.aside.set(device, &trouble.to_string(), uptime());
        let device = device.display();
        warn!(
            MESSAGE_ID = journal::LINE_FAILED,
            MODEMD_LINE = %device,
            "{device}: {}; it is tried again in {}",
            pause.why,
            crate::config::display_duration(pause.length)
        );
    }
}

/// A line while its modem is prepared. Should nobody want it any more, it is given back.
struct Held<'p> {
    pool: &'p Pool,
    line: Option<Line>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let Some(line) = self.line.take() else {
            return;
        };
        let device = line.device().to_owned();
        if line.unsent() > 0 {
            // Closing it may take a while, as in `Line::close`.
            spawn_blocking(move || drop(line));
        } else {
            drop(line);
        }
        self.pool.release(&device);
    }
}
