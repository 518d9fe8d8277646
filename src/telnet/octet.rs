//! The octets of RFC 854 that stand behind an IAC, and IAC.

/// The sender has no more data (RFC 1184): a half-close for who wants to go on listening.
pub const EOF: u8 = 236;
/// Ends a subnegotiation.
pub const SE: u8 = 240;
/// Does nothing; some clients send it to see whether the connection is alive.
pub const NOP: u8 = 241;
/// The data mark of a Synch.
pub const DM: u8 = 242;
/// The BREAK key.
pub const BRK: u8 = 243;
/// Are you there?
pub const AYT: u8 = 246;
/// Begins a subnegotiation.
pub const SB: u8 = 250;
/// The sender does it, or asks to.
pub const WILL: u8 = 251;
/// The sender does not do it.
pub const WONT: u8 = 252;
/// The receiver shall do it, or may.
pub const DO: u8 = 253;
/// The receiver shall not do it.
pub const DONT: u8 = 254;
/// Interpret as command.
pub const IAC: u8 = 255;
