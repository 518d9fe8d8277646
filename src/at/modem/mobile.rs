//! A mobile phone's commands (3GPP TS 27.007 and 27.005), as far as they reach the network, and
//! those that programs send first.

use std::collections::BTreeMap;
use std::time::Instant;

use super::Modem;
use super::command_state::Outcome;
use crate::at::command::DialItem;
use crate::at::result::ResultCode;

/// Places in the telephone book.
const BOOK: u16 = 250;

/// Characters kept of a message; longer ones are refused by the network.
const LONGEST_MESSAGE: usize = 1024;

/// Settings of things that this phone does not have.
const WITHOUT_EFFECT: &[&str] = &[
    "CBST", "CGDCONT", "CIURC", "CMGF", "CNMI", "COPS", "CPBS", "CREG", "CRLP", "CSCS", "CSMP",
    "FCLASS", "ICF", "IFC", "IPR",
];

/// What a mobile phone has besides a modem.
#[derive(Debug, Default)]
pub(super) struct Mobile {
    /// Number and name.
    book: BTreeMap<u16, (String, String)>,
    message: Option<Message>,
}

/// A message being typed.
#[derive(Debug)]
struct Message {
    /// None where it stands in the text itself (PDU mode).
    recipient: Option<String>,
    text: String,
}

impl Mobile {
    pub(super) fn wants_text(&self) -> bool {
        self.message.is_some()
    }

    pub(super) fn forget_message(&mut self) {
        self.message = None;
    }

    /// The number that `D>1`, `D>SM1` or `D>"name"` means.
    pub(super) fn number_in_book(&self, items: &[DialItem]) -> Option<String> {
        let text: String = items.iter().map(|item| typed(*item)).collect();
        let (_, text) = text.split_once('>')?;
        let name = text.replace('"', "");
        let place = name.trim_start_matches(|letter: char| !letter.is_ascii_digit());
        let at_place = place
            .parse()
            .ok()
            .and_then(|place: u16| self.book.get(&place));
        let named = || {
            self.book
                .values()
                .find(|(_, entry)| entry.eq_ignore_ascii_case(&name))
        };
        let (number, _) = at_place.or_else(named)?;
        Some(number.clone())
    }
}

/// A part of a dial string as it was typed.
fn typed(item: DialItem) -> String {
    let letter = match item {
        DialItem::Digit(byte) | DialItem::Other(byte) => char::from(byte),
        DialItem::Tone => 'T',
        DialItem::Pulse => 'P',
        DialItem::Pause => ',',
        DialItem::WaitForDialTone => 'W',
        DialItem::WaitForQuiet => '@',
        DialItem::HookFlash => '!',
        DialItem::Redial => 'L',
        DialItem::AnswerTone => 'R',
        // The parser has taken `S` alone for the first one.
        DialItem::Stored(0) => 'S',
        DialItem::Stored(n) => return format!("S{n}"),
    };
    letter.to_string()
}

/// The values behind `=`; quotes are taken off.
fn values(rest: &str) -> Option<Vec<String>> {
    let mut values = vec![String::new()];
    let mut in_string = false;
    for letter in rest.strip_prefix('=')?.chars() {
        match letter {
            '"' => in_string = !in_string,
            ',' if !in_string => values.push(String::new()),
            letter => values.last_mut()?.push(letter),
        }
    }
    Some(values)
}

/// Whom a message in PDU form is for (3GPP TS 23.040, 9.2.2.2): behind the service centre come
/// the kind of message, its reference, the count of digits, their type, and the digits, two in an
/// octet, the first one low.
fn recipient_in_pdu(text: &str) -> Option<String> {
    let octets: Vec<u8> = text
        .trim()
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect::<Option<_>>()?;
    let message = octets.get(1 + usize::from(*octets.first()?)..)?;
    let [_, _, count, kind, digits @ ..] = message else {
        return None;
    };
    let count = usize::from(*count);
    let digits: String = digits
        .iter()
        .flat_map(|octet| [octet & 15, octet >> 4])
        .take(count)
        .map(|digit| char::from(b"0123456789*#ABCF"[usize::from(digit)]))
        .collect();
    let international = if kind & 0x70 == 0x10 { "+" } else { "" };
    (digits.len() == count).then(|| format!("{international}{digits}"))
}

impl Modem {
    pub(super) fn mobile_command(&mut self, name: &str, rest: &str, now: Instant) -> Outcome {
        let told = match (name, rest) {
            ("CGMI" | "GMI", "") => "SIMCOM_Ltd".to_owned(),
            ("CGMM" | "GMM", "") => "SIMCOM_SIM800L".to_owned(),
            ("CGMR" | "GMR", "") => "Revision:1418B05SIM800L24".to_owned(),
            // The number that standards give as an example.
            ("CGSN" | "GSN", "") => "490154203237518".to_owned(),
            ("CSQ", "") => "+CSQ: 20,0".to_owned(),
            ("CREG", "?") => "+CREG: 0,1".to_owned(),
            ("CPIN", "?") => "+CPIN: READY".to_owned(),
            ("COPS", "?") => "+COPS: 0,0,\"modemd\"".to_owned(),
            ("FCLASS", "?") => "0".to_owned(),
            ("CMEE", "?") => format!("+CMEE: {}", self.profile.errors),
            ("CRC", "?") => format!("+CRC: {}", self.profile.kind_of_call),
            ("CLIP", "?") => format!("+CLIP: {},1", self.profile.caller_id),
            ("CHUP", "") => {
                self.go_on_hook();
                return Outcome::Next;
            }
            _ => {
                let Some(values) = values(rest) else {
                    return Outcome::Ends(ResultCode::Error);
                };
                let values: Vec<_> = values.iter().map(String::as_str).collect();
                return self.mobile_setting(name, &values, now);
            }
        };
        self.inform(&told, now);
        Outcome::Next
    }

    fn mobile_setting(&mut self, name: &str, values: &[&str], now: Instant) -> Outcome {
        let first = values.first().copied().unwrap_or_default();
        match (name, first) {
            ("CMEE", "0" | "1" | "2") => self.profile.errors = first.as_bytes()[0] - b'0',
            ("CRC", "0" | "1") => self.profile.kind_of_call = u8::from(first == "1"),
            ("CLIP", "0" | "1") => self.profile.caller_id = u8::from(first == "1"),
            ("CMEE" | "CRC" | "CLIP", _) => return Outcome::Fails(50),
            ("CPBR", _) => return self.read_book(first, now),
            ("CPBW", _) => return self.write_book(values),
            ("CUSD", "0" | "1" | "2") => {
                if first == "1"
                    && let Some(code) = values.get(1)
                {
                    self.record((*code).to_owned());
                    self.inform("+CUSD: 0,\"modemd\",15", now);
                }
            }
            ("CMGS", _) => {
                let is_length = first.len() <= 3 && first.bytes().all(|byte| byte.is_ascii_digit());
                self.mobile.message = Some(Message {
                    recipient: (!is_length).then(|| first.to_owned()),
                    text: String::new(),
                });
                self.say(b"\r\n> ", now);
                return Outcome::Later;
            }
            _ if WITHOUT_EFFECT.contains(&name) => {}
            _ => return Outcome::Ends(ResultCode::Error),
        }
        Outcome::Next
    }

    fn read_book(&mut self, place: &str, now: Instant) -> Outcome {
        let Some(place) = in_book(place) else {
            return Outcome::Fails(21);
        };
        let Some((number, name)) = self.mobile.book.get(&place) else {
            return Outcome::Fails(22);
        };
        let kind = if number.starts_with('+') { 145 } else { 129 };
        let text = format!("+CPBR: {place},\"{number}\",{kind},\"{name}\"");
        self.inform(&text, now);
        Outcome::Next
    }

    /// Place, number, kind of number, name; a place alone is emptied.
    fn write_book(&mut self, values: &[&str]) -> Outcome {
        let mut free = (1..=BOOK).filter(|place| !self.mobile.book.contains_key(place));
        let place = match values.first() {
            Some(&"") => free.next(),
            place => place.and_then(|place| in_book(place)),
        };
        let Some(place) = place else {
            return Outcome::Fails(21);
        };
        match values.get(1) {
            None => drop(self.mobile.book.remove(&place)),
            Some(number) => {
                let name = values.get(3).copied().unwrap_or_default();
                let entry = ((*number).to_owned(), name.to_owned());
                self.mobile.book.insert(place, entry);
            }
        }
        Outcome::Next
    }

    /// A character of a message; ^Z sends it, and ESC does not.
    pub(super) fn type_text(&mut self, byte: u8, now: Instant) {
        let Some(message) = &mut self.mobile.message else {
            return;
        };
        match byte {
            0x1a => {
                let recipient = message
                    .recipient
                    .take()
                    .or_else(|| recipient_in_pdu(&message.text));
                self.mobile.message = None;
                match recipient {
                    Some(number) => {
                        self.record(number);
                        self.inform("+CMGS: 1", now);
                        self.tell(ResultCode::Ok, now);
                    }
                    None => self.announce("+CMS ERROR: 304", now),
                }
            }
            0x1b => {
                self.mobile.message = None;
                self.tell(ResultCode::Ok, now);
            }
            b'\r' => self.say(b"\r\n> ", now),
            byte => {
                if message.text.len() < LONGEST_MESSAGE {
                    message.text.push(char::from(byte));
                }
            }
        }
    }
}

fn in_book(place: &str) -> Option<u16> {
    place
        .parse()
        .ok()
        .filter(|place| (1..=BOOK).contains(place))
}
