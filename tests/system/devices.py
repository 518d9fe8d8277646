"""Serial lines as the machine's own side sees them, and what can be plugged in and pulled out."""

import fcntl
import glob
import json
import os
import select
import struct
import termios
import time

from guest import PATIENCE, sh, wait_for, write_file

GADGET = "/sys/kernel/config/usb_gadget/modem"

# include/uapi/asm-generic/ioctls.h
TCGETS2, TCSETS2, TIOCGSERIAL = 0x802C542A, 0x402C542B, 0x541E
TIOCMGET, TIOCMBIS, TIOCMBIC, TIOCGICOUNT = 0x5415, 0x5416, 0x5417, 0x545D
DTR, RTS, CTS, CD, DSR, OUT1, OUT2, LOOP = 0x02, 0x04, 0x20, 0x40, 0x100, 0x2000, 0x4000, 0x8000
# include/uapi/asm-generic/termbits.h
BOTHER = 0o010000
LOW_LATENCY = 1 << 13


class Tty:
    """A terminal device held open for a look or as the other end of a cable."""

    def __init__(self, path):
        self.path = path
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None

    def settings(self):
        """The kernel's `struct termios2`: four sets of flags, the discipline, 19 characters, two speeds."""
        return struct.unpack("4IB19B2I", fcntl.ioctl(self.fd, TCGETS2, bytes(44)))

    def set(self, settings):
        fcntl.ioctl(self.fd, TCSETS2, struct.pack("4IB19B2I", *settings))

    def speed(self):
        return self.settings()[-1]

    def raw(self, speed=115200, cflag=0, iflag=0):
        settings = list(self.settings())
        settings[:4] = [iflag, 0, BOTHER | termios.CS8 | termios.CREAD | termios.CLOCAL | termios.HUPCL | cflag, 0]
        settings[-2:] = [speed, speed]
        self.set(settings)
        return self

    def lines(self):
        return struct.unpack("I", fcntl.ioctl(self.fd, TIOCMGET, bytes(4)))[0]

    def raise_lines(self, bits):
        fcntl.ioctl(self.fd, TIOCMBIS, struct.pack("I", bits))

    def lower_lines(self, bits):
        fcntl.ioctl(self.fd, TIOCMBIC, struct.pack("I", bits))

    def _counts(self):
        """The kernel's `struct serial_icounter_struct`."""
        return struct.unpack("20i", fcntl.ioctl(self.fd, TIOCGICOUNT, bytes(80)))

    def received(self):
        """How many octets have arrived, read or not."""
        return self._counts()[4]

    def breaks(self):
        """How many BREAKs have arrived."""
        return self._counts()[9]

    def changes(self):
        """How often CTS, DSR, RI and DCD have changed, also while nobody looked."""
        return self._counts()[:4]

    def unsent(self):
        return struct.unpack("i", fcntl.ioctl(self.fd, termios.TIOCOUTQ, bytes(4)))[0]

    def low_latency(self):
        return bool(struct.unpack_from("5i", fcntl.ioctl(self.fd, TIOCGSERIAL, bytes(80)))[4] & LOW_LATENCY)

    def write(self, data):
        while data:
            select.select([], [self.fd], [], PATIENCE)
            data = data[os.write(self.fd, data):]

    def read(self, count, limit=PATIENCE):
        got = b""
        deadline = time.monotonic() + limit
        while len(got) < count and time.monotonic() < deadline:
            if select.select([self.fd], [], [], 0.1)[0]:
                got += os.read(self.fd, 4096)
        return got


class Adapter:
    """A USB serial adapter (ftdi_sio), out of the machine until it is plugged in.

    There are two, 0 and 1, with a cable between them. The machine talks to QEMU about them itself.
    """

    def __init__(self, number):
        self.id = f"usb{number}"
        self.path = None

    def _tell_qemu(self, command, **arguments):
        with open("/dev/virtio-ports/qmp", "r+b", buffering=0) as qmp:
            # The greeting may be there or not, and that we have said this before is an error.
            for say in {"execute": "qmp_capabilities"}, {"execute": command, "arguments": arguments}:
                qmp.write(json.dumps(say).encode() + b"\n")
                while True:
                    answer = json.loads(qmp.readline())
                    if "return" in answer or "error" in answer:
                        break
        return answer

    def plug(self):
        """Plugs it in if it is not, and waits until its device is there."""
        if self.path:
            return
        before = set(glob.glob("/dev/ttyUSB*"))
        # QEMU lets go of one that was pulled out a little later than the machine.
        adapter = {"driver": "usb-serial", "id": self.id, "chardev": self.id, "serial": self.id}
        wait_for("adapter at QEMU", lambda: "return" in self._tell_qemu("device_add", **adapter))
        self.path = wait_for("ttyUSB", lambda: set(glob.glob("/dev/ttyUSB*")) - before).pop()
        sh("udevadm settle")

    def unplug(self):
        answer = self._tell_qemu("device_del", id=self.id)
        assert "return" in answer, answer
        wait_for("unplugging", lambda: not os.path.exists(self.path))
        self.path = None

    def by_id(self):
        return next(link for link in glob.glob("/dev/serial/by-id/*") if os.path.realpath(link) == self.path)


class Acm:
    """A CDC ACM modem made of dummy_hcd and a gadget: what goes into /dev/ttyACM0 comes out of ttyGS0.

    And likewise ttyACM1 and ttyGS1.
    """

    nodes = ["/dev/ttyACM0", "/dev/ttyACM1", "/dev/ttyGS0", "/dev/ttyGS1"]

    def __init__(self):
        """Plugs it in."""
        sh("modprobe -a dummy_hcd libcomposite usb_f_acm")
        if not os.path.exists(GADGET):
            for directory in ("", "/strings/0x409", "/functions/acm.0", "/functions/acm.1", "/configs/c.1"):
                os.mkdir(GADGET + directory)
            write_file(GADGET + "/idVendor", "0x1d6b")
            write_file(GADGET + "/idProduct", "0x0104")
            write_file(GADGET + "/strings/0x409/serialnumber", "MODEM1")
            write_file(GADGET + "/strings/0x409/manufacturer", "Example")
            write_file(GADGET + "/strings/0x409/product", "Modem")
            for function in ("acm.0", "acm.1"):
                os.symlink(f"{GADGET}/functions/{function}", f"{GADGET}/configs/c.1/{function}")
        self.plug()

    def plug(self):
        if not os.path.exists("/dev/ttyACM0"):
            write_file(GADGET + "/UDC", os.listdir("/sys/class/udc")[0])
        wait_for("ttyACM0", lambda: all(map(os.path.exists, self.nodes)))
        sh("udevadm settle")

    def unplug(self):
        write_file(GADGET + "/UDC", "\n")
        wait_for("unplugging", lambda: not any(map(os.path.exists, self.nodes[:2])))
