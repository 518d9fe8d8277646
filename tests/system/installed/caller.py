"""A client that sends and receives octets as they are, over either protocol."""

import contextlib
import select
import socket

from clients import connect
from guest import PATIENCE, wait_for

# RFC 854, RFC 856, RFC 857, RFC 858, RFC 2217
IAC, SE, SB, WILL, WONT, DO, DONT = 0xFF, 0xF0, 0xFA, 0xFB, 0xFC, 0xFD, 0xFE
BINARY, ECHO, SUPPRESS_GO_AHEAD, COM_PORT = 0, 1, 3, 44


def caller(protocol, number, **how):
    """A client of a port with that protocol."""
    return {"raw": Caller, "telnet": TelnetCaller}[protocol](number, **how)


def connected(number):
    # Whoever applies a change waits for modem.socket alone.
    with contextlib.suppress(ConnectionRefusedError):
        return connect(number)


class Caller:
    """A client of a raw port."""

    def __init__(self, number):
        self.socket = wait_for("connection", lambda: connected(number))
        # Senders may have to wait for a long time; receiving has limits of its own.
        self.socket.settimeout(None)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        # Closing alone would not end the connection while a thread waits for what comes.
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    @staticmethod
    def encode(data):
        return data

    def decode(self, data):
        return data

    def send(self, data):
        self.socket.sendall(self.encode(data))

    def receive(self, limit=PATIENCE):
        """What comes next; nothing, if nothing comes in time. The end is an error."""
        if not select.select([self.socket], [], [], limit)[0]:
            return b""
        more = self.socket.recv(65536)
        if not more:
            raise EOFError("modemd has closed the connection")
        return self.decode(more)

    def hear(self, until):
        """What comes up to and with these octets; less, if they do not come in time."""
        heard = b""
        while not heard.endswith(until):
            # One at a time, so that nothing behind them is taken.
            if not select.select([self.socket], [], [], PATIENCE)[0] or not (more := self.socket.recv(1)):
                break
            heard += self.decode(more)
        return heard

    def is_told_the_end(self):
        """Whether the connection ends in good order, and with nothing before that."""
        self.socket.settimeout(PATIENCE)
        return self.socket.recv(1) == b""


class TelnetCaller(Caller):
    """A client of a telnet port, who agrees to what is offered, if to COM port control only when told so."""

    def __init__(self, number, com_port=False):
        super().__init__(number)
        self.options = {BINARY, ECHO, SUPPRESS_GO_AHEAD} | ({COM_PORT} if com_port else set())
        self.on = set()
        self.unfinished = b""
        # Each command that came, without its IAC.
        self.told = []

    @staticmethod
    def encode(data):
        return data.replace(b"\xff", b"\xff\xff")

    def agree(self):
        """Waits until both sides have agreed to BINARY, and whatever was offered before that."""
        while not {(WILL, BINARY), (DO, BINARY)} <= self.on:
            data = self.receive()
            assert data == b"", data

    def decode(self, data):
        octets, data, at = self.unfinished + data, [], 0
        self.unfinished = b""
        while (start := octets.find(IAC, at)) >= 0:
            data.append(octets[at:start])
            command = octets[start + 1 : start + 2]
            if command == b"\xff":
                data.append(command)
                at = start + 2
                continue
            if command == bytes([SB]):
                end = octets.find(bytes([IAC, SE]), start) + 2
                is_whole = end > 1
            else:
                end = start + (3 if command >= bytes([WILL]) else 2)
                is_whole = end <= len(octets)
            if not is_whole:
                self.unfinished = octets[start:]
                return b"".join(data)
            self.obey(octets[start + 1 : end])
            at = end
        return b"".join([*data, octets[at:]])

    def obey(self, command):
        self.told.append(command.removesuffix(bytes([IAC, SE])))
        if command[0] in (WILL, DO) and tuple(command) not in self.on:
            agreed = command[1] in self.options
            if agreed:
                self.on.add(tuple(command))
            answer = {WILL: (DONT, DO), DO: (WONT, WILL)}[command[0]][agreed]
            self.socket.sendall(bytes([IAC, answer, command[1]]))
