//! The settings that `&W` stores, `Z` brings back and `&V` shows.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::registers::Registers;
use super::result::{CallProgress, Wording};

/// One set of a modem's settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// `E1`: commands are echoed (V.250 6.2.4).
    pub echo: bool,
    /// `Q1`: no result codes (6.2.5).
    pub quiet: bool,
    /// `V1`: result codes in words (6.2.6).
    pub verbose: bool,
    /// `X`: which call progress is told (6.2.7).
    pub progress: CallProgress,
    /// `L`: the loudspeaker's volume, for show (6.3.13).
    pub loudness: u8,
    /// `M`: when the loudspeaker is on, for show (6.3.14).
    pub speaker: u8,
    /// `&C`: what carrier detect follows (6.2.8), for show: a pty has no such wire.
    pub carrier_detect: u8,
    /// `&D`: what the terminal's going away does.
    pub terminal_gone: TerminalGone,
    /// `&K`: flow control, for show: a pty always has it.
    pub flow_control: u8,
    /// `+VCID=1`, `#CID=1`, `+CLIP=1`: who calls is told.
    pub caller_id: u8,
    /// `+CRC=1`: `RING` tells what kind of call it is (3GPP TS 27.007, 6.11).
    pub kind_of_call: u8,
    /// `+CMEE`: how a mobile phone words its errors (3GPP TS 27.007, 9.1).
    pub errors: u8,
    /// The S-registers.
    pub registers: Registers,
}

/// The choices of `&D`, what DTR's going off in a call means (V.250 6.2.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TerminalGone {
    /// `&D0`: nothing.
    Ignored,
    /// `&D1`: online data state becomes online command state.
    CommandState,
    /// `&D2`: the modem hangs up, and does not answer by itself until DTR is back.
    HangUp,
    /// `&D3`: as `&D2`, and the stored profile comes back as with `Z` (Hayes).
    Reset,
}

impl TerminalGone {
    /// The choice for `&Dn`; there are 0 to 3.
    #[must_use]
    pub fn choice(n: u32) -> Option<Self> {
        [Self::Ignored, Self::CommandState, Self::HangUp, Self::Reset]
            .get(usize::try_from(n).ok()?)
            .copied()
    }
}

impl Default for Profile {
    /// The factory's settings, which `&F` brings back: V.250's defaults where it has some.
    fn default() -> Self {
        Self {
            echo: true,
            quiet: false,
            verbose: true,
            progress: CallProgress::ALL,
            loudness: 1,
            speaker: 1,
            carrier_detect: 1,
            terminal_gone: TerminalGone::HangUp,
            flow_control: 3,
            caller_id: 0,
            kind_of_call: 0,
            errors: 0,
            registers: Registers::default(),
        }
    }
}

impl Profile {
    /// How answers are to be written under these settings.
    #[must_use]
    pub fn wording(&self) -> Wording {
        Wording {
            verbose: self.verbose,
            progress: self.progress,
            cr: self.registers.terminator(),
            lf: self.registers.line_feed(),
        }
    }

    /// All settings as commands, in two lines: what `&V` shows.
    #[must_use]
    pub fn view(&self) -> String {
        let mut text = format!(
            "E{} L{} M{} Q{} V{} X{} &C{} &D{} &K{}\n",
            u8::from(self.echo),
            self.loudness,
            self.speaker,
            u8::from(self.quiet),
            u8::from(self.verbose),
            self.progress.number(),
            self.carrier_detect,
            self.terminal_gone as u8,
            self.flow_control,
        );
        for (n, value) in self.registers.iter() {
            let space = if n == 0 { "" } else { " " };
            let _ = write!(text, "{space}S{n}={value}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_view_shows_settings_as_one_would_type_them() {
        let view = Profile::default().view();
        let (settings, registers) = view.split_once('\n').unwrap();
        assert_eq!(settings, "E1 L1 M1 Q0 V1 X4 &C1 &D2 &K3");
        assert!(registers.starts_with("S0=0 S1=0 S2=43 "), "{registers}");
    }
}
