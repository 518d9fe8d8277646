//! `115200,8,N,1`: the settings of a serial line.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::problem::{Mistake, quoted};

/// The fastest rate that is believed: what the fastest USB serial chips (FT232H) are made for.
pub const MAX_BAUD: u32 = 12_000_000;

const EXAMPLES: &str = "write for example `115200,8,N,1` or `9600,7,E,1,rtscts`";

/// The settings of a serial line, written `baud,data,parity,stop[,rtscts|xonxoff]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineSettings {
    /// Bits per second, 1 to [`MAX_BAUD`]; standard or not.
    pub baud: u32,
    /// Bits in a character.
    pub data_bits: DataBits,
    /// The check bit.
    pub parity: Parity,
    /// The pause after a character.
    pub stop_bits: StopBits,
    /// How either side holds the other up.
    pub flow: Flow,
}

impl Default for LineSettings {
    fn default() -> Self {
        Self {
            baud: 115_200,
            data_bits: DataBits::Eight,
            parity: Parity::None,
            stop_bits: StopBits::One,
            flow: Flow::None,
        }
    }
}

/// Bits in a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DataBits {
    /// 5, as teletypes had.
    Five,
    /// 6
    Six,
    /// 7, with a parity bit most often.
    Seven,
    /// 8
    Eight,
}

/// The check bit after the data bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Parity {
    /// `N`: no check bit.
    None,
    /// `O`
    Odd,
    /// `E`
    Even,
    /// `M`: a check bit that is always 1.
    Mark,
    /// `S`: a check bit that is always 0.
    Space,
}

/// The pause after a character, in bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopBits {
    /// 1
    One,
    /// 2
    Two,
}

/// Flow control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Flow {
    /// None: nothing is written for it.
    None,
    /// `rtscts`: by the lines RTS and CTS.
    RtsCts,
    /// `xonxoff`: by the characters 0x11 and 0x13, which then cannot be data.
    XonXoff,
}

/// Letters may be of either case, and blanks may stand around the commas.
impl FromStr for LineSettings {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        let wrong = |part: &str, why: &str| {
            let message = format!("{} is not {why}", quoted(part));
            Err(Mistake::new(message, EXAMPLES))
        };
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        let (baud, data, parity, stop, flow) = match parts[..] {
            [baud, data, parity, stop] => (baud, data, parity, stop, None),
            [baud, data, parity, stop, flow] => (baud, data, parity, stop, Some(flow)),
            _ => {
                return wrong(
                    text,
                    "`baud,data,parity,stop` with an optional flow control",
                );
            }
        };
        Ok(Self {
            baud: match baud.parse() {
                Ok(rate @ 1..=MAX_BAUD) if !baud.starts_with('+') => rate,
                _ => return wrong(baud, &format!("a baud rate from 1 to {MAX_BAUD}")),
            },
            data_bits: match data {
                "5" => DataBits::Five,
                "6" => DataBits::Six,
                "7" => DataBits::Seven,
                "8" => DataBits::Eight,
                _ => return wrong(data, "a number of data bits: 5, 6, 7 or 8"),
            },
            parity: match parity {
                "N" | "n" => Parity::None,
                "O" | "o" => Parity::Odd,
                "E" | "e" => Parity::Even,
                "M" | "m" => Parity::Mark,
                "S" | "s" => Parity::Space,
                _ => {
                    let letters = "a parity: N (none), O (odd), E (even), M (mark) or S (space)";
                    return wrong(parity, letters);
                }
            },
            stop_bits: match stop {
                "1" => StopBits::One,
                "2" => StopBits::Two,
                _ => return wrong(stop, "a number of stop bits: 1 or 2"),
            },
            flow: match flow {
                None => Flow::None,
                Some(flow) if flow.eq_ignore_ascii_case("rtscts") => Flow::RtsCts,
                Some(flow) if flow.eq_ignore_ascii_case("xonxoff") => Flow::XonXoff,
                Some(flow) => return wrong(flow, "a flow control: `rtscts` or `xonxoff`"),
            },
        })
    }
}

impl fmt::Display for LineSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let data = match self.data_bits {
            DataBits::Five => 5,
            DataBits::Six => 6,
            DataBits::Seven => 7,
            DataBits::Eight => 8,
        };
        let parity = match self.parity {
            Parity::None => 'N',
            Parity::Odd => 'O',
            Parity::Even => 'E',
            Parity::Mark => 'M',
            Parity::Space => 'S',
        };
        let stop = match self.stop_bits {
            StopBits::One => 1,
            StopBits::Two => 2,
        };
        let flow = match self.flow {
            Flow::None => "",
            Flow::RtsCts => ",rtscts",
            Flow::XonXoff => ",xonxoff",
        };
        write!(f, "{},{data},{parity},{stop}{flow}", self.baud)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn settings() -> impl Strategy<Value = LineSettings> {
        let data = [
            DataBits::Five,
            DataBits::Six,
            DataBits::Seven,
            DataBits::Eight,
        ];
        (
            1..=MAX_BAUD,
            proptest::sample::select(data.to_vec()),
            proptest::sample::select(vec![
                Parity::None,
                Parity::Odd,
                Parity::Even,
                Parity::Mark,
                Parity::Space,
            ]),
            proptest::sample::select(vec![StopBits::One, StopBits::Two]),
            proptest::sample::select(vec![Flow::None, Flow::RtsCts, Flow::XonXoff]),
        )
            .prop_map(|(baud, data_bits, parity, stop_bits, flow)| LineSettings {
                baud,
                data_bits,
                parity,
                stop_bits,
                flow,
            })
    }

    proptest! {
        #[test]
        fn what_is_displayed_reads_back_the_same(line in settings()) {
            prop_assert_eq!(line.to_string().parse(), Ok(line));
        }

        #[test]
        fn no_text_is_too_strange(text in "\\PC*|[0-9,NOE+ ]{0,20}") {
            if let Ok(line) = text.parse::<LineSettings>() {
                prop_assert_eq!(line.to_string().parse(), Ok(line));
            }
        }
    }

    #[test]
    fn the_default_is_the_howtos() {
        assert_eq!("115200,8,N,1".parse(), Ok(LineSettings::default()));
        assert_eq!(LineSettings::default().to_string(), "115200,8,N,1");
    }

    #[test]
    fn letters_may_be_of_either_case() {
        let line: LineSettings = "2400, 7, e, 2, RTSCTS".parse().unwrap();
        assert_eq!(line.to_string(), "2400,7,E,2,rtscts");
    }

    #[test]
    fn the_wrong_part_is_named() {
        for (text, part) in [
            ("0,8,N,1", "`0` is not a baud rate"),
            ("+9600,8,N,1", "`+9600` is not a baud rate"),
            ("99999999999,8,N,1", "`99999999999` is not a baud rate"),
            ("9600,9,N,1", "`9` is not a number of data bits"),
            ("9600,8,X,1", "`X` is not a parity"),
            ("9600,8,N,1.5", "`1.5` is not a number of stop bits"),
            ("9600,8,N,1,dsr", "`dsr` is not a flow control"),
            ("115200,8N1", "`115200,8N1` is not `baud,data,parity,stop`"),
            ("", "`` is not `baud,data,parity,stop`"),
        ] {
            let mistake = text.parse::<LineSettings>().unwrap_err();
            assert!(mistake.message.starts_with(part), "{mistake}");
        }
    }
}
