"""A telephone modem, as far as somebody at its serial port can tell; without the port, and without a telephone."""

import re

# V.250, 5.3 and 5.4: a number to dial, which is the rest; a register; or a letter, perhaps behind a sign, and its value.
COMMAND = re.compile(
    r"D(?P<dial>.*)|S(?P<register>\d+)(?:=(?P<value>\d*)|\?)|"
    r"(?P<name>[&\\%]?[A-Z]|\+[A-Z]+)(?P<rest>=?[\d,]*)"
)
FACTORY = {0: 0, 2: 43, 3: 13, 4: 10, 5: 8, 12: 50}


class Hayes:
    """It answers every call at once, at every number. Of all modems it is the easiest to trick: its escape sequence
    needs no silence around it, and whatever it hears in command state it obeys.

    `carrier` is told when the call begins and when it ends, before anything is said of it.
    """

    def __init__(self, name="a modem", carrier=lambda is_on: None):
        self.name, self.carrier = name, carrier
        self.dialled, self.in_call, self.heard = [], False, bytearray()
        self._line = b""
        self._reset()

    def _reset(self):
        self.registers, self.echo = dict(FACTORY), True

    def hear(self, octets):
        """What it says to that; in a call, what the far side says, which repeats all that it hears."""
        said = b""
        for octet in octets:
            said += self._data(octet) if self.in_call else self._typed(octet)
        return said

    def _data(self, octet):
        self.heard.append(octet)
        escape = self.registers[2]
        if escape < 128 and self.heard.endswith(bytes([escape]) * 3):
            # Still off hook, but that makes no difference to anybody here.
            return self.lose_carrier() + b"\r\nOK\r\n"
        return bytes([octet])

    def _typed(self, octet):
        echo = bytes([octet]) if self.echo else b""
        if octet == self.registers[5]:
            self._line = self._line[:-1]
        elif octet != self.registers[3]:
            self._line += bytes([octet])
        else:
            line, self._line = self._line, b""
            found = re.search(rb"AT([ -~]*)$", line.upper())
            if found:
                return echo + self._obey(found[1].decode())
        return echo

    def _obey(self, line):
        information, at = "", 0
        while at < len(line):
            command = COMMAND.match(line, at)
            if not command:
                return b"\r\nERROR\r\n"
            at = command.end()
            number, register, value, name, _ = command.groups()
            if number is not None:
                return self._dial(number)
            if register and value is None:
                information += f"\r\n{self.registers.get(int(register), 0):03}\r\n"
            elif register:
                self.registers[int(register)] = int(value or 0)
            elif name == "H":
                self.lose_carrier()
            elif name == "Z":
                self._reset()
            elif name == "E":
                self.echo = command["rest"] != "0"
            elif name == "I":
                information += f"\r\n{self.name}\r\n"
        return f"{information}\r\nOK\r\n".encode()

    def _dial(self, number):
        self.dialled.append(number.lstrip("TP"))
        self.in_call, self.heard = True, bytearray()
        self.carrier(True)
        return b"\r\nCONNECT 33600\r\n"

    def lose_carrier(self):
        """The call is over, if there is one; what it says then."""
        if not self.in_call:
            return b""
        self.in_call = False
        self.carrier(False)
        return b"\r\nNO CARRIER\r\n"

    def dtr_fell(self):
        """As &D2 has it: on hook, and what was typed is forgotten. It says nothing that anybody waits for."""
        self.lose_carrier()
        self._line = b""
