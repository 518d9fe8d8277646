"""Calls that go on over whatever happens to the daemon: restarts, changes, an upgrade, its death."""

import os
import signal
import socket
import subprocess
import threading
import time

from caller import caller
from clients import is_refused, is_served
from guest import PATIENCE, sh, test, wait_for
from install import DEB
from modem import Line, Modem
from server import BEGAN, ENDED, RESUMED, Journal, apply, pid, port, serving
from stream import Stream, octets
from survival import kill

NUMBER = 2007
BULK = 64 << 20
# What is stated of a death: the octets of one read, of a client.
MOST_LOST = 16384
# A daemon that hangs is noticed soon.
QUICK = "[Service]\nWatchdogSec=2s\nTimeoutAbortSec=1s\n"


def restart():
    sh("systemctl restart modem.service")


def reexec():
    sh("systemctl daemon-reexec")


def upgrade():
    sh(f"dpkg -i {DEB}")


def death(sign):
    def strike():
        before = pid()
        if sign == signal.SIGSTOP:
            # Then it is the watchdog who kills.
            os.kill(before, sign)
        else:
            kill(before, sign)
        wait_for("another process", lambda: pid() not in (0, before))

    return strike


DEATHS = [death(signal.SIGKILL)] * 10 + [death(signal.SIGSEGV), death(signal.SIGSTOP)]


class Call:
    """A port beside the modem's, with a client who has its line; until the block ends."""

    def __init__(self, protocol, **keys):
        self.line, self.modem, self.fax = Line(), Modem(), Modem()
        self.plain = port(devices=[self.modem.device], allow=["localhost"])
        self.port = port("calls", devices=[self.line.device], listen=[str(NUMBER)], allow=["localhost"],
                         protocol=protocol, **keys)
        self.extra = port("fax", devices=[self.fax.device], listen=["2008"], allow=["localhost"])
        self.protocol = protocol

    def __enter__(self):
        self.serving = serving(self.plain, self.port, service=QUICK)
        self.serving.__enter__()
        self.journal = Journal()
        self.caller = caller(self.protocol, NUMBER)
        if self.protocol == "telnet":
            self.caller.agree()
        self.caller.send(b"hello")
        assert self.line.hear(5) == b"hello"
        self.session = self.journal.wait("MODEMD_PORT=calls", BEGAN)["MODEMD_SESSION"]
        return self

    def __exit__(self, *error):
        self.caller.close()
        return self.serving.__exit__(*error)

    def resumed(self):
        return self.journal.entries(f"MODEMD_SESSION={self.session}", RESUMED)

    def ends(self):
        """The client leaves; what is said then of the one session that there was."""
        self.caller.close()
        ended = self.journal.wait("MODEMD_PORT=calls", ENDED)
        assert ended["MODEMD_SESSION"] == self.session, ended
        assert ended["MODEMD_REASON"] == "client-closed", ended
        assert len(self.journal.entries("MODEMD_PORT=calls", BEGAN)) == 1
        return ended

    def add_a_port(self):
        apply(self.plain, self.port, self.extra)
        assert is_served(2008)

    def remove_a_port(self):
        apply(self.plain, self.port)
        assert is_refused(2008)

    def remove_its_own_port(self):
        apply(self.plain)
        assert is_refused(NUMBER)
        assert is_served()

    def changes(self):
        """Whatever an administrator may do, and whether that takes another process."""
        return [*[(restart, True)] * 10, (self.add_a_port, True), (self.remove_a_port, True), (reexec, False),
                (upgrade, True), (self.remove_its_own_port, True)]


def check_change(change, is_replaced):
    before = pid()
    change()
    assert (pid() != before) == is_replaced, (change, before, pid())


def check_nothing_is_lost(protocol):
    with Call(protocol) as call:
        stream = Stream(call.caller, call.line)
        changes = call.changes()
        for change in changes:
            stream.goes_on(BULK // (len(changes) + 1))
            check_change(*change)
        stream.goes_on(BULK // (len(changes) + 1))
        stream.ends()
        assert stream.lost() == 0, stream.lost()
        resumed = call.resumed()
        assert len(resumed) == sum(is_replaced for _, is_replaced in changes), resumed
        assert all(said["MODEMD_BYTES_LOST"] == "0" for said in resumed), resumed
        ended = call.ends()
        assert int(ended["MODEMD_BYTES_TO_LINE"]) == stream.to_line.sent + len(b"hello"), ended


@test
def a_raw_call_goes_on_over_restarts_changes_and_an_upgrade_and_no_octet_is_lost():
    check_nothing_is_lost("raw")


@test
def a_telnet_call_goes_on_over_restarts_changes_and_an_upgrade_and_no_octet_is_lost():
    check_nothing_is_lost("telnet")


def check_little_is_lost(protocol):
    with Call(protocol) as call:
        stream = Stream(call.caller, call.line)
        part = BULK // (2 * len(DEATHS))
        told = 0
        for number, strike in enumerate(DEATHS, 1):
            stream.goes_on(part)
            lost_before, told_before = stream.lost(), told
            strike()
            stream.goes_on(part)
            resumed = call.resumed()
            assert len(resumed) == number, resumed
            # Of all deaths so far.
            told = int(resumed[-1]["MODEMD_BYTES_LOST"])
            lost = stream.lost() - lost_before
            assert lost <= told - told_before <= MOST_LOST, (lost, told - told_before, resumed[-1])
        stream.ends()
        print(f"  {stream.lost()} octets lost in {len(DEATHS)} deaths, amid {stream.to_line.sent} to the line "
              f"and {stream.to_client.sent} to the client")
        assert call.ends()["MODEMD_BYTES_LOST"] == str(told)


@test
def a_raw_call_goes_on_over_twelve_deaths_and_what_little_is_lost_is_counted():
    check_little_is_lost("raw")


@test
def a_telnet_call_goes_on_over_twelve_deaths_and_what_little_is_lost_is_counted():
    check_little_is_lost("telnet")


class Program:
    """One that transfers a file over its standard input and output."""

    def __init__(self, *command):
        self.ours, its = socket.socketpair()
        self.process = subprocess.Popen(command, stdin=its, stdout=its, stderr=subprocess.DEVNULL)
        its.close()
        self.send = self.ours.sendall

    def receive(self):
        data = self.ours.recv(65536)
        if not data:
            raise EOFError
        return data


class Transfer:
    """A file on its way by ZMODEM, which waits after each step until it may go on."""

    STEP = 1 << 20

    def __init__(self, caller, line, steps):
        self.file = "/tmp/file.bin"
        with open(self.file, "wb") as file:
            file.write(octets("a file", 0, self.STEP * (steps + 2)))
        sh("rm -rf /tmp/received; mkdir /tmp/received")
        self.passed, self.limit = 0, 0
        # One second, not ten, until something that was lost is asked for again.
        self.receiver = Program("sh", "-c", "cd /tmp/received && exec rz --binary --quiet --timeout 10")
        # rz gives up if much is still on the way when it asks; a modem's line holds little, a TCP connection more.
        self.sender = Program("sz", "--binary", "--quiet", "--timeout", "10", "--windowsize", "32768", self.file)
        self.programs = (self.sender, self.receiver)
        for pump in (
            (self.from_sender, caller.send),
            (line.receive, self.to_receiver),
            (self.receiver.receive, line.send),
            (caller.receive, self.sender.send),
        ):
            threading.Thread(target=self.pump, args=pump, daemon=True).start()

    @staticmethod
    def pump(receive, send):
        try:
            while True:
                send(receive())
        except (OSError, EOFError, ValueError):
            # One end has closed.
            pass

    def is_over(self):
        """Whether one of them has ended, be it because all is done."""
        return any(program.process.poll() is not None for program in self.programs)

    def from_sender(self):
        data = self.sender.receive()
        while self.passed > self.limit:
            time.sleep(0.001)
        return data

    def to_receiver(self, data):
        self.receiver.send(data)
        self.passed += len(data)

    def goes_on(self):
        """Waits until half of the next step has passed."""
        self.limit += self.STEP

        def has_passed():
            assert not self.is_over(), [program.process.poll() for program in self.programs]
            return self.passed > self.limit - self.STEP // 2

        wait_for("more of the file", has_passed)

    def ends(self):
        self.limit = float("inf")
        for program in self.programs:
            assert program.process.wait(PATIENCE) == 0, program.process.args
        sh(f"cmp {self.file} /tmp/received/file.bin")


def check_zmodem(protocol):
    with Call(protocol) as call:
        changes, deaths = call.changes(), [(death(signal.SIGKILL), True)] * 10
        transfer = Transfer(call.caller, call.line, len(changes) + len(deaths))
        for change in [*changes, *deaths]:
            transfer.goes_on()
            check_change(*change)
        transfer.ends()
        call.ends()


@test
def a_file_goes_by_zmodem_over_a_raw_call_over_changes_and_deaths():
    check_zmodem("raw")


@test
def a_file_goes_by_zmodem_over_a_telnet_call_over_changes_and_deaths():
    check_zmodem("telnet")
