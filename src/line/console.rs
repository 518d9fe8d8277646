//! Lines that the system itself uses, where a session would take keystrokes from a login or print
//! into the boot messages. Neither getty nor the kernel's console holds a lock.

use std::fs;
use std::path::Path;

/// What the system uses this line for, and the way out; `None` for nearly every line.
pub(super) fn in_use_by_system(device: &Path) -> Option<String> {
    let real = device.canonicalize().ok()?;
    let name = real.file_name()?.to_str()?;
    // Documentation/ABI/testing/sysfs-tty: names of the consoles, separated by blanks.
    let consoles = fs::read_to_string("/sys/class/tty/console/active").unwrap_or_default();
    if consoles
        .split_ascii_whitespace()
        .any(|console| console == name)
    {
        return Some(format!(
            "is the system console; remove `console={name}` from the kernel's command line to share it"
        ));
    }
    // systemd keeps a link of this name for every unit that runs.
    let getty = format!("serial-getty@{name}.service");
    let runs = Path::new("/run/systemd/units").join(format!("invocation:{getty}"));
    // The unit's end leaves the line to root and the group `tty`, and udev lets that be on a mere
    // change.
    fs::symlink_metadata(runs).is_ok().then(|| {
        format!(
            "is used for logins; `systemctl disable --now {getty}` frees it, and \
             `udevadm trigger --action=add {}` gives it back to its group",
            real.display()
        )
    })
}
