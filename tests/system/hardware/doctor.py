"""What `modemctl doctor` finds on serial hardware, and that what it says to type mends it."""

import json
import subprocess

from client import Client
from devices import Tty
from guest import sh, test, wait_for
from service import ADAPTER, ADAPTER_LINK, MODEM, USB, configure, no_locks, port

LATENCY = "/sys/bus/usb-serial/devices/{}/latency_timer"


def doctor(status):
    done = subprocess.run(["modemctl", "doctor", "--json"], stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == status, f"{done.returncode}: {done.stdout}"
    return json.loads(done.stdout)


def assert_mends(about, words):
    findings = doctor(1)
    assert len(findings) == 1, findings
    [finding] = findings
    assert finding["about"] == about and words in finding["what"], finding
    print(f"    {finding['what']}\n        {finding['mend']}")
    sh(finding["mend"])


def share(modem, more=""):
    """A system on which all is well."""
    configure(modem, more)
    sh("systemctl enable modem.socket")
    assert doctor(0) == [], sh("modemctl doctor", check=False)


@test
def doctor_frees_a_line_from_logins():
    share('devices = ["/dev/ttyS1"]')
    getty = "serial-getty@ttyS1.service"
    sh(f"systemctl start {getty}")
    with Client(MODEM) as client:
        assert b"is used for logins" in client.read_to_end()
    assert_mends("logins", f"/dev/ttyS1 is used for logins ({getty})")
    # udev does as it was told a moment later.
    sh("udevadm settle")
    assert doctor(0) == []
    with Client(MODEM) as client, Tty("/dev/ttyS2") as modem:
        modem.raw()
        client.send(b"AT\r")
        heard = b""

        def is_asked():
            # What the login said may still be there.
            nonlocal heard
            heard += modem.read(1, 0.1)
            return heard.endswith(b"AT\r")

        wait_for("the client's command", is_asked)
    wait_for("the line's release", no_locks)


@test
def doctor_keeps_modem_manager_off_a_line_that_was_there_before_it_was_shared():
    # As it is known to udev before anybody shares it.
    configure('devices = ["/dev/ttyS2"]')
    sh("udevadm trigger --settle --subsystem-match=tty")
    share('devices = ["/dev/ttyS1"]')
    sh("systemctl start ModemManager.service")
    try:
        assert_mends("ModemManager", "runs and was not told to leave /dev/ttyS1 alone")
        assert doctor(0) == []
    finally:
        sh("systemctl stop ModemManager.service")


@test
def doctor_knows_a_slow_timer_in_a_session_from_one_at_rest():
    ADAPTER.plug()
    share('devices = ["/dev/ttyS1"]', port("usb", USB, ADAPTER_LINK))
    timer = LATENCY.format(ADAPTER.path.removeprefix("/dev/"))
    # As a chip has it, if it is not QEMU's.
    sh(f"echo 16 > {timer}")
    assert sh(f"cat {timer}") == "16"
    assert f"{ADAPTER_LINK} (16 ms now)" in sh("modemctl doctor")
    with Client(USB) as client:
        wait_for("low latency", lambda: sh(f"cat {timer}") == "1")
        assert doctor(0) == []
        # Somebody knows better.
        sh(f"python3 -c '{UNDO}' {ADAPTER.path}")
        assert sh(f"cat {timer}") == "16"
        assert_mends("latency", f"{ADAPTER_LINK} collects bytes for 16 ms in a session")
        assert doctor(0) == []
    wait_for("the line's release", no_locks)


# What `setserial LINE ^low_latency` does: TIOCGSERIAL, without bit 13 of the flags, TIOCSSERIAL.
UNDO = """
import fcntl, os, struct, sys
line = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
serial = bytearray(fcntl.ioctl(line, 0x541E, bytes(72)))
flags, = struct.unpack_from("i", serial, 16)
struct.pack_into("i", serial, 16, flags & ~(1 << 13))
fcntl.ioctl(line, 0x541F, bytes(serial))
"""
