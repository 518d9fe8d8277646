"""What modemctl shows of a line, as the other end of the line has it."""

import termios

from daemon import Modemd, device, telnet
from devices import DTR, OUT1, OUT2, RTS, Tty
from guest import test, wait_for

ALL_ON = {"dtr": True, "rts": True, "cts": True, "dsr": True, "dcd": True, "ri": True}


def metric(daemon, name):
    """The value of a metric that has one line of the page, and none of another name begins so."""
    (line,) = [line for line in daemon.modemctl("metrics").splitlines() if line.startswith(name)]
    return float(line.rsplit(" ", 1)[1])


@test
def modemctl_shows_the_signals_and_settings_that_are_in_force(who):
    with Modemd(who, nm=telnet("/dev/ttyNM0", 'line = "9600,8,N,1"')) as daemon, Tty("/dev/ttyNM1") as modem:
        modem.raw()
        modem.lower_lines(DTR | RTS)
        with daemon.com_port("nm") as client:
            shown = daemon.shown()
            assert shown["settings"] == "9600,8,N,1", shown
            assert shown["signals"] == {**ALL_ON, "cts": False, "dsr": False, "dcd": False, "ri": False}, shown
            modem.raise_lines(DTR | RTS | OUT1)
            wait_for("all signals", lambda: daemon.shown()["signals"] == ALL_ON)
            print("    " + daemon.modemctl("status").splitlines()[1])
            assert client.baud(19200) == 19200
            client.send(b"hello")
            assert modem.read(5) == b"hello"
            wait_for("another speed", lambda: daemon.shown()["settings"] == "19200,8,N,1")
            wait_for("the bytes", lambda: daemon.shown()["to_line"] == 5)
        daemon.left("nm")


@test
def modemctl_counts_break_framing_parity_and_overrun(who):
    with Modemd(who, nm=device("/dev/ttyNM0", 'line = "9600,8,N,1"')) as daemon, Tty("/dev/ttyNM1") as modem:
        names = {
            "framing": 'modemd_line_errors_total{port="nm",line="/dev/ttyNM0",kind="framing"}',
            "parity": 'modemd_line_errors_total{port="nm",line="/dev/ttyNM0",kind="parity"}',
            "overrun": 'modemd_line_errors_total{port="nm",line="/dev/ttyNM0",kind="overrun"}',
            "breaks": 'modemd_breaks_total{port="nm",line="/dev/ttyNM0"}',
        }
        before = {name: metric(daemon, of) for name, of in names.items()}
        modem.raw(9600)
        with daemon.session("nm"):
            assert daemon.shown()["errors"] == dict.fromkeys(names, 0)
            termios.tcsendbreak(modem.fd, 0)
            modem.raw(19200)
            modem.write(b"\xff")
            termios.tcdrain(modem.fd)
            modem.raw(9600, termios.PARENB)
            modem.write(b"\xff")
            termios.tcdrain(modem.fd)
            modem.raw(9600)
            modem.raise_lines(OUT2)
            modem.write(b"-")
            termios.tcdrain(modem.fd)
            modem.lower_lines(OUT2)
            wait_for("one of each", lambda: daemon.shown()["errors"] == dict.fromkeys(names, 1))
        daemon.left("nm")
        wait_for("the end", lambda: metric(daemon, 'modemd_line_in_use{line="/dev/ttyNM0"}') == 0)
        for name, of in names.items():
            assert metric(daemon, of) == before[name] + 1, name
