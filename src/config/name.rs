//! Names of our own, which become part of the names of units, sockets and devices.

use super::problem::{Mistake, quoted};

/// Leaves room for the rest of a unit's name, which has at most 255 characters, and for the directory
/// of a socket, whose path has at most 107.
const LONGEST: usize = 64;

/// Whether `what` can have this name, as far as its letters go.
pub(super) fn check_letters(name: &str, what: &str) -> Result<(), Mistake> {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    if !(1..=LONGEST).contains(&name.len())
        || !name.bytes().all(fine)
        || name.starts_with(['.', '-'])
    {
        return Err(Mistake::new(
            format!("{} cannot be the name of {what}", quoted(name)),
            "write at most 64 letters, digits, `_`, `.` and `-`, none of the last two in front",
        ));
    }
    Ok(())
}
