//! `[server]`

use std::path::PathBuf;
use std::time::Duration;

use super::duration::{DAY, SECOND, parse_within};
use super::endpoint::absolute_path;
use super::problem::{Mistake, quoted};
use super::section::{Entry, Key, Section, set};

pub(super) const KEYS: &[Key] = &[
    ("lock_dir", r#"lock_dir = "/run/lock""#),
    ("user", r#"user = "modemd""#),
    ("group", r#"group = "dialout""#),
    ("idle_exit", r#"idle_exit = "5min""#),
];

/// `[server]`: what concerns the whole service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Where UUCP lock files are kept: an absolute path; none: where this system's programs look for
    /// them.
    pub lock_dir: Option<PathBuf>,
    /// Whom to become when started as root: `modemd` by default, `root` to stay root.
    pub user: String,
    /// The group to become when started as root: `dialout` by default.
    pub group: String,
    /// When socket-activated and unused for so long, exit: 5 minutes by default.
    ///
    /// Never less than a second, since every start counts towards systemd's `TriggerLimitBurst=`,
    /// which leaves a dead socket.
    pub idle_exit: Duration,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            lock_dir: None,
            user: "modemd".to_owned(),
            group: "dialout".to_owned(),
            idle_exit: Duration::from_secs(5 * 60),
        }
    }
}

impl Server {
    /// Takes over what the keys of a `[server]` say; what is wrong leaves its setting as it was.
    pub(super) fn read(&mut self, section: &mut Section<'_>, entries: Vec<Entry<'_, '_>>) {
        for (key, value) in entries {
            let name = key.get_ref().as_ref();
            match name {
                "lock_dir" => {
                    if let Some(path) = section.string(name, value, absolute_path) {
                        self.lock_dir = Some(path);
                    }
                }
                "user" => set(&mut self.user, section.string(name, value, account)),
                "group" => set(&mut self.group, section.string(name, value, account)),
                "idle_exit" => {
                    let idle_exit =
                        section.string(name, value, |text| parse_within(text, SECOND..=365 * DAY));
                    set(&mut self.idle_exit, idle_exit);
                }
                _ => {
                    section.unknown(key, None);
                }
            }
        }
    }
}

/// The name of a user or a group. Whether there is one of that name is known when it is needed.
fn account(text: &str) -> Result<String, Mistake> {
    let fine = |c: char| !c.is_whitespace() && !c.is_control() && !":/,".contains(c);
    let number = text.chars().all(|c| c.is_ascii_digit());
    if number || !text.chars().all(fine) {
        return Err(Mistake::new(
            format!("{} cannot be the name of a user or group", quoted(text)),
            "write a name from /etc/passwd or /etc/group, for example `modemd` or `dialout`",
        ));
    }
    Ok(text.to_owned())
}
