//! What `modemd` is called with.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::{DEFAULT_PATH, Endpoint, Host, LineSettings, Mistake, Protocol, Services};

/// Shares modems and serial lines with the network.
///
/// Usually systemd starts it, with the sockets of modem.socket and the settings of
/// /etc/modemd/modemd.toml; see `modemctl check`. inetd can start it with a DEVICE, and so can you.
#[derive(Debug, Parser)]
#[command(
    name = "modemd",
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  \
        modemd demo                                    an emulated modem on 127.0.0.1:2006\n  \
        modemd --listen 2006 /dev/ttyS1                a line for this machine's programs\n  \
        modemd --listen 2006 --allow 192.168.2.0/24 /dev/ttyUSB0 /dev/ttyUSB1\n  \
        modemd --standalone --config modemd.toml       what a file says, without systemd\n  \
        systemctl enable --now modem.socket            the same with systemd"
)]
pub struct CommandLine {
    /// Another way to run.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to serve.
    #[command(flatten)]
    pub serve: Serve,
    /// Log also what is only of interest to find a fault
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

/// Ways to run that are not serving real lines.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Share emulated modems, to try things out: no hardware, no configuration
    Demo {
        /// Where to listen: port, address:port or /path
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:2006", value_parser = endpoint)]
        listen: Endpoint,
    },
}

/// How to serve, and without a configuration file, what.
#[derive(Debug, Args)]
pub struct Serve {
    /// The serial lines to share; several make a pool
    #[arg(value_name = "DEVICE", conflicts_with_all = ["config", "standalone"])]
    pub devices: Vec<PathBuf>,
    /// Where to listen without systemd.
    #[arg(
        long,
        value_name = "ADDR",
        value_parser = endpoint,
        requires = "devices",
        help = "Listen here: port, address:port, [v6]:port or /path (with DEVICE)"
    )]
    pub listen: Vec<Endpoint>,
    /// The settings of the lines: baud,data,parity,stop[,rtscts|xonxoff] (with DEVICE)
    #[arg(
        long,
        value_name = "SETTINGS",
        default_value = "115200,8,N,1",
        value_parser = line_settings,
        requires = "devices"
    )]
    pub line: LineSettings,
    /// What clients speak: raw, or telnet with COM port control (with DEVICE)
    #[arg(long, default_value = "raw", value_parser = protocol, requires = "devices")]
    pub protocol: Protocol,
    /// Who may connect: address, network, host name, *.domain or any; repeat it for more (with
    /// DEVICE)
    #[arg(long, value_name = "HOST", value_parser = host, requires = "devices")]
    pub allow: Vec<Host>,
    /// Whom to become when started as root; root: stay root (with DEVICE) [default: modemd]
    #[arg(long, requires = "devices")]
    pub user: Option<String>,
    /// The group to become when started as root (with DEVICE) [default: dialout]
    #[arg(long, requires = "devices")]
    pub group: Option<String>,
    /// Where lock files are kept (with DEVICE) [default: /run/lock/lockdev if there is one, as on
    /// Fedora, or /run/lock]
    #[arg(long, value_name = "DIR", requires = "devices")]
    pub lock_dir: Option<PathBuf>,
    /// Bind the addresses that the configuration names, instead of taking sockets from systemd
    #[arg(long)]
    pub standalone: bool,
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = DEFAULT_PATH)]
    pub config: PathBuf,
    /// Keep in this directory what `modemctl` needs, and the socket DIR/io.modemd for it; under systemd,
    /// modem-control.socket and the services see to that
    #[arg(long, value_name = "DIR")]
    pub run_dir: Option<PathBuf>,
    /// The port that a single client handed in by systemd (Accept=yes) came to; needed only where
    /// the configuration has several
    #[arg(long, value_name = "NAME", conflicts_with = "devices")]
    pub port: Option<String>,
}

fn endpoint(text: &str) -> Result<Endpoint, Mistake> {
    Endpoint::parse(text, &Services::load())
}

fn line_settings(text: &str) -> Result<LineSettings, Mistake> {
    text.parse()
}

fn protocol(text: &str) -> Result<Protocol, Mistake> {
    text.parse()
}

fn host(text: &str) -> Result<Host, Mistake> {
    text.parse()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_free_of_contradictions() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn the_howto_inetd_line_is_understood() {
        let line = CommandLine::try_parse_from(["modemd", "/dev/ttyS1"]).unwrap();
        assert_eq!(line.serve.devices, [PathBuf::from("/dev/ttyS1")]);
        assert_eq!(line.serve.line.to_string(), "115200,8,N,1");
    }

    #[test]
    fn what_a_configuration_says_cannot_be_said_twice() {
        for wrong in [
            &["modemd", "--line", "9600,8,N,1"][..],
            &["modemd", "--allow", "any"],
            &["modemd", "--listen", "2006"],
            &["modemd", "--standalone", "/dev/ttyS1"],
            &["modemd", "--config", "x.toml", "/dev/ttyS1"],
        ] {
            assert!(CommandLine::try_parse_from(wrong).is_err(), "{wrong:?}");
        }
    }
}
