//! modemd shares serial lines with the network.
pub mod at;
pub mod config;
pub mod demo;
