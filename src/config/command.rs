//! `commands` of `[ports.NAME.dial]`: what the guard lets through to the modem beside what it knows.

use super::problem::{Mistake, quoted};

/// Commands that can never be let through, and why.
///
/// What is not here is the operator's to know. Names are of V.250, Hayes and Rockwell, 3GPP TS 27.007 and
/// 27.005, and of makers.
const NEVER: &[(&[&str], &str)] = &[
    (&["D"], "which numbers may be dialled is what `allow` says"),
    (
        &[
            "A", "H", "O", "Z", "E", "Q", "V", "X", "&C", "&D", "&F", "S2", "S3", "S4", "S5",
            "S12", "+CHUP", "+CHV",
        ],
        "the guard does itself what there is to do",
    ),
    (
        &["&K", "\\Q", "+IFC"],
        "it is already, but for XON and XOFF, by which a client could keep the modem from saying that \
         carrier is lost",
    ),
    (
        // With &M2 and &Q2 DTR dials a stored number, after \K0 a BREAK leads out of a call, and
        // within S25 and S38 DTR may drop unnoticed. The other registers hold what such commands set.
        &[
            "&M", "&Q", "&T", "&W", "&Y", "\\K", "\\O", "\\U", "\\Y", "\\Z", "S13", "S14", "S21",
            "S22", "S23", "S25", "S27", "S38", "S40", "+CFUN", "+CGDATA", "+CMUX", "+CVHU", "+ICF",
            "+IPR", "#CLS", "^RESET", "^SMSO",
        ],
        "the guard could not rely any more on how the modem hangs up and answers, and on what it takes \
         for a command",
    ),
    (
        &[
            "*D",
            "%T",
            "+CCFC",
            "+CDV",
            "+CFSH",
            "+CHLD",
            "+CKPD",
            "+CMGC",
            "+CMGS",
            "+CMSS",
            "+CTFR",
            "+CUSD",
            "+VLS",
            "+VTS",
            "+VTX",
            "+WDTMF",
            "#VLS",
            "#VTS",
            "#VTX",
            "$QCRMCALL",
            "^CDV",
            "^DTMF",
            "^NDISDUP",
        ],
        "it calls, sends or connects past the rules for numbers",
    ),
    (
        &[
            "&Z", "\\P", "+CMGW", "+CPBS", "+CPBW", "+CRSM", "+CSIM", "+CUSATE", "+CUSATT",
            "+CUSATW", "^CPBW", "^SPBW",
        ],
        "it stores or uses numbers where the rules do not see them",
    ),
];

/// All that begins with `+F` (V.250 5.4.1).
const FAX: &str = "of fax the guard lets through what is of class 1; in others the modem takes whole pages, and \
                   no commands meanwhile";

/// Why a command of this name can never be let through.
fn never(name: &str) -> Option<&'static str> {
    if name.starts_with("+F") {
        return Some(FAX);
    }
    let (_, why) = NEVER.iter().find(|(names, _)| names.contains(&name))?;
    Some(why)
}

/// Reads a command as it begins, without a value: `&A`, `+CGDCONT`, `\B`, `S91`; in capitals.
pub(super) fn let_through(text: &str) -> Result<String, Mistake> {
    let Some(name) = name(text).or_else(|| without_the_rest(text)) else {
        return Err(Mistake::new(
            no_name(text),
            "write one command, for example `&A`, `+CGDCONT` or `S91`",
        ));
    };
    match never(&name) {
        Some(why) => Err(Mistake::new(
            format!("{} cannot be let through: {why}", quoted(text)),
            "leave it out",
        )),
        None if self::name(text).is_some() => Ok(name),
        None => Err(Mistake::new(
            no_name(text),
            format!(
                "write {}, which lets it through with any value",
                quoted(&name)
            ),
        )),
    }
}

fn no_name(text: &str) -> String {
    format!("{} is not the name of a command", quoted(text))
}

/// `text` in capitals, if it is the name of a command.
fn name(text: &str) -> Option<String> {
    let name = text.to_ascii_uppercase();
    let fine = match name.as_bytes() {
        // S alone names no register.
        [letter] => letter.is_ascii_uppercase() && *letter != b'S',
        [b'S', digits @ ..] => {
            let register = digits
                .iter()
                .all(u8::is_ascii_digit)
                .then(|| name[1..].parse::<u8>());
            return Some(format!("S{}", register?.ok()?));
        }
        // A name begins with a letter (V.250 5.4.1).
        [b'+', first, rest @ ..] => {
            let is_of_name = |b: &u8| b.is_ascii_alphanumeric() || b"!%-./:_".contains(b);
            first.is_ascii_uppercase() && rest.iter().all(is_of_name)
        }
        [b'&' | b'\\', letter] => letter.is_ascii_uppercase(),
        // Digits at the end are a value.
        [
            b'#' | b'$' | b'%' | b'*' | b'-' | b':' | b'@' | b'^' | b'_' | b'~' | b'!',
            first,
            rest @ ..,
        ] => {
            first.is_ascii_uppercase()
                && rest.iter().all(u8::is_ascii_alphanumeric)
                && !rest.last().is_some_and(u8::is_ascii_digit)
        }
        _ => false,
    };
    fine.then_some(name)
}

/// The name that `text` begins with, behind `AT` and in front of a value, if all of it is one command.
fn without_the_rest(text: &str) -> Option<String> {
    let upper = text.trim().to_ascii_uppercase();
    let command = upper.strip_prefix("AT").unwrap_or(&upper);
    if let Some(name) = name(command) {
        return Some(name);
    }
    let command = command.split(['=', '?']).next()?;
    name(command).or_else(|| name(command.trim_end_matches(|c: char| c.is_ascii_digit())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_name_reads_back_the_same(text in r"\PC*|(AT)?[&+\\#^SA-Za-z][A-Za-z0-9]{0,5}[=?]?") {
            if let Ok(name) = let_through(&text) {
                prop_assert_eq!(let_through(&name), Ok(name));
            }
        }
    }

    #[test]
    fn all_that_can_never_be_let_through_are_names() {
        for command in NEVER.iter().flat_map(|(names, _)| *names) {
            assert_eq!(name(command).as_deref(), Some(*command));
        }
    }

    #[test]
    fn names_are_those_of_many_makers() {
        for (text, name) in [
            ("&a", "&A"),
            ("L", "L"),
            ("+csq", "+CSQ"),
            ("+vcid", "+VCID"),
            (r"\N", r"\N"),
            ("%C", "%C"),
            ("#CID", "#CID"),
            ("^U2DIAG", "^U2DIAG"),
            ("S030", "S30"),
        ] {
            assert_eq!(let_through(text).as_deref(), Ok(name));
        }
    }

    #[test]
    fn more_than_a_name_is_told_what_the_name_is() {
        for (text, remedy) in [
            ("AT&A", "write `&A`, which"),
            ("&A3", "write `&A`, which"),
            ("at+csq=?", "write `+CSQ`, which"),
            ("AT+CSQ", "write `+CSQ`, which"),
            ("S30=5", "write `S30`, which"),
            ("S30?", "write `S30`, which"),
            (r"\N3", r"write `\N`, which"),
            (" M", "write `M`, which"),
            ("&A3&N1", "write one command, for example"),
            ("S", "write one command, for example"),
            ("S256", "write one command, for example"),
            ("+", "write one command, for example"),
            ("", "write one command, for example"),
            ("*", "write one command, for example"),
            ("L M", "write one command, for example"),
        ] {
            let mistake = let_through(text).unwrap_err();
            assert!(mistake.remedy.starts_with(remedy), "{text}: {mistake}");
        }
    }

    #[test]
    fn what_dials_stores_or_unguards_is_refused_with_the_reason() {
        for (text, why) in [
            ("d", "what `allow` says"),
            ("S12", "the guard does itself"),
            ("s025", "could not rely any more"),
            ("S38", "could not rely any more"),
            ("&F", "the guard does itself"),
            ("ATZ", "the guard does itself"),
            ("x4", "the guard does itself"),
            ("&K3", "XON and XOFF"),
            ("&k", "XON and XOFF"),
            ("+FTM", "what is of class 1"),
            ("+CMGS", "past the rules"),
            ("&Z", "stores or uses numbers"),
        ] {
            let mistake = let_through(text).unwrap_err();
            let message = format!("`{text}` cannot be let through: ");
            assert!(mistake.message.starts_with(&message), "{mistake}");
            assert!(mistake.message.contains(why), "{mistake}");
            assert_eq!(mistake.remedy, "leave it out");
        }
    }
}
