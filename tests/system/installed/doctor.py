"""`modemctl doctor`: what it says of a healthy system, and that what it says to type mends a sick one."""

import contextlib
import json
import os
import subprocess
import time

from clients import is_refused, is_served
from guest import sh, test
from modem import Modem
from server import configure, failed, port, stop

LOCKS = "/var/lib/modem-locks"


class LoneModem(Modem):
    """Nobody on this machine but modemd has its line open."""

    def __init__(self):
        super().__init__()
        os.close(self.line)

    def answer(self):
        while True:
            try:
                super().answer()
            except OSError:
                # Nobody has the line.
                time.sleep(0.01)


def doctor(status, user="root"):
    """What it finds, after a look that it exits with `status`."""
    command = ["runuser", "-u", user, "--", "modemctl", "doctor"]
    done = subprocess.run([*command, "--json"], stdout=subprocess.PIPE, text=True, check=False)
    said = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == said.returncode == status, f"{done.returncode}, {said.returncode}:\n{said.stdout}"
    return json.loads(done.stdout)


def assert_healthy():
    assert doctor(0) == []
    assert sh("modemctl doctor").splitlines()[-1] == "nothing is wrong"


def assert_mends(about, words, user="root"):
    """It finds what has these `words`, and nothing else; what it says to type mends that."""
    findings = doctor(1, user)
    findings = [finding for finding in findings if finding["severity"] != "unknown"]
    assert len(findings) == 1, findings
    [finding] = findings
    assert finding["about"] == about and words in finding["what"], finding
    print(f"    {finding['what']}\n        {finding['mend']}")
    # There is no sudo here, and we are root anyway.
    sh(finding["mend"].removeprefix("sudo "))


@contextlib.contextmanager
def switched_on(*ports):
    configure(*ports)
    sh("systemctl daemon-reload && systemctl enable --now modem.socket")
    try:
        assert_healthy()
        yield
        assert_healthy()
        assert is_served()
        assert failed() == ""
    finally:
        sh("systemctl unmask modem.socket; systemctl disable --now modem.socket", check=False)
        stop()
        sh("systemctl daemon-reload; systemctl reset-failed 'modem*'", check=False)


@test
def doctor_says_that_all_is_well_and_mends_a_switch_that_is_off():
    with switched_on(port(devices=[LoneModem().device], allow=["localhost"])):
        sh("systemctl disable --now modem.socket")
        assert_mends("systemd", "modem.socket is not enabled")
        assert_healthy()
        sh("systemctl disable modem.socket")
        assert_mends("systemd", "modem.socket is not enabled")
        assert_healthy()
        sh("systemctl disable --now modem.socket; systemctl mask modem.socket")
        assert_mends("systemd", "modem.socket is masked")
        assert_healthy()
        sh("systemctl stop modem.socket")
        assert_mends("systemd", "modem.socket is not active")


@test
def doctor_mends_a_reload_that_was_forgotten():
    first, second = LoneModem(), LoneModem()
    one = port(devices=[first.device], allow=["localhost"])
    two = port("fax", listen=["2007"], devices=[second.device], allow=["localhost"])
    with switched_on(one):
        # Another port, one less, another who may come.
        configure(one, two)
        assert_mends("systemd", "modem-fax.socket")
        assert_healthy()
        assert is_served(2007)
        configure(one)
        assert_mends("systemd", "modem-fax.socket")
        assert_healthy()
        assert is_refused(2007)
        configure(port(devices=[first.device], allow=["localhost", "10.99.0.2"]))
        assert_mends("systemd", "modem.socket.d/00-modemd.conf")
        assert_healthy()
        # Half of it was done.
        configure(one, two)
        sh("systemctl daemon-reload")
        assert_mends("systemd", "modem-fax.socket is not active")
        assert_healthy()
        configure(one)
        sh("systemctl daemon-reload")
        assert_mends("systemd", "modem-fax.socket still listens")


@test
def doctor_mends_a_lock_directory_that_cannot_be_written():
    modem = LoneModem()
    ours = port(devices=[modem.device], allow=["localhost"])
    os.makedirs(LOCKS, exist_ok=True)
    sh(f"chgrp dialout {LOCKS}; chmod 775 {LOCKS}")
    with switched_on(f'[server]\nlock_dir = "{LOCKS}"\n{ours}'):
        sh(f"chmod 755 {LOCKS}; chgrp root {LOCKS}")
        assert_mends("locks", f"modemd may not write the lock directory {LOCKS}")
        assert_healthy()
        os.rmdir(LOCKS)
        assert_mends("locks", f"the lock directory {LOCKS} is not there")
        assert_healthy()
        # As Fedora has it.
        sh(f"groupadd lockers; chgrp lockers {LOCKS}")
        assert_mends("locks", "modemd may not write")
    with switched_on(ours):
        # As systemd has it from 258 on.
        sh("chmod 755 /run/lock")
        assert_mends("locks", "modemd may not write the lock directory /run/lock")
        assert_healthy()
        lock = "/run/lock/LCK.." + os.path.basename(modem.device)
        sh(f"echo 4194000 > {lock}; chown nobody {lock}")
        assert_mends("locks", "is a stale lock of pid 4194000")
    os.unlink("/etc/tmpfiles.d/modemd-locks.conf")
    sh(f"rm -r {LOCKS}; gpasswd -d modemd lockers; groupdel lockers")


@test
def doctor_mends_a_user_who_is_missing_or_not_in_the_group():
    with switched_on(port(devices=[LoneModem().device], allow=["localhost"])):
        sh("gpasswd -d modemd dialout")
        assert_mends("user", "modemd is not in group dialout")
        assert_healthy()
        sh("sed -i /^modemd:/d /etc/passwd /etc/shadow /etc/group /etc/gshadow")
        mend = [finding["mend"] for finding in doctor(1) if "no user modemd" in finding["what"]]
        assert mend == ["systemd-sysusers"], mend
        sh(mend[0])


@test
def doctor_mends_a_line_that_modemd_may_not_open():
    modem = LoneModem()
    with switched_on(port(devices=[modem.device], allow=["localhost"])):
        sh(f"chgrp root {modem.device}; chmod 600 {modem.device}")
        assert_mends("lines", f"modemd may not open {modem.device}")


@test
def doctor_mends_a_line_that_another_program_has():
    modem = LoneModem()
    with switched_on(port(devices=[modem.device], allow=["localhost"])):
        with subprocess.Popen(["sleep", "infinity"], stdin=open(modem.device, "rb")) as other:
            assert_mends("in use", f"{modem.device} is in use by pid {other.pid} (sleep)")


@test
def doctor_says_to_people_what_only_root_can_look_at():
    with switched_on(port(devices=[LoneModem().device], allow=["localhost"])):
        unknown = [finding["about"] for finding in doctor(1, "nobody") if finding["severity"] == "unknown"]
        assert unknown == ["kernel filter", "in use"], unknown
        assert_mends("you", "nobody is not in group modemd", "nobody")
        assert doctor(0, "nobody")
        sh("gpasswd -d nobody modemd")
