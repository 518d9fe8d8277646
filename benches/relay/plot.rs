//! How cost grows with the number of sessions, as a picture.

use std::fmt::Write as _;

use crate::metrics::MANY;
use crate::server::Kind;
use crate::table::Table;

struct Panel {
    title: &'static str,
    /// Which table of [`MANY`], and which of its columns.
    key: fn(&(usize, &'static str, &'static str)) -> &'static str,
    column: &'static str,
    /// How many of the column's units make one of the title's.
    per: f64,
}

const PANELS: [Panel; 3] = [
    Panel {
        title: "CPU for a piece of 16 octets, µs",
        key: |(_, lines, _)| lines,
        column: "CPU",
        per: 1.0,
    },
    Panel {
        title: "memory with all ports in use, MiB",
        key: |(_, _, idle)| idle,
        column: "all in use",
        per: 1024.0,
    },
    Panel {
        title: "memory that a session adds, KiB",
        key: |(_, _, idle)| idle,
        column: "a session",
        per: 1.0,
    },
];

const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 40.0;
/// From the left of one panel to that of the next.
const STEP: f64 = 370.0;

/// Colours that also who sees few of them can tell apart (Okabe and Ito 2008).
fn color(kind: Kind) -> &'static str {
    match kind {
        Kind::Minimal => "#000000",
        Kind::Modemd => "#d55e00",
        Kind::ModemdTelnet | Kind::ModemdGuarded => "#e69f00",
        Kind::Ser2net => "#0072b2",
        Kind::Ser2netTuned => "#56b4e9",
        Kind::Ser2netTelnet => "#cc79a7",
        Kind::Socat => "#009e73",
    }
}

/// An SVG with a panel for each cost; both axes are logarithmic.
pub(crate) fn growth(tables: &[(&str, Table)]) -> String {
    let width = STEP * 3.0 + 10.0;
    let height = TOP + HEIGHT + 100.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let mut left = LEFT;
    for panel in &PANELS {
        let _ = writeln!(svg, "<g transform=\"translate({left} {TOP})\">");
        panel.draw(tables, &mut svg);
        svg.push_str("</g>\n");
        left += STEP;
    }
    for (number, kind) in Kind::ALL.into_iter().enumerate() {
        let (column, row) = ((number % 4) as f64, (number / 4) as f64);
        let (x, y) = (LEFT + column * 270.0, TOP + HEIGHT + 60.0 + row * 24.0);
        line(&mut svg, kind, &[(x, y), (x + 30.0, y)]);
        text(&mut svg, x + 40.0, y + 4.0, "start", kind.name());
    }
    svg + "</svg>\n"
}

impl Panel {
    fn draw(&self, tables: &[(&str, Table)], svg: &mut String) {
        let values = |kind: Kind| {
            let value = move |one: &(usize, &'static str, &'static str)| {
                let (_, table) = tables.iter().find(|(key, _)| *key == (self.key)(one))?;
                let value = table.value(kind, self.column)? / self.per;
                // What is lost in the noise has no place on such an axis.
                (value > 0.0).then_some(((one.0 as f64).log10(), value.log10()))
            };
            MANY.iter().filter_map(value).collect::<Vec<_>>()
        };
        let all = || Kind::ALL.into_iter().flat_map(values).map(|(_, y)| y);
        let least = all().fold(f64::INFINITY, f64::min).floor();
        let most = all()
            .fold(f64::NEG_INFINITY, f64::max)
            .ceil()
            .max(least + 1.0);
        text(svg, 0.0, -15.0, "start", self.title);
        if !least.is_finite() {
            return;
        }
        let x = |log: f64| 10.0 + log / 3.0 * (WIDTH - 20.0);
        let y = |log: f64| HEIGHT - (log - least) / (most - least) * HEIGHT;
        for (sessions, ..) in MANY {
            let at = x((sessions as f64).log10());
            grid(svg, (at, 0.0), (at, HEIGHT));
            text(svg, at, HEIGHT + 18.0, "middle", &sessions.to_string());
        }
        text(svg, WIDTH / 2.0, HEIGHT + 36.0, "middle", "sessions");
        let mut decade = least;
        while decade <= most {
            let at = y(decade);
            grid(svg, (0.0, at), (WIDTH, at));
            text(svg, -8.0, at + 4.0, "end", &10_f64.powf(decade).to_string());
            decade += 1.0;
        }
        for kind in Kind::ALL {
            let points: Vec<_> = values(kind)
                .into_iter()
                .map(|(a, b)| (x(a), y(b)))
                .collect();
            line(svg, kind, &points);
        }
    }
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, text: &str) {
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
    );
}

fn grid(svg: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
    let _ = writeln!(
        svg,
        "<path d=\"M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}\" stroke=\"#dddddd\"/>"
    );
}

/// A server's line; ours are the thick ones.
fn line(svg: &mut String, kind: Kind, points: &[(f64, f64)]) {
    let color = color(kind);
    let width = if kind.is_ours() { 3.5 } else { 1.8 };
    let mut places = String::new();
    for (x, y) in points {
        let _ = write!(places, "{x:.1},{y:.1} ");
        let _ = writeln!(
            svg,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{width}\" fill=\"{color}\"/>"
        );
    }
    let places = places.trim_end();
    let _ = writeln!(
        svg,
        "<polyline points=\"{places}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"{width}\"/>"
    );
}
