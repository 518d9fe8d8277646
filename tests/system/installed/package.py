"""The package's own life: upgraded, removed, purged; and its sibling for other systems.

Each test leaves the .deb installed for the next, but for the one that purges it.
"""

import hashlib
import os
import select
import shutil

import attach
from clients import Load, ask, connect, is_refused, is_served, wait_served
from control import METRICS_PORT, control, scrape
from guest import PATIENCE, sh, test, wait_for
from install import DEB, RPM, files
from modem import Modem
from server import CONFIGURATION, configure, failed, pid, port, show, stop

OLDER = "0.0.1~older-1"
MODEMD = "/usr/sbin/modemd"
ATTACHED = attach.unit("far")


def content(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def age(program):
    """Makes another program of it, which does the same."""
    with open(program, "ab") as file:
        file.write(b"older")


def without_control(folder):
    """Takes out what came later than 0.1: the control socket."""
    units = folder + "/usr/lib/systemd/system"
    if not os.path.isdir(units):
        units = folder + "/lib/systemd/system"
    os.unlink(f"{units}/modem-control.socket")
    sh(f"sed -i /modem-control.socket/d {units}/modem.socket")


def older_deb():
    """The same package, as if released before."""
    folder, deb = "/tmp/older", "/tmp/older.deb"
    shutil.rmtree(folder, ignore_errors=True)
    sh(f"dpkg-deb -R {DEB} {folder} && sed -i 's/^Version: .*/Version: {OLDER}/' {folder}/DEBIAN/control")
    age(folder + MODEMD)
    without_control(folder)
    sh(f"dpkg-deb --root-owner-group -b {folder} {deb}")
    return deb


def older_rpm():
    """The same package, as if released before: its files, flags and scripts under a lower version."""
    folder, top = "/tmp/older-root", "/tmp/older-rpm"
    for path in (folder, top):
        shutil.rmtree(path, ignore_errors=True)
    sh(f"rpm --root {folder} --nodeps --noscripts -i {RPM} && rm -rf {folder}/var {folder}/root")
    age(folder + MODEMD)
    without_control(folder)

    def query(what):
        return sh(f"rpm -qp --qf '{what}' {RPM} 2> /dev/null")

    listed = [line.split("|") for line in query("[%{FILEFLAGS:fflags}|%{FILENAMES}\\n]").splitlines()]
    listed = [(flags, path) for flags, path in listed if os.path.lexists(folder + path)]
    spec = ["Name: modemd", "Version: 0.0.1", "Release: 1", "Summary: older", "License: GPL", "AutoReqProv: no",
            "%global debug_package %{nil}", "%global __os_install_post %{nil}", "%description", "older",
            "%install", f"cp -a {folder}/. %{{buildroot}}"]
    for section, tag in (("pre", "PREIN"), ("post", "POSTIN"), ("preun", "PREUN"), ("postun", "POSTUN")):
        script = query(f"%{{{tag}}}")
        if script != "(none)":
            spec += [f"%{section}", script.replace("%", "%%")]
    spec.append("%files")
    for flags, path in listed:
        kind = "%dir " if os.path.isdir(folder + path) else "%config(noreplace) " if "c" in flags else ""
        spec.append(kind + path)
    os.makedirs(top)
    with open(f"{top}/older.spec", "w", encoding="utf-8") as file:
        file.write("\n".join(spec) + "\n")
    sh(f"rpmbuild --define '_topdir {top}' -bb {top}/older.spec")
    return sh(f"find {top} -name '*.rpm'")


class Device:
    """A program that has the device of an attached line open."""

    def __init__(self, name):
        self.fd = os.open(attach.device(name), os.O_RDWR | os.O_NOCTTY)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)

    def sendall(self, data):
        os.write(self.fd, data)

    def recv(self, count):
        assert select.select([self.fd], [], [], PATIENCE)[0], "no answer"
        return os.read(self.fd, count)


def check_upgrade(install_older, upgrade):
    """Upgrades under the eyes of a client with a call, of another one who connects all the time, and of a program
    that has an attached line."""
    modems = [Modem(name) for name in ("first", "second", "third")]
    install_older()
    configure(port(devices=[modem.device for modem in modems], allow=["localhost"], busy="wait"))
    attach.configure(attach.attachment("far", "localhost:2006", "raw"))
    changed = content(CONFIGURATION)
    sh("systemctl enable --now modem.socket modem-metrics.socket")
    assert is_served()
    before = pid()
    assert content(f"/proc/{before}/exe") == content(MODEMD)

    older = content(MODEMD)
    sh(f"systemctl start {ATTACHED}")
    attacher = pid(ATTACHED)
    with connect() as call, Device("far") as device:
        modem, far_modem = ask(call), ask(device)
        assert "OK" in modem and "OK" in far_modem and modem != far_modem, (modem, far_modem)
        with Load(1) as load:
            upgrade()
            load.goes_on(2)
        assert ask(call) == modem
        # Another process would have hung up the program.
        assert ask(device) == far_modem
    assert pid(ATTACHED) == attacher
    sh(f"systemctl stop {ATTACHED}")
    os.unlink(attach.CONFIGURATION)
    # Sockets are restarted, too: for a moment nobody listens.
    moment = (ConnectionRefusedError, ConnectionResetError)
    assert all(isinstance(error, moment) for error in load.wrong), load.wrong

    assert content(MODEMD) != older
    assert pid() not in (0, before)
    assert content(f"/proc/{pid()}/exe") == content(MODEMD)
    assert content(CONFIGURATION) == changed
    assert sh("systemctl is-enabled modem.socket modem-metrics.socket").split() == ["enabled"] * 2
    for unit in ("modem.socket", "modem-control.socket", "modem-metrics.socket"):
        assert show(unit, "ActiveState") == "active", unit
        assert show(unit, "NeedDaemonReload") == "no", unit
    assert control("io.modemd.Describe")["pid"] == pid()
    assert scrape()[0] == 200
    assert failed() == ""


@test
def an_upgrade_replaces_the_daemon_and_keeps_the_configuration_and_the_calls():
    deb = older_deb()

    def install_older():
        sh(f"dpkg -P modemd && dpkg -i {deb}")

    check_upgrade(install_older, lambda: sh(f"dpkg -i {DEB}"))
    sh("systemctl disable --now modem.socket modem-metrics.socket")


@test
def an_upgrade_leaves_the_sessions_of_per_connection_instances_alone():
    modem = Modem()
    sh(f"dpkg -P modemd && dpkg -i {older_deb()}")
    configure(port(devices=[modem.device], allow=["localhost"], instance="per-connection"))
    sh("systemctl enable --now modem.socket")
    with connect() as client:
        assert "OK" in ask(client)
        sh(f"dpkg -i {DEB}")
        assert "OK" in ask(client)
    wait_served()
    sh("systemctl disable --now modem.socket")


def switch_everything_on():
    """Sockets, the shared daemon and an instance, with sessions; metrics, of which somebody wants some; and an
    attached line."""
    modem, fax = Modem(), Modem()
    configure(
        port(devices=[modem.device], allow=["localhost"]),
        port("fax", devices=[fax.device], allow=["localhost"], listen=["2007"], instance="per-connection"),
    )
    attach.configure(attach.attachment("far", "localhost:2007", "raw"))
    sh(f"systemctl enable --now modem.socket modem-metrics.socket {ATTACHED}")
    assert os.path.exists(attach.device("far"))
    clients = connect(2006), connect(2007)
    for client in clients:
        assert "OK" in ask(client)
    assert len(sh("pgrep -x modemd").split()) == 2
    return *clients, connect(METRICS_PORT)


def assert_all_is_quiet():
    assert is_refused(2006) and is_refused(2007) and is_refused(METRICS_PORT)
    assert sh("pgrep -x 'modemd|modemctl'", check=False) == ""
    assert not os.path.exists("/run/modemd") and not os.path.lexists("/dev/modemd")
    assert failed() == ""
    wait_for("end of the units", lambda: sh("systemctl list-units --plain --no-legend 'modem*'") == "")


@test
def removing_the_package_stops_everything_and_keeps_the_configuration():
    clients = switch_everything_on()
    kept = content(CONFIGURATION)
    sh("dpkg -r modemd")
    assert_all_is_quiet()
    for client in clients:
        client.close()
    assert content(CONFIGURATION) == kept
    assert not os.path.exists(MODEMD)
    # And it comes back as it was.
    sh(f"dpkg -i {DEB}")
    assert content(CONFIGURATION) == kept
    assert sh(f"systemctl is-enabled {ATTACHED}") == "enabled"
    sh(f"systemctl disable --now modem.socket modem-metrics.socket {ATTACHED}", check=False)
    stop()


@test
def purging_the_package_leaves_nothing():
    clients = switch_everything_on()
    sh("dpkg -P modemd")
    assert_all_is_quiet()
    for client in clients:
        client.close()
    assert sh("getent passwd modemd; getent group modemd", check=False) == ""
    assert "modemd" not in sh("journalctl --list-catalog")
    # It came with no package, and stays.
    os.unlink(attach.CONFIGURATION)
    os.rmdir(os.path.dirname(attach.CONFIGURATION))
    left = files() - files.before
    assert left == set(), sorted(left)


@test
def the_rpm_is_installed_upgraded_and_erased():
    # Its dependencies have other names here.
    sh("dpkg -P modemd", check=False)
    older = older_rpm()

    def install_older():
        sh(f"rpm -i --nodeps {older}")
        assert sh("systemctl is-enabled modem.socket", check=False) == "disabled"
        assert is_refused()

    check_upgrade(install_older, lambda: sh(f"rpm -U --nodeps {RPM}"))
    sh("systemctl disable --now modem.socket modem-metrics.socket")
    clients = switch_everything_on()
    sh("rpm -e modemd")
    assert_all_is_quiet()
    for client in clients:
        client.close()
    for unit in ("sockets.target.wants/modem.socket", "sockets.target.wants/modem-metrics.socket",
                 f"multi-user.target.wants/{ATTACHED}"):
        assert not os.path.lexists(f"/etc/systemd/system/{unit}"), unit
    assert os.path.exists(attach.CONFIGURATION)
    # What the administrator changed is his.
    assert os.path.exists(CONFIGURATION + ".rpmsave")
