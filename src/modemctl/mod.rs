//! `modemctl`: what people type.

mod attach;
mod attached;
mod calls;
mod check;
mod connection;
mod doctor;
mod find;
mod import;
mod lookups;
mod metrics;
mod moment;
mod orders;
mod paint;
mod printable;
#[cfg(test)]
mod sample;
mod shares;
mod status;
mod survey;
mod table;
mod top;
mod trouble;
mod units;
mod watch;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use self::attach::Wishes;
use self::orders::Order;
use self::watch::Form;
use crate::command_line;
use crate::config::{DEFAULT_ATTACH_PATH, DEFAULT_PATH, LineSettings};
use crate::import::Format;

/// Looks after modemd, which shares modems and serial lines with the network.
///
/// Without a command it shows the status.
#[derive(Debug, Parser)]
#[command(name = "modemctl", version)]
pub struct CommandLine {
    /// Where modemd is to be asked
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        default_value = connection::DEFAULT_SOCKET,
        display_order = 900
    )]
    pub socket: PathBuf,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What there is to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show all lines: who is on them, since when, how many bytes went by, the signals
    ///
    /// Below them, what is attached on this machine: where the line is, how it stands with it, and why it
    /// is not connected when a program wants it.
    Status {
        /// Print a JSON object with all that modemd and attached ports tell, for programs
        #[arg(long)]
        json: bool,
    },
    /// Watch all lines on the full screen, with the speeds as graphs, and hang up or drain from there
    ///
    /// Keys: arrows or j and k select a line; h hangs up, d takes the line out of service or puts it
    /// back, q quits.
    Top,
    /// End sessions: hang up their lines and close their connections
    Hangup {
        /// A session's number or its first four digits or more, or the line that the session is on
        #[arg(value_name = "SESSION", required = true)]
        sessions: Vec<String>,
    },
    /// Take lines out of service: sessions on them go on, and nobody else gets them
    ///
    /// That lasts until they are resumed, or until the machine is started again.
    Drain {
        /// The line, with or without /dev/
        #[arg(value_name = "LINE", required = true)]
        lines: Vec<String>,
    },
    /// Put lines back into service
    Resume {
        /// The line, with or without /dev/
        #[arg(value_name = "LINE", required = true)]
        lines: Vec<String>,
    },
    /// Show what happens as it happens, or both directions of a session's traffic
    ///
    /// `>` goes to the line, `<` to the client. Watching never slows a session down: what could not
    /// be shown in time is counted instead. It ends when the session ends.
    Watch {
        /// A session's number or its first four digits or more, or the line that the session is on
        session: Option<String>,
        /// Print a JSON object for each event or part of the traffic, for programs
        #[arg(long)]
        json: bool,
        /// Show the traffic in hexadecimal, as hexdump -C does
        #[arg(long, requires = "session", conflicts_with = "json")]
        hex: bool,
    },
    /// Show the calls: who called which number, what came of it, how long it lasted
    ///
    /// Reads them from systemd's journal, by journalctl, and so may whoever may read that: root, and who is in
    /// the group systemd-journal or adm. Ports with `modem` or `dial` have their calls there.
    Calls {
        /// Leave out calls that ended before; as journalctl takes it, for example today, -1h or 2026-11-22
        #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
        since: Option<String>,
        /// Print a JSON object for each call, for programs
        #[arg(long)]
        json: bool,
        /// Print comma-separated values, for spreadsheets
        #[arg(long, conflicts_with = "json")]
        csv: bool,
    },
    /// Make a device here that behaves like a serial line of another machine, until it is ended
    ///
    /// Programs that want a device find it by its link. While one has it open, the line is theirs: the
    /// settings that they make come into force there. While none has, nothing is connected.
    Attach {
        /// Where the line is, as HOST:PORT, or its name in attach.toml
        #[arg(value_name = "LINE")]
        line: String,
        /// The symbolic link by which programs find the device; by default that of a name is
        /// /run/modemd/tty/NAME, also /dev/modemd/NAME, and HOST:PORT has none
        #[arg(long, value_name = "PATH")]
        link: Option<PathBuf>,
        /// Connect without telnet: the line's bytes as they are, and its settings as they are there
        #[arg(long, conflicts_with = "settings")]
        raw: bool,
        /// What the line is set to when a program opens the device, as `9600,7,E,1`; the only way to set
        /// data bits and parity
        #[arg(long = "line", value_name = "SETTINGS")]
        settings: Option<LineSettings>,
        /// The file with the names
        #[arg(long, value_name = "FILE", default_value = DEFAULT_ATTACH_PATH)]
        config: PathBuf,
    },
    /// Send a BREAK of a quarter of a second on the line of an attached port
    ///
    /// Programs that send one to the device itself, as with tcsendbreak(3), send nothing: the system does
    /// not tell of it.
    Break {
        /// The attached port, as in the status
        name: String,
    },
    /// Read the configuration as modemd does, and say what is in it and what is wrong with it
    ///
    /// Says also with which command a change is applied. Exits 0 if nothing is wrong, and 78
    /// otherwise.
    Check {
        /// The configuration file; conf.d/*.toml and attach.toml beside it are read too, and a file
        /// that is called attach.toml is checked alone
        #[arg(default_value = DEFAULT_PATH)]
        file: PathBuf,
    },
    /// Write what was counted, for Prometheus and its kin: sessions, bytes, errors, refusals, waits
    ///
    /// As text of `OpenMetrics`, which promtool accepts, too.
    Metrics {
        /// Write to this file, for the textfile collector of Prometheus; it is replaced in one step
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Answer one HTTP request on stdin, on stdout
        ///
        /// modem-metrics.socket has this done for each scrape.
        #[arg(long, conflicts_with = "output")]
        http: bool,
    },
    /// Tell whether a device is a line of a configured port: exits 0 if it is, 1 if not
    ///
    /// For udev, so that ModemManager is kept off the lines that modemd shares.
    Shares {
        /// The device, for example /dev/ttyUSB0
        device: PathBuf,
        /// Other names of the same device, from / or from /dev on, as udev's $links has them
        #[arg(value_name = "LINK")]
        links: Vec<PathBuf>,
    },
    /// Look at this machine and the configuration, and tell what keeps modemd from working
    ///
    /// Each finding has the command that mends it. Changes nothing, and opens no line. Some things only
    /// root can look at; what was not looked at is said. Exits 0 if nothing is wrong, 1 if something
    /// is, and 78 if the configuration has mistakes.
    Doctor {
        /// The configuration file; conf.d/*.toml beside it is read too
        #[arg(long, value_name = "FILE", default_value = DEFAULT_PATH)]
        config: PathBuf,
        /// Print the findings as a JSON array
        #[arg(long)]
        json: bool,
        /// The root directory of the system to look at
        #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
        root: PathBuf,
    },
    /// Print the modemd.toml that does what the configuration of an older server did
    ///
    /// Reads mserver.conf of Masqdialer, inetd.conf, the files of xinetd.d, ser2net.conf (ser2net up to 3)
    /// and ser2net.yaml (ser2net 4). Several files make one configuration. What has no equivalent is in
    /// comments. Nobody is let in whom the old files do not name. Exits 0 if all was understood, 1 if
    /// something was not and is left out, 66 if a file cannot be read.
    Import {
        /// The files of the older server; - is standard input
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        /// Which server the files are of, whatever their contents and names tell
        #[arg(long, value_name = "FORMAT")]
        from: Option<Format>,
    },
    /// Write what makes a shell complete the command line of a program
    Completions {
        /// The shell
        shell: Shell,
        /// The program
        program: Program,
    },
}

/// The programs that people type the names of.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Program {
    /// `modemd`
    Modemd,
    /// `modemctl`
    Modemctl,
}

/// Runs `modemctl`: what was asked for goes to stdout, what is wrong to stderr.
#[must_use]
pub fn run(line: &CommandLine) -> ExitCode {
    let socket = &line.socket;
    let Some(command) = &line.command else {
        return status::run(socket, false);
    };
    match command {
        Command::Status { json } => status::run(socket, *json),
        Command::Top => top::run(socket),
        Command::Hangup { sessions } => orders::run(socket, Order::HangUp, sessions),
        Command::Drain { lines } => orders::run(socket, Order::Drain, lines),
        Command::Resume { lines } => orders::run(socket, Order::Resume, lines),
        Command::Watch { session, json, hex } => {
            let form = match (json, hex) {
                (true, _) => Form::Json,
                (_, true) => Form::Hex,
                _ => Form::Text,
            };
            watch::run(socket, session.as_deref(), form)
        }
        Command::Calls { since, json, csv } => {
            let form = match (json, csv) {
                (true, _) => calls::Form::Json,
                (_, true) => calls::Form::Csv,
                _ => calls::Form::Table,
            };
            calls::run(socket, since.as_deref(), form)
        }
        Command::Attach {
            line,
            link,
            raw,
            settings,
            config,
        } => {
            let wishes = Wishes {
                link: link.as_deref(),
                raw: *raw,
                line: *settings,
                config,
            };
            attach::run(socket, line, &wishes)
        }
        Command::Break { name } => attached::send_break(socket, name),
        Command::Check { file } => check::run(file),
        Command::Metrics { http: true, .. } => metrics::serve(socket),
        Command::Metrics { output, .. } => metrics::run(socket, output.as_deref()),
        Command::Shares { device, links } => shares::run(device, links),
        Command::Doctor { config, json, root } => doctor::run(config, *json, root),
        Command::Import { files, from } => import::run(files, *from),
        Command::Completions { shell, program } => complete(*shell, *program),
    }
}

fn complete(shell: Shell, program: Program) -> ExitCode {
    let mut command = match program {
        Program::Modemd => command_line::CommandLine::command(),
        Program::Modemctl => CommandLine::command(),
    };
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    match io::stdout().write_all(&script) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_free_of_contradictions() {
        CommandLine::command().debug_assert();
    }
}
