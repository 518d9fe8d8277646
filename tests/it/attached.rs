//! A port as a device of this machine, by `modemctl attach`, for programs that know no other.

use std::fs::{self, File, OpenOptions, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::process::Command;

use nix::fcntl::OFlag;
use serialport::TTYPort;

use crate::support::{PATIENCE, Running, Scratch, wait_until};

/// A `modemctl attach` that runs until dropped.
pub(crate) struct Attached {
    pub(crate) process: Running,
    link: PathBuf,
    scratch: Scratch,
}

impl Attached {
    /// The device of a telnet port.
    #[track_caller]
    pub(crate) fn to(server: SocketAddr) -> Attached {
        Attached::with(server, &[])
    }

    /// With more options.
    #[track_caller]
    pub(crate) fn with(server: SocketAddr, options: &[&str]) -> Attached {
        let scratch = Scratch::new();
        // Programs lock it by its last name, in a directory that all tests share.
        let name = scratch.path().file_name().unwrap().to_str().unwrap();
        let link = scratch.path().join(format!("{name}-line"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_modemctl"));
        command
            .arg("--socket")
            .arg(scratch.path().join("io.modemd"));
        command.arg("attach").arg(server.to_string()).args(options);
        command.arg("--link").arg(&link);
        let mut process = Running::start(command);
        wait_until("the device", || {
            assert!(process.is_running(), "{:?}", process.log());
            link.exists()
        });
        let attached = Attached {
            process,
            link,
            scratch,
        };
        // For cu, which becomes `uucp`.
        for path in [&attached.device(), attached.scratch.path()] {
            fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
        }
        attached
    }

    /// What programs open.
    pub(crate) fn name(&self) -> &str {
        self.link.to_str().unwrap()
    }

    /// Where the link leads now.
    pub(crate) fn device(&self) -> PathBuf {
        fs::canonicalize(&self.link).unwrap()
    }

    /// Opens it as it is.
    #[track_caller]
    pub(crate) fn open(&self) -> File {
        OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlag::O_NOCTTY.bits())
            .open(&self.link)
            .unwrap()
    }

    /// Opens it as a serial port with this speed, whose reads give up after [`PATIENCE`].
    #[track_caller]
    pub(crate) fn open_at(&self, baud: u32) -> TTYPort {
        serialport::new(self.name(), baud)
            .timeout(PATIENCE)
            .open_native()
            .unwrap()
    }
}
