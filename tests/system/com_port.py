"""A client of modemd that controls the serial line behind it: telnet with COM-PORT-OPTION, RFC 2217."""

import re
import select
import time

from client import Client
from guest import PATIENCE

IAC, DONT, DO, WONT, WILL, SB, BRK, SE = 255, 254, 253, 252, 251, 250, 243, 240
BINARY, ECHO, SUPPRESS_GO_AHEAD, COM_PORT = 0, 1, 3, 44

# Requests; their answers have 100 more.
SIGNATURE, BAUD, DATA_BITS, PARITY, STOP_BITS, CONTROL, LINE_STATE, MODEM_STATE = range(8)
SUSPEND, RESUME, LINE_STATE_MASK, MODEM_STATE_MASK, PURGE = range(8, 13)
# SET-CONTROL
FLOW, FLOW_NONE, FLOW_XON_XOFF, FLOW_HARDWARE = range(4)
BREAK, BREAK_ON, BREAK_OFF, DTR, DTR_ON, DTR_OFF, RTS, RTS_ON, RTS_OFF = range(4, 13)
INBOUND, INBOUND_NONE, INBOUND_XON_XOFF, INBOUND_HARDWARE = range(13, 17)
# NOTIFY-MODEMSTATE and NOTIFY-LINESTATE
HAS_CD, HAS_RI, HAS_DSR, HAS_CTS, NEW_CD, END_RI, NEW_DSR, NEW_CTS = 128, 64, 32, 16, 8, 4, 2, 1
SENT_ALL, SAW_BREAK, SAW_FRAMING, SAW_PARITY, SAW_OVERRUN = 96, 16, 8, 4, 2

# Doubled, a negotiation, a subnegotiation with its end, or another command.
COMMAND = re.compile(rb"\xff(?:(\xff)|([\xfb-\xfe])(.)|\xfa((?:[^\xff]|\xff\xff)*)\xff\xf0|[^\xfa-\xff])", re.DOTALL)


def request(code, value=b""):
    """The octets of a request: the value is an octet, or what stands there."""
    value = bytes([value]) if isinstance(value, int) else value
    return bytes([IAC, SB, COM_PORT, code]) + value.replace(b"\xff", b"\xff\xff") + bytes([IAC, SE])


def baud(speed):
    return request(BAUD, speed.to_bytes(4, "big"))


class ComPort(Client):
    """It has agreed to BINARY both ways and to COM port control when it is made.

    `data` is what the line has said, `answers` are the codes and values that came and were not asked for yet.
    """

    def __init__(self, number):
        super().__init__(number)
        self.data, self.answers, self._undecoded, self._said = b"", [], b"", set()
        # What the server answers to the last one comes when it has heard of the others.
        self._say(DO, SUPPRESS_GO_AHEAD)
        self._say(DO, BINARY)
        self._say(WILL, BINARY)
        self._say(WILL, COM_PORT)
        self.greeting = self.notice(MODEM_STATE)

    def _say(self, verb, option):
        if (verb, option) not in self._said:
            self._said.add((verb, option))
            self.socket.sendall(bytes([IAC, verb, option]))

    def _decode(self):
        while True:
            plain, mark, rest = self._undecoded.partition(b"\xff")
            self.data += plain
            self._undecoded = mark + rest
            command = COMMAND.match(self._undecoded)
            if not command:
                return
            self._undecoded = self._undecoded[command.end():]
            escaped, verb, option, message = command.groups()
            if escaped:
                self.data += escaped
            elif verb:
                known = option[0] in (BINARY, ECHO, SUPPRESS_GO_AHEAD, COM_PORT)
                if verb[0] == DO:
                    self._say(WILL if known and option[0] != ECHO else WONT, option[0])
                elif verb[0] == WILL:
                    self._say(DO if known else DONT, option[0])
            elif message and message[0] == COM_PORT:
                self.answers.append((message[1], message[2:].replace(b"\xff\xff", b"\xff")))

    def look(self, limit=0.0):
        """Takes what has come, or comes within a time; false when the server has closed."""
        if select.select([self.socket], [], [], limit)[0]:
            more = self.socket.recv(65536)
            if not more:
                return False
            self._undecoded += more
            self._decode()
        return True

    def wait(self, what, condition, limit=PATIENCE):
        """Waits until `condition` gives something true of what came, and gives that."""
        deadline = time.monotonic() + limit
        while not (got := condition()):
            assert time.monotonic() < deadline, f"no {what} within {limit} s; {self.data[:40]!r}, {self.answers}"
            assert self.look(0.1), f"closed instead of {what}; {self.data[:40]!r}, {self.answers}"
        return got

    def read(self, count):
        self.wait(f"{count} octets", lambda: len(self.data) >= count)
        got, self.data = self.data[:count], self.data[count:]
        return got

    def write(self, data):
        """Sends data; `send` sends what is telnet already."""
        self.send(data.replace(b"\xff", b"\xff\xff"))

    def answer(self, code):
        """The first answer to such a request that is still to be had."""
        def find():
            for number, (of, value) in enumerate(self.answers):
                if of == code + 100:
                    del self.answers[number]
                    return (value,)
            return None
        return self.wait(f"answer to {code}", find)[0]

    def ask(self, code, value=b""):
        """The answer to a request, which is one octet; of a speed, the number."""
        self.send(request(code, value))
        return self.notice(code)

    def baud(self, speed):
        self.send(baud(speed))
        return int.from_bytes(self.answer(BAUD), "big")

    def notice(self, code):
        value = self.answer(code)
        assert len(value) == 1, value
        return value[0]
