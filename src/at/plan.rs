//! The numbering plan: which telephone number leads where.
//!
//! | number | leads to |
//! |---|---|
//! | 5551001, 5551002, … 5551999 | the first, second, … emulated modem |
//! | 5552001 | a service that sends back what it hears |
//! | 5552002 | the time, then the call ends |
//! | 5552003 | a greeting, then the call ends |
//! | 5552004 | a line that is always busy |
//! | 5552005 | a line that rings and is never answered |
//! | any other | nowhere: no tone, no carrier |
//!
//! A leading `0` or `9` for an outside line may come before each.

use super::service::ServiceKind;

/// The number before the first modem's.
const MODEMS: usize = 5_551_000;

/// Most lines that the plan has numbers for.
pub const MOST_LINES: usize = 999;

/// A service that sends back what it hears.
pub const ECHO: &str = "5552001";
/// The time, then the call ends.
pub const TIME: &str = "5552002";
/// A greeting, then the call ends.
pub const GREETING: &str = "5552003";
/// A line that is always busy.
pub const BUSY: &str = "5552004";
/// A line that rings and is never answered.
pub const NOBODY_HOME: &str = "5552005";

/// Where a number leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// To the modem with this index, counted from 0; there may be none.
    Line(usize),
    /// To something built in.
    Service(ServiceKind),
    /// To a line that is always busy.
    Busy,
    /// To a line where nobody answers.
    NobodyHome,
    /// Nowhere.
    Nowhere,
}

/// The telephone number of the line with this index, counted from 0.
#[must_use]
pub fn number(line: usize) -> String {
    (MODEMS + 1 + line).to_string()
}

/// True if dial tone is to be heard after these digits: before any, and after the digit for an
/// outside line.
#[must_use]
pub fn gives_dial_tone(dialled: &str) -> bool {
    matches!(dialled, "" | "0" | "9")
}

/// Where these digits lead.
#[must_use]
pub fn destination(digits: &str) -> Destination {
    let local = match digits.strip_prefix(['0', '9']) {
        Some(local) if digits.len() == 8 => local,
        _ => digits,
    };
    // `parse` would take a sign and leading zeros.
    if local.len() != 7 || !local.bytes().all(|byte| byte.is_ascii_digit()) {
        return Destination::Nowhere;
    }
    match local {
        ECHO => Destination::Service(ServiceKind::Echo),
        TIME => Destination::Service(ServiceKind::Time),
        GREETING => Destination::Service(ServiceKind::Greeting),
        BUSY => Destination::Busy,
        NOBODY_HOME => Destination::NobodyHome,
        _ => local
            .parse::<usize>()
            .ok()
            .and_then(|number| number.checked_sub(MODEMS + 1))
            .filter(|&line| line < MOST_LINES)
            .map_or(Destination::Nowhere, Destination::Line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_line_has_a_number_that_leads_back_to_it() {
        for line in 0..MOST_LINES {
            assert_eq!(destination(&number(line)), Destination::Line(line));
        }
        assert_eq!(number(0), "5551001");
    }

    #[test]
    fn an_outside_line_may_be_asked_for_first() {
        assert_eq!(destination("05551002"), Destination::Line(1));
        assert_eq!(destination("95552004"), Destination::Busy);
        assert_eq!(destination("15552004"), Destination::Nowhere);
    }

    #[test]
    fn other_numbers_lead_nowhere() {
        for digits in [
            "",
            "0",
            "5551000",
            "5552000",
            "+551001",
            "0900123456",
            "ABCD",
        ] {
            assert_eq!(destination(digits), Destination::Nowhere, "{digits}");
        }
    }

    proptest! {
        #[test]
        fn any_digits_have_a_destination(digits in "[0-9*#+A-D]{0,12}") {
            let _ = destination(&digits);
        }
    }
}
