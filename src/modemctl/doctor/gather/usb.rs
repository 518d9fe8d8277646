//! USB devices, and the rules by which brltty takes them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::System;
use crate::modemctl::doctor::braille::{self, RulesFile, UsbDevice};
use crate::modemctl::doctor::said;

/// Where udev reads its rules, the first file of a name alone (udev(7)).
const RULES_FOLDERS: [&str; 5] = [
    "/etc/udev/rules.d",
    "/run/udev/rules.d",
    "/usr/local/lib/udev/rules.d",
    "/usr/lib/udev/rules.d",
    "/lib/udev/rules.d",
];

/// The attributes of USB devices that rules ask for.
const ATTRIBUTES: [&str; 5] = ["idVendor", "idProduct", "manufacturer", "product", "serial"];

impl System {
    pub(super) fn usb_of(&self, name: &str) -> Option<UsbDevice> {
        let device = self.at(format!("/sys/class/tty/{name}/device"));
        self.usb(&device.canonicalize().ok()?)
    }

    /// The USB device that has `path` or is above it.
    fn usb(&self, path: &Path) -> Option<UsbDevice> {
        let above = path
            .ancestors()
            .take_while(|path| path.starts_with(self.at("/sys")));
        let mut devices = above
            .filter(|path| path.join("idVendor").exists())
            .peekable();
        let uevent = fs::read_to_string(devices.peek()?.join("uevent")).ok()?;
        let product = said::properties(&uevent).remove("PRODUCT")?;
        let attributes = |device: &Path| {
            let read = |name: &str| fs::read_to_string(device.join(name)).unwrap_or_default();
            let of = |name: &str| (name.to_owned(), read(name).trim_end().to_owned());
            ATTRIBUTES.into_iter().map(of).collect()
        };
        Some(UsbDevice {
            product,
            chain: devices.map(attributes).collect(),
        })
    }

    pub(super) fn bare_usb(&self) -> Vec<UsbDevice> {
        let folder = "/sys/bus/usb/devices";
        let has_line = |device: &Path| {
            let parts = fs::read_dir(device).into_iter().flatten().flatten();
            let mut parts = parts.map(|part| part.path()).filter(|part| part.is_dir());
            parts.any(|part| {
                let inside = fs::read_dir(part).into_iter().flatten().flatten();
                inside
                    .map(|entry| entry.file_name())
                    .any(|name| name.to_string_lossy().starts_with("tty"))
            })
        };
        // The parts of a device have a colon in their names.
        let names = self
            .names(folder)
            .into_iter()
            .filter(|name| !name.contains(':'));
        let devices = names.filter_map(|name| self.at(folder).join(name).canonicalize().ok());
        let bare = devices.filter(|device| !has_line(device));
        bare.filter_map(|device| self.usb(&device)).collect()
    }

    pub(super) fn braille(&self) -> Vec<RulesFile> {
        let is_rules = |name: &str| Path::new(name).extension() == Some(OsStr::new("rules"));
        let is_wanted = |name: &str| name.contains("brltty") && is_rules(name);
        let mut files: BTreeMap<String, PathBuf> = BTreeMap::new();
        for folder in RULES_FOLDERS {
            for name in self
                .names(folder)
                .into_iter()
                .filter(|name| is_wanted(name))
            {
                let path = Path::new(folder).join(&name);
                files.entry(name).or_insert(path);
            }
        }
        let read = files.into_values().map(|path| RulesFile {
            rules: braille::parse(&self.text(&path).unwrap_or_default()),
            path,
        });
        read.filter(|file| !file.rules.is_empty()).collect()
    }
}
