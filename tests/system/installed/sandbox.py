"""What modemd could do if somebody got hold of it: tried in its place, under its units."""

import grp
import json
import os
import pwd
import shutil
import socket
import stat

from clients import FRIEND, STRANGER, ask, connect, on_other_machine
from guest import sh, test, wait_for
from modem import Modem
from server import BEGAN, Journal, loaded, locks, pid, port, serving, show

IN_ITS_PLACE = "[Service]\nExecStart=\nExecStart=/usr/bin/python3 /share/probe.py\n"
# What everybody may open, on any system.
HARMLESS = {f"/dev/{name}" for name in ("full", "null", "random", "tty", "urandom", "zero")}
# The memory, its ports, the kernel's log, two disks, a console: as open as can be, so that nothing but
# the sandbox is in the way. (Not every kernel has a driver for each: that would be another error.)
DANGEROUS = {"mem": (stat.S_IFCHR, 1, 1), "port": (stat.S_IFCHR, 1, 4), "kmsg-again": (stat.S_IFCHR, 1, 11),
             "disk": (stat.S_IFBLK, 8, 0), "loop": (stat.S_IFBLK, 7, 0), "console-again": (stat.S_IFCHR, 4, 60)}


def probed(instance, *devices):
    for name, (kind, major, minor) in DANGEROUS.items():
        if not os.path.exists(f"/dev/{name}"):
            os.mknod(f"/dev/{name}", kind, os.makedev(major, minor))
            os.chmod(f"/dev/{name}", 0o666)
    modem = Modem()
    with open("/tmp/of-somebody-else", "w", encoding="utf-8"):
        pass
    with serving(
        port(devices=[modem.device, *devices], allow=["localhost"], instance=instance),
        service=IN_ITS_PLACE, instance=IN_ITS_PLACE,
    ):
        with connect() as client:
            client.sendall(b"PROBE\n")
            told = b"".join(iter(lambda: client.recv(65536), b""))
    return json.loads(told), modem


def check_sandbox(instance):
    found, modem = probed(instance)
    user = pwd.getpwnam("modemd")
    assert found["user"] == [user.pw_uid, grp.getgrnam("dialout").gr_gid], found["user"]
    check_there_is_no_way_out(found)
    check_what_nobody_may(found, {"/run/lock", "/run/modemd/private"})

    devices = found["devices"]
    opened = {path for path, result in devices.items() if result == "done"}
    assert modem.device in opened, devices
    assert {path for path in opened if not path.startswith("/dev/pts/")} <= HARMLESS, devices
    for path in ("/dev/ttyT0", *(f"/dev/{name}" for name in DANGEROUS)):
        assert devices[path] == "EPERM", (path, devices)


def check_there_is_no_way_out(found):
    sockets = found["sockets"]
    assert sockets.pop("unix") == "done"
    assert set(sockets.values()) == {"EAFNOSUPPORT"}, sockets
    assert found["interfaces"] == ["lo"], found["interfaces"]


def check_what_nobody_may(found, open_to_it):
    """What holds for all services; `open_to_it` are the folders, beside its own /tmp, that it may write to."""
    nothing = "0" * 16
    assert found["status"] == {"CapInh": nothing, "CapPrm": nothing, "CapEff": nothing, "CapBnd": nothing,
                               "CapAmb": nothing, "NoNewPrivs": "1", "Seccomp": "2"}, found["status"]

    # No file.
    created = found["created"]
    open_to_it = {"/tmp", "/var/tmp"} | open_to_it
    assert {folder for folder, result in created.items() if result == "done"} == open_to_it, created
    stray = [path for path in found["writable"]
             if path not in open_to_it and not path.startswith(tuple(f"{folder}/" for folder in open_to_it))
             # systemd gives each service one: to be told, not to tell (MemoryPressureWatch=, since 254).
             and not (path.startswith("/sys/fs/cgroup/system.slice/") and path.endswith("/memory.pressure"))]
    assert stray == [], stray
    assert found["in /tmp"] == [], found["in /tmp"]

    # Nothing else.
    for what in ("writable and executable", "made executable"):
        assert found[what] in ("EPERM", "EACCES"), (what, found[what])
    assert set(found["namespaces"].values()) == {"EPERM"}, found["namespaces"]
    for what in ("set-user-id", "realtime", "personality", "host name", "mount", "kernel log", "become root"):
        assert found[what] == "EPERM", (what, found[what])
    assert found["processes"] == [], found["processes"]


@test
def the_shared_daemon_can_do_nothing_but_its_work():
    check_sandbox("shared")


@test
def a_per_connection_instance_can_do_nothing_but_its_work():
    check_sandbox("per-connection")


@test
def what_answers_scrapes_can_ask_modemd_and_nothing_else():
    modem = Modem()
    with serving(port(devices=[modem.device], allow=["localhost"]), metrics=IN_ITS_PLACE):
        sh("systemctl start modem-metrics.socket")
        with connect() as call, connect(12006) as client:
            # So that there is a daemon with a directory of its own.
            assert "OK" in ask(call)
            client.sendall(b"PROBE\n")
            found = json.loads(b"".join(iter(lambda: client.recv(65536), b"")))
    check_there_is_no_way_out(found)
    check_what_nobody_may(found, set())
    assert found["user"][0] not in (0, pwd.getpwnam("modemd").pw_uid), found["user"]
    devices = found["devices"]
    assert {path for path, result in devices.items() if result == "done"} <= HARMLESS | {"/dev/pts/ptmx"}, devices
    # Pseudo terminals are seen, and other lines are not even that.
    assert devices.pop(modem.device) == "EACCES" and "/dev/ttyT0" not in devices, devices
    asked = [found[what] for what in ("control", "private", "configuration")]
    assert asked == ["done", "EACCES", "EACCES"], asked


@test
def what_attaches_a_line_can_make_its_device_and_call_servers_and_nothing_else():
    with open("/tmp/of-somebody-else", "w", encoding="utf-8"):
        pass
    modem = Modem()
    try:
        # So that modemd has its directory and its socket.
        with serving(port(devices=[modem.device], allow=["localhost"]), attachment=IN_ITS_PLACE):
            with connect() as client:
                assert "OK" in ask(client)
            sh("systemctl start modem-attach@probe.service")
            with open("/run/modemd/attach/found", encoding="utf-8") as file:
                found = json.load(file)
            path, *_ = terminal = found["terminal"]
            assert sh(f"stat -c %a:%U:%G {path}") == "660:modemd:dialout"
            # The threshold is ten times the exposure.
            sh("systemd-analyze security --no-pager --threshold=12 modem-attach@probe.service")
    finally:
        sh("rm -f /run/modemd/attach/found")
    user = [pwd.getpwnam("modemd").pw_uid, grp.getgrnam("dialout").gr_gid]
    assert found["user"] == user, found["user"]
    assert terminal == [path, *user, 0o660], terminal
    check_what_nobody_may(found, {"/run/modemd/attach", "/run/modemd/tty"})
    assert sorted(found["of modemd"]) == ["attach", "tty"], found["of modemd"]

    others = {family: "EAFNOSUPPORT" for family in ("netlink", "packet", "vsock")}
    assert found["sockets"] == {"unix": "done", "inet": "done", "inet6": "done", **others}, found["sockets"]
    # Debian 12's systemd is built without what this takes.
    if "+BPF_FRAMEWORK" in sh("systemctl --version"):
        assert found["listen"] == "EPERM", found["listen"]
    devices = found["devices"]
    opened = {path for path, result in devices.items() if result == "done" and not path.startswith("/dev/pts/")}
    assert opened <= HARMLESS | {"/dev/ptmx"}, devices
    assert devices.keys().isdisjoint({"/dev/ttyT0", *(f"/dev/{name}" for name in DANGEROUS)}), devices


@test
def of_the_machines_own_ports_the_configured_one_is_open_and_no_other():
    for instance in ("shared", "per-connection"):
        for number in (3, 4):
            # Without hardware behind it, opening gives another error.
            if os.path.exists(f"/dev/ttyS{number}"):
                os.unlink(f"/dev/ttyS{number}")
            os.mknod(f"/dev/ttyS{number}", stat.S_IFCHR, os.makedev(4, 64 + number))
            os.chmod(f"/dev/ttyS{number}", 0o666)
        found, _ = probed(instance, "/dev/ttyS3")
        assert found["devices"]["/dev/ttyS3"] != "EPERM", found["devices"]
        assert found["devices"]["/dev/ttyS4"] == "EPERM", found["devices"]


@test
def what_the_sandbox_refuses_is_there_to_be_had():
    # Else the tests above would prove nothing: root, outside, opens what modemd cannot.
    os.close(os.open("/dev/ttyT0", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK))
    socket.socket(socket.AF_INET).close()


@test
def a_socket_that_was_handed_in_reaches_nobody_outside_allow():
    # connect(2) with AF_UNSPEC frees a connected socket for another connection, from the network it
    # was made in; what stops it is the filter of modem.socket, which goes with it.
    for instance in ("shared", "per-connection"):
        assert is_reached_from_inside(instance, "") is False
        # That it would be seen.
        assert is_reached_from_inside(instance, "[Socket]\nIPAddressAllow=any\n") is True


def is_reached_from_inside(instance, administrator):
    """Whether a friend's connection, turned round in modemd's place, gets to a stranger."""
    with on_other_machine(socket.socket) as stranger:
        stranger.bind((STRANGER, 4000))
        stranger.listen()
        with serving(
            port(devices=["/dev/null"], allow=["localhost", FRIEND], instance=instance),
            socket=administrator, service=IN_ITS_PLACE, instance=IN_ITS_PLACE,
        ):
            with connect(source=FRIEND) as client:
                journal = Journal()
                client.sendall(f"OUTWARD {STRANGER} 4000\n".encode())
                wait_for("attempt", lambda: "turned outward" in str(journal.entries("SYSLOG_IDENTIFIER=python3")))
        stranger.setblocking(False)
        try:
            stranger.accept()[0].close()
        except BlockingIOError:
            return False
    return True


@test
def exposure_of_the_running_services_is_at_most_four_tenths():
    modem, fax = Modem(), Modem()

    def check(unit):
        # The threshold is ten times the exposure.
        sh(f"systemd-analyze security --no-pager --threshold=4 {unit}")

    for instance in ("shared", "per-connection"):
        with serving(
            port(devices=[modem.device], allow=["localhost"], instance=instance),
            port("fax", devices=[fax.device], listen=["2007"], allow=["localhost"], instance=instance),
        ):
            with connect(2006) as one, connect(2007) as two:
                assert "OK" in ask(one) and "OK" in ask(two)
                services = [unit for unit in loaded() if unit.endswith(".service")]
                assert len(services) == (1 if instance == "shared" else 2), services
                for unit in services:
                    check(f"'{unit}'")


@test
def a_device_that_is_no_usual_line_is_opened_to_the_service_that_serves_it():
    # A console by another name, since those that have their own are refused. It knows one speed.
    os.mknod("/dev/line", stat.S_IFCHR, os.makedev(4, 60))
    os.chmod("/dev/line", 0o660)
    shutil.chown("/dev/line", "root", "dialout")
    for instance in ("shared", "per-connection"):
        with serving(port(devices=["/dev/line"], line="38400,8,N,1", allow=["localhost"], instance=instance)):
            journal = Journal()
            with connect() as client:
                client.sendall(b"AT\r")
                journal.wait("MODEMD_LINE=/dev/line", BEGAN)


@test
def locks_status_watchdog_and_reload_work_inside():
    modem = Modem()
    with serving(port(devices=[modem.device], allow=["localhost"]), service="[Service]\nWatchdogSec=1s\n"):
        with connect() as client:
            assert "OK" in ask(client)
            name = os.path.basename(modem.device)
            assert f"/run/lock/LCK..{name}" in locks(), locks()
            owners = {sh(f"stat -c %U:%G {lock}") for lock in locks()}
            assert owners == {"modemd:dialout"}, owners
            assert sh(f"cat /run/lock/LCK..{name}").split()[0] == str(pid())
            wait_for("status", lambda: "1 of 1 line in use" in show("modem.service", "StatusText"))
            before, beats = pid(), set()
            # Longer than the watchdog's time, and nobody was killed for being silent.

            def beat():
                beats.add(show("modem.service", "WatchdogTimestampMonotonic"))
                return len(beats) > 4

            wait_for("watchdog", beat)
            sh("systemctl reload modem.service")
            assert pid() == before
            assert "OK" in ask(client)
