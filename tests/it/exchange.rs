//! Emulated modems behind a port, between which calls can be made.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use modemd::demo::EmulatedModems;

use crate::support::{PATIENCE, Running, Scratch, bounded, share, wait_for};

/// A modemd with emulated modems of this process behind it; each number leads to one of them.
pub(crate) struct Exchange {
    pub(crate) server: Running,
    pub(crate) numbers: Vec<String>,
    pub(crate) scratch: Scratch,
}

/// So many emulated modems of this process: their devices and numbers.
pub(crate) fn emulated_modems(count: usize) -> (Vec<PathBuf>, Vec<String>) {
    let modems = EmulatedModems::start(count).unwrap();
    let each = modems.devices().iter();
    let found = each
        .map(|modem| (modem.path().to_owned(), modem.number().to_owned()))
        .unzip();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(modems.run())
    });
    found
}

impl Exchange {
    /// On a raw port.
    pub(crate) fn with_modems(count: usize) -> Self {
        Self::sharing(count, &[])
    }

    /// On a telnet port.
    pub(crate) fn with_telnet_modems(count: usize) -> Self {
        Self::sharing(count, &["--protocol", "telnet"])
    }

    fn sharing(count: usize, options: &[&str]) -> Self {
        let (devices, numbers) = emulated_modems(count);
        let scratch = Scratch::new();
        let devices: Vec<&Path> = devices.iter().map(PathBuf::as_path).collect();
        Exchange {
            server: share(&devices, scratch.path(), options),
            numbers,
            scratch,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    pub(crate) fn port(&self) -> String {
        self.address().port().to_string()
    }

    /// A C-Kermit that carries out a script, and puts what it receives into a directory.
    pub(crate) fn kermit(&self, name: &str, script: String, into: &Path) -> Child {
        let script = self.scratch.file(name, script);
        bounded("kermit")
            .arg("-Y")
            .arg("-C")
            .arg(format!("take {}", script.display()))
            .current_dir(into)
            .env("HOME", self.scratch.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// A file with all octets in it, several times over, in an order that is no pattern.
    pub(crate) fn file(&self, name: &str, length: u32) -> PathBuf {
        let mut state = 0x2545_f491_u32;
        let mut octet = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let content: Vec<u8> = (0..length).map(&mut octet).collect();
        self.scratch.file(name, content)
    }
}

/// Waits until the two ends of a transfer have written into files called `sender` and `receiver` how they ended,
/// which must be well.
#[track_caller]
pub(crate) fn both_ends_succeed(folder: &Path) {
    for end in ["sender", "receiver"] {
        let code = wait_for("the end of the transfer", || {
            let code = fs::read_to_string(folder.join(end)).ok()?;
            code.ends_with('\n').then_some(code)
        });
        assert_eq!(code, "0\n", "{end}");
    }
}

/// Runs a dialogue with Debian's expect: `want TEXT` waits for it, and fails if it does not come.
#[track_caller]
pub(crate) fn expect(script: &str) -> String {
    // Without the line break expect would take the whole list for one pattern (`expect(1)`).
    let preamble = format!(
        "set timeout {}
        proc want {{text}} {{
            expect {{
                -ex $text {{}}
                timeout {{ puts \"waited in vain for $text\"; exit 1 }}
                eof {{ puts \"ended without $text\"; exit 1 }}
            }}
        }}
        proc ended {{}} {{
            expect {{
                eof {{}}
                timeout {{ puts \"waited in vain for the end\"; exit 1 }}
            }}
        }}\n",
        PATIENCE.as_secs()
    );
    let done = Command::new("expect")
        .arg("-c")
        .arg(preamble + script)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{said}");
    said
}
