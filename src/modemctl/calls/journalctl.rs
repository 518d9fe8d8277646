//! What reads the journal for us.

use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::{self, JoinHandle};

use super::entry::FIELDS;
use crate::journal;
use crate::modemctl::printable::printable;
use crate::modemctl::trouble::{Kind, Trouble};

const PROGRAM: &str = "journalctl";

/// A running `journalctl(1)`.
pub(super) struct Journal {
    child: Child,
    out: BufReader<ChildStdout>,
    err: JoinHandle<String>,
}

impl Journal {
    /// All entries about calls, oldest first.
    pub(super) fn read(since: Option<&str>) -> Result<Journal, Trouble> {
        let mut command = Command::new(PROGRAM);
        command.args(["--output=json", "--no-pager"]);
        command.arg(format!("--output-fields={}", FIELDS.join(",")));
        // In one piece, so that nothing in it is an option.
        command.args(since.map(|since| format!("--since={since}")));
        // Of one field either counts.
        for kind in [journal::CALL, journal::CALL_REFUSED] {
            command.arg(format!("MESSAGE_ID={kind}"));
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| {
            let what = match error.kind() {
                ErrorKind::NotFound => {
                    "it is not installed: calls are in systemd's journal, which it \
                     reads; without systemd, look for them in the log of modemd"
                        .to_owned()
                }
                _ => format!("it cannot be run: {error}"),
            };
            Trouble::at(Kind::Away, PROGRAM, what)
        })?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let out = BufReader::new(out.expect("it is piped"));
        let mut err = err.expect("it is piped");
        // Beside, so that neither pipe is ever full.
        let err = thread::spawn(move || {
            let mut said = Vec::new();
            let _ = err.read_to_end(&mut said);
            String::from_utf8_lossy(&said).into_owned()
        });
        Ok(Journal { child, out, err })
    }

    /// An entry each.
    pub(super) fn lines(&mut self) -> impl Iterator<Item = Vec<u8>> {
        self.out.by_ref().split(b'\n').map_while(Result::ok)
    }

    /// Nobody wants the rest.
    pub(super) fn stop(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// What is wrong, or could be: whether something was found makes a difference.
    pub(super) fn finish(mut self, found: bool) -> Result<Option<Trouble>, Trouble> {
        let ended = self.child.wait();
        let mut said = self.err.join().unwrap_or_default();
        let is_fine = ended.is_ok_and(|status| status.success());
        if is_fine && said.is_empty() {
            said = doubts();
        }
        judge(is_fine, &said, found)
    }
}

/// What it says of the journal itself. With output for programs it does not.
fn doubts() -> String {
    let mut command = Command::new(PROGRAM);
    command.args(["--output=short", "--lines=0", "--no-pager"]);
    let done = command.stdin(Stdio::null()).stdout(Stdio::null()).output();
    done.map_or_else(
        |_| String::new(),
        |done| String::from_utf8_lossy(&done.stderr).into_owned(),
    )
}

fn judge(is_fine: bool, said: &str, found: bool) -> Result<Option<Trouble>, Trouble> {
    let said = said.trim();
    // Its exit status does not tell these: it is content with the user's own journal, or with none.
    let sees_a_part = said.contains("not seeing messages");
    let trouble = if sees_a_part || said.contains("insufficient permissions") {
        Trouble::no_journal_access()
    } else if said.contains("No journal files were found") {
        let what = "there is none on this machine: see systemctl status systemd-journald";
        Trouble::at(Kind::Away, "journal", what.to_owned())
    } else if said.is_empty() && is_fine {
        return Ok(None);
    } else {
        let said = if said.is_empty() { "it failed" } else { said };
        let said: Vec<_> = said.lines().map(|line| printable(line.trim())).collect();
        Trouble::at(Kind::Refused, PROGRAM, said.join("; "))
    };
    if is_fine && (found || trouble.kind == Kind::Refused) {
        Ok(Some(trouble))
    } else {
        Err(trouble)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_journalctl_says_becomes_a_way_out() {
        let hint = "Hint: You are currently not seeing messages from other users and the system.\n      Users \
                    in groups 'adm', 'systemd-journal' can see all messages.\n      Pass -q to turn off this notice.";
        let denied = "Hint: x\nNo journal files were opened due to insufficient permissions.\n";
        let none = "No journal files were found.\n";
        let when = "Failed to parse timestamp: yestrday\n";
        let torn = "Journal file /x/system.journal corrupted, ignoring file.\n";
        for (is_fine, said, found, code) in [
            (true, hint, false, Some(77)),
            (false, denied, false, Some(77)),
            (true, denied, false, Some(77)),
            (true, none, false, Some(69)),
            (false, when, false, Some(1)),
            (false, "", false, Some(1)),
            (false, torn, true, Some(1)),
            (true, hint, true, None),
            (true, torn, false, None),
            (true, torn, true, None),
            (true, "", false, None),
        ] {
            let judged = judge(is_fine, said, found);
            let is_doubt = judged.as_ref().is_ok_and(Option::is_some);
            let exits = judged.err().map(|trouble| trouble.exit_code());
            assert_eq!(exits, code, "{said}");
            assert_eq!(is_doubt, code.is_none() && !said.is_empty(), "{said}");
        }
        let trouble = judge(false, when, false).unwrap_err().to_string();
        assert_eq!(trouble, "journalctl: Failed to parse timestamp: yestrday");
        let trouble = judge(true, hint, false).unwrap_err().to_string();
        assert!(
            trouble.contains("usermod -aG systemd-journal "),
            "{trouble}"
        );
    }
}
