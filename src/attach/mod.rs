//! `modemctl attach`: a device here that behaves like a serial port elsewhere.

pub mod far;
pub mod interface;
pub mod pty;

#[cfg(test)]
mod tests;
