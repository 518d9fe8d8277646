"""A modem, as far as a client can tell."""

import fcntl
import grp
import os
import pty
import termios
import threading
import tty


class Modem:
    """Answers AT commands at the other end of a pseudo terminal, which belongs to whom a serial port does."""

    def __init__(self, name="a modem"):
        self.name = name
        # Kept open: reading fails while nobody has the other side.
        self.fd, self.line = pty.openpty()
        tty.setraw(self.line)
        self.device = os.ttyname(self.line)
        os.chown(self.device, 0, grp.getgrnam("dialout").gr_gid)
        os.chmod(self.device, 0o660)
        threading.Thread(target=self.answer, daemon=True).start()

    def end_exclusive_mode(self):
        """What a serial line does when its last user is gone; a pseudo terminal keeps it (TIOCEXCL)."""
        fcntl.ioctl(self.line, termios.TIOCNXCL)

    def answer(self):
        command = b""
        while True:
            *commands, command = (command + os.read(self.fd, 4096)).split(b"\r")
            for one in commands:
                about = f"\r\n{self.name}\r\n" if one.upper().endswith(b"ATI") else ""
                os.write(self.fd, f"{about}\r\nOK\r\n".encode())
