//! `modemctl shares`: whether a device is one of ours.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::config::{Config, DEFAULT_PATH};

pub(super) fn run(device: &Path, links: &[PathBuf]) -> ExitCode {
    if is_shared(&Config::load(Path::new(DEFAULT_PATH)), device, links) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Whether a port has this device, under its own name, under one of `links`, or under a link that
/// leads to it.
///
/// While udev asks, it has not made its own links yet.
fn is_shared(config: &Config, device: &Path, links: &[PathBuf]) -> bool {
    let links: Vec<_> = links
        .iter()
        .map(|link| Path::new("/dev").join(link))
        .collect();
    let is_it = |configured: &PathBuf| {
        configured == device
            || links.contains(configured)
            || fs::canonicalize(configured).is_ok_and(|real| real == device)
    };
    config
        .ports
        .iter()
        .flat_map(|port| &port.devices)
        .any(is_it)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Services;

    fn shared(device: &str, links: &[&str]) -> bool {
        let text = "[ports.modem]\ndevices = [\"/dev/ttyUSB0\", \"/dev/serial/by-id/usb-ACME-if00\"]\n\
                    [ports.wrong]\ndevices = [\"/dev/ttyUSB7\"]\nbaud = 9600\n";
        let files = [("modemd.toml".into(), text.as_bytes().to_vec())];
        let config = Config::parse(&files, &Services::default());
        let links: Vec<_> = links.iter().map(PathBuf::from).collect();
        is_shared(&config, Path::new(device), &links)
    }

    #[test]
    fn a_device_is_shared_under_its_own_name_and_under_its_links() {
        assert!(shared("/dev/ttyUSB0", &[]));
        assert!(shared(
            "/dev/ttyUSB1",
            &["serial/by-path/x", "serial/by-id/usb-ACME-if00"]
        ));
        assert!(shared("/dev/ttyUSB1", &["/dev/serial/by-id/usb-ACME-if00"]));
    }

    #[test]
    fn other_devices_are_not_shared() {
        assert!(!shared("/dev/ttyUSB1", &["serial/by-id/usb-OTHER-if00"]));
        assert!(!shared("/dev/ttyUSB", &[]));
        assert!(!shared("/dev/ttyUSB7", &[]));
    }

    #[test]
    fn a_link_that_leads_to_the_device_counts() {
        let link = std::env::temp_dir().join(format!("modemd-shares-{}", std::process::id()));
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        let text = format!("[ports.modem]\ndevices = [\"{}\"]\n", link.display());
        let files = [("modemd.toml".into(), text.into_bytes())];
        let config = Config::parse(&files, &Services::default());
        assert!(is_shared(&config, Path::new("/dev/null"), &[]));
        std::fs::remove_file(link).unwrap();
    }
}
