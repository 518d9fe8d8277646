//! modemd as a whole, with real programs at both ends: one binary, a module for each subject.

mod name_server;
mod stage;
mod support;

mod access;
mod activation;
mod by_hand;
mod inetd;
mod journal;
mod notify;
mod privileges;
mod relay;
mod reload;
mod units;
