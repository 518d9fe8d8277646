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
    /// Of what is compared.
    pub(crate) better: Option<Better>,
}

impl Figure {
    pub(crate) fn new(name: &str, unit: &'static str, value: f64, better: Better) -> Figure {
        Figure {
            name: name.to_owned(),
            unit,
            value,
            better: Some(better),
        }
    }

    /// Stands for itself: it should be none, or all, and a ratio of it says nothing.
    pub(crate) fn plain(name: &str, unit: &'static str, value: f64) -> Figure {
        Figure {
            name: name.to_owned(),
            unit,
            value,
            better: None,
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
    columns: Vec<(String, &'static str, Option<Better>)>,
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

    /// The best figure of the peers that do the same: raw bytes, or RFC 2217, which is more work.
    fn best_peer(&self, kind: Kind, column: &str, better: Better) -> Option<f64> {
        let peers = self.kinds.iter().filter(|peer| peer.is_peer());
        let values = peers
            .filter(|peer| peer.is_telnet() == kind.is_telnet())
            .filter_map(|peer| self.value(*peer, column));
        match better {
            Better::Less => values.min_by(f64::total_cmp),
            Better::More => values.max_by(f64::total_cmp),
        }
    }

    /// As Markdown, which can be read in a terminal too.
    pub(crate) fn text(&self) -> String {
        let heads = self.columns.iter().map(|(name, unit, _)| match *unit {
            "" => name.clone(),
            unit => format!("{name}, {unit}"),
        });
        let mut rows = vec![[String::new()].into_iter().chain(heads).collect()];
        for &kind in &self.kinds {
            rows.push(self.row(kind));
            if kind.is_ours() {
                rows.extend(self.ratios(kind));
            }
        }
        format!("### {}\n\n{}", self.title, markdown(&rows))
    }

    fn row(&self, kind: Kind) -> Vec<String> {
        let mut row = vec![kind.name().to_owned()];
        if !kind.is_installed() {
            row.push("not installed".to_owned());
        } else if !self.values.keys().any(|(has, _)| *has == kind) {
            let why = self.failures.contains_key(&kind);
            row.push(if why { "failed" } else { "not measured" }.to_owned());
        } else {
            row.extend((0..self.columns.len()).map(|column| self.cell(kind, column)));
        }
        row
    }

    /// The median, and in parentheses the least and the most.
    fn cell(&self, kind: Kind, column: usize) -> String {
        let Some(values) = self.values.get(&(kind, column)) else {
            return "–".to_owned();
        };
        let mut sorted = values.clone();
        let mut cell = number(median(&mut sorted));
        let (least, most) = (number(sorted[0]), number(sorted[sorted.len() - 1]));
        if least != most {
            let _ = write!(cell, " ({least}…{most})");
        }
        cell
    }

    /// What a server's figures are of the minimal loop's, and of the best peer's.
    fn ratios(&self, kind: Kind) -> impl Iterator<Item = Vec<String>> {
        let to_minimal = |name: &str, _| self.value(Kind::Minimal, name);
        let to_peer = |name: &str, better| self.best_peer(kind, name, better);
        let to_unguarded = |name: &str, _| {
            let is_guarded = kind == Kind::ModemdGuarded;
            self.value(Kind::Modemd, name).filter(|_| is_guarded)
        };
        let row = |title: &str, to: &dyn Fn(&str, Better) -> Option<f64>| {
            let ratio = |(name, _, better): &(String, _, Option<Better>)| {
                let to = to(name, (*better)?).filter(|to| *to > 0.0)?;
                Some(number(self.value(kind, name)? / to))
            };
            let ratios: Vec<_> = self.columns.iter().map(ratio).collect();
            let has_some = ratios.iter().any(Option::is_some);
            let ratios = ratios.into_iter().map(Option::unwrap_or_default);
            has_some.then(|| [title.to_owned()].into_iter().chain(ratios).collect())
        };
        let rows = [
            row("– ÷ minimal", &to_minimal),
            row("– ÷ best peer", &to_peer),
            row("– ÷ without a guard", &to_unguarded),
        ];
        rows.into_iter().flatten()
    }
}

/// A table of Markdown whose columns are in line; the first row is its head.
pub(crate) fn markdown(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let cell = |row: &Vec<String>, column: usize| row.get(column).cloned().unwrap_or_default();
    let width = |column: usize| {
        let widths = rows.iter().map(|row| cell(row, column).chars().count());
        widths.max().unwrap_or(0).max(3)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        for (column, width) in widths.iter().enumerate() {
            let cell = cell(row, column);
            // What follows the name is numbers.
            let _ = match column {
                0 => write!(text, "| {cell:<width$} |"),
                _ => write!(text, " {cell:>width$} |"),
            };
        }
        text.push('\n');
        if number == 0 {
            for (column, width) in widths.iter().enumerate() {
                let _ = match column {
                    0 => write!(text, "|{:-<1$}|", "", width + 2),
                    _ => write!(text, "{:-<1$}:|", "", width + 1),
                };
            }
            text.push('\n');
        }
    }
    text
}

/// Three digits that count, and more of what is large.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if size >= 9999.5 {
        let mut digits = format!("{value:.0}");
        let mut at = digits.len();
        while at > 3 + usize::from(value < 0.0) {
            at -= 3;
            digits.insert(at, ',');
        }
        digits
    } else if value.fract() == 0.0 || size >= 99.95 {
        format!("{value:.0}")
    } else if size >= 9.995 {
        format!("{value:.1}")
    } else if size >= 0.01 {
        format!("{value:.2}")
    } else {
        format!("{value:.4}")
    }
}
