//! A line that one process leaves to another: what that one needs, and how it goes on.

use std::fs::File;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::settings::{self, InForce, Saved};
use super::signals::{self, Driven};
use super::{Found, Line, Tty};
use crate::claim::{Claim, Unavailable};
use crate::watched::watch;

/// What another process needs to go on with a line, beside its descriptor and what it was
/// [`Found`] with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Memo {
    asked: InForce,
    driven: Driven,
}

impl Line {
    /// Goes on with a line that another process has left.
    ///
    /// Must be called in a tokio runtime. Fails if it cannot be watched; that it is gone, the first
    /// who reads from it learns.
    pub fn resume(
        file: File,
        device: &Path,
        found: Found,
        memo: Memo,
        claim: Claim,
    ) -> std::io::Result<Line> {
        let tty = Tty::from(file);
        Ok(Line {
            has_signals: signals::exist(&tty),
            before_speed_0: None,
            tty: watch(tty)?,
            device: device.to_owned(),
            found,
            asked: memo.asked,
            driven: memo.driven,
            is_leased: false,
            claim: Some(claim),
        })
    }

    /// What there is of a line that another process has left, to hang up and to give it back: with the
    /// settings that it was `found` with, or those that it has if nobody knows.
    pub fn salvage(
        file: File,
        device: &Path,
        found: Option<Found>,
        claim: Claim,
    ) -> std::io::Result<Line> {
        let tty = Tty::from(file);
        let found = match found {
            Some(found) => found,
            None => Found {
                settings: Saved::of(&tty)?,
                low_latency: true,
            },
        };
        Ok(Line {
            has_signals: signals::exist(&tty),
            before_speed_0: None,
            asked: settings::read(&tty)?,
            tty: watch(tty)?,
            device: device.to_owned(),
            found,
            driven: Driven::after_opening(),
            is_leased: false,
            claim: Some(claim),
        })
    }

    /// Gets those of its lock files that could not be had so far, as [`Claim::take_over`].
    pub fn take_over_locks(&mut self, lock_files: &[PathBuf]) -> Option<Unavailable> {
        self.claim.as_mut()?.take_over(lock_files)
    }

    /// What another process needs to go on.
    #[must_use]
    pub fn memo(&self) -> Memo {
        Memo {
            asked: self.asked,
            driven: self.driven,
        }
    }

    /// The settings it was found with, which it will be given back.
    #[must_use]
    pub fn found(&self) -> &Found {
        &self.found
    }

    /// The files that lock it.
    pub fn locks(&self) -> impl Iterator<Item = &Path> {
        self.claim.iter().flat_map(Claim::lock_files)
    }

    /// Leaves the line as it is to the next process, which gets its descriptor from somebody who
    /// keeps it. Until then that is who holds it.
    pub fn leave(self) {
        // Not closed here, but with the process: `serialport` ends the exclusive mode of what it closes.
        let mut line = ManuallyDrop::new(self);
        if let Some(claim) = line.claim.take() {
            claim.leave();
        }
    }
}
