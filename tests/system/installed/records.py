"""Records of calls in the journal: who may read them back, and who cannot make them up."""

import json
import subprocess

from guest import sh, test, wait_for

# As CALL has it in the journal.
CALL = "MESSAGE_ID=e7605244e8814c59a2f90f02d551e371"


def write(number, user):
    """Writes a record of a call into the journal, as anybody can."""
    fields = [CALL, "MESSAGE=a call", "MODEMD_PORT=records", "MODEMD_CALL=outgoing", f"MODEMD_NUMBER={number}",
              "MODEMD_RESULT=BUSY", "MODEMD_REASON=not-connected"]
    command = ["setpriv", "--reuid", user, "--clear-groups", "logger", "--journald"]
    subprocess.run(command, input="\n".join(fields), text=True, check=True)
    wait_for(f"{number} in the journal", lambda: sh(f"journalctl -q --output=cat {CALL} MODEMD_NUMBER={number}"))


def modemctl_as(user):
    """The exit code of `modemctl calls`, and what it writes."""
    done = subprocess.run(["su", "-s", "/bin/sh", user, "-c", "modemctl calls --since today --json"],
                          capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@test
def calls_are_read_back_by_those_who_may_read_the_journal_and_made_up_by_nobody():
    sh("useradd --system --uid 1500 forger; useradd --system --groups systemd-journal reader")
    try:
        write("0301", "root")
        write("0900", "forger")
        for user in "root", "reader":
            code, out, err = modemctl_as(user)
            calls = [json.loads(line) for line in out.splitlines()]
            numbers = [call["number"] for call in calls if call["port"] == "records"]
            assert (code, numbers) == (0, ["0301"]), (user, code, out, err)
        code, out, err = modemctl_as("forger")
        # Where the journal is kept on disk, everybody may read his own.
        numbers = {json.loads(line)["number"] for line in out.splitlines()}
        assert numbers <= {"0900"}, out
        assert code == (0 if numbers else 77), (code, out, err)
        assert "may not read the system's" in err and "usermod -aG systemd-journal forger" in err, err
    finally:
        sh("userdel forger; userdel reader", check=False)
