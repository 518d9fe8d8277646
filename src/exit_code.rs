//! What our programs exit with when something is wrong (`sysexits.h`).

/// The command was called in a way it cannot serve.
pub(crate) const USAGE: u8 = 64;
/// A file that was named cannot be read.
pub(crate) const NO_INPUT: u8 = 66;
/// Something that should be there is not.
pub(crate) const UNAVAILABLE: u8 = 69;
/// Not permitted.
pub(crate) const NOT_PERMITTED: u8 = 77;
/// Something is wrong with the configuration.
pub(crate) const CONFIGURATION: u8 = 78;
