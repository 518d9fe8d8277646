//! The tables as a page: `benches/RESULTS.md`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use crate::cold::ACTIVATE;
use crate::server::{Kind, is_installed};
use crate::table::Table;
use crate::{aims, plot};

const HERE: &str = env!("CARGO_MANIFEST_DIR");

const ABOUT: &str = "\
To repeat it: `cargo bench --bench relay`. [README.md](README.md) says how it is measured, and what the limits
are.

## The servers

* **minimal loop**, `min` for short: one thread, one epoll, one buffer, and nothing else: no locks, no log, no
  configuration, no protocol. It is the practical limit of a relay.
* **modemd**, as systemd runs it: with lock files, log, counts, ledger and descriptor store. `linger = \"0s\"`, because
  the others have no half-close to wait for.
* **modemd, RFC 2217**: the same with `protocol = \"telnet\"`.
* **ser2net** as most people configure it; **tuned**: `tcp(nodelay)`, `chardelay: false`, buffers of 64 KiB;
  **RFC 2217, tuned**: the same with `telnet(rfc2217)`. With its lock files, where modemd has its own too: in a
  `/run/lock` in memory; without them, and modemd with those on a disk, where the benchmark is not run by root.
* **socat -b65536**: one process for each port, and one more for each session.

A figure is the median over the rounds, with the least and the most in parentheses. Below each modemd are its
ratios to the minimal loop, and to the best peer in that column: of the peers that do the same work, which for
RFC 2217 is ser2net with RFC 2217. Where a ratio says nothing, as of figures that are to be 0, there is none.
An octet is a byte.
";

/// Writes the page and the plot.
pub(crate) fn write(tables: &[(&str, Table)]) -> io::Result<()> {
    let folder = Path::new(HERE).join("benches");
    fs::write(folder.join("growth.svg"), plot::growth(tables))?;
    fs::write(folder.join("RESULTS.md"), page(tables))
}

fn page(tables: &[(&str, Table)]) -> String {
    let mut page = format!("# modemd beside its peers\n\n{}\n{ABOUT}\n", machine());
    let missing = Vec::from_iter(missing());
    if !missing.is_empty() {
        let missing = missing.join(", ");
        let _ = writeln!(
            page,
            "Not installed, and therefore not measured: {missing}.\n"
        );
    }
    let _ = writeln!(page, "{}", aims::text(tables));
    let failures = failures(tables);
    if !failures.is_empty() {
        let _ = writeln!(page, "## What failed\n\n{failures}");
    }
    let _ = writeln!(
        page,
        "## How cost grows\n\n![Cost by number of sessions](growth.svg)\n"
    );
    let _ = writeln!(page, "## All figures\n");
    let texts: Vec<_> = tables.iter().map(|(_, table)| table.text()).collect();
    page + &texts.join("\n")
}

fn machine() -> String {
    let rows = [
        ("date", output("date", &["-u", "+%F"])),
        ("CPU", processors()),
        ("memory", memory()),
        ("kernel", content("/proc/sys/kernel/osrelease")),
        ("distribution", field("/etc/os-release", "PRETTY_NAME=")),
        ("modemd", Some(modemd())),
        ("ser2net", version("ser2net", "ser2net", "-v")),
        ("socat", version("socat", "socat", "-V")),
        ("systemd", version("systemd", ACTIVATE, "--version")),
        ("rustc", version("rustc", "rustc", "--version")),
    ];
    let mut text = "| | |\n|---|---|\n".to_owned();
    for (what, value) in rows {
        let value = value.unwrap_or_else(|| "–".to_owned());
        let _ = writeln!(text, "| {what} | {value} |");
    }
    text
}

fn processors() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let count = text
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let model = field("/proc/cpuinfo", "model name")?;
    let is_virtual = text.split_whitespace().any(|flag| flag == "hypervisor");
    let place = if is_virtual {
        ", in a virtual machine"
    } else {
        ""
    };
    Some(format!("{count} × {model}{place}"))
}

fn memory() -> Option<String> {
    let total = field("/proc/meminfo", "MemTotal")?;
    let kib: u64 = total.split_whitespace().next()?.parse().ok()?;
    Some(format!("{} MiB", kib / 1024))
}

/// Its version and commit, and whether it is all in that commit.
fn modemd() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let Some(commit) = output("git", &["-C", HERE, "rev-parse", "--short", "HEAD"]) else {
        return version.to_owned();
    };
    // What is written here is not what is measured.
    let status = [
        "-C",
        HERE,
        "status",
        "--porcelain",
        "--",
        ".",
        ":!benches/*.md",
        ":!benches/*.svg",
    ];
    let is_changed = output("git", &status).is_some();
    let changed = if is_changed { ", with changes" } else { "" };
    format!("{version}, commit {commit}{changed}")
}

/// The first version that a program names, its own or that of what it belongs to.
fn version(of: &str, program: &str, option: &str) -> Option<String> {
    let text = output(program, &[option])?;
    text.lines().find_map(|line| {
        let version = line.strip_prefix(of)?.trim_start();
        let version = version.strip_prefix("version ").unwrap_or(version);
        version
            .starts_with(|first: char| first.is_ascii_digit())
            .then(|| version.to_owned())
    })
}

/// What a program says, if it says anything and succeeds.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

fn content(file: &str) -> Option<String> {
    fs::read_to_string(file)
        .ok()
        .map(|text| text.trim().to_owned())
}

/// What the first line says that begins so, without the separator and quotes.
fn field(file: &str, name: &str) -> Option<String> {
    let text = content(file)?;
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(value.trim_matches([' ', '\t', ':', '"']).to_owned())
}

fn missing() -> BTreeSet<&'static str> {
    let programs = Kind::ALL.into_iter().filter_map(Kind::program);
    let programs = programs.chain([ACTIVATE, "perf"]);
    programs.filter(|program| !is_installed(program)).collect()
}

fn failures(tables: &[(&str, Table)]) -> String {
    let mut text = String::new();
    for (_, table) in tables {
        for (kind, why) in table.failures() {
            let _ = writeln!(text, "* {}: {}: {why}", table.title, kind.name());
        }
    }
    text
}
