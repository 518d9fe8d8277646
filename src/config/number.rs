//! `allow` and `deny` of `[ports.NAME.dial]`: patterns of telephone numbers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::problem::{Mistake, quoted};

/// Of a pattern, in characters: more than a number has (15 digits, E.164), and with it a service code.
const LONGEST: usize = 64;

/// A pattern of telephone numbers. Numbers have `0`-`9`, `+`, `*`, `#` and `A`-`D`.
///
/// `*` stands for any run of digits, `?` for one, `\*` for a star, all else for itself. In `deny`, `*`
/// and `?` stand for what is no digit too: a service code such as `*21*0900#` is denied by chance,
/// and never allowed by chance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NumberPattern(String);

/// A part of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// `*`
    Run,
    /// `?`
    One,
    Itself(char),
}

impl NumberPattern {
    /// Whether an `allow` permits this number.
    #[must_use]
    pub fn allows(&self, number: &str) -> bool {
        self.matches(number, |c| c.is_ascii_digit())
    }

    /// Whether a `deny` forbids this number.
    #[must_use]
    pub fn denies(&self, number: &str) -> bool {
        self.matches(number, |_| true)
    }

    /// Whether `number` is one of these, where `*` and `?` stand for what is `wild`.
    ///
    /// Takes all ways through the pattern at the same time, so that none is tried again and again.
    fn matches(&self, number: &str, wild: impl Fn(char) -> bool) -> bool {
        let parts: Vec<_> = parts(&self.0).collect();
        // For each number of parts, whether they match what was read.
        let mut reached = vec![false; parts.len() + 1];
        reached[0] = true;
        skip_empty_runs(&parts, &mut reached);
        for c in number.chars() {
            let mut next = vec![false; parts.len() + 1];
            for (n, part) in parts.iter().enumerate().filter(|(n, _)| reached[*n]) {
                match part {
                    Part::Run => next[n] |= wild(c),
                    Part::One => next[n + 1] |= wild(c),
                    Part::Itself(itself) => next[n + 1] |= c == *itself,
                }
            }
            skip_empty_runs(&parts, &mut next);
            reached = next;
        }
        reached[parts.len()]
    }
}

fn skip_empty_runs(parts: &[Part], reached: &mut [bool]) {
    for (n, part) in parts.iter().enumerate() {
        reached[n + 1] |= reached[n] && *part == Part::Run;
    }
}

fn parts(pattern: &str) -> impl Iterator<Item = Part> {
    let mut chars = pattern.chars();
    std::iter::from_fn(move || {
        Some(match chars.next()? {
            '*' => Part::Run,
            '?' => Part::One,
            '\\' => Part::Itself(chars.next()?),
            other => Part::Itself(other),
        })
    })
}

impl FromStr for NumberPattern {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        let pattern = text.to_ascii_uppercase();
        if pattern.is_empty() {
            return Err(Mistake::new(
                "an empty text is no telephone number",
                "write for example `0800*`",
            ));
        }
        if pattern.chars().count() > LONGEST {
            return Err(Mistake::new(
                format!("{} is longer than {LONGEST} characters", quoted(text)),
                "write as much as tells it from other numbers, and a `*` for the rest",
            ));
        }
        let is_of_number = |c: char| c.is_ascii_digit() || "+*#ABCDabcd".contains(c);
        let strange = parts(text).find_map(|part| match part {
            Part::Itself(itself) => Some(itself).filter(|c| !is_of_number(*c)),
            Part::Run | Part::One => None,
        });
        if let Some(strange) = strange {
            return Err(strange_character(text, strange));
        }
        // A `*` may stand for nothing.
        let begins = |before: &str| before.bytes().all(|octet| octet == b'*');
        if pattern
            .rsplit_once('+')
            .is_some_and(|(before, _)| !begins(before))
        {
            return Err(Mistake::new(
                format!("{} has a `+` behind something else", quoted(text)),
                "write it in front: numbers have it nowhere else",
            ));
        }
        let backslashes = pattern.matches('\\').count();
        if backslashes != pattern.matches("\\*").count() {
            return Err(Mistake::new(
                format!("{} has a backslash with no `*` after it", quoted(text)),
                r"write '\*', in single quotes, for the star on the telephone, and `*` for any run of digits",
            ));
        }
        Ok(Self(pattern))
    }
}

/// For `text`, which has a character that is in no number.
fn strange_character(text: &str, strange: char) -> Mistake {
    let bare: String = text.chars().filter(|c| !" -./()".contains(*c)).collect();
    let remedy = if bare != text && bare.parse::<NumberPattern>().is_ok() {
        format!("write it without: {}", quoted(&bare))
    } else {
        r"write digits, `+`, `#` and `A` to `D`, `*` for any run of digits, `?` for one, '\*' in single quotes for a star"
            .to_owned()
    };
    let (text, strange) = (quoted(text), quoted(&strange.to_string()));
    Mistake::new(
        format!("{text} has a {strange}, which no number has"),
        remedy,
    )
}

impl fmt::Display for NumberPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for NumberPattern {
    type Error = Mistake;

    fn try_from(text: String) -> Result<Self, Mistake> {
        text.parse()
    }
}

impl From<NumberPattern> for String {
    fn from(pattern: NumberPattern) -> Self {
        pattern.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pattern(text: &str) -> NumberPattern {
        text.parse().unwrap()
    }

    /// As one would say it, with time for all of it.
    fn naive(pattern: &[char], number: &[char], wild: &dyn Fn(char) -> bool) -> bool {
        match (pattern, number) {
            ([], _) => number.is_empty(),
            (['\\', star, pattern @ ..], [first, number @ ..]) => {
                star == first && naive(pattern, number, wild)
            }
            (['*', rest @ ..], _) => {
                let longer = |(first, number): (&char, &[char])| {
                    wild(*first) && naive(pattern, number, wild)
                };
                naive(rest, number, wild) || number.split_first().is_some_and(longer)
            }
            (['?', pattern @ ..], [first, number @ ..]) => {
                wild(*first) && naive(pattern, number, wild)
            }
            ([same, pattern @ ..], [first, number @ ..]) => {
                same == first && naive(pattern, number, wild)
            }
            (_, []) => false,
        }
    }

    proptest! {
        #[test]
        fn a_number_matches_as_one_would_say_it(
            text in r"[*]?\+?([*?]|\\\*|[01#A]){1,7}",
            number in "[01#+A*]{0,8}",
        ) {
            let (chars, digits): (Vec<_>, Vec<_>) =
                (text.chars().collect(), number.chars().collect());
            let is_digit = |c: char| c.is_ascii_digit();
            let pattern = pattern(&text);
            prop_assert_eq!(pattern.allows(&number), naive(&chars, &digits, &is_digit));
            prop_assert_eq!(pattern.denies(&number), naive(&chars, &digits, &|_| true));
        }

        #[test]
        fn what_is_allowed_by_a_pattern_is_denied_by_the_same(
            text in r"[*]?\+?([*?]|\\\*|[01#A]){1,7}",
            number in "[01#+A*]{0,8}",
        ) {
            let pattern = pattern(&text);
            prop_assert!(!pattern.allows(&number) || pattern.denies(&number));
        }

        #[test]
        fn a_pattern_is_displayed_as_it_reads_back(text in r"\PC*|([-*?#+ ]|\\\*?|[0-9A-Da-d]){0,70}") {
            if let Ok(pattern) = text.parse::<NumberPattern>() {
                prop_assert!(pattern.0.len() <= LONGEST);
                prop_assert_eq!(pattern.to_string().parse(), Ok(pattern));
            }
        }
    }

    #[test]
    fn a_run_that_is_allowed_is_of_digits_and_one_that_is_denied_of_anything() {
        for (text, number, allows, denies) in [
            ("+49*", "+4989123", true, true),
            ("+49*", "+49", true, true),
            ("+49*", "004989123", false, false),
            ("*", "0800", true, true),
            ("*", "*21*0900#", false, true),
            ("*", "+49", false, true),
            ("*0900*", "00900123", true, true),
            ("*0900*", "*21*0900#", false, true),
            (r"\*100#", "*100#", true, true),
            (r"\*100#", "1100#", false, false),
            ("011?", "0112", true, true),
            ("011?", "011*", false, true),
            ("011?", "011", false, false),
            ("12a", "12A", true, true),
            ("110", "1100", false, false),
            ("*", "٣", false, true),
        ] {
            let pattern = pattern(text);
            assert_eq!(pattern.allows(number), allows, "{text} allows {number}");
            assert_eq!(pattern.denies(number), denies, "{text} denies {number}");
        }
    }

    #[test]
    fn a_pattern_of_stars_is_matched_in_no_time() {
        let stars = pattern(&("*1".repeat(31) + "*2"));
        assert!(!stars.allows(&"1".repeat(1000)));
        assert!(stars.denies(&("1".repeat(1000) + "2")));
    }

    #[test]
    fn what_no_number_has_is_told_how_to_be_written() {
        for (text, said) in [
            (
                "0800-123*",
                "has a `-`, which no number has: write it without: `0800123*`",
            ),
            (
                "+49 (89) 12",
                "has a ` `, which no number has: write it without: `+498912`",
            ),
            (
                "0+49*",
                "has a `+` behind something else: write it in front",
            ),
            ("T0800", "has a `T`, which no number has: write digits"),
            ("0800;", "has a `;`, which no number has: write digits"),
            ("-", "has a `-`, which no number has: write digits"),
            (
                "",
                "an empty text is no telephone number: write for example",
            ),
            (
                r"\",
                "has a backslash with no `*` after it: write '\\*', in",
            ),
            (
                r"0\1",
                "has a backslash with no `*` after it: write '\\*', in",
            ),
            (r"\\*", "has a `\\`, which no number has: write digits"),
            ("0\n", r"has a `\n`, which no number has: write digits"),
            (
                &"0".repeat(65),
                "is longer than 64 characters: write as much",
            ),
        ] {
            let mistake = text.parse::<NumberPattern>().unwrap_err().to_string();
            assert!(mistake.contains(said), "{mistake}");
        }
    }

    #[test]
    fn a_pattern_that_was_written_down_wrong_is_not_read() {
        let good: NumberPattern = serde_json::from_str(r#""0800*""#).unwrap();
        assert_eq!(serde_json::to_string(&good).unwrap(), r#""0800*""#);
        assert!(serde_json::from_str::<NumberPattern>(r#""0800-""#).is_err());
    }
}
