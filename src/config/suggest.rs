//! "Did you mean …?"

/// The word of `known` that `word` is most likely a slip of, if it is close to any.
pub(super) fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let word = word.to_ascii_lowercase();
    known
        .map(|candidate| (distance(&word, candidate), candidate))
        // A slip leaves most of a word in place.
        .filter(|(slips, candidate)| *slips <= 2 && slips * 2 < candidate.len())
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many letters must be put in, left out, changed, or changed with the next to make `b` of `a`
/// (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<_>, Vec<_>) = (a.chars().collect(), b.chars().collect());
    // Each between so many letters of `a` and the first j of `b`; the last two rows are needed.
    let mut before = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut next = vec![i];
        for j in 1..=b.len() {
            let change = row[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = change.min(row[j] + 1).min(next[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_the_word_that_was_meant() {
        let known = ["allow", "busy", "devices", "idle_timeout", "line", "linger"];
        for (word, meant) in [
            ("device", Some("devices")),
            ("Allow", Some("allow")),
            ("alow", Some("allow")),
            ("idle-timeout", Some("idle_timeout")),
            ("lines", Some("line")),
            ("baud", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known.into_iter()), meant, "{word}");
        }
    }

    #[test]
    fn the_distance_is_the_number_of_slips() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("dail", "dial"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("grün", "grun"), 1);
    }
}
