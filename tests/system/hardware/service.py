"""The installed service as the tests here configure it, ask for it, and find it again in the journal."""

import glob

from devices import Adapter
from guest import sh, write_file

MODEM, USB, ACM, ACM_EACH = 2006, 2007, 2008, 2009
ADAPTER, OTHER_END = Adapter(0), Adapter(1)
ADAPTER_LINK = "/dev/serial/by-id/usb-QEMU_QEMU_USB_SERIAL_usb0-if00-port0"
ACM_LINK = "/dev/serial/by-id/usb-Example_Modem_MODEM1-if00"
# What README says to type after a change of the configuration.
APPLY = "systemctl daemon-reload && systemctl restart modem.socket"


def configure(modem, more=""):
    """A configuration with [ports.modem] as told, applied as README says."""
    write_file("/etc/modemd/modemd.toml", f'[ports.modem]\nallow = ["localhost"]\nlinger = "300ms"\n{modem}\n{more}\n')
    sh(APPLY)


def port(name, number, device, more=""):
    return f"""
[ports.{name}]
listen = ["127.0.0.1:{number}"]
devices = ["{device}"]
allow = ["localhost"]
linger = "300ms"
{more}
"""


def main_pid():
    return int(sh("systemctl show --value --property=MainPID modem.service"))


def journal(*matches):
    """The messages that match and are of this boot."""
    return sh("journalctl --boot --output=cat " + " ".join(matches), check=False).splitlines()


def talk(client, modem):
    """A command and its answer, which also shows that the session has begun."""
    client.send(b"AT\r")
    assert modem.read(3) == b"AT\r"
    modem.write(b"\r\nOK\r\n")
    assert client.read(6) == b"\r\nOK\r\n"


def no_locks():
    return not glob.glob("/run/lock/LCK..*")
