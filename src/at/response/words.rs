//! What the words and numbers mean that modems answer with.

use super::Response;
use crate::at::result::ResultCode;

/// Words that begin a result, and what it means. More may follow, but no letter or digit at once.
const RESULTS: &[(&str, ResultCode)] = &[
    ("RING", ResultCode::Ring),
    ("NO CARRIER", ResultCode::NoCarrier),
    ("ERROR", ResultCode::Error),
    ("NO DIALTONE", ResultCode::NoDialtone),
    ("NO DIAL TONE", ResultCode::NoDialtone),
    ("BUSY", ResultCode::Busy),
    ("NO ANSWER", ResultCode::NoAnswer),
    // Where nothing is plugged in, or somebody else is telephoning.
    ("NO LINE", ResultCode::NoDialtone),
    ("LINE IN USE", ResultCode::NoDialtone),
    // What a modem does not dial, or not yet, since it was tried too often.
    ("DELAYED", ResultCode::NoCarrier),
    ("BLACKLISTED", ResultCode::NoCarrier),
    ("BLACKLIST FULL", ResultCode::NoCarrier),
    // Somebody talks there, and the modem has hung up.
    ("VOICE", ResultCode::NoCarrier),
    // Fax, ITU-T T.31 8.3.3: another signal than was awaited; and its number under V0.
    ("+FCERROR", ResultCode::Error),
    ("+F4", ResultCode::Error),
    // 3GPP TS 27.007 9.2 and 27.005 3.2.5.
    ("+CME ERROR", ResultCode::Error),
    ("+CMS ERROR", ResultCode::Error),
    ("COMMAND NOT SUPPORT", ResultCode::Error),
    ("COMMAND NOT SUPPORTED", ResultCode::Error),
    ("TOO MANY PARAMETERS", ResultCode::Error),
];

/// Those in front of a text message's first line (3GPP TS 27.005, 3.4), which anybody may have sent:
/// it could say `CONNECT`.
const MESSAGES: &[&str] = &["+CMT:", "+CDS:", "+CBM:", "+CMGR:", "+CMGL:"];

/// What a line says that ended with a line feed, if it is a result.
pub(super) fn result(line: &[u8]) -> Option<ResultCode> {
    let line = line.trim_ascii();
    if line == b"OK" {
        return Some(ResultCode::Ok);
    }
    if let Some(rest) = line.strip_prefix(b"CONNECT") {
        let is_word = rest.first().is_some_and(u8::is_ascii_alphabetic);
        return (!is_word).then(|| ResultCode::Connect(rate(rest)));
    }
    let begins = |words: &str| {
        line.strip_prefix(words.as_bytes())
            .is_some_and(|rest| !rest.first().is_some_and(u8::is_ascii_alphanumeric))
    };
    let known = RESULTS.iter().find(|(words, _)| begins(words));
    known.map(|(_, code)| *code)
}

/// The rate among what follows `CONNECT`: ` 33600/ARQ/V34`, ` V42bis 33600`, ` 75TX/1200RX`. Numbers below
/// 75 belong to the name of a protocol.
fn rate(rest: &[u8]) -> u32 {
    rest.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'.')
        .find_map(|word| {
            let digits = word.strip_suffix(b"TX").unwrap_or(word);
            let digits = std::str::from_utf8(digits).ok()?;
            digits.parse().ok().filter(|rate| *rate >= 75)
        })
        .unwrap_or_default()
}

/// The inverse of `Wording`'s numbers; `+F4` is a fax modem's.
pub(super) fn number(line: &[u8]) -> Option<ResultCode> {
    Some(match line {
        b"0" => ResultCode::Ok,
        b"1" => ResultCode::Connect(0),
        b"2" => ResultCode::Ring,
        b"3" => ResultCode::NoCarrier,
        b"4" | b"+F4" => ResultCode::Error,
        b"5" => ResultCode::Connect(1200),
        b"6" => ResultCode::NoDialtone,
        b"7" => ResultCode::Busy,
        b"8" => ResultCode::NoAnswer,
        b"10" => ResultCode::Connect(2400),
        b"11" => ResultCode::Connect(4800),
        b"12" => ResultCode::Connect(9600),
        b"16" => ResultCode::Connect(19_200),
        b"17" => ResultCode::Connect(38_400),
        b"18" => ResultCode::Connect(57_600),
        b"19" => ResultCode::Connect(115_200),
        _ => return None,
    })
}

/// Whether the next line is a message.
pub(super) fn announces_message(line: &[u8]) -> bool {
    MESSAGES
        .iter()
        .any(|name| line.starts_with(name.as_bytes()))
}

/// Ringing, and who calls.
pub(super) fn unsolicited(line: &[u8]) -> Option<Response> {
    let line = line.trim_ascii();
    if line.starts_with(b"+CRING:") {
        return Some(Response::Ring);
    }
    // V.253 and most modems before it; the second is isdn4linux's.
    let number = if let Some(rest) = line.strip_prefix(b"NMBR") {
        let rest = rest.trim_ascii_start();
        rest.strip_prefix(b"=").or(rest.strip_prefix(b":"))?
    } else if let Some(rest) = line.strip_prefix(b"CALLER NUMBER:") {
        rest
    } else {
        // 3GPP TS 27.007, 7.6. In answer to `+CLIP?` no string follows.
        let rest = line.strip_prefix(b"+CLIP:")?.trim_ascii_start();
        rest.strip_prefix(b"\"")?
            .split(|byte| *byte == b'"')
            .next()?
    };
    let number = String::from_utf8_lossy(number.trim_ascii()).into_owned();
    // `P` and `O` stand for a number that is private or out of area.
    let has_digits = number.bytes().any(|byte| byte.is_ascii_digit());
    let text = line.to_owned();
    has_digits.then_some(Response::Caller { number, text })
}
