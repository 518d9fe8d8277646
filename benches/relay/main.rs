//! modemd beside its peers and the practical limit, in one run.
//!
//! `cargo bench --bench relay` measures everything, prints the tables, and writes `benches/RESULTS.md` and
//! `benches/growth.svg`; with words, only the metrics that have one of them in their names, and nothing is
//! written. `--rounds N` takes the median of so many instead of the usual number, `--servers WORD,…` only
//! the servers that have one of these in their names.
//!
//! The servers take turns in every round, each is started anew for each measurement, and every octet that
//! arrives is checked. Run by `cargo test`, each kind of measurement is made once and briefly, of what is
//! ours, and one of the peers, to see that it works: nothing that is measured is asserted.

#![expect(
    clippy::cast_precision_loss,
    reason = "what is counted here is far below 2^52"
)]

mod aims;
mod bulk;
mod cold;
mod connect;
mod cost;
mod echo;
mod lines;
mod locks;
mod many;
mod metrics;
mod minimal;
mod modem;
mod plot;
mod processors;
mod results;
mod server;
mod stopped;
mod stream;
mod systemd;
mod table;

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use metrics::{Metric, metrics};
use server::Kind;
use table::Table;

/// How long a measurement lasts, and of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// To see something.
    Full,
    /// To see that it works.
    Brief,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(("minimal-loop", rest)) = arguments.split_first().map(|(a, b)| (a.as_str(), b)) {
        return match minimal::run(rest) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("minimal loop: {error}");
                ExitCode::FAILURE
            }
        };
    }
    let is_bench = arguments.iter().any(|argument| argument == "--bench");
    let scale = if is_bench { Scale::Full } else { Scale::Brief };
    let mut words = Vec::new();
    let (mut rounds, mut servers) = (None, Vec::new());
    let mut rest = arguments.into_iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--rounds" => rounds = rest.next().and_then(|number| number.parse().ok()),
            "--servers" => servers = split(rest.next()),
            option if option.starts_with("--") => {}
            _ => words.push(argument),
        }
    }
    raise_descriptor_limit();
    locks::keep_in_memory();
    if let Err(errno) = processors::leave_one() {
        eprintln!("the servers have no processor of their own: {errno}");
    }
    let mut tables = Vec::new();
    let mut has_skipped = false;
    for metric in metrics(scale) {
        if words.is_empty() || words.iter().any(|word| metric.key.contains(word)) {
            if let Some(program) = metric.needs.filter(|_| !metric.is_possible()) {
                eprintln!("SKIP {}: not installed: {program}", metric.key);
                has_skipped = true;
            }
            let rounds = rounds.unwrap_or(metric.rounds);
            tables.push((metric.key, measure(&metric, &servers, rounds)));
            println!("{}", tables[tables.len() - 1].1.text());
        }
    }
    if scale == Scale::Full {
        println!("{}", aims::text(&tables));
    }
    if scale == Scale::Full
        && words.is_empty()
        && servers.is_empty()
        && let Err(error) = results::write(&tables)
    {
        eprintln!("the results cannot be written: {error}");
        return ExitCode::FAILURE;
    }
    if scale == Scale::Brief && has_skipped && std::env::var_os("CI").is_some() {
        eprintln!("nothing may be skipped in CI");
        return ExitCode::FAILURE;
    }
    // What others cannot do is a result; what we cannot is a fault.
    let failed = tables.iter().any(|(_, table)| {
        let mut failures = table.failures();
        failures.any(|(kind, _)| !kind.is_peer())
    });
    ExitCode::from(u8::from(failed))
}

fn split(list: Option<String>) -> Vec<String> {
    let list = list.unwrap_or_default();
    list.split(',').map(str::to_owned).collect()
}

fn measure(metric: &Metric, servers: &[String], rounds: usize) -> Table {
    let is_wanted = |kind: &Kind| {
        let is_named = |word: &String| kind.name().contains(word);
        (metric.has_peers || !kind.is_peer())
            && (servers.is_empty() || servers.iter().any(is_named))
    };
    let kinds: Vec<Kind> = metric.kinds.iter().copied().filter(is_wanted).collect();
    let mut table = Table::new(&metric.title, &kinds);
    for round in 1..=rounds {
        for &kind in &kinds {
            if !kind.is_installed() || !metric.is_possible() {
                continue;
            }
            let place = format!("{} {round}/{rounds}: {}", metric.key, kind.name());
            show(&place);
            let measured = (metric.measure)(kind);
            if let Err(why) = &measured {
                show("");
                eprintln!("{place}: {why}");
            }
            table.add(kind, measured);
        }
    }
    show("");
    table
}

/// What is being done now, on a terminal.
fn show(what: &str) {
    if io::stderr().is_terminal() {
        eprint!("\r\x1b[K{what}");
    }
}

/// A thousand sessions have their descriptors here, too.
fn raise_descriptor_limit() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
