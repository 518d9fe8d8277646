//! modemd shares serial lines with the network. This is the map of the house.
//!
//! The modules, in the order in which a connection meets them:
//!
//! | module | what it is |
//! |---|---|
//! | [`command_line`], [`config`] | what modemd was asked to do: text in, settings and mistakes out |
//! | [`daemon`] | from there to a running service; when the privileges go |
//! | [`activation`], [`listen`] | the sockets: handed in by systemd or inetd, or bound by hand |
//! | [`server`] | accepts, gives each client a task; stop, reload, idle exit |
//! | [`client`], [`port`] | who came, and to what |
//! | [`session`] | one client's life: the next nine in their order |
//! | [`access`] | may they use this port? |
//! | [`pool`], [`claim`] | which line, and the locks that make it ours |
//! | [`mod@line`] | open, set up, read back, hang up, restore |
//! | [`modem`] | what is said to the modem before a session, and how its call is ended after it |
//! | [`privileges`] | from root to somebody who can only open serial lines |
//! | [`relay`] | bytes both ways |
//! | [`telnet`], [`mod@com_port`] | what stands in between on a telnet port |
//! | [`guard`] | what stands before a modem whose port says which numbers may be dialled |
//! | [`call`], [`account`] | the calls: what the journal says of each, and what each client has spent |
//! | [`tally`], [`drained`], [`mod@aside`], [`state_dir`] | what all processes share, and what outlives them: counts, lines out of service or set aside |
//! | [`ledger`], [`store`] | what outlives the process, and who keeps it: calls survive a restart and a crash |
//! | [`board`], [`tap`], [`events`] | who is here, what goes by, what happens: for who looks |
//! | [`notify`], [`journal`], [`uptime`] | what systemd and people see of it, and its clock |
//! | [`varlink`], [`mod@control`] | the control interface: see it and steer it |
//! | [`modemctl`] | what people type |
//! | [`attach`] | `modemctl attach`, on the other machine: a device that behaves like a line here |
//! | [`metrics`] | what was counted, as a page for Prometheus |
//! | [`mod@import`] | configurations of older servers as ours |
//! | [`generator`] | `modemd-generator`: the configuration as systemd units |
//! | [`at`], [`demo`] | the AT command language, and modems made of it |
//!
//! What the programs exit with when something is wrong is in `exit_code`.
//!
//! A byte of a client: the kernel wakes the event loop (one thread, all sessions), the session's
//! [`relay`] reads it into the one buffer that all share and writes it to the line in the same turn;
//! what the line does not take is kept, and nothing more is read from this client until it does.
//! On a telnet port it goes through [`telnet`] in between; what [`com_port`] is asked there acts on
//! the line in its place among the bytes. Where the port says which numbers may be dialled, the [`guard`] comes next:
//! in a call it lets bytes through as they are, and otherwise speaks with client and modem itself. At the end of each turn everything that another process needs
//! to go on is in the session's [`ledger`], in memory; under systemd, that and the descriptors of client
//! and line are kept for it in the [`store`], and the next process takes them up before it accepts.
//!
//! Everything that parses ([`config`], [`telnet`], [`com_port`], [`attach::far`], [`at`], [`metrics::http`]), and the [`guard`], is
//! sans-IO; nothing below [`session`] knows of systemd.

pub mod access;
pub mod account;
pub mod activation;
pub mod aside;
pub mod at;
pub mod attach;
pub mod board;
pub mod call;
pub mod claim;
pub mod client;
pub mod com_port;
pub mod command_line;
pub mod config;
pub mod control;
pub mod daemon;
pub mod demo;
pub mod drained;
pub mod events;
mod exit_code;
pub mod generator;
pub mod guard;
pub mod import;
pub mod journal;
pub mod ledger;
pub mod line;
pub mod listen;
pub mod metrics;
pub mod modem;
pub mod modemctl;
pub mod notify;
pub mod pool;
pub mod port;
pub mod privileges;
pub mod relay;
pub mod server;
pub mod session;
mod shared_file;
pub mod state_dir;
pub mod store;
pub mod tally;
pub mod tap;
pub mod telnet;
pub mod uptime;
pub mod varlink;
mod watched;
