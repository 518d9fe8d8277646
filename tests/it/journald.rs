//! The real journald, for tests of what is in it.

use std::collections::BTreeMap;
use std::process::Command;

use crate::stage::Stage;
use crate::support::{Running, have, wait_for, wait_until};

/// systemd's journald, without systemd, on a stage of its own.
pub(crate) struct Journal {
    journald: Running,
    _stage: Stage,
}

pub(crate) type Entry = BTreeMap<String, String>;

impl Journal {
    pub(crate) fn start() -> Option<Self> {
        let program = "/lib/systemd/systemd-journald";
        if !have(&["journalctl", "systemd-cat", "nsenter"]) {
            return None;
        }
        let catalog = concat!(env!("CARGO_MANIFEST_DIR"), "/units/modemd.catalog");
        let stage = Stage::new()?
            .own_run()
            // An image that has never been booted has none, and journald needs one.
            .file("/etc/machine-id", "6d6f64656d64206a6f75726e616c3a29\n")
            .run("mkdir -p /run/log/journal /run/systemd/journal")
            // The kernel's own messages are none of our business.
            .run("mount --bind /dev/null /dev/kmsg")
            .run("mount -t tmpfs catalog /usr/lib/systemd/catalog")
            .run("mount -t tmpfs catalog /var/lib/systemd/catalog")
            .run(&format!("cp {catalog} /usr/lib/systemd/catalog/"))
            .run("journalctl --update-catalog");
        let journald = Running::start(stage.command(&Command::new(program)));
        let sockets = crate::stage::seen_by(journald.pid(), "/run/systemd/journal/stdout");
        wait_until("journald", || sockets.exists());
        Some(Journal {
            journald,
            _stage: stage,
        })
    }

    /// `command` where this is the journal.
    pub(crate) fn here(&self, command: &Command) -> Command {
        let mut here = Command::new("nsenter");
        here.arg(format!("--mount=/proc/{}/ns/mnt", self.journald.pid()));
        here.arg(command.get_program()).args(command.get_args());
        here
    }

    /// A service whose stderr is the journal, as systemd would start it.
    pub(crate) fn service(&self, command: &Command) -> Running {
        Running::start(self.unit(command))
    }

    /// How to start that.
    pub(crate) fn unit(&self, command: &Command) -> Command {
        let stream = r#"JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec "$0" "$@""#;
        let mut service = Command::new("systemd-cat");
        service.args(["sh", "-c", stream]);
        service.arg(command.get_program()).args(command.get_args());
        self.here(&service)
    }

    pub(crate) fn journalctl(&self, arguments: &[&str]) -> String {
        let mut journalctl = Command::new("journalctl");
        journalctl.args(["--directory=/run/log/journal", "--no-pager"]);
        journalctl.args(arguments);
        let output = self.here(&journalctl).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Waits for an entry with this text, and returns its fields.
    #[track_caller]
    pub(crate) fn entry(&self, text: &str) -> Entry {
        wait_for(&format!("{text:?} in the journal"), || {
            let export = self.journalctl(&["--output=export", "_COMM=modemd"]);
            export.split("\n\n").map(fields).find(|entry| {
                let message = entry.get("MESSAGE");
                message.is_some_and(|message| message.contains(text))
            })
        })
    }
}

fn fields(entry: &str) -> Entry {
    let pairs = entry.lines().filter_map(|line| line.split_once('='));
    pairs
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

/// Checks that an entry has these fields.
#[track_caller]
pub(crate) fn assert_has(entry: &Entry, expected: &[(&str, &str)]) {
    for (name, value) in expected {
        let found = entry.get(*name).map(String::as_str);
        assert_eq!(found, Some(*value), "{name} in {entry:#?}");
    }
}
