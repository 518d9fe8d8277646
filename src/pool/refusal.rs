//! Why no line could be had.

use crate::claim::Unavailable;

/// Why no line could be had.
#[derive(Debug)]
pub enum NoLine {
    /// All are in use (or out of order); the reason for each, or none where others who wait are
    /// first.
    Busy(Vec<Unavailable>),
    /// None of them works; the reason for each.
    Broken(Vec<Unavailable>),
}

impl NoLine {
    fn reasons(&self) -> &[Unavailable] {
        match self {
            NoLine::Busy(reasons) | NoLine::Broken(reasons) => reasons,
        }
    }
}

impl std::fmt::Display for NoLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.reasons().is_empty() {
            return f.write_str("others have waited longer");
        }
        for (number, reason) in self.reasons().iter().enumerate() {
            if number > 0 {
                f.write_str("; ")?;
            }
            reason.fmt(f)?;
        }
        Ok(())
    }
}
