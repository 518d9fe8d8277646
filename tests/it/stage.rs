//! A private view of the machine for one program: other files under well-known names (mount
//! namespace). Needs root.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use crate::support::{Scratch, have, root};

/// What a program will see that differs from the rest of the machine.
pub(crate) struct Stage {
    scratch: Scratch,
    script: String,
}

impl Stage {
    /// A stage, or nothing where none can be built, which is said as by [`have`].
    pub(crate) fn new() -> Option<Self> {
        (root() && have(&["unshare", "mount"])).then(|| Stage {
            scratch: Scratch::new(),
            script: "set -e\n".to_owned(),
        })
    }

    /// Files of the stage.
    pub(crate) fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// Runs a shell command before the program.
    pub(crate) fn run(mut self, command: &str) -> Self {
        writeln!(self.script, "{command}").unwrap();
        self
    }

    /// The program finds `content` in a file that exists.
    pub(crate) fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let name = path.trim_start_matches('/').replace('/', "_");
        let with = self.scratch.file(&name, content);
        self.run(&format!("mount --bind {} {path}", with.display()))
    }

    /// A `/run` of its own, with a lock directory as Debian's.
    pub(crate) fn own_run(self) -> Self {
        self.run("mount -t tmpfs run /run; mkdir -m 1777 /run/lock")
    }

    /// The accounts of this machine and the ones of modemd's package, as numbers that nobody has.
    pub(crate) fn with_modemd_user(self) -> Self {
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
        let ours = format!("modemd:x:{MODEMD}:{MODEMD}:Modem sharing:/:/usr/sbin/nologin\n");
        self.file("/etc/passwd", passwd + &ours)
    }

    /// `program` on this stage. It keeps its pid.
    pub(crate) fn command(&self, program: &Command) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c"]);
        command.arg(format!("{}exec \"$0\" \"$@\"", self.script));
        command.arg(program.get_program()).args(program.get_args());
        for (name, value) in program.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        command
    }
}

/// The user id of `modemd` on a stage.
pub(crate) const MODEMD: u32 = 64_321;

/// A file as a process on a stage sees it.
pub(crate) fn seen_by(pid: i32, path: &str) -> std::path::PathBuf {
    Path::new("/proc")
        .join(pid.to_string())
        .join("root")
        .join(path.trim_start_matches('/'))
}
