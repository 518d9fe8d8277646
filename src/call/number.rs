//! Telephone numbers as the journal shows them.

use crate::config::ShownNumbers;

/// What stands for a number that is not shown.
pub(super) const HIDDEN: &str = "hidden";

/// What stands for a digit that is not shown.
const MASK: char = 'x';

/// As many digits are masked as on itemised telephone bills.
const MASKED: usize = 3;

/// A number as it is shown: in one word of ASCII, so that nothing in it passes for a part of the text
/// around it. Masked are the last three digits, or letters that stand for one.
pub(super) fn shown_number(number: &str, shown: ShownNumbers) -> String {
    if shown == ShownNumbers::Hidden {
        return HIDDEN.to_owned();
    }
    let masked = if shown == ShownNumbers::Masked {
        MASKED
    } else {
        0
    };
    let digits = number.chars().filter(|c| c.is_alphanumeric()).count();
    let mut kept = digits.saturating_sub(masked);
    let mut text = String::with_capacity(number.len());
    // Spaces in a number mean nothing (V.250, 6.3.1).
    for c in number.chars().filter(|c| *c != ' ') {
        if c.is_alphanumeric() {
            if kept == 0 {
                text.push(MASK);
                continue;
            }
            kept -= 1;
        }
        push_escaped(&mut text, c, false);
    }
    text
}

/// What a modem or a rule says, in a line of ASCII.
pub(super) fn shown_text(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        push_escaped(&mut shown, c, true);
    }
    shown
}

/// A backslash is escaped as well, so that nothing is shown like something else.
fn push_escaped(text: &mut String, c: char, spaces: bool) {
    if (c.is_ascii_graphic() && c != '\\') || (spaces && c == ' ') {
        text.push(c);
    } else {
        text.extend(c.escape_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_shown_as_far_as_the_configuration_says() {
        for (number, full, masked) in [
            ("030123456", "030123456", "030123xxx"),
            ("+49 30 1234", "+49301234", "+49301xxx"),
            ("*21*0900123#", "*21*0900123#", "*21*0900xxx#"),
            ("110", "110", "xxx"),
            ("1#2", "1#2", "x#x"),
            ("P", "P", "x"),
            ("", "", ""),
            ("1\r\n2\\", r"1\r\n2\\", r"x\r\nx\\"),
            ("0\u{202e}\u{661}", r"0\u{202e}\u{661}", r"x\u{202e}x"),
        ] {
            assert_eq!(shown_number(number, ShownNumbers::Full), full);
            assert_eq!(shown_number(number, ShownNumbers::Masked), masked);
            assert_eq!(shown_number(number, ShownNumbers::Hidden), HIDDEN);
        }
        assert_eq!(shown_text("CONNECT 33600\r\u{7}"), r"CONNECT 33600\r\u{7}");
    }

    proptest! {
        #[test]
        fn no_number_is_more_than_a_word_and_none_masked_shows_its_end(number in "[0-9 +\\PC]{0,30}") {
            for shown in [ShownNumbers::Full, ShownNumbers::Masked] {
                let text = shown_number(&number, shown);
                prop_assert!(text.bytes().all(|octet| octet.is_ascii_graphic()), "{text:?}");
            }
            let masked = shown_number(&format!("{number}987"), ShownNumbers::Masked);
            prop_assert!(masked.ends_with("xxx"), "{masked}");
        }
    }
}
