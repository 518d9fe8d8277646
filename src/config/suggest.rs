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

/// How many letters must be put in, left out or changed to make `b` of `a` (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, in_a) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, in_b) in b.chars().enumerate() {
            let change = diagonal + usize::from(in_a != in_b);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.chars().count()]
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
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("grün", "grun"), 1);
    }
}
