//! The kernel's log, for a program that runs when there is no journal yet.

use std::env;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use nix::fcntl::OFlag;

/// Where lines go: to the kernel's log if systemd started us, and else to stderr.
pub(super) struct KernelLog(Option<File>);

impl KernelLog {
    pub(super) fn open() -> Self {
        // systemd.generator(7) has the variables that only systemd sets.
        let by_systemd = env::var_os("SYSTEMD_SCOPE").is_some();
        let open = || {
            let mut options = OpenOptions::new();
            // In a container it may be a pipe that nobody reads.
            options.write(true).custom_flags(OFlag::O_NONBLOCK.bits());
            options.open("/dev/kmsg").ok()
        };
        KernelLog(by_systemd.then(open).flatten())
    }

    /// Writes a line. Nobody is there to be told if that fails.
    pub(super) fn write(&mut self, line: &str) {
        let Some(kernel) = &mut self.0 else {
            eprintln!("modemd-generator: {line}");
            return;
        };
        // One write is one record; `<3>` is LOG_ERR (Documentation/ABI/testing/dev-kmsg).
        let record = format!("<3>modemd-generator[{}]: {line}\n", std::process::id());
        let _ = kernel.write_all(record.as_bytes());
    }
}
