//! Result codes and how they are worded (V.250 5.7).

use serde::{Deserialize, Serialize};

/// What a modem answers when a command line is done, or tells unasked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultCode {
    /// The line was carried out.
    Ok,
    /// A call is up, at this many bits a second; 0 if that is not known.
    Connect(u32),
    /// Somebody calls.
    Ring,
    /// No call came about, or the call is over.
    NoCarrier,
    /// The line was not understood, or could not be carried out.
    Error,
    /// Dial tone did not come.
    NoDialtone,
    /// The called side is busy.
    Busy,
    /// The called side rang and nobody answered.
    NoAnswer,
}

/// The `X` command's choices, which events a modem tells apart (V.250 6.2.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallProgress(u8);

impl CallProgress {
    /// All of it, the factory's choice.
    pub const ALL: Self = Self(4);

    /// The level for `Xn`; there are 0 to 4.
    #[must_use]
    pub fn level(n: u32) -> Option<Self> {
        u8::try_from(n).ok().filter(|&n| n <= 4).map(Self)
    }

    /// The `n` of `Xn`.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }

    /// `CONNECT` comes with the rate: from X1 on.
    #[must_use]
    pub fn tells_rate(self) -> bool {
        self.0 >= 1
    }

    /// Dial tone is waited for: X2 and X4.
    #[must_use]
    pub fn hears_dial_tone(self) -> bool {
        matches!(self.0, 2 | 4)
    }

    /// Busy and ringing tones are recognised: X3 and X4.
    #[must_use]
    pub fn hears_busy(self) -> bool {
        self.0 >= 3
    }
}

/// How answers are written: the settings of `V` and `X`, and the characters in S3 and S4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wording {
    /// Words (V1) rather than numbers (V0).
    pub verbose: bool,
    /// The `X` setting.
    pub progress: CallProgress,
    /// S3, the carriage return.
    pub cr: u8,
    /// S4, the line feed.
    pub lf: u8,
}

impl Wording {
    /// Appends a result code: `CR LF words CR LF`, or with V0 `number CR` (V.250 5.7.1).
    pub fn result(self, code: ResultCode, out: &mut Vec<u8>) {
        if !self.verbose {
            out.extend(self.number(code).to_string().bytes());
            out.push(self.cr);
            return;
        }
        out.extend([self.cr, self.lf]);
        match code {
            ResultCode::Ok => out.extend(b"OK"),
            ResultCode::Connect(rate) => {
                out.extend(b"CONNECT");
                if rate > 0 && self.progress.tells_rate() {
                    out.extend(format!(" {rate}").bytes());
                }
            }
            ResultCode::Ring => out.extend(b"RING"),
            ResultCode::NoCarrier => out.extend(b"NO CARRIER"),
            ResultCode::Error => out.extend(b"ERROR"),
            ResultCode::NoDialtone => out.extend(b"NO DIALTONE"),
            ResultCode::Busy => out.extend(b"BUSY"),
            ResultCode::NoAnswer => out.extend(b"NO ANSWER"),
        }
        out.extend([self.cr, self.lf]);
    }

    /// Appends information text, such as the answer to `I`.
    ///
    /// V.250 5.7.1 puts `CR LF` around it in V1, and behind it in V0. With V1 the result code
    /// that follows brings its own `CR LF` along, so that the text's trailer can be left out as
    /// isdn4linux did, and no empty line appears; `result_follows` is false under Q1.
    pub fn information(self, text: &str, result_follows: bool, out: &mut Vec<u8>) {
        for line in text.lines() {
            if self.verbose {
                out.extend([self.cr, self.lf]);
            }
            out.extend(line.bytes());
            if !self.verbose {
                out.extend([self.cr, self.lf]);
            }
        }
        if self.verbose && !result_follows {
            out.extend([self.cr, self.lf]);
        }
    }

    /// Numbers below 10 are V.250's (table 1); rates are as Rockwell and most after it had them.
    fn number(self, code: ResultCode) -> u8 {
        match code {
            ResultCode::Ok => 0,
            ResultCode::Connect(rate) if self.progress.tells_rate() && rate > 0 => match rate {
                1200 => 5,
                2400 => 10,
                4800 => 11,
                9600 => 12,
                19_200 => 16,
                38_400 => 17,
                57_600 => 18,
                115_200 => 19,
                _ => 1,
            },
            ResultCode::Connect(_) => 1,
            ResultCode::Ring => 2,
            ResultCode::NoCarrier => 3,
            ResultCode::Error => 4,
            ResultCode::NoDialtone => 6,
            ResultCode::Busy => 7,
            ResultCode::NoAnswer => 8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wording(verbose: bool, level: u32) -> Wording {
        Wording {
            verbose,
            progress: CallProgress::level(level).unwrap(),
            cr: b'\r',
            lf: b'\n',
        }
    }

    fn text(wording: Wording, code: ResultCode) -> String {
        let mut out = Vec::new();
        wording.result(code, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn words_stand_between_line_ends_and_numbers_before_a_return() {
        assert_eq!(
            text(wording(true, 4), ResultCode::NoCarrier),
            "\r\nNO CARRIER\r\n"
        );
        assert_eq!(text(wording(false, 4), ResultCode::NoCarrier), "3\r");
    }

    #[test]
    fn the_rate_is_told_from_x1_on() {
        let connect = ResultCode::Connect(115_200);
        assert_eq!(text(wording(true, 0), connect), "\r\nCONNECT\r\n");
        assert_eq!(text(wording(true, 1), connect), "\r\nCONNECT 115200\r\n");
        let back = ResultCode::Connect(0);
        assert_eq!(text(wording(true, 4), back), "\r\nCONNECT\r\n");
        assert_eq!(text(wording(false, 4), back), "1\r");
        assert_eq!(text(wording(false, 0), connect), "1\r");
        assert_eq!(text(wording(false, 4), connect), "19\r");
        let again = ResultCode::Connect(0);
        assert_eq!(text(wording(true, 4), again), "\r\nCONNECT\r\n");
        assert_eq!(text(wording(false, 4), again), "1\r");
    }

    #[test]
    fn line_ends_are_what_s3_and_s4_say() {
        let odd = Wording {
            cr: b'<',
            lf: b'>',
            ..wording(true, 4)
        };
        assert_eq!(text(odd, ResultCode::Ok), "<>OK<>");
    }

    #[test]
    fn information_and_result_share_the_line_end_between_them() {
        let mut out = Vec::new();
        wording(true, 4).information("one\ntwo", true, &mut out);
        wording(true, 4).result(ResultCode::Ok, &mut out);
        assert_eq!(out, b"\r\none\r\ntwo\r\nOK\r\n");
        out.clear();
        wording(true, 4).information("one", false, &mut out);
        assert_eq!(out, b"\r\none\r\n");
        out.clear();
        wording(false, 4).information("one", true, &mut out);
        wording(false, 4).result(ResultCode::Ok, &mut out);
        assert_eq!(out, b"one\r\n0\r");
    }
}
