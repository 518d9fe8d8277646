//! What a configuration needs beyond the sandbox of the shipped services.

use std::path::{Path, PathBuf};

use super::plan::Surroundings;

/// The classes of serial lines that the shipped services open, without `char-`.
pub(super) const USUAL_CLASSES: [&str; 5] = ["rfcomm", "ttyACM", "ttyAMA", "ttyI", "ttyUSB"];

/// The built-in serial ports, whose class they do not open: its major number is also that of the screen's
/// consoles, `tty0` to `tty63`, which come before (the kernel's `Documentation/admin-guide/devices.txt`).
const BUILT_IN: &str = "ttyS";
const BUILT_IN_MAJOR: u32 = 4;
const FIRST_BUILT_IN_MINOR: u32 = 64;

/// How many of them the shipped services open: what distributions' kernels have without being told.
const USUAL_BUILT_IN: u32 = 32;

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
    // Pseudo terminals are open under `DevicePolicy=closed` (systemd.resource-control(5)), and by
    // these links are the devices of usb-serial and cdc_acm.
    if name.starts_with("pts/") || name.starts_with("serial/") {
        return None;
    }
    let class = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let is_numbered = class.len() < name.len();
    if is_numbered && USUAL_CLASSES.contains(&class) {
        return None;
    }
    if class == BUILT_IN
        && let Ok(number) = name[class.len()..].parse::<u32>()
        && number <= u32::from(u8::MAX) - FIRST_BUILT_IN_MINOR
    {
        return (number >= USUAL_BUILT_IN).then(|| built_in(number));
    }
    // `tty1` and the like are the screen's; the class that is called `tty` has them all.
    let kind = class.strip_prefix("tty").unwrap_or_default();
    if is_numbered && !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Some(format!("char-{class}"));
    }
    Some(device.display().to_string())
}

fn built_in(number: u32) -> String {
    format!(
        "/dev/char/{BUILT_IN_MAJOR}:{}",
        FIRST_BUILT_IN_MINOR + number
    )
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
                "/dev/gone" => None,
                _ => Some(device.to_owned()),
            },
        };
        device_rule(Path::new(device), &surroundings)
    }

    #[test]
    fn the_usual_classes_are_open_already() {
        for device in [
            "/dev/ttyS1",
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
    fn a_built_in_port_beyond_the_usual_ones_is_opened_by_its_number() {
        assert_eq!(rule("/dev/ttyS31"), None);
        assert_eq!(rule("/dev/ttyS32").unwrap(), "/dev/char/4:96");
        assert_eq!(rule("/dev/ttyS191").unwrap(), "/dev/char/4:255");
    }

    #[test]
    fn what_has_no_class_of_its_own_is_opened_by_its_path() {
        for device in [
            "/dev/tty60",
            "/dev/gone",
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
            let open = |prefix: &str| -> Vec<&str> {
                let rules = unit.lines().filter_map(|line| line.strip_prefix(prefix));
                rules
                    .map(|rule| rule.strip_suffix(" rw").unwrap())
                    .collect()
            };
            assert_eq!(open("DeviceAllow=char-"), USUAL_CLASSES);
            let ports: Vec<_> = (0..USUAL_BUILT_IN).map(built_in).collect();
            assert_eq!(
                open("DeviceAllow=/"),
                ports.iter().map(|port| &port[1..]).collect::<Vec<_>>()
            );
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
