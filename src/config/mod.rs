//! `modemd.toml` and `attach.toml`: text in, settings and [`Problem`]s out.
//!
//! [`Config::parse`] does all the work and touches nothing outside its arguments;
//! [`Config::load`] fetches the files for it. Neither fails: whatever is wrong becomes a problem
//! with its place in the file, a port with a problem is left out, and the other ports are served.
//! So one mistake never widens who may use what, and never takes the service down.
//! [`Attachments`] are the same for `attach.toml`.
//!
//! ```
//! use modemd::config::{Config, Services};
//!
//! let file = br#"
//!     [ports.modem]
//!     devices = ["/dev/ttyS1"]
//!     [ports.fax]
//!     devices = []
//! "#;
//! let config = Config::parse(&[("modemd.toml".into(), file.to_vec())], &Services::default());
//! assert_eq!(config.ports.len(), 1);
//! assert_eq!(config.problems[0].port.as_deref(), Some("fax"));
//! ```

mod attachment;
mod clashes;
mod client_settings;
mod command;
mod dial;
mod duration;
mod endpoint;
mod host;
mod hours;
mod line;
mod load;
mod modem;
mod name;
mod number;
mod port;
mod problem;
mod read;
mod section;
mod server;
mod source;
mod suggest;
mod target;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

pub use attachment::{Attachment, AttachmentError, Attachments};
pub use client_settings::{ClientSetting, ClientSettings};
pub use dial::{Dial, DialClients, DialRules, Refusal};
pub use duration::{display_duration, parse_duration};
pub use endpoint::{Endpoint, Services};
pub use host::{AllowList, Host};
pub use hours::Hours;
pub use line::{DataBits, Flow, LineSettings, MAX_BAUD, Parity, StopBits};
pub use modem::{HangUp, Modem, ShownNumbers};
pub use number::NumberPattern;
pub use port::{Busy, Instance, Port, Protocol};
pub use problem::{Mistake, Place, Problem};
pub use server::Server;
pub use target::Target;

use problem::quoted;

/// Where the configuration is looked for when nobody says otherwise.
pub const DEFAULT_PATH: &str = "/etc/modemd/modemd.toml";

/// Where the attachments are looked for when nobody says otherwise.
pub const DEFAULT_ATTACH_PATH: &str = "/etc/modemd/attach.toml";

/// Everything that the configuration files say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// What concerns the whole service.
    pub server: Server,
    /// The ports that are free of mistakes, in the order of the files.
    pub ports: Vec<Port>,
    /// Which file each port was read from, as it was named to the loader.
    pub origins: BTreeMap<String, PathBuf>,
    /// The mistakes, in the order of the files. `modemctl check` exits 78 if there are any.
    pub problems: Vec<Problem>,
}

impl Config {
    /// The port called `name`, or why there is none.
    pub fn port(&self, name: &str) -> Result<&Port, PortError> {
        if let Some(port) = self.ports.iter().find(|port| port.name == name) {
            return Ok(port);
        }
        let its_own = |problem: &&Problem| problem.port.as_deref() == Some(name);
        if let Some(problem) = self.problems.iter().find(its_own) {
            return Err(PortError::Disabled {
                name: name.to_owned(),
                why: problem.headline(),
            });
        }
        // A file that could not be read at all may well be the one that has this port.
        let of_a_file = |problem: &&Problem| problem.port.is_none();
        Err(PortError::Unknown {
            name: name.to_owned(),
            known: self.ports.iter().map(|port| port.name.clone()).collect(),
            perhaps: self.problems.iter().find(of_a_file).map(Problem::headline),
        })
    }
}

/// Why [`Config::port`] found no port that can be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortError {
    /// The port is in the configuration, with a mistake.
    Disabled {
        /// The name that was asked for.
        name: String,
        /// The first mistake's [`Problem::headline`].
        why: String,
    },
    /// The name is nowhere in the configuration, as far as it could be read.
    Unknown {
        /// The name that was asked for.
        name: String,
        /// The ports that can be served.
        known: Vec<String>,
        /// A mistake outside of any port that may have hidden it.
        perhaps: Option<String>,
    },
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disabled { name, why } => write!(f, "port {} is disabled: {why}", quoted(name)),
            Self::Unknown {
                name,
                known,
                perhaps,
            } => {
                let name = quoted(name);
                write!(f, "port {name} is not in the configuration: ")?;
                if let Some(perhaps) = perhaps {
                    write!(f, "perhaps it was not read, see {perhaps}")
                } else if known.is_empty() {
                    f.write_str("it has no ports, add a [ports.NAME] with its `devices`")
                } else {
                    write!(f, "its ports are `{}`", known.join("`, `"))
                }
            }
        }
    }
}

impl std::error::Error for PortError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        let files = [("modemd.toml".into(), text.as_bytes().to_vec())];
        Config::parse(&files, &Services::default())
    }

    fn why_not(text: &str, name: &str) -> String {
        config(text).port(name).unwrap_err().to_string()
    }

    #[test]
    fn a_port_with_a_mistake_is_told_from_one_that_is_not_there() {
        let text = "[ports.modem]\ndevices = [\"/dev/ttyS1\"]\n[ports.fax]\ndevices = []\n";
        assert_eq!(config(text).port("modem").unwrap().name, "modem");
        assert_eq!(
            why_not(text, "fax"),
            "port `fax` is disabled: modemd.toml:4:11: ports.fax.devices: the list is empty"
        );
        assert_eq!(
            why_not(text, "isdn"),
            "port `isdn` is not in the configuration: its ports are `modem`"
        );
    }

    #[test]
    fn a_port_may_be_hidden_by_a_file_that_could_not_be_read() {
        assert_eq!(
            why_not("[ports.modem", "modem"),
            "port `modem` is not in the configuration: perhaps it was not read, see \
             modemd.toml:1:13: not TOML: unclosed table, expected `]`"
        );
    }

    #[test]
    fn without_ports_it_is_said_how_to_add_one() {
        assert_eq!(
            why_not("", "modem"),
            "port `modem` is not in the configuration: it has no ports, add a [ports.NAME] with \
             its `devices`"
        );
    }

    #[test]
    fn a_port_that_nobody_configured_lets_nobody_in() {
        let port = Port::new("modem");
        assert_eq!(port.allow.hosts(), []);
        assert_eq!(port.line.to_string(), "115200,8,N,1");
        assert_eq!(port.linger.as_secs(), 10);
        assert_eq!(port.keepalive.as_secs(), 60);
    }

    #[test]
    fn the_service_has_defaults_for_all_of_its_keys() {
        let Server {
            lock_dir,
            user,
            group,
            idle_exit,
        } = config("[server]\n").server;
        assert_eq!(lock_dir, None);
        assert_eq!((user.as_str(), group.as_str()), ("modemd", "dialout"));
        assert_eq!(idle_exit.as_secs(), 300);
    }
}
