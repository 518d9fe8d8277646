//! From a path to an open serial line, or to the reason why it is none.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::libc;
use nix::sys::termios::tcgetattr;

use super::console;
use crate::claim::{Holder, Unavailable};

/// Opens a path that must be a serial line, without waiting for carrier and without becoming its
/// session's terminal.
pub(super) fn open(device: &Path) -> Result<File, Unavailable> {
    let broken = |why: &str| Err(Unavailable::broken(device, why));
    let kind = match device.metadata() {
        Ok(of) => of.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return broken("is not there; is it plugged in, and is the name right?");
        }
        Err(error) => return broken(&format!("cannot be looked at: {error}")),
    };
    if !kind.is_char_device() {
        // Opening a FIFO has effects on the other end, and no file here is a serial line.
        let what = if kind.is_dir() {
            "a directory"
        } else {
            "a file of another kind"
        };
        return broken(&format!("is {what}, not a serial line"));
    }
    if let Some(use_) = console::in_use_by_system(device) {
        return broken(&use_);
    }
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK)
        .open(device);
    let file = match opened {
        Ok(file) => file,
        Err(error) => {
            return match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
                Errno::EBUSY => Err(Unavailable::busy(device, Holder::of_exclusive_open())),
                Errno::ENXIO | Errno::ENODEV | Errno::EIO => broken(&format!(
                    "has no hardware behind it: {error}; is it plugged in?"
                )),
                Errno::EACCES => broken(&format!(
                    "may not be opened: {error}; our group must own it (usually `dialout`)"
                )),
                // By a device control group; systemd.resource-control(5) has when it looks at names.
                Errno::EPERM => broken(&format!(
                    "may not be opened: {error}; our service has it closed: if its driver was \
                     loaded later, restart the service; else `DeviceAllow=` must name it; \
                     `modemctl check` says how to apply a change"
                )),
                _ => broken(&format!("cannot be opened: {error}")),
            };
        }
    };
    match tcgetattr(&file) {
        Ok(_) => Ok(file),
        Err(Errno::ENOTTY) => broken("is a device, but not a serial line"),
        Err(Errno::EIO) => broken("has no hardware behind it"),
        Err(errno) => broken(&format!("its settings cannot be read: {}", errno.desc())),
    }
}
