//! The control interface, `io.modemd` over Varlink: see who is on which line, and steer it.

pub mod interface;
