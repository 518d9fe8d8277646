//! Which commands of a client reach the modem.
//!
//! What is not listed here, and not by the operator, is refused: nobody knows all commands of all modems.

use crate::at::command::{Basic, Command, Dial, Extended};

/// What becomes of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It changes how the client is spoken to, and nothing at the modem.
    View,
    /// The modem is given it, in canonical form.
    Forward,
    /// The same, and the modem then sends or takes a fax until it says that it is done (ITU-T T.31, 8.3).
    Fax(FaxPhase),
    /// Service class 1 of fax (T.31) is entered, or left.
    FaxClass(bool),
    /// The modem is prepared anew, since the client wants it as it was.
    Reset,
    /// A number is to be dialled, if the rules permit it.
    Dial(Dial),
    /// A call that comes in is answered.
    Answer,
    /// The call is ended.
    HangUp,
    /// Back to data state.
    Online,
    /// It does not reach the modem.
    Refuse,
}

/// What a fax command begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FaxPhase {
    /// `+FTM`, `+FTH`: the client sends until DLE ETX.
    Send,
    /// `+FRM`, `+FRH`: the modem sends until DLE ETX.
    Receive,
}

/// Commands of one letter that set up how the modem talks to the other one or sounds meanwhile: prefix,
/// letter, and the numbers that are let through. Not flow control by XOFF: with it a client could keep the
/// modem from saying that carrier is lost.
const HARMLESS: &[(Option<u8>, u8, &[u32])] = &[
    (None, b'B', &[0, 1, 2, 3, 15, 16]),
    (None, b'C', &[0, 1]),
    (None, b'I', &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
    (None, b'L', &[0, 1, 2, 3]),
    (None, b'M', &[0, 1, 2, 3]),
    (None, b'N', &[0, 1, 2, 3, 4, 5, 6, 7]),
    (None, b'P', &[0]),
    (None, b'T', &[0]),
    (None, b'W', &[0, 1, 2, 3]),
    (None, b'Y', &[0]),
    (Some(b'&'), b'B', &[1]),
    (Some(b'&'), b'G', &[0, 1, 2]),
    (Some(b'&'), b'H', &[0, 1, 2, 3]),
    (Some(b'&'), b'I', &[0]),
    (Some(b'&'), b'J', &[0, 1]),
    (Some(b'&'), b'K', &[0, 1, 2, 3]),
    (Some(b'&'), b'L', &[0]),
    // The others are synchronous, and dial a stored number when DTR goes on.
    (Some(b'&'), b'M', &[0, 4, 5]),
    (Some(b'&'), b'P', &[0, 1, 2, 3]),
    (Some(b'&'), b'Q', &[0, 5, 6, 8, 9]),
    (Some(b'&'), b'R', &[0, 1, 2]),
    (Some(b'&'), b'S', &[0, 1, 2]),
    (Some(b'&'), b'T', &[0]),
    (Some(b'%'), b'C', &[0, 1, 2, 3]),
    (Some(b'%'), b'E', &[0, 1, 2, 3]),
    (Some(b'\\'), b'A', &[0, 1, 2, 3]),
    (Some(b'\\'), b'G', &[0, 1]),
    (Some(b'\\'), b'J', &[0]),
    // A BREAK goes on to the other side; with the others it leads to command state.
    (Some(b'\\'), b'K', &[1, 3, 5]),
    (Some(b'\\'), b'N', &[0, 1, 2, 3, 4, 5, 6, 7]),
    (Some(b'\\'), b'Q', &[0, 2, 3]),
    (Some(b'\\'), b'V', &[0, 1, 2, 3, 4, 5, 6, 7, 8]),
];

/// Registers that the client may set: times, counts, speeds. Not those that are bit maps, in which makers
/// keep what dials by itself; nor those that tell how long DTR must be off to count (S25, S38).
const REGISTERS: &[u8] = &[0, 6, 7, 8, 9, 10, 11, 26, 30, 36, 37, 46, 48, 95];

/// Registers of which the client has its own: the escape, the characters that edit, the guard time.
const OF_THE_VIEW: &[u8] = &[2, 3, 4, 5, 12];

/// Extended commands with any values: error control, compression, modulation, flow control, caller ID.
const SETTINGS: &[&str] = &[
    "+CLIP", "+CMEE", "+CRC", "+CREG", "+CSQ", "+DR", "+DS", "+EB", "+EFCS", "+ER", "+ES", "+ESR",
    "+ETBM", "+FAA", "+FAR", "+FLO", "+FPR", "+GCAP", "+GMI", "+GMM", "+GMR", "+IFC", "+ILRR",
    "+MR", "+MS", "+VCID", "#CID",
];

/// Extended commands that may only be asked for what is.
const QUESTIONS: &[&str] = &[
    "+CBC", "+CGMI", "+CGMM", "+CGMR", "+COPS", "+CPIN", "+FMI", "+FMM", "+FMR", "+FREV", "+FTM",
    "+FTH", "+FRM", "+FRH", "+FTS", "+FRS", "+FCLASS", "+GSN", "+ICF", "+IPR",
];

/// What becomes of a command; `listed` are those that the operator lets through besides.
pub(super) fn judge(command: &Command, listed: &[String]) -> Verdict {
    match command {
        Command::Dial(dial) => Verdict::Dial(dial.clone()),
        Command::Basic(basic) => of_a_letter(*basic, listed),
        Command::SelectRegister(_) => Verdict::View,
        Command::ReadRegister(Some(n))
        | Command::WriteRegister {
            register: Some(n), ..
        } if OF_THE_VIEW.contains(n) => Verdict::View,
        Command::ReadRegister(Some(_)) => Verdict::Forward,
        Command::WriteRegister {
            register: Some(n), ..
        } if REGISTERS.contains(n) || is_listed(&format!("S{n}"), listed) => Verdict::Forward,
        // Whoever judges has put in which register is meant.
        Command::Store(_) | Command::ReadRegister(None) | Command::WriteRegister { .. } => {
            Verdict::Refuse
        }
        Command::Extended(extended) => of_a_name(extended, listed),
    }
}

fn is_listed(command: &str, listed: &[String]) -> bool {
    listed.iter().any(|of| of.eq_ignore_ascii_case(command))
}

fn of_a_letter(basic: Basic, listed: &[String]) -> Verdict {
    let number = basic.number.unwrap_or(0);
    match (basic.prefix, basic.letter, number) {
        (None, b'E' | b'Q' | b'V', 0 | 1)
        | (None, b'X', 0..=4)
        | (Some(b'&'), b'C', 0 | 1)
        | (Some(b'&'), b'D', 0..=3)
        | (Some(b'&'), b'V', 0) => return Verdict::View,
        (None, b'E' | b'Q' | b'V' | b'X', _) | (Some(b'&'), b'C' | b'D' | b'V', _) => {
            return Verdict::Refuse;
        }
        (None, b'A', 0) => return Verdict::Answer,
        (None, b'H', 0) => return Verdict::HangUp,
        (None, b'O', 0 | 1) => return Verdict::Online,
        (None, b'Z', _) | (Some(b'&'), b'F', _) => return Verdict::Reset,
        _ => {}
    }
    let fits = |(prefix, letter, numbers): &&(Option<u8>, u8, &[u32])| {
        (*prefix, *letter) == (basic.prefix, basic.letter) && numbers.contains(&number)
    };
    let mut name = String::new();
    name.extend(basic.prefix.map(char::from));
    name.push(char::from(basic.letter));
    if HARMLESS.iter().any(|row| fits(&row)) || is_listed(&name, listed) {
        Verdict::Forward
    } else {
        Verdict::Refuse
    }
}

fn of_a_name(extended: &Extended, listed: &[String]) -> Verdict {
    let name = format!("{}{}", char::from(extended.sigil), extended.name);
    let rest = extended.rest.as_str();
    let is_question = matches!(rest, "" | "?" | "=?");
    let asks = matches!(rest, "?" | "=?");
    match (name.as_str(), rest) {
        ("+FCLASS", "=0") => return Verdict::FaxClass(false),
        ("+FCLASS", "=1" | "=1.0") => return Verdict::FaxClass(true),
        ("+FTM" | "+FTH", _) if is_number(rest) => return Verdict::Fax(FaxPhase::Send),
        ("+FRM" | "+FRH", _) if is_number(rest) => return Verdict::Fax(FaxPhase::Receive),
        ("+FTS" | "+FRS", _) if is_number(rest) => return Verdict::Forward,
        // As above: 1 is XOFF (V.250, 6.2.12).
        ("+IFC", _) if rest.contains('1') => return Verdict::Refuse,
        ("+CGMI" | "+CGMM" | "+CGMR" | "+GSN" | "+FMI" | "+FMM" | "+FMR", "") => {
            return Verdict::Forward;
        }
        _ => {}
    }
    let is_plain = extended.is_unmistakable();
    let is_setting = SETTINGS.contains(&name.as_str()) && (is_question || is_plain);
    let is_asked = QUESTIONS.contains(&name.as_str()) && asks;
    if is_setting || is_asked || (is_listed(&name, listed) && is_plain) {
        Verdict::Forward
    } else {
        Verdict::Refuse
    }
}

/// `=` and a number.
fn is_number(rest: &str) -> bool {
    let digits = rest.strip_prefix('=').unwrap_or_default();
    (1..=3).contains(&digits.len()) && digits.bytes().all(|octet| octet.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::at::command::parse;

    fn verdicts(line: &str, listed: &[&str]) -> Vec<Verdict> {
        let listed: Vec<_> = listed.iter().map(|of| (*of).to_owned()).collect();
        parse(line.as_bytes())
            .map(|command| judge(&command.unwrap(), &listed))
            .collect()
    }

    #[test]
    fn what_programs_set_modems_up_with_reaches_them() {
        for line in [
            "&K3\\N3\\K5%C1L1M1W2",
            "S0=0S7=60S11=55",
            "+MS=V34,1",
            "+IFC=2,2",
            "+VCID=1",
            "#CID=1",
            "+CSQ",
            "I4",
            "+FCLASS=?",
            "S7?",
            "+FTS=8",
        ] {
            for verdict in verdicts(line, &[]) {
                assert_eq!(verdict, Verdict::Forward, "{line}");
            }
        }
    }

    #[test]
    fn what_changes_how_a_modem_is_spoken_to_changes_it_for_the_client_alone() {
        for verdict in verdicts("E0Q1V0X0&C0&D0S2=33S3=65S4=66S5=67S12=0S2?&V", &[]) {
            assert_eq!(verdict, Verdict::View);
        }
    }

    #[test]
    fn what_dials_by_itself_or_is_kept_or_is_unknown_does_not_reach_it() {
        for line in [
            "&W",
            "&W1",
            "&Y0",
            "&Z0=0900",
            "&Q2",
            "&M2",
            "H1",
            "\\K0",
            "\\B3",
            "%D1",
            "+CMGS=\"0900\"",
            "+CUSD=1,\"*100#\"",
            "+CPBS=\"ME\"",
            "+CPBW=1,\"0900\"",
            "+VTS=9",
            "+FCLASS=8",
            "+IPR=300",
            "S13=4",
            "S3=65000",
            "^DIAL",
            "$QCMGF=1",
            "*D",
            "+CFUN=1",
            "+CMUX=0",
            "&T1",
            "J",
            "K",
            "E2",
        ] {
            for verdict in parse(line.as_bytes()).map(|command| command.map(|of| judge(&of, &[]))) {
                assert!(
                    matches!(verdict, Ok(Verdict::Refuse | Verdict::Dial(_)) | Err(_)),
                    "{line}: {verdict:?}"
                );
            }
        }
    }

    #[test]
    fn what_the_operator_lists_reaches_it_as_well() {
        assert_eq!(verdicts("\\B3", &["\\B"]), [Verdict::Forward]);
        assert_eq!(
            verdicts("+CGDCONT=1,\"IP\",\"internet\"", &["+cgdcont"]),
            [Verdict::Forward]
        );
        assert_eq!(verdicts("S91=10", &["S91"]), [Verdict::Forward]);
        assert_eq!(verdicts("S91=10", &["S9"]), [Verdict::Refuse]);
    }
}
