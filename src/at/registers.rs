//! S-registers: the numbered settings of a modem (V.250 5.3.2).

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// All S-registers of one modem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registers([u8; REGISTERS.len()]);

/// One register: number, value from the factory, smallest and largest value.
struct Register(u8, u8, u8, u8);

/// Where V.250 (6.2 and 6.3) describes a register, default and range are its own; the others are
/// those of Hayes' modems, as software expects to be able to set them.
const REGISTERS: [Register; 16] = [
    Register(0, 0, 0, 255),   // rings before the modem answers, 0: never
    Register(1, 0, 0, 255),   // rings counted
    Register(2, 43, 0, 255),  // escape character
    Register(3, 13, 0, 127),  // carriage return
    Register(4, 10, 0, 127),  // line feed
    Register(5, 8, 0, 127),   // backspace
    Register(6, 2, 0, 255),   // seconds before blind dialling
    Register(7, 50, 1, 255),  // seconds to wait for carrier
    Register(8, 2, 0, 255),   // seconds a comma lasts
    Register(9, 6, 0, 255),   // tenths of a second until carrier counts
    Register(10, 14, 0, 255), // tenths of a second until its loss counts
    Register(11, 95, 0, 255), // milliseconds a tone lasts
    Register(12, 50, 0, 255), // fiftieths of a second around the escape
    Register(25, 5, 0, 255),  // hundredths of a second until DTR's change counts
    Register(30, 0, 0, 255),  // minutes of silence before hanging up
    Register(38, 20, 0, 255), // seconds to deliver what is left when hanging up
];

impl Default for Registers {
    fn default() -> Self {
        Self(REGISTERS.map(|Register(_, factory, ..)| factory))
    }
}

impl Registers {
    /// The value of `Sn`; `None` if there is no such register.
    #[must_use]
    pub fn get(&self, n: u8) -> Option<u8> {
        place(n).map(|place| self.0[place])
    }

    /// Sets `Sn`; `None` if there is no such register or the value is out of its range.
    #[must_use]
    pub fn set(&mut self, n: u8, value: u8) -> Option<()> {
        let place = place(n)?;
        let Register(.., smallest, largest) = REGISTERS[place];
        if !(smallest..=largest).contains(&value) {
            return None;
        }
        self.0[place] = value;
        Some(())
    }

    /// Number and value of each register, in order.
    pub fn iter(&self) -> impl Iterator<Item = (u8, u8)> {
        REGISTERS.iter().map(|Register(n, ..)| *n).zip(self.0)
    }

    /// S0: answer at this ring, 0 for never.
    #[must_use]
    pub fn answer_at_ring(&self) -> u8 {
        self.0[0]
    }

    /// S1: rings counted.
    #[must_use]
    pub fn rings(&self) -> u8 {
        self.0[1]
    }

    /// Sets S1.
    pub fn count_rings(&mut self, rings: u8) {
        self.0[1] = rings;
    }

    /// S2: the escape character; above 127 there is none.
    #[must_use]
    pub fn escape(&self) -> Option<u8> {
        Some(self.0[2]).filter(|&byte| byte < 128)
    }

    /// S3: the character that ends a command line.
    #[must_use]
    pub fn terminator(&self) -> u8 {
        self.0[3]
    }

    /// S4: the second character of a line end in answers.
    #[must_use]
    pub fn line_feed(&self) -> u8 {
        self.0[4]
    }

    /// S5: the character that takes one back.
    #[must_use]
    pub fn backspace(&self) -> u8 {
        self.0[5]
    }

    /// S6: how long a modem that cannot hear dial tone waits for it.
    #[must_use]
    pub fn blind_dialling(&self) -> Duration {
        Duration::from_secs(self.0[6].into())
    }

    /// S7: how long to wait for carrier.
    #[must_use]
    pub fn carrier_wait(&self) -> Duration {
        Duration::from_secs(self.0[7].into())
    }

    /// S8: how long a comma in a dial string lasts.
    #[must_use]
    pub fn comma(&self) -> Duration {
        Duration::from_secs(self.0[8].into())
    }

    /// S12: the silence around the escape sequence, at least 20 ms: with none, any three `+` in
    /// a file would take the call to command state.
    #[must_use]
    pub fn guard_time(&self) -> Duration {
        Duration::from_millis(20 * u64::from(self.0[12].max(1)))
    }
}

fn place(n: u8) -> Option<usize> {
    REGISTERS.iter().position(|register| register.0 == n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_registers_are_where_their_numbers_say() {
        let registers = Registers::default();
        for n in 0..=12 {
            assert_eq!(place(n), Some(usize::from(n)));
        }
        assert_eq!(registers.get(2), registers.escape());
        assert_eq!(registers.get(3), Some(registers.terminator()));
        assert_eq!(registers.carrier_wait(), Duration::from_secs(50));
        assert_eq!(registers.guard_time(), Duration::from_secs(1));
    }

    #[test]
    fn a_value_out_of_range_or_an_unknown_register_is_refused() {
        let mut registers = Registers::default();
        assert_eq!(registers.set(7, 0), None);
        assert_eq!(registers.set(3, 128), None);
        assert_eq!(registers.set(99, 1), None);
        assert_eq!(registers.get(99), None);
        assert_eq!(registers.set(7, 45), Some(()));
        assert_eq!(registers.get(7), Some(45));
    }

    #[test]
    fn no_guard_time_is_taken_as_the_shortest() {
        let mut registers = Registers::default();
        registers.set(12, 0).unwrap();
        assert_eq!(registers.guard_time(), Duration::from_millis(20));
    }

    #[test]
    fn an_escape_character_above_127_turns_the_escape_off() {
        let mut registers = Registers::default();
        registers.set(2, 128).unwrap();
        assert_eq!(registers.escape(), None);
    }
}
