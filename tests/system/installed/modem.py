"""A line, and a modem on it, as far as a client can tell."""

import fcntl
import grp
import os
import pty
import select
import termios
import threading
import tty

from guest import PATIENCE
from hayes import Hayes


class Line:
    """The far end of a pseudo terminal, which belongs to whom a serial port does."""

    def __init__(self):
        # Kept open: reading fails while nobody has the other side.
        self.fd, self.line = pty.openpty()
        tty.setraw(self.line)
        self.device = os.ttyname(self.line)
        os.chown(self.device, 0, grp.getgrnam("dialout").gr_gid)
        os.chmod(self.device, 0o660)

    def send(self, data):
        while data:
            data = data[os.write(self.fd, data) :]

    def receive(self, limit=PATIENCE):
        """What comes next; nothing, if nothing comes in time."""
        return os.read(self.fd, 65536) if select.select([self.fd], [], [], limit)[0] else b""

    def hear(self, count):
        """The next so many octets; fewer, if they do not come in time."""
        heard = b""
        while len(heard) < count and (more := self.receive()):
            heard += more
        return heard

    def end_exclusive_mode(self):
        """What a serial line does when its last user is gone; a pseudo terminal keeps it (TIOCEXCL)."""
        fcntl.ioctl(self.line, termios.TIOCNXCL)

    def vanish(self):
        """As if unplugged."""
        os.close(self.line)
        os.close(self.fd)


class Modem(Line):
    """Answers AT commands."""

    def __init__(self, name="a modem"):
        super().__init__()
        self.name = name
        threading.Thread(target=self.answer, daemon=True).start()

    def answer(self):
        command = b""
        while True:
            *commands, command = (command + os.read(self.fd, 4096)).split(b"\r")
            for one in commands:
                about = f"\r\n{self.name}\r\n" if one.upper().endswith(b"ATI") else ""
                os.write(self.fd, f"{about}\r\nOK\r\n".encode())


class Telephone(Line):
    """A modem that calls others, unless it is silent. Where a serial port has DTR, a pseudo terminal has speed 0
    (termios(3)).
    """

    # Less than a tenth of the time for which modemd drops DTR.
    LOOK = 0.03

    def __init__(self, name="a modem"):
        super().__init__()
        self.hayes, self.is_silent, self.asked, self.hung_up = Hayes(name), False, 0, 0
        threading.Thread(target=self.work, daemon=True).start()

    def work(self):
        had_dtr = True
        while True:
            heard = self.receive(self.LOOK)
            has_dtr = termios.tcgetattr(self.line)[5] != termios.B0
            if had_dtr and not has_dtr:
                self.hayes.dtr_fell()
                self.hung_up += 1
            had_dtr = has_dtr
            self.asked += len(heard)
            if heard and not self.is_silent:
                self.send(self.hayes.hear(heard))
