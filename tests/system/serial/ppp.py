"""A network over a call, as in the days of dial-up: chat and pppd on the attached device dial the modem at the other
end of the line, and a pppd answers there.

Each of the two has a network namespace of its own, so that there is no other way from the one to the other.
"""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import termios
import threading

from daemon import Attached, Modemd, telnet
from devices import CD, DTR, Tty
from guest import PATIENCE, sh, test, wait_for

CALLER, PROVIDER = "10.64.64.1", "10.64.64.2"
TCP_PORT = 7000
CHAT = "chat -v TIMEOUT 120 ABORT BUSY '' ATZ OK ATDT5551234 CONNECT \\\\c"
# pppd(8), EXIT STATUS
BY_SIGNAL, HUNG_UP = 5, 16


class Pppd:
    """A pppd in a network namespace; of Debian's options it has flow control, carrier and a lock file."""

    def __init__(self, where, *options, stdin=subprocess.DEVNULL):
        self.log = f"/run/pppd-{where}"
        sh(f"rm -f {self.log}")
        options = ("nodetach", "noauth", "debug", "logfile", self.log, *options)
        command = ["ip", "netns", "exec", where, "pppd", *options]
        # pylint: disable-next=consider-using-with
        self.process = subprocess.Popen(command, stdin=stdin, stdout=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.process.kill()
        self.process.wait()
        if kind:
            print("    | " + "\n    | ".join(self.said().splitlines()[-20:]))

    def said(self):
        if not os.path.exists(self.log):
            return ""
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def is_up(self):
        assert self.process.poll() is None, "pppd has ended"
        return "remote IP address" in self.said()


@contextlib.contextmanager
def networks():
    for where in ("caller", "provider"):
        sh(f"ip netns add {where}")
    try:
        yield
    finally:
        for where in ("caller", "provider"):
            sh(f"ip netns delete {where}")


@contextlib.contextmanager
def inside(where):
    """What makes sockets in this block makes them there."""
    setns = ctypes.CDLL(None).setns
    with open("/proc/thread-self/ns/net", "rb") as here, open(f"/run/netns/{where}", "rb") as there:
        assert setns(there.fileno(), 0) == 0
        try:
            yield
        finally:
            assert setns(here.fileno(), 0) == 0


def receive(connection, count):
    got = b""
    while len(got) < count and (more := connection.recv(65536)):
        got += more
    return got


def exchange_by_tcp(count):
    """So many random octets each way at once, between the two addresses."""
    with inside("provider"):
        server = socket.create_server((PROVIDER, TCP_PORT))
    with inside("caller"):
        caller = socket.create_connection((PROVIDER, TCP_PORT), PATIENCE)
    server.settimeout(PATIENCE)
    provider, address = server.accept()
    provider.settimeout(PATIENCE)
    with server, caller, provider:
        assert address[0] == CALLER
        sent = {caller: os.urandom(count), provider: os.urandom(count)}
        senders = [threading.Thread(target=end.sendall, args=(data,)) for end, data in sent.items()]
        for sender in senders:
            sender.start()
        assert receive(provider, count) == sent[caller], "not what the caller has sent"
        assert receive(caller, count) == sent[provider], "not what the provider has sent"
        for sender in senders:
            sender.join()


def hung_up_modem(path, speed):
    modem = Tty(path).raw(speed, termios.CRTSCTS)
    modem.lower_lines(DTR)
    return modem


def expect_command(modem, command):
    got = b""
    while not got.endswith(b"\r"):
        more = modem.read(1)
        assert more, f"{got!r} instead of {command!r}"
        got += more
    assert got == command, got


@contextlib.contextmanager
def call(device, modem, speed):
    """Both pppds, when they have talked to each other. `modem` is closed, but for the one that answers there."""
    options = ("connect", CHAT, f"{CALLER}:{PROVIDER}")
    with Pppd("caller", device, str(speed), *options) as caller:
        with modem:
            expect_command(modem, b"ATZ\r")
            modem.write(b"\r\nOK\r\n")
            expect_command(modem, b"ATDT5551234\r")
            modem.raise_lines(DTR)
            modem.write(f"\r\nCONNECT {speed}\r\n".encode())
            # As a getty does it that knows PPP when it sees it.
            provider = Pppd("provider", str(speed), f"{PROVIDER}:{CALLER}", stdin=modem.fd)
        with provider:
            wait_for("network", lambda: caller.is_up() and provider.is_up())
            yield caller, provider


@test
def a_network_over_an_attached_modem_carries_tcp_both_ways_and_leaves_the_line_free(who):
    # The pppds and the modems are faster than the line is configured: they have to tell it.
    ports = {
        "uart": ("/dev/ttyS1", "/dev/ttyS2", 115_200),
        "cable": ("/dev/ttyNM0", "/dev/ttyNM1", 230_400),
    }
    shared = {name: telnet(line, 'line = "9600,8,N,1"') for name, (line, _, _) in ports.items()}
    with Modemd(who, **shared) as daemon, networks():
        for name, (_, other_end, speed) in ports.items():
            modem = hung_up_modem(other_end, speed)
            with Attached(daemon, name) as attached:
                with call(attached.path, modem, speed) as (caller, provider):
                    exchange_by_tcp(20_000)
                    caller.process.terminate()
                    assert caller.process.wait(PATIENCE) == BY_SIGNAL
                    provider.process.wait(PATIENCE)
                daemon.left(name)


@test
def when_the_modem_hangs_up_the_network_is_down_and_can_be_dialled_again(who):
    with Modemd(who, modem=telnet("/dev/ttyNM0")) as daemon, Attached(daemon, "modem") as attached, networks():
        for _ in range(2):
            with call(attached.path, hung_up_modem("/dev/ttyNM1", 115_200), 115_200) as (caller, provider):
                device = os.path.realpath(attached.path)
                # DTR, which the caller's end has as DCD, falls without a word.
                provider.process.kill()
                assert caller.process.wait(PATIENCE) == HUNG_UP
                wait_for("another device", lambda: os.path.realpath(attached.path) != device)
            daemon.left("modem")


@test
def when_the_caller_is_gone_the_modem_hangs_up(who):
    with Modemd(who, modem=telnet("/dev/ttyNM0")) as daemon, Attached(daemon, "modem") as attached, networks():
        with call(attached.path, hung_up_modem("/dev/ttyNM1", 115_200), 115_200) as (caller, provider):
            caller.process.kill()
            assert provider.process.wait(PATIENCE) == HUNG_UP
        daemon.left("modem")
        # Of the one who was killed; the next one would take it away.
        sh("rm /run/lock/LCK..modem")
        with Tty("/dev/ttyNM1") as modem:
            assert modem.lines() & CD == 0
