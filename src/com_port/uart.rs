//! The serial hardware behind a COM port, as the commands of RFC 2217 see it.

use serde::{Deserialize, Serialize};

use crate::config::{DataBits, Flow, Parity, StopBits};

/// What RFC 2217 controls. A line implements it; nothing here fails, since every answer of the
/// protocol is the state that is in force, whatever was asked for.
pub trait Uart {
    /// Tries to put one setting into force. If the hardware refuses, or makes something else of it,
    /// what was in force before stays so; [`Uart::state`] tells.
    fn set(&mut self, setting: Setting);

    /// What is in force now.
    fn state(&self) -> State;

    /// The modem's signals. One that the hardware does not have is on, the ring indicator off
    /// (`get_mctrl` in the kernel's `Documentation/driver-api/serial/driver.rst`).
    fn signals(&self) -> Signals;

    /// What the driver has counted since it was loaded; nothing where it does not count.
    fn counts(&self) -> Option<Counts>;

    /// How many octets have still to be sent.
    fn unsent(&self) -> u32;

    /// Throws away what was received and not read yet.
    fn discard_received(&mut self);

    /// Throws away what has still to be sent.
    fn discard_unsent(&mut self);
}

/// One setting and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// Bits per second.
    Baud(u32),
    /// Bits in a character.
    DataBits(DataBits),
    /// The check bit.
    Parity(Parity),
    /// The pause after a character.
    StopBits(StopBits),
    /// What holds up either side.
    Flow(Flow),
    /// What holds up the modem alone.
    InboundFlow(Flow),
    /// Whether a BREAK is being sent. None is started while anything is unsent.
    Break(bool),
    /// Data terminal ready.
    Dtr(bool),
    /// Request to send.
    Rts(bool),
}

/// All that is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "three signals, each on or off"
)]
pub struct State {
    /// Bits per second; the value asked for, if the hardware has come close enough to it.
    pub baud: u32,
    /// Bits in a character.
    pub data_bits: DataBits,
    /// The check bit.
    pub parity: Parity,
    /// The pause after a character.
    pub stop_bits: StopBits,
    /// What holds us up.
    pub flow: Flow,
    /// What holds up the modem.
    pub inbound_flow: Flow,
    /// Whether a BREAK is being sent.
    pub sends_break: bool,
    /// Data terminal ready. On a line without it: as it was last set.
    pub dtr: bool,
    /// Request to send. On a line without it: as it was last set.
    pub rts: bool,
}

/// The signals that come from the modem.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four signals, each on or off"
)]
pub struct Signals {
    /// Clear to send.
    pub cts: bool,
    /// Data set ready.
    pub dsr: bool,
    /// Ring indicator.
    pub ring: bool,
    /// Data carrier detect.
    pub carrier: bool,
}

/// How often something happened (`struct serial_icounter_struct` of the kernel's `serial.h`). The
/// numbers only grow, and wrap around.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// CTS changed.
    pub cts: u32,
    /// DSR changed.
    pub dsr: u32,
    /// The ring indicator went off.
    pub ring: u32,
    /// Carrier came or went.
    pub carrier: u32,
    /// A character without its stop bit.
    pub framing: u32,
    /// A character came before the one in front was taken, in the hardware or in the driver.
    pub overrun: u32,
    /// A wrong check bit.
    pub parity: u32,
    /// A BREAK arrived.
    pub breaks: u32,
}
