//! What is at the path of a device.

use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use nix::sys::stat::{major, minor};

use super::processes::Processes;
use super::{System, access, programs};
use crate::claim::is_pseudo_terminal;
use crate::modemctl::doctor::facts::{Node, Tty};

impl System {
    pub(super) fn node(&self, device: &Path, processes: &Processes) -> Node {
        let path = self.at(device);
        let Ok(of) = fs::metadata(&path) else {
            return fs::read_link(&path).map_or(Node::Missing, Node::Broken);
        };
        let Ok(real) = path.canonicalize() else {
            return Node::Missing;
        };
        let is_pseudo = is_pseudo_terminal(of.rdev());
        let name = self.name_in_kernel(&of);
        if !of.file_type().is_char_device() || !(is_pseudo || name.is_some()) {
            return Node::NoTty;
        }
        let real = self.named(&real);
        let name = name.unwrap_or_default();
        let names = [
            name.as_str(),
            real.file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default(),
        ];
        // Documentation/ABI/testing/sysfs-tty: names of the consoles, separated by blanks.
        let consoles = self
            .text("/sys/class/tty/console/active")
            .unwrap_or_default();
        Node::Tty(Box::new(Tty {
            access: access(&of),
            is_pseudo,
            is_console: consoles
                .split_ascii_whitespace()
                .any(|console| names.contains(&console)),
            getty: names.iter().find_map(|name| self.getty(name)),
            udev: programs::udev(&real),
            usb: self.usb_of(&name),
            latency: self
                .text(format!("/sys/bus/usb-serial/devices/{name}/latency_timer"))
                .and_then(|ms| ms.parse().ok()),
            users: if processes.some_are_hidden {
                Err("only root sees the open files of others".to_owned())
            } else {
                let users = processes.open.get(&real).into_iter().flatten();
                Ok(users.cloned().collect())
            },
            flock: self.flock(&of),
            real,
        }))
    }

    /// What the kernel calls a device, if that is a terminal.
    fn name_in_kernel(&self, of: &Metadata) -> Option<String> {
        let number = format!("/sys/dev/char/{}:{}", major(of.rdev()), minor(of.rdev()));
        let device = self.at(number).canonicalize().ok()?;
        let name = device.file_name()?.to_str()?.to_owned();
        self.is_there(&format!("/sys/class/tty/{name}"))
            .then_some(name)
    }

    /// The unit that runs a login on the line `name`: systemd has a link for every unit that runs.
    fn getty(&self, name: &str) -> Option<String> {
        let units = ["serial-getty", "getty"].map(|kind| format!("{kind}@{name}.service"));
        units.into_iter().find(|unit| {
            let link = self.at(format!("/run/systemd/units/invocation:{unit}"));
            fs::symlink_metadata(link).is_ok()
        })
    }
}
