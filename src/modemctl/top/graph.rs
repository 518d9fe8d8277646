//! Speeds as graphs of one row.

/// From a trickle to all that the line can do.
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The latest of `samples` at the right, in exactly so many columns. `full` bytes per second have the
/// full height; the scale is logarithmic, so that typing is seen as well as a file.
pub(super) fn graph<'a>(
    samples: impl DoubleEndedIterator<Item = &'a u64>,
    wide: usize,
    full: u64,
) -> String {
    let mut drawn: Vec<_> = samples
        .rev()
        .take(wide)
        .map(|rate| bar(*rate, full))
        .collect();
    drawn.resize(wide, ' ');
    drawn.iter().rev().collect()
}

fn bar(rate: u64, full: u64) -> char {
    if rate == 0 {
        return ' ';
    }
    // Each level is a factor of full^(1/7); only the height depends on the rounding.
    let height = f64::from(ilog2(rate)) / f64::from(ilog2(full).max(1));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is a number from 0 to 7"
    )]
    let level = (height * 7.0).clamp(0.0, 7.0) as usize;
    LEVELS[level]
}

fn ilog2(rate: u64) -> u32 {
    rate.checked_ilog2().unwrap_or(0)
}

/// How many bytes per second a line takes with such settings: a character is ten bits.
pub(super) fn full(settings: Option<&str>) -> u64 {
    let baud = settings.and_then(|settings| settings.split(',').next());
    let baud: Option<u64> = baud.and_then(|baud| baud.parse().ok());
    baud.unwrap_or(115_200) / 10
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn typing_is_seen_as_well_as_a_file() {
        let rates = [0, 1, 10, 100, 1000, 5000, 11_520, 1_000_000];
        let full = full(Some("115200,8,N,1"));
        assert_eq!(graph(rates.iter(), 10, full), "   ▁▂▄▅▇██");
        assert_eq!(graph(rates.iter(), 3, full), "▇██");
    }

    proptest! {
        #[test]
        fn a_graph_is_as_wide_as_asked_for(
            rates in prop::collection::vec(any::<u64>(), 0..20), wide in 0..30_usize, full: u64
        ) {
            prop_assert_eq!(graph(rates.iter(), wide, full).chars().count(), wide);
        }
    }
}
