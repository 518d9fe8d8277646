//! What a modem says in command state, taken apart (V.250 5.7).

mod words;

use super::result::ResultCode;

/// Octets kept of a line; those behind are dropped, and a line that has lost some is never a result.
///
/// The longest that modems tell are answers to `+CLAC` and text messages, some hundred.
pub const LONGEST_LINE: usize = 1024;

/// One thing that a modem has said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// A result code that ends a command line.
    Result(Outcome),
    /// Somebody calls: `RING`, or `+CRING: …`.
    Ring,
    /// Who calls.
    Caller {
        /// The number.
        number: String,
        /// The line that tells it, such as `NMBR = 0301234` or `+CLIP: "+49301234",145`.
        text: Vec<u8>,
    },
    /// Anything else: information, intermediate results (`CARRIER 33600`, `+MCR: V34`), an echo.
    Text(Vec<u8>),
    /// The modem waits for a text of its user (`> `, 3GPP TS 27.005, 3.5.1).
    Prompt,
}

/// A result code and how the modem has worded it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What it means; a rate of 0 where `CONNECT` tells none.
    pub code: ResultCode,
    /// `CONNECT 33600/ARQ/V34`, `+CME ERROR: 10`; the number where the modem says numbers.
    pub text: String,
}

/// Takes apart what a modem says in command state, with a carriage return and a line feed as in V.250
/// (S3=13, S4=10).
///
/// Words are a result when they are a line of their own, ended by a line feed: at that octet, so that
/// what follows `CONNECT` is data. An echo ends with the carriage return alone and never is one.
///
/// Numbers (V0) end with the carriage return. At that octet nobody can know whether a line feed follows,
/// and with it the number would be information. So a number is taken for a result only where
/// - it is one of V.250's or of the rates that most makers agree on, written without leading zeros, and
/// - its line does not stand among lines that a return and a line feed have led in, as words do.
///
/// What remains is information of a modem that says numbers: `ATS0?` is answered with `0 CR LF 0 CR` by
/// one that does not write `000`, and its first line counts as `OK`. Whoever has set the modem to words
/// asks for them alone; see [`Self::in_words`].
#[derive(Debug, Clone, Default)]
pub struct Responses {
    /// One octet more than [`LONGEST_LINE`] stands for all those that were dropped.
    line: Vec<u8>,
    returned: Returned,
    /// Return and line feed stood in front of this line, and no result in words or echo has followed.
    is_led_in: bool,
    /// The next line is a text message, whatever it says.
    is_message: bool,
    words_only: bool,
}

/// What a carriage return has ended, while it is not known whether a line feed follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Returned {
    #[default]
    Nothing,
    /// The line that is still there.
    Line,
    /// A result in numbers, which has been told.
    Number,
}

impl Responses {
    /// For a modem that was set to V1: no number is a result.
    #[must_use]
    pub fn in_words() -> Self {
        Self {
            words_only: true,
            ..Self::default()
        }
    }

    /// Takes one octet, of which only the lower seven bits count (V.250 5.1), and tells what it completed.
    pub fn push(&mut self, octet: u8) -> Option<Response> {
        match octet & 0x7f {
            b'\n' => self.line_feed(),
            b'\r' => self.carriage_return(),
            // Padding and flow control.
            0 | 0x11 | 0x13 | 0x7f => None,
            octet => {
                let echo = self.echo();
                if self.line.len() <= LONGEST_LINE {
                    self.line.push(octet);
                }
                if self.line == b"> " && !self.is_message {
                    self.line.clear();
                    return Some(Response::Prompt);
                }
                echo
            }
        }
    }

    /// Forgets what was begun.
    pub fn clear(&mut self) {
        *self = Self {
            words_only: self.words_only,
            ..Self::default()
        };
    }

    fn carriage_return(&mut self) -> Option<Response> {
        let echo = self.echo();
        if echo.is_some() || self.line.is_empty() {
            return echo;
        }
        let may_be_number = !self.is_led_in && !self.words_only && !self.is_message;
        if may_be_number && let Some(code) = words::number(&self.line) {
            self.returned = Returned::Number;
            return Some(response(code, &std::mem::take(&mut self.line)));
        }
        self.returned = Returned::Line;
        None
    }

    /// The line before, if it was ended by a return alone.
    fn echo(&mut self) -> Option<Response> {
        if std::mem::take(&mut self.returned) != Returned::Line {
            return None;
        }
        self.is_led_in = false;
        Some(self.text())
    }

    fn line_feed(&mut self) -> Option<Response> {
        let returned = std::mem::take(&mut self.returned);
        if self.line.is_empty() {
            self.is_led_in = returned != Returned::Number;
            self.is_message = false;
            return None;
        }
        if std::mem::take(&mut self.is_message) || self.line.len() > LONGEST_LINE {
            return Some(self.text());
        }
        if self.line.trim_ascii().is_empty() {
            self.line.clear();
            return None;
        }
        self.is_message = words::announces_message(&self.line);
        if let Some(code) = words::result(&self.line) {
            self.is_led_in = false;
            return Some(response(code, &std::mem::take(&mut self.line)));
        }
        if let Some(unsolicited) = words::unsolicited(&self.line) {
            self.line.clear();
            return Some(unsolicited);
        }
        Some(self.text())
    }

    fn text(&mut self) -> Response {
        let mut line = std::mem::take(&mut self.line);
        line.truncate(LONGEST_LINE);
        Response::Text(line)
    }
}

fn response(code: ResultCode, line: &[u8]) -> Response {
    if code == ResultCode::Ring {
        return Response::Ring;
    }
    let text = String::from_utf8_lossy(line).trim().to_owned();
    Response::Result(Outcome { code, text })
}

#[cfg(test)]
mod tests;
