//! What the readers find.

use std::time::Duration;

use super::{Place, Trouble};
use crate::config::Protocol;

/// All that was found in the files.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) ports: Vec<Draft>,
    /// What concerns no single port.
    pub(super) remarks: Vec<String>,
    pub(super) troubles: Vec<Trouble>,
    pub(super) scripts: Vec<Script>,
}

/// A script that inetd may start.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) is_used: bool,
}

impl Findings {
    /// Notes what concerns no single port, once.
    pub(super) fn remark(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.remarks.contains(&text) {
            self.remarks.push(text);
        }
    }

    /// Notes what could not be understood.
    pub(super) fn trouble(&mut self, place: Place, what: impl Into<String>) {
        let what = what.into();
        self.troubles.push(Trouble { place, what });
    }
}

/// A port as the older server had it, in our terms as far as there are any.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) place: Place,
    /// What it is there.
    pub(super) origin: String,
    /// What it was called, if it had a name.
    pub(super) name: Option<String>,
    pub(super) listen: Vec<String>,
    pub(super) devices: Vec<String>,
    /// None: the file does not say.
    pub(super) line: Option<String>,
    pub(super) access: Access,
    pub(super) protocol: Protocol,
    /// The value of `client_settings`, as TOML.
    pub(super) client_settings: Option<String>,
    pub(super) idle_timeout: Option<Duration>,
    /// What is not the same with modemd, but need not keep anybody from using the port.
    pub(super) remarks: Vec<String>,
    /// Why the port cannot be used as it is.
    pub(super) obstacles: Vec<String>,
}

/// Whom the older server let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Access {
    /// Everybody who could reach it.
    Everybody,
    /// Whom the files of tcp wrappers name, which are not among ours.
    Wrapped,
    /// These, as `allow` has them, but for [`EVERYBODY`].
    Only(Vec<String>),
}

/// Who says this means everybody, and no machine called any.
pub(super) const EVERYBODY: &str = "*";

impl Draft {
    pub(super) fn new(place: Place, origin: impl Into<String>) -> Self {
        Self {
            place,
            origin: origin.into(),
            name: None,
            listen: Vec::new(),
            devices: Vec::new(),
            line: None,
            access: Access::Everybody,
            protocol: Protocol::Raw,
            client_settings: None,
            idle_timeout: None,
            remarks: Vec::new(),
            obstacles: Vec::new(),
        }
    }

    pub(super) fn remark(&mut self, text: impl Into<String>) {
        self.remarks.push(text.into());
    }

    /// A remark on an option, together with those of which the same is to be said.
    pub(super) fn remark_on(&mut self, option: &str, text: &str) {
        let ending = format!(": {text}");
        let same = self.remarks.iter_mut().find(|of| of.ends_with(&ending));
        match same {
            Some(remark) => {
                remark.truncate(remark.len() - ending.len());
                if !remark.split(", ").any(|name| name == option) {
                    remark.push_str(", ");
                    remark.push_str(option);
                }
                remark.push_str(&ending);
            }
            None => self.remark(format!("{option}{ending}")),
        }
    }

    pub(super) fn obstacle(&mut self, text: impl Into<String>) {
        self.obstacles.push(text.into());
    }

    /// Takes where it listens, or why nobody can say.
    pub(super) fn listen(&mut self, at: Result<Vec<String>, String>) {
        match at {
            Ok(at) => self.listen = at,
            Err(why) => self.obstacle(why),
        }
    }

    /// Takes a device.
    pub(super) fn device(&mut self, path: &str) {
        if !path.starts_with("/dev/") {
            self.obstacle(format!("`{path}` is no serial line: no path below /dev"));
        } else if ["/dev/lp", "/dev/usb/lp"]
            .iter()
            .any(|of| path.starts_with(of))
        {
            self.obstacle(format!(
                "{path} is a printer's port: modemd shares serial lines only"
            ));
        }
        self.devices.push(path.to_owned());
    }

    /// Takes the seconds after which an idle session ended; none are 0.
    pub(super) fn timeout(&mut self, seconds: &str) {
        match seconds.trim().parse::<u64>() {
            Ok(0) => {}
            Ok(seconds) if seconds <= 365 * 24 * 60 * 60 => {
                self.idle_timeout = Some(Duration::from_secs(seconds));
            }
            Ok(_) => self.remark(format!(
                "timeout {seconds}: `idle_timeout` is at most 365d, and none is set here"
            )),
            Err(_) => self.remark(format!("timeout {seconds}: this is no number of seconds")),
        }
    }
}
