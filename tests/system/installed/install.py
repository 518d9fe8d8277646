"""From the package to the first client."""

import os
import pwd
import re
import tempfile

from clients import FRIEND, ask, connect, is_refused
from guest import sh, test, wait_for
from modem import Modem
from server import BEGAN, ENDED, Journal, configure, failed, loaded, pid, port, show, stop

DEB, RPM = "/share/package.deb", "/share/package.rpm"


def files():
    """The paths of all files, but for what is nobody's, changes by itself, or is a package manager's."""
    apart = {"/dev", "/proc", "/run", "/share", "/sys", "/tmp", "/var/cache", "/var/lib/dpkg", "/var/log", "/var/tmp"}
    found = set()
    for folder, folders, names in os.walk("/"):
        folders[:] = [name for name in folders if os.path.join(folder, name) not in apart]
        found.update(os.path.join(folder, name) for name in (*folders, *names))
    return found


@test
def installing_the_package_enables_and_starts_nothing():
    files.before = files()
    sh(f"dpkg -i {DEB}")
    assert sh("systemctl is-enabled modem.socket modem-metrics.socket", check=False).split() == ["disabled"] * 2
    assert sh("systemctl is-active modem.socket modem.service", check=False).split() == ["inactive", "inactive"]
    assert sh("pgrep -x modemd", check=False) == ""
    assert is_refused()
    assert failed() == ""
    user = pwd.getpwnam("modemd")
    assert user.pw_shell.endswith("/nologin"), user


@test
def the_programs_are_small_and_need_no_library_but_libc():
    listed = sh("dpkg -L modemd").splitlines()
    programs = [path for path in listed if os.path.isfile(path) and os.access(path, os.X_OK)]
    assert len(programs) == 3, programs
    for program in programs:
        # linux-vdso.so.1 is no file, and ld-linux-….so is who finds the others.
        needed = [os.path.basename(line.split()[0]) for line in sh(f"ldd {program}").splitlines()]
        others = [name for name in needed if not name.startswith(("linux-vdso.", "ld-linux"))]
        assert others == ["libc.so.6"], f"{program}: {needed}"
        assert os.path.getsize(program) <= 3 << 20, f"{program}: {os.path.getsize(program)} bytes"
    # It makes a database where there is none.
    with tempfile.TemporaryDirectory() as folder:
        requires = sh(f"rpm --dbpath {folder} -qp --requires {RPM}")
    assert set(re.findall(r"^lib\S+?\.so[.\d]*", requires, re.MULTILINE)) == {"libc.so.6"}, requires


@test
def two_commands_after_the_installation_a_client_on_another_machine_has_the_modem():
    modem = Modem("Courier")
    configure(port(devices=[modem.device], allow=["localhost", "10.99.0.2"]))
    journal = Journal()
    sh("systemctl enable --now modem.socket")
    assert show("modem.service", "ActiveState") == "inactive"
    client = connect(source=FRIEND)
    assert ask(client) == "\r\nCourier\r\n\r\nOK\r\n"
    host, number = client.getsockname()
    client_name = f"{host}:{number}"

    in_use = f"1 of 1 line in use: {modem.device} by {client_name}"
    wait_for("status", lambda: in_use in sh("systemctl status modem.service --no-pager"))
    sockets = sh("systemctl list-sockets --no-pager modem.socket")
    assert "2006" in sockets and "modem.service" in sockets, sockets
    assert sh(f"ps -o user:20=,group:20= -p {pid()}").split() == ["modemd", "dialout"]

    began = journal.wait("MODEMD_PORT=modem", BEGAN)
    assert began["MODEMD_CLIENT"] == client_name, began
    assert began["MODEMD_LINE"] == modem.device, began
    assert began["_SYSTEMD_UNIT"] == "modem.service", began
    client.close()
    ended = journal.wait("MODEMD_PORT=modem", ENDED)
    assert ended["MODEMD_SESSION"] == began["MODEMD_SESSION"], (began, ended)
    assert ended["MODEMD_REASON"] == "client-closed", ended
    assert (ended["MODEMD_BYTES_TO_LINE"], ended["MODEMD_BYTES_TO_CLIENT"]) == ("4", "17"), ended
    explained = sh(f"journalctl --no-pager -x MODEMD_SESSION={ended['MODEMD_SESSION']}")
    assert f"The session of {client_name} on {modem.device} is over" in explained, explained

    sh("systemctl disable --now modem.socket")
    stop()
    assert loaded() == [], loaded()
