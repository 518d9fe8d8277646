"""What one process leaves to the next, and what happens between the two."""

import contextlib
import errno
import fcntl
import os
import signal
import socket
import subprocess

import foreign
from caller import COM_PORT, DO, DONT, ECHO, IAC, SB, SE, WONT, TelnetCaller, caller
from calls import death, reexec, restart, upgrade
from clients import ask, connect, wait_served
from guest import sh, test, wait_for, write_file
from modem import Line, Modem
from server import BEGAN, ENDED, Journal, apply, locks, pid, port, serving, show
from stream import Stream

BOTH = (restart, death(signal.SIGKILL))
# A new process does not begin before this file is there.
MAY_BEGIN = "/run/modemd-may-begin"
WAITS = f"[Service]\nExecStartPre=/bin/sh -c 'until [ -e {MAY_BEGIN} ]; do sleep 0.05; done'\n"


def line_port(*lines, **keys):
    return port(devices=[line.device for line in lines], allow=["localhost"], **keys)


@contextlib.contextmanager
def on_line(line, protocol="raw", number=2006):
    """A client that has the line."""
    with caller(protocol, number) as client:
        if protocol == "telnet":
            client.agree()
        client.send(b"hello")
        assert line.hear(5) == b"hello"
        yield client


def assert_call_goes_on(client, line):
    client.send(b"there?")
    assert line.hear(6) == b"there?"
    line.send(b"here!")
    assert client.hear(b"!") == b"here!"


@contextlib.contextmanager
def serving_with_pauses(*ports):
    write_file(MAY_BEGIN, "")
    with serving(*ports, service=WAITS):
        yield


@contextlib.contextmanager
def between_two_processes():
    """One process has left, and the next one has not begun; at the end it has."""
    before = pid()
    os.unlink(MAY_BEGIN)
    try:
        sh("systemctl restart --no-block modem.service")
        wait_for("pause", lambda: show("modem.service", "SubState") == "start-pre")
        assert not os.path.exists(f"/proc/{before}")
        yield
    finally:
        write_file(MAY_BEGIN, "")
    wait_for("next process", lambda: show("modem.service", "ActiveState") == "active")
    assert pid() != before


def lock_owners():
    owners = set()
    for lock in locks():
        with open(lock, encoding="ascii") as file:
            owners.add(int(file.read()))
    return owners


def assert_nobody_else_gets(line):
    """Whatever a program looks at before it takes a line."""
    # Who heeds lock files: they are there, and their owner lives.
    name = os.path.basename(line.device)
    assert f"/run/lock/LCK..{name}" in locks(), locks()
    for owner in lock_owners():
        os.kill(owner, 0)
    # Who heeds flock(2), and is root, who may open a line that is in exclusive mode.
    fd = os.open(line.device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        raise AssertionError("the line's flock is free")
    except BlockingIOError:
        pass
    finally:
        os.close(fd)
    # Who heeds nothing, and is not root.
    told = sh(f"setpriv --reuid=nobody --regid=dialout --clear-groups --bounding-set=-all"
              f" sh -c 'exec 3<> {line.device}'", check=False)
    assert os.strerror(errno.EBUSY) in told or "busy" in told, told


def another_modemd_says(line):
    """What a modemd that root starts on the line says about it, while its client reads BUSY."""
    with open("/tmp/another", "w+", encoding="utf-8") as log:
        another = subprocess.Popen(["modemd", "--listen", "127.0.0.1:3000", line.device], stderr=log)
        try:
            def told():
                with contextlib.suppress(ConnectionRefusedError), connect(3000) as client:
                    return ask(client)
                return None

            assert wait_for("answer", told) == "\r\nBUSY\r\n"
        finally:
            another.terminate()
            another.wait()
        log.seek(0)
        return log.read()


@test
def pool_and_locks_are_the_next_processs_after_a_restart_and_a_death():
    for change in BOTH:
        one, two = Line(), Line()
        with serving(line_port(one, two)):
            with on_line(one) as first, on_line(two) as second:
                before = locks()
                change()
                wait_for("locks of the next process", lambda: lock_owners() == {pid()})
                assert locks() == before
                for line in (one, two):
                    assert_nobody_else_gets(line)
                    assert f"in use by pid {pid()} (modemd)" in another_modemd_says(line)
                with connect() as third:
                    assert ask(third) == "\r\nBUSY\r\n"
                for client, line in ((first, one), (second, two)):
                    assert_call_goes_on(client, line)
                first.close()
                wait_for("end of the first session", lambda: len(locks()) < len(before))
                with on_line(one) as third:
                    assert_call_goes_on(third, one)
                    assert_call_goes_on(second, two)


@test
def between_two_processes_nobody_else_gets_the_line():
    line = Line()
    with serving_with_pauses(line_port(line)):
        with on_line(line) as client:
            with between_two_processes():
                assert lock_owners() == {1}
                assert_nobody_else_gets(line)
                assert "in use by pid 1 (" in another_modemd_says(line)
                # What is said meanwhile is not lost.
                client.send(b"from the client")
                line.send(b"from the modem.")
            assert line.hear(15) == b"from the client"
            assert client.hear(b".") == b"from the modem."
            assert lock_owners() == {pid()}
            assert_call_goes_on(client, line)


@test
def a_client_that_leaves_between_two_processes_is_gone_for_the_next():
    line = Line()
    with serving_with_pauses(line_port(line)):
        journal = Journal()
        with on_line(line) as client:
            session = journal.wait(BEGAN)["MODEMD_SESSION"]
            with between_two_processes():
                client.close()
            ended = journal.wait(ENDED)
            assert (ended["MODEMD_SESSION"], ended["MODEMD_REASON"]) == (session, "client-closed"), ended
        with on_line(line) as client:
            assert_call_goes_on(client, line)


@test
def a_line_that_is_lost_between_two_processes_ends_the_call():
    line, modem = Line(), Modem()
    with serving_with_pauses(line_port(line), port("fax", devices=[modem.device], listen=["2007"],
                                                   allow=["localhost"])):
        journal = Journal()
        with on_line(line) as client:
            session = journal.wait(BEGAN)["MODEMD_SESSION"]
            with between_two_processes():
                line.vanish()
            assert client.is_told_the_end()
            ended = journal.wait(ENDED)
            assert (ended["MODEMD_SESSION"], ended["MODEMD_REASON"]) == (session, "line-lost"), ended
        wait_served(2007)


@test
def stopping_hangs_up_unlocks_and_tells_the_clients():
    one, two = Line(), Line()
    with serving(line_port(one), line_port(two, name="calls", listen=["2007"], protocol="telnet")):
        journal = Journal()
        with on_line(one) as raw, on_line(two, "telnet", 2007) as telnet:
            restart()
            for client, line in ((raw, one), (telnet, two)):
                assert_call_goes_on(client, line)
            sh("systemctl stop modem.socket modem.service")
            assert raw.is_told_the_end() and telnet.is_told_the_end()
            assert locks() == []
            assert show("modem.service", "NFileDescriptorStore") == "0"
            assert {said["MODEMD_REASON"] for said in journal.entries(ENDED)} == {"stopped"}
            assert len(journal.entries(ENDED)) == 2
            for line in (one, two):
                sh(f"setpriv --reuid=nobody --regid=dialout --clear-groups sh -c 'exec 3<> {line.device}'")


@test
def a_telnet_command_that_is_cut_in_two_by_a_restart_or_a_death_is_whole():
    for change in BOTH:
        line = Line()
        with serving(line_port(line, protocol="telnet")):
            with TelnetCaller(2006, com_port=True) as client:
                client.agree()
                wait_for("COM port control", lambda: (DO, COM_PORT) in client.on or client.receive(1))
                client.send(b"hello")
                assert line.hear(5) == b"hello"

                def cut(before, after):
                    client.socket.sendall(b"." + before)
                    # As soon as the line has what came before, the rest has been read as well, and with
                    # the answer modemd is done with it.
                    assert line.hear(1) == b"."
                    line.send(b"!")
                    assert client.hear(b"!").endswith(b"!")
                    change()
                    client.socket.sendall(after)

                # An octet of data, and all options are as they were: CR NUL is no end of a line.
                cut(bytes([IAC]), bytes([IAC]) + b"\r\0x")
                assert line.hear(4) == b"\xff\r\0x"

                def is_told(command):
                    client.receive(1)
                    return bytes(command) in client.told

                # SET-BAUDRATE 9600.
                cut(bytes([IAC, SB, COM_PORT, 1, 0, 0]), bytes([0x25, 0x80, IAC, SE]) + b"y")
                assert line.hear(1) == b"y"
                wait_for("answer", lambda: is_told([SB, COM_PORT, 101, 0, 0, 0x25, 0x80]))
                cut(bytes([IAC, DONT]), bytes([ECHO]) + b"z")
                assert line.hear(1) == b"z"
                wait_for("answer", lambda: is_told([WONT, ECHO]))


@test
def what_the_line_has_not_taken_and_the_client_has_not_read_is_kept():
    for change in BOTH:
        for protocol in ("raw", "telnet"):
            line = Line()
            with serving(line_port(line, protocol=protocol)):
                with on_line(line, protocol) as client:
                    stream = Stream(client, line, is_read=False)
                    stream.is_stuck()
                    before = pid()
                    change()
                    assert pid() != before
                    stream.is_read.set()
                    stream.goes_on(1 << 20)
                    stream.ends()
                    # No read was in flight.
                    assert stream.lost() == 0, stream.lost()


@test
def what_cannot_be_read_in_the_store_is_released_and_thrown_away():
    line = Line()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(foreign.LISTENER)
        listener.listen()
        os.chmod(foreign.LISTENER, 0o666)
        stores = f"[Service]\nNotifyAccess=all\nExecStartPost=/usr/bin/python3 /share/foreign.py {line.device}\n"
        with serving(line_port(line), service=stores):
            sh("systemctl start modem.service")
            wait_for("things in the store", lambda: show("modem.service", "NFileDescriptorStore") == "4")
            os.unlink(foreign.LISTENER)
            client = listener.accept()[0]
            journal = Journal()
            restart()
            assert client.recv(1) == b""
            assert journal.wait(ENDED)["MODEMD_REASON"] == "unreadable"
            wait_for("empty store", lambda: show("modem.service", "NFileDescriptorStore") == "0")
            with on_line(line) as client:
                assert_call_goes_on(client, line)


@test
def who_waits_keeps_the_place_over_a_restart_and_a_death():
    for protocol in ("telnet", "raw"):
        line = Line()
        with serving(line_port(line, protocol=protocol, busy="wait", wait="10min")):
            with on_line(line, protocol) as client:
                # Clients are accepted in the order in which they came.
                names = (b"anna", b"berta", b"clara")
                waiting = [caller(protocol, 2006) for _ in names]
                for place, (name, who) in enumerate(zip(names, waiting), 1):
                    if protocol == "telnet":
                        who.hear(f"You are number {place} in the queue. Please wait.\r\n".encode())
                    who.send(name)
                for change in BOTH:
                    change()
                    assert_call_goes_on(client, line)
            for number, (name, who) in enumerate(zip(names, waiting)):
                assert line.hear(len(name)) == name
                if protocol == "telnet":
                    told = who.hear(b"\n")
                    assert told == b"You have a modem now.\r\n", (name, told)
                    who.agree()
                assert_call_goes_on(who, line)
                if protocol == "telnet":
                    for place, other in enumerate(waiting[number + 1 :], 1):
                        assert other.hear(f"You are number {place} in the queue.\r\n".encode())
                who.close()


@test
def a_per_connection_instance_goes_on_over_every_change():
    line, modem, fax = Line(), Modem(), Modem()
    ports = [
        port(devices=[modem.device], allow=["localhost"]),
        line_port(line, name="calls", listen=["2007"], instance="per-connection"),
    ]
    more = port("fax", devices=[fax.device], listen=["2008"], allow=["localhost"])
    with serving(*ports):
        with on_line(line, number=2007) as client:
            stream = Stream(client, line)
            for change in (lambda: apply(*ports, more), restart, lambda: apply(*ports), reexec, upgrade):
                stream.goes_on(1 << 20)
                change()
            stream.goes_on(1 << 20)
            stream.ends()
            assert stream.lost() == 0
