"""The installed modemd, as its administrator has it at hand."""

import contextlib
import glob
import json
import os
import shutil
import time

from guest import sh, wait_for, write_file

CONFIGURATION = "/etc/modemd/modemd.toml"
# What the documentation says to type after a change of the file.
APPLY = "systemctl daemon-reload && systemctl restart modem.socket"
# What the journal says of a session.
BEGAN = "MESSAGE_ID=16275e76514d4ea08a22402c5bd02b12"
ENDED = "MESSAGE_ID=c3f159d65dd7491ab32eb5cc9c04cd71"
RESUMED = "MESSAGE_ID=4d3c1ef0f4c54d0e9a31fb1ab0e8e1d5"
OURS = "'modem*.socket' 'modem*.service'"


def port(name="modem", **keys):
    """A port of the configuration, which does not wait long for the modem's last words."""
    keys = {"linger": "100ms", **keys}
    # JSON's strings and lists are TOML's.
    return f"[ports.{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())


def configure(*ports):
    write_file(CONFIGURATION, "\n".join(ports))


def apply(*ports):
    configure(*ports)
    sh(APPLY)


def drop_in(unit, text):
    """An administrator's own settings; in force after `daemon-reload`."""
    folder = f"/etc/systemd/system/{unit}.d"
    os.makedirs(folder, exist_ok=True)
    write_file(f"{folder}/50-administrator.conf", text)


@contextlib.contextmanager
def serving(*ports, **drop_ins):
    """Serves these ports until the block ends, with drop-ins for `socket`, `service`, `instance`,
    `metrics` or `attachment`.

    Then everything must be as if nothing had been: nothing failed, locked or kept in store.
    """
    units = {"socket": "modem.socket", "service": "modem.service", "instance": "modem@.service",
             "metrics": "modem-metrics@.service", "attachment": "modem-attach@.service"}
    try:
        for kind, text in drop_ins.items():
            drop_in(units[kind], text)
        apply(*ports)
        yield
        assert failed() == "", sh("systemctl status --no-pager --failed", check=False)
        wait_for("end of the sessions", lambda: locks() == [])
        wait_for("end of what is kept of them", lambda: show("modem.service", "NFileDescriptorStore") == "0")
    finally:
        stop()
        for folder in glob.glob("/etc/systemd/system/modem*.d"):
            shutil.rmtree(folder)
        sh(f"systemctl daemon-reload; systemctl reset-failed {OURS}", check=False)
        for lock in locks():
            os.unlink(lock)


def stop():
    sh(f"systemctl stop {OURS}", check=False)


def failed():
    return sh("systemctl --failed --plain --no-legend")


def loaded():
    """The names of our units that systemd has in mind, templates aside.

    Without modem.service where that does not run: modem-control.socket alone has systemd think of it.
    """
    table = sh(f"systemctl list-units --all --plain --no-legend {OURS}")
    states = {name: active for name, _, active, *_ in map(str.split, table.splitlines())}
    if states.get("modem.service") == "inactive":
        del states["modem.service"]
    return sorted(states)


def show(unit, what):
    return sh(f"systemctl show -P {what} {unit}")


def pid(unit="modem.service"):
    return int(show(unit, "MainPID"))


def locks():
    return sorted(glob.glob("/run/lock/LCK..*"))


class Journal:
    """What was said since this was made."""

    def __init__(self):
        # Not a cursor: systemd 252 skips the first match after one.
        self.since = f"@{time.time():.6f}"

    def entries(self, *matches):
        sh("journalctl --sync")
        said = sh(f"journalctl --quiet -o json --since={self.since} " + " ".join(matches))
        return [json.loads(line) for line in said.splitlines()]

    def wait(self, *matches):
        """The first such entry, as soon as there is one."""
        return wait_for(f"entry with {matches}", lambda: self.entries(*matches))[0]
