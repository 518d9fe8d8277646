//! What a configuration needs beyond the sandbox of the shipped services.

use std::path::{Path, PathBuf};

use super::plan::Surroundings;

/// The classes of serial lines that the shipped services open, without `char-`.
pub(super) const USUAL_CLASSES: [&str; 5] = ["rfcomm", "ttyACM", "ttyAMA", "ttyI", "ttyUSB"];

/// The serial ports of the machine itself. They are opened one by one: `char-ttyS` would open all of
/// their major number, which the screen's consoles have too, `tty0` to `tty63` (the kernel's
/// `Documentation/admin-guide/devices.txt`).
const BUILT_IN: &str = "ttyS";
const BUILT_IN_MAJOR: u8 = 4;
const FIRST_BUILT_IN_MINOR: u8 = 64;

/// Where the shipped services may make lock files already.
const LOCK_DIRECTORIES: [&str; 2] = ["/run/lock", "/var/lock"];

/// What `DeviceAllow=` must name for `device`, if it must.
///
/// A class is named where the kernel's rule tells it: the nodes of a tty driver are its name and a
/// number, and `/proc/devices` has that name (`tty_register_driver`, `drivers/tty/tty_io.c`). It holds
/// also for what is not plugged in yet, which a path does not.
pub(super) fn device_rule(device: &Path, surroundings: &Surroundings) -> Option<String> {
    let real = (surroundings.resolve)(device);
    let name = |path: &Path| Some(path.strip_prefix("/dev").ok()?.to_str()?.to_owned());
    let Some(name) = real.as_deref().and_then(name).or_else(|| name(device)) else {
        return Some(device.display().to_string());
    };
    // Pseudo terminals are open under `DevicePolicy=closed` (systemd.resource-control(5)). What has
    // such a link and is not there now is a device of usb-serial or cdc_acm (udev's 60-serial.rules).
    if name.starts_with("pts/") || name.starts_with("serial/by-id/") {
        return None;
    }
    let class = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let is_numbered = class.len() < name.len();
    if is_numbered && USUAL_CLASSES.contains(&class) {
        return None;
    }
    if class == BUILT_IN
        && let Ok(number) = name[class.len()..].parse::<u8>()
        && let Some(minor) = FIRST_BUILT_IN_MINOR.checked_add(number)
    {
        // So written, the device need not be there (systemd.resource-control(5)).
        return Some(format!("/dev/char/{BUILT_IN_MAJOR}:{minor}"));
    }
    // `tty1` and the like are the screen's; the class that is called `tty` has them all.
    let kind = class.strip_prefix("tty").unwrap_or_default();
    if is_numbered && !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Some(format!("char-{class}"));
    }
    Some(device.display().to_string())
}

/// The directory for lock files, where the services may not write yet.
pub(super) fn lock_directory(configured: Option<&PathBuf>) -> Option<&PathBuf> {
    let is_open = |path: &&PathBuf| !LOCK_DIRECTORIES.iter().any(|open| path.starts_with(open));
    configured.filter(is_open)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(device: &str) -> Option<String> {
        let surroundings = Surroundings {
            template: None,
            running: Vec::new(),
            resolve: |device| match device.to_str()? {
                "/dev/modem" => Some("/dev/ttyUSB3".into()),
                "/dev/serial/by-id/usb-ODD-if00" => Some("/dev/ttyXRUSB0".into()),
                "/dev/gone" | "/dev/serial/by-path/pci-GONE" => None,
                _ => Some(device.to_owned()),
            },
        };
        device_rule(Path::new(device), &surroundings)
    }

    #[test]
    fn the_usual_classes_are_open_already() {
        for device in [
            "/dev/ttyUSB10",
            "/dev/ttyACM0",
            "/dev/rfcomm0",
            "/dev/pts/7",
        ] {
            assert_eq!(rule(device), None, "{device}");
        }
        assert_eq!(rule("/dev/serial/by-id/usb-GONE-if00"), None);
        assert_eq!(rule("/dev/modem"), None);
    }

    #[test]
    fn a_driver_of_another_name_is_opened_as_a_class() {
        assert_eq!(rule("/dev/ttymxc2").unwrap(), "char-ttymxc");
        assert_eq!(
            rule("/dev/serial/by-id/usb-ODD-if00").unwrap(),
            "char-ttyXRUSB"
        );
    }

    #[test]
    fn a_port_of_the_machine_itself_is_opened_by_its_number() {
        assert_eq!(rule("/dev/ttyS0").unwrap(), "/dev/char/4:64");
        assert_eq!(rule("/dev/ttyS191").unwrap(), "/dev/char/4:255");
        assert_eq!(rule("/dev/ttyS192").unwrap(), "char-ttyS");
    }

    #[test]
    fn what_has_no_class_of_its_own_is_opened_by_its_path() {
        for device in [
            "/dev/tty60",
            "/dev/gone",
            "/dev/serial/by-path/pci-GONE",
            "/dev/ttyS",
            "/run/line",
            "/dev/a1/b2",
        ] {
            assert_eq!(rule(device).as_deref(), Some(device));
        }
    }

    /// The other half of the rule stands in the units.
    #[test]
    fn the_usual_classes_are_those_of_the_shipped_services() {
        for unit in [
            include_str!("../../units/modem.service"),
            include_str!("../../units/modem@.service"),
        ] {
            let rules = unit
                .lines()
                .filter_map(|line| line.strip_prefix("DeviceAllow="));
            let shipped = USUAL_CLASSES.map(|class| format!("char-{class} rw"));
            assert_eq!(rules.collect::<Vec<_>>(), shipped);
        }
    }

    #[test]
    fn only_a_lock_directory_elsewhere_has_to_be_opened() {
        let elsewhere = |path: &str| lock_directory(Some(&PathBuf::from(path))).is_some();
        assert!(!elsewhere("/run/lock/lockdev"));
        assert!(!elsewhere("/var/lock"));
        assert!(elsewhere("/var/spool/locks"));
        assert_eq!(lock_directory(None), None);
    }
}
