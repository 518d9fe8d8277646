//! `hours` of `[ports.NAME.dial]`: `Mon-Fri 08:00-18:00`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::problem::{Mistake, quoted};

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

const EVERY_DAY: u8 = 0x7f;

/// In minutes.
const DAY: u16 = 24 * 60;

const EXAMPLES: &str =
    "write for example `Mon-Fri 08:00-18:00`, `Sat,Sun 09:00-12:00` or `20:00-06:00`";

/// Hours of some days of the week: `Mon-Fri 08:00-18:00`.
///
/// Those that end before they begin go on into the next day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hours {
    /// A bit for each day on which they begin, Monday first.
    days: u8,
    /// Minutes of the day: from this one, up to but not including that one.
    from: u16,
    to: u16,
}

impl Hours {
    /// Whether they include this minute of this day of the week (0: Monday).
    #[must_use]
    pub fn include(&self, weekday: u8, minute: u16) -> bool {
        let begin_on = |day: u8| self.days & (1 << (day % 7)) != 0;
        if self.from < self.to {
            begin_on(weekday) && (self.from..self.to).contains(&minute)
        } else {
            let yesterday = weekday % 7 + 6;
            begin_on(weekday) && minute >= self.from || begin_on(yesterday) && minute < self.to
        }
    }
}

impl FromStr for Hours {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        let words: Vec<_> = text.split_whitespace().collect();
        let (days, times) = match words[..] {
            [times] => (EVERY_DAY, times),
            [days, times] => (parse_days(text, days)?, times),
            _ => return Err(too_many_words(text, &words)),
        };
        let (from, to) = times.split_once('-').ok_or_else(|| no_hours(text))?;
        let (from, to) = (parse_time(text, from)?, parse_time(text, to)?);
        let refuse =
            |why: &str, remedy: &str| Err(Mistake::new(format!("{} {why}", quoted(text)), remedy));
        if from == DAY {
            return refuse(
                "begins when the day is over",
                "write `00:00` of the next day",
            );
        }
        if from == to {
            return refuse(
                "ends when it begins",
                "write `00:00-24:00` for the whole day, and `allow = []` for never",
            );
        }
        Ok(Self { days, from, to })
    }
}

fn no_hours(text: &str) -> Mistake {
    Mistake::new(format!("{} is not a span of hours", quoted(text)), EXAMPLES)
}

/// Blanks most often stand where there is to be none: `Sat, Sun 09:00 - 12:00`.
fn too_many_words(text: &str, words: &[&str]) -> Mistake {
    let given = words.join(" ");
    let mut closed = given.clone();
    for sign in [",", "-"] {
        closed = closed.replace(&format!("{sign} "), sign);
        closed = closed.replace(&format!(" {sign}"), sign);
    }
    let mut mistake = no_hours(text);
    if closed != given && closed.parse::<Hours>().is_ok() {
        mistake.remedy = format!("write it without these blanks: {}", quoted(&closed));
    }
    mistake
}

/// `Mon`, `Mon-Fri`, `Mon,Wed-Fri`; `..` in place of `-`, as in systemd.time(7).
fn parse_days(text: &str, named: &str) -> Result<u8, Mistake> {
    let mut days = 0;
    for part in named.split(',') {
        let (first, last) = part
            .split_once("..")
            .or_else(|| part.split_once('-'))
            .unwrap_or((part, part));
        let (first, last) = (parse_day(text, first)?, parse_day(text, last)?);
        // `Sat-Mon` has Sunday in it.
        let count = (last + 7 - first) % 7;
        days |= (0..=count).fold(0, |days, n| days | 1 << ((first + n) % 7));
    }
    Ok(days)
}

fn parse_day(text: &str, name: &str) -> Result<usize, Mistake> {
    let found = DAYS.iter().position(|day| day.eq_ignore_ascii_case(name));
    found.ok_or_else(|| {
        let days = DAYS.join("`, `");
        let message = format!("{} in {} is not a day", quoted(name), quoted(text));
        Mistake::new(
            message,
            format!("the days are `{days}`, and stand before the hours"),
        )
    })
}

/// `8:00`, `08:00`, `24:00`.
fn parse_time(text: &str, time: &str) -> Result<u16, Mistake> {
    let number = |digits: &str| {
        let fine = (1..=2).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        digits.parse::<u16>().ok().filter(|_| fine)
    };
    let parts = time
        .split_once(':')
        .filter(|(_, minutes)| minutes.len() == 2);
    let minutes = parts.and_then(|(hours, minutes)| {
        let (hours, minutes) = (number(hours)?, number(minutes)?);
        Some(hours * 60 + minutes).filter(|sum| minutes < 60 && *sum <= DAY)
    });
    minutes.ok_or_else(|| {
        let remedy = match number(time) {
            Some(hour) if hour <= 24 => format!("write `{hour:02}:00`"),
            _ => format!("write hours and minutes from `00:00` to `24:00`; {EXAMPLES}"),
        };
        let message = format!("{} in {} is not a time", quoted(time), quoted(text));
        Mistake::new(message, remedy)
    })
}

/// `Mon-Fri 08:00-18:00`
impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.days != EVERY_DAY {
            let is_on = |day: usize| day < 7 && self.days & (1 << day) != 0;
            let mut runs = Vec::new();
            let mut day = 0;
            while day < 7 {
                let first = day;
                while is_on(day) {
                    day += 1;
                }
                match day - first {
                    0 => {}
                    1 => runs.push(DAYS[first].to_owned()),
                    _ => runs.push(format!("{}-{}", DAYS[first], DAYS[day - 1])),
                }
                day += 1;
            }
            write!(f, "{} ", runs.join(","))?;
        }
        let (from, to) = (self.from, self.to);
        write!(
            f,
            "{:02}:{:02}-{:02}:{:02}",
            from / 60,
            from % 60,
            to / 60,
            to % 60
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hours(text: &str) -> Hours {
        text.parse().unwrap()
    }

    proptest! {
        #[test]
        fn hours_are_the_minutes_that_pass_from_their_begin_to_their_end(
            days in 1_u8..=EVERY_DAY,
            from in 0..DAY,
            to in 0..=DAY,
        ) {
            prop_assume!(from != to);
            let hours = Hours { days, from, to };
            let lasts = if to > from { to - from } else { to + DAY - from };
            let mut week = vec![false; 7 * usize::from(DAY)];
            for day in (0..7).filter(|day| days & 1 << day != 0) {
                for minute in from..from + lasts {
                    let minute = day * usize::from(DAY) + usize::from(minute);
                    week[minute % (7 * usize::from(DAY))] = true;
                }
            }
            for (minute, included) in week.into_iter().enumerate() {
                let (day, minute) = (minute / usize::from(DAY), minute % usize::from(DAY));
                let (day, minute) = (u8::try_from(day).unwrap(), u16::try_from(minute).unwrap());
                prop_assert_eq!(hours.include(day, minute), included, "{} {}", DAYS[usize::from(day)], minute);
            }
        }

        #[test]
        fn hours_are_displayed_as_they_read_back(
            days in 1_u8..=EVERY_DAY,
            from in 0..DAY,
            to in 0..=DAY,
        ) {
            prop_assume!(from != to);
            let hours = Hours { days, from, to };
            prop_assert_eq!(hours.to_string().parse(), Ok(hours));
        }

        #[test]
        fn no_text_is_too_strange(text in "\\PC*|((Mon|Sun|Sat)[-,. ]{0,2}|[0-9:]{1,5}-?| ){0,6}") {
            if let Ok(hours) = text.parse::<Hours>() {
                prop_assert_eq!(hours.to_string().parse(), Ok(hours));
            }
        }
    }

    #[test]
    fn a_night_lasts_into_the_next_day() {
        let night = hours("Fri 20:00-06:00");
        for (day, minute, included) in [
            (4, 20 * 60, true),
            (4, 20 * 60 - 1, false),
            (4, 5 * 60, false),
            (5, 0, true),
            (5, 6 * 60 - 1, true),
            (5, 6 * 60, false),
            (5, 20 * 60, false),
        ] {
            assert_eq!(night.include(day, minute), included, "{day} {minute}");
        }
        let monday = hours("Sun 20:00-06:00");
        assert!(monday.include(0, 0) && !monday.include(1, 0));
    }

    #[test]
    fn days_are_written_in_several_ways() {
        for (text, same) in [
            ("Mon..Fri 08:00-18:00", "Mon-Fri 08:00-18:00"),
            ("mon-FRI   8:00-18:00", "Mon-Fri 08:00-18:00"),
            ("Sat-Mon 09:00-24:00", "Mon,Sat-Sun 09:00-24:00"),
            ("Sun,Tue,Wed 9:00-10:00", "Tue-Wed,Sun 09:00-10:00"),
            ("Tue-Mon 9:00-10:00", "09:00-10:00"),
            ("20:00-00:00", "20:00-00:00"),
        ] {
            assert_eq!(hours(text).to_string(), same);
        }
    }

    #[test]
    fn other_hours_are_told_how_to_be_written() {
        for (text, said) in [
            ("", "`` is not a span of hours: write for example"),
            (
                "Mon-Fri",
                "`Mon` in `Mon-Fri` is not a time: write hours and minutes",
            ),
            ("08:00 - 18:00", "without these blanks: `08:00-18:00`"),
            (
                "Sat, Sun 09:00 - 12:00",
                "without these blanks: `Sat,Sun 09:00-12:00`",
            ),
            (
                "always",
                "`always` is not a span of hours: write for example",
            ),
            (
                "Mon to Fri 08:00-18:00",
                "is not a span of hours: write for example",
            ),
            ("8-18", "`8` in `8-18` is not a time: write `08:00`"),
            (
                "08:00-25:00",
                "`25:00` in `08:00-25:00` is not a time: write hours",
            ),
            (
                "08:00-24:01",
                "`24:01` in `08:00-24:01` is not a time: write hours",
            ),
            (
                "08:60-09:00",
                "`08:60` in `08:60-09:00` is not a time: write hours",
            ),
            (
                "+8:00-09:00",
                "`+8:00` in `+8:00-09:00` is not a time: write hours",
            ),
            (
                "Monday 08:00-18:00",
                "`Monday` in `Monday 08:00-18:00` is not a day: the days are",
            ),
            (
                "08:00-18:00 Mon",
                "is not a day: the days are `Mon`, `Tue`,",
            ),
            ("24:00-06:00", "begins when the day is over: write `00:00`"),
            (
                "08:00-08:00",
                "ends when it begins: write `00:00-24:00` for",
            ),
        ] {
            let mistake = text.parse::<Hours>().unwrap_err().to_string();
            assert!(mistake.contains(said), "{mistake}");
        }
    }
}
