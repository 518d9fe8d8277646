//! modemd as a whole, with real programs at both ends: one binary, a module for each subject.

mod access;
mod activation;
mod by_hand;
mod clients;
mod control;
mod half_close;
mod inetd;
mod journal;
mod lock_directory;
mod name_server;
mod notify;
mod peers;
mod privileges;
mod relay;
mod reload;
mod resources;
mod settings;
mod stage;
mod stop;
mod support;
mod terminal;
mod transfer;
mod units;
mod unwinding;
mod vanish;
