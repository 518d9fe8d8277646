//! Figures of several rounds, as tables: medians, spread, and ratios to the minimal loop and to the best
//! peer.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use crate::server::Kind;

/// Which of two figures is the better one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    Less,
    More,
}

/// One thing that was measured, once.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) value: f64,
    pub(crate) better: Better,
}

impl Figure {
    pub(crate) fn new(name: &str, unit: &'static str, value: f64, better: Better) -> Figure {
        Figure {
            name: name.to_owned(),
            unit,
            value,
            better,
        }
    }
}

/// The usual three, in microseconds.
pub(crate) fn percentiles(mut times: Vec<Duration>) -> Vec<Figure> {
    times.sort_unstable();
    let at = |share: usize| {
        let index = (times.len() * share / 1000).min(times.len().saturating_sub(1));
        times
            .get(index)
            .map_or(f64::NAN, |time| time.as_secs_f64() * 1e6)
    };
    [("p50", 500), ("p99", 990), ("p99.9", 999)]
        .map(|(name, share)| Figure::new(name, "µs", at(share), Better::Less))
        .to_vec()
}

/// Of an odd number the one in the middle, of an even one the upper of two.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// One metric of all servers.
pub(crate) struct Table {
    pub(crate) title: String,
    kinds: Vec<Kind>,
    /// The figures' names and units, in their order.
    columns: Vec<(String, &'static str, Better)>,
    values: BTreeMap<(Kind, usize), Vec<f64>>,
    failures: BTreeMap<Kind, String>,
}

impl Table {
    pub(crate) fn new(title: &str, kinds: &[Kind]) -> Table {
        Table {
            title: title.to_owned(),
            kinds: kinds.to_vec(),
            columns: Vec::new(),
            values: BTreeMap::new(),
            failures: BTreeMap::new(),
        }
    }

    pub(crate) fn add(&mut self, kind: Kind, measured: Result<Vec<Figure>, String>) {
        match measured {
            Ok(figures) => {
                for figure in figures {
                    let known = self
                        .columns
                        .iter()
                        .position(|(name, ..)| *name == figure.name);
                    let column = known.unwrap_or_else(|| {
                        self.columns.push((figure.name, figure.unit, figure.better));
                        self.columns.len() - 1
                    });
                    self.values
                        .entry((kind, column))
                        .or_default()
                        .push(figure.value);
                }
            }
            Err(why) => {
                self.failures.insert(kind, why);
            }
        }
    }

    pub(crate) fn failures(&self) -> impl Iterator<Item = (Kind, &str)> {
        self.failures
            .iter()
            .map(|(kind, why)| (*kind, why.as_str()))
    }

    /// The median of what was measured.
    pub(crate) fn value(&self, kind: Kind, column: &str) -> Option<f64> {
        let column = self.columns.iter().position(|(name, ..)| name == column)?;
        let mut values = self.values.get(&(kind, column))?.clone();
        Some(median(&mut values))
    }

    /// The best peer's figure in this column.
    fn best_peer(&self, column: usize) -> Option<f64> {
        let (name, _, better) = &self.columns[column];
        let peers = self.kinds.iter().filter(|kind| kind.is_peer());
        let values = peers.filter_map(|kind| self.value(*kind, name));
        match better {
            Better::Less => values.min_by(f64::total_cmp),
            Better::More => values.max_by(f64::total_cmp),
        }
    }

    /// As Markdown, which can be read in a terminal too.
    pub(crate) fn text(&self) -> String {
        let mut rows = vec![vec![String::new()]];
        for (name, unit, _) in &self.columns {
            let head = if unit.is_empty() {
                name.clone()
            } else {
                format!("{name}, {unit}")
            };
            rows[0].extend([head, "÷ minimal".to_owned(), "÷ best peer".to_owned()]);
        }
        for kind in &self.kinds {
            let mut row = vec![kind.name().to_owned()];
            if !kind.is_installed() {
                row.push("not installed".to_owned());
            } else if let (Some(why), None) =
                (self.failures.get(kind), self.values.get(&(*kind, 0)))
            {
                row.push(format!("failed: {why}"));
            } else {
                for (column, (name, ..)) in self.columns.iter().enumerate() {
                    row.extend(self.cells(*kind, column, name));
                }
            }
            rows.push(row);
        }
        // A column of ratios that has none says nothing.
        let columns = rows[0].len();
        let is_empty = |column: usize| {
            rows[1..].iter().all(|row| {
                row.get(column)
                    .is_none_or(|cell| cell.is_empty() || cell == "–")
            })
        };
        let shown: Vec<usize> = (0..columns)
            .filter(|column| *column == 0 || !is_empty(*column))
            .collect();
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let mut text = format!("### {}\n\n", self.title);
        for (number, row) in rows.iter().enumerate() {
            for &column in &shown {
                let cell = row.get(column).map_or("", String::as_str);
                let pad = width(column) - cell.chars().count();
                let _ = match column {
                    0 => write!(text, "| {cell}{} |", " ".repeat(pad)),
                    _ => write!(text, " {}{cell} |", " ".repeat(pad)),
                };
            }
            text.push('\n');
            if number == 0 {
                for &column in &shown {
                    let dashes = "-".repeat(width(column) + 1);
                    let _ = match column {
                        0 => write!(text, "|{dashes}-|"),
                        _ => write!(text, "{dashes}:|"),
                    };
                }
                text.push('\n');
            }
        }
        text
    }

    fn cells(&self, kind: Kind, column: usize, name: &str) -> [String; 3] {
        let Some(value) = self.value(kind, name) else {
            return ["–".into(), "–".into(), "–".into()];
        };
        let values = &self.values[&(kind, column)];
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut cell = number(value);
        if values.len() > 1 && number(least) != number(most) {
            let _ = write!(cell, " ({}…{})", number(least), number(most));
        }
        let ratio = |to: Option<f64>| match to {
            Some(to) if to > 0.0 => number(value / to),
            _ => "–".to_owned(),
        };
        let minimal = self.value(Kind::Minimal, name);
        let to_minimal = minimal.filter(|_| kind != Kind::Minimal);
        let to_peer = self.best_peer(column).filter(|_| !kind.is_peer());
        [cell, ratio(to_minimal), ratio(to_peer)]
    }
}

/// Three digits that count.
fn number(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || size >= 99.95 {
        format!("{value:.0}")
    } else if size >= 9.995 {
        format!("{value:.1}")
    } else if size >= 0.01 {
        format!("{value:.2}")
    } else {
        format!("{value:.4}")
    }
}
