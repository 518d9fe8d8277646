"""What programs do to an attached device, as the other end of the line has it, and what the line does to them."""

import errno
import fcntl
import grp
import os
import select
import signal
import stat
import struct
import subprocess
import termios
import threading

from daemon import USER, Attached, Modemd, telnet
from devices import CTS, DSR, DTR, RTS, Adapter, Tty
from guest import PATIENCE, sh, test, wait_for

FRAMING = termios.CSIZE | termios.PARENB | termios.PARODD | termios.CSTOPB
SOFTWARE = termios.IXON | termios.IXOFF
FAST = 3_000_000
# include/uapi/linux/tty.h
N_PPP = 3


def opened(daemon, name, attached):
    """A program that has the device, which is connected."""
    program = Tty(attached.path)
    daemon.expect(f"{name}: .* is on ")
    attached.expect("connected to")
    return program


def in_force(tty):
    """Speed, framing, and what holds the line and the modem up."""
    settings = tty.settings()
    return settings[-1], settings[2] & (FRAMING | termios.CRTSCTS), settings[0] & SOFTWARE


def expect_settings(tty, speed, cflag=termios.CS8, iflag=0):
    wanted = (speed, cflag, iflag)
    try:
        wait_for("settings", lambda: in_force(tty) == wanted)
    except AssertionError as error:
        raise AssertionError(f"{tty.path}: {in_force(tty)} for {wanted}") from error


def talk(program, modem):
    """What was done with the device before has been noticed after this, and what the line has told."""
    program.write(b"AT\r")
    assert modem.read(3) == b"AT\r"
    modem.write(b"OK\r")
    assert program.read(3) == b"OK\r"


def set_clocal(program, on):
    settings = list(program.settings())
    settings[2] = settings[2] & ~termios.CLOCAL | (termios.CLOCAL if on else 0)
    program.set(settings)


# --- settings -------------------------------------------------------------------------------------


@test
def what_programs_set_on_the_device_is_in_force_at_the_line_and_gone_after_them(who):
    for path in ("/dev/ttyS1", "/dev/ttyNM0"):
        with Modemd(who, s=telnet(path, 'line = "9600,8,N,1"')) as daemon, Tty(path) as line:
            before = line.settings()
            with Attached(daemon, "s") as attached:
                there = os.stat(attached.path)
                assert stat.S_IMODE(there.st_mode) == 0o660 and there.st_gid == grp.getgrnam("dialout").gr_gid
                with opened(daemon, "s", attached) as program:
                    for words, *settings in (
                        ("300 cstopb", 300, termios.CS8 | termios.CSTOPB),
                        ("115200 -cstopb crtscts", 115200, termios.CS8 | termios.CRTSCTS),
                        ("115200 -crtscts", 115200),
                        ("19200 ixon ixoff", 19200, termios.CS8, SOFTWARE),
                        ("19200 -ixon -ixoff", 19200),
                        ("sane", 19200),
                        ("ixon", 19200, termios.CS8, termios.IXON),
                        ("raw", 19200),
                        ("1200", 1200),
                    ):
                        sh(f"stty -F {attached.path} {words}")
                        expect_settings(line, *settings)
                        expect_settings(program, *settings)
                    program.raw(12345)
                    expect_settings(line, 12345)
                daemon.left("s")
            assert line.settings() == before


@test
def what_a_program_has_set_stays_for_the_next_one(who):
    with Modemd(who, s=telnet("/dev/ttyS1", 'line = "9600,8,N,1"')) as daemon, Tty("/dev/ttyS1") as line:
        with Attached(daemon, "s") as attached:
            sh(f"stty -F {attached.path} 2400 cstopb")
            for _ in range(2):
                with opened(daemon, "s", attached):
                    expect_settings(line, 2400, termios.CS8 | termios.CSTOPB)
                daemon.left("s")


@test
def a_program_that_sets_nothing_finds_what_is_in_force_at_the_line(who):
    for path in ("/dev/ttyS1", "/dev/ttyNM0"):
        with Modemd(who, s=telnet(path, 'line = "19200,8,N,2,rtscts"')) as daemon, Tty(path) as line:
            settings = (19200, termios.CS8 | termios.CSTOPB | termios.CRTSCTS)
            with Attached(daemon, "s") as attached, opened(daemon, "s", attached) as program:
                expect_settings(program, *settings)
                print("    " + sh(f"stty -F {attached.path}").replace("\n", " / "))
                expect_settings(line, *settings)
            daemon.left("s")


@test
def a_speed_that_the_line_has_not_is_shown_to_be_another(who):
    with Modemd(who, s=telnet("/dev/ttyS1", 'line = "9600,8,N,1"')) as daemon, Tty("/dev/ttyS1") as line:
        with Attached(daemon, "s") as attached, opened(daemon, "s", attached) as program:
            program.raw(4_000_000)
            expect_settings(program, 9600)
            expect_settings(line, 9600)
        daemon.left("s")


@test
def data_bits_and_parity_that_attach_was_told_are_in_force_whatever_programs_set(who):
    for path in ("/dev/ttyS1", "/dev/ttyNM0"):
        with Modemd(who, s=telnet(path)) as daemon, Tty(path) as line:
            with Attached(daemon, "s", "--line", "9600,7,E,1") as attached:
                with opened(daemon, "s", attached) as program:
                    expect_settings(line, 9600, termios.CS7 | termios.PARENB)
                    assert program.speed() == 9600
                    program.raw(1200)
                    expect_settings(line, 1200, termios.CS7 | termios.PARENB)
                daemon.left("s")


# --- DTR, DCD and BREAK ---------------------------------------------------------------------------


@test
def dtr_falls_with_speed_0_and_when_the_last_program_closes(who):
    with Modemd(who, nm=telnet("/dev/ttyNM0")) as daemon, Tty("/dev/ttyNM1") as modem:
        modem.raw()
        with Attached(daemon, "nm") as attached:
            for _ in range(2):
                assert modem.lines() & DSR == 0
                with opened(daemon, "nm", attached) as program:
                    wait_for("DTR", lambda: modem.lines() & DSR)
                    # stty of Debian 12 complains that not all of it was done, also on a real serial port.
                    sh(f"stty -F {attached.path} 0", check=False)
                    wait_for("end of DTR", lambda: modem.lines() & DSR == 0)
                    sh(f"stty -F {attached.path} 115200")
                    wait_for("DTR", lambda: modem.lines() & DSR)
                    with Tty(attached.path) as another:
                        program.close()
                        talk(another, modem)
                daemon.left("nm")
                wait_for("end of DTR", lambda: modem.lines() & DSR == 0)


@test
def a_program_that_was_killed_leaves_nothing_to_the_next_one(who):
    with Modemd(who, nm=telnet("/dev/ttyNM0")) as daemon, Tty("/dev/ttyNM1") as modem:
        modem.raw()
        with Attached(daemon, "nm") as attached:
            for _ in range(2):
                with opened(daemon, "nm", attached) as program:
                    fcntl.ioctl(program.fd, termios.TIOCEXCL)
                    # As slattach(8) and pppd(8) have it.
                    fcntl.ioctl(program.fd, termios.TIOCSETD, struct.pack("i", N_PPP))
                    modem.write(b"unread")
                daemon.left("nm")
            subprocess.run(
                ["setpriv", f"--reuid={USER}", "--regid=dialout", "--clear-groups", "sh", "-c", f"printf AT > {attached.path}"],
                check=True,
            )
            assert modem.read(2) == b"AT"
            daemon.left("nm")


@test
def what_is_written_to_the_device_and_left_arrives(who):
    with Modemd(who, nm=telnet("/dev/ttyNM0")) as daemon, Tty("/dev/ttyNM1") as modem:
        modem.raw()
        with Attached(daemon, "nm") as attached:
            for text in (b"ATZ\r", os.urandom(20_000)):
                with open("/run/left", "wb") as file:
                    file.write(text)
                sh(f"cat /run/left > {attached.path}")
                assert modem.read(len(text)) == text
                daemon.left("nm")


@test
def a_modem_that_loses_carrier_hangs_up_programs_that_mind_it_and_no_others(who):
    with Modemd(who, nm=telnet("/dev/ttyNM0")) as daemon, Tty("/dev/ttyNM1") as modem:
        modem.raw()
        with Attached(daemon, "nm") as attached:
            for minds in (False, True):
                device = os.path.realpath(attached.path)
                with opened(daemon, "nm", attached) as program:
                    set_clocal(program, not minds)
                    talk(program, modem)
                    for lower in (True, False, True):
                        (modem.lower_lines if lower else modem.raise_lines)(DTR)
                        if minds:
                            break
                        talk(program, modem)
                        assert os.path.realpath(attached.path) == device
                    if minds:
                        ends = select.poll()
                        ends.register(program.fd, select.POLLIN)
                        assert ends.poll(PATIENCE * 1000), "nobody is hung up"
                        try:
                            assert os.read(program.fd, 1) == b""
                        except OSError as error:
                            # For a moment of the hang-up.
                            assert error.errno == errno.EIO
                        wait_for("another device", lambda: os.path.realpath(attached.path) != device)
                        wait_for("end of the device", lambda: not os.path.exists(device))
                daemon.left("nm")
                modem.raise_lines(DTR)


@test
def whoever_has_the_device_as_its_terminal_gets_sighup_when_carrier_is_lost(who):
    with Modemd(who, nm=telnet("/dev/ttyNM0")) as daemon, Tty("/dev/ttyNM1") as modem:
        modem.raw()
        with Attached(daemon, "nm") as attached:
            command = f"exec <> {attached.path} >&0; stty -clocal; printf 'AT\\r'; read x; exec sleep 1000"
            with subprocess.Popen(["sh", "-c", command], start_new_session=True) as program:
                assert modem.read(3) == b"AT\r"
                modem.lower_lines(DTR)
                assert program.wait(PATIENCE) == -signal.SIGHUP
            daemon.left("nm")


@test
def a_break_that_modemctl_sends_arrives_once_and_in_its_place(who):
    with Modemd(who, nm=telnet("/dev/ttyNM0")) as daemon, Tty("/dev/ttyNM1") as modem:
        modem.raw()
        with Attached(daemon, "nm") as attached, opened(daemon, "nm", attached) as program:
            talk(program, modem)
            before = modem.breaks()
            daemon.modemctl("break", "nm")
            wait_for("BREAK", lambda: modem.breaks() > before)
            # A BREAK is an octet of zeroes.
            assert modem.read(1) == b"\0"
            talk(program, modem)
            assert modem.breaks() == before + 1
        daemon.left("nm")


# --- flow control ---------------------------------------------------------------------------------


def fast(program, line, modem):
    program.raw(FAST, termios.CRTSCTS)
    modem.raw(FAST, termios.CRTSCTS)
    expect_settings(line, FAST, termios.CS8 | termios.CRTSCTS)


@test
def a_modem_that_holds_up_by_rts_gets_all_that_a_program_writes(who):
    with Modemd(who, nm=telnet("/dev/ttyNM0")) as daemon, Tty("/dev/ttyNM0") as line, Tty("/dev/ttyNM1") as modem:
        with Attached(daemon, "nm") as attached, opened(daemon, "nm", attached) as program:
            fast(program, line, modem)
            modem.lower_lines(RTS)
            data = os.urandom(1_000_000)
            sender = threading.Thread(target=program.write, args=(data,))
            sender.start()
            wait_for("data at the line", line.unsent)
            assert modem.read(1, 0.3) == b"", "CTS is ignored"
            got = b""
            for _ in range(5):
                modem.raise_lines(RTS)
                got += modem.read(10_000)
                modem.lower_lines(RTS)
            assert sender.is_alive(), "all is somewhere in between"
            modem.raise_lines(RTS)
            got += modem.read(len(data) - len(got))
            sender.join()
            assert got == data
        daemon.left("nm")


@test
def a_program_that_does_not_read_holds_the_modem_up_by_cts_and_gets_all(who):
    with Modemd(who, nm=telnet("/dev/ttyNM0")) as daemon, Tty("/dev/ttyNM0") as line, Tty("/dev/ttyNM1") as modem:
        with Attached(daemon, "nm") as attached, opened(daemon, "nm", attached) as program:
            fast(program, line, modem)
            data = os.urandom(2_000_000)
            sender = threading.Thread(target=modem.write, args=(data,))
            sender.start()
            wait_for("end of CTS", lambda: modem.lines() & CTS == 0)
            assert sender.is_alive(), "all is somewhere in between"
            assert program.read(len(data)) == data
            sender.join()
        daemon.left("nm")


# --- USB ------------------------------------------------------------------------------------------


@test
def a_program_that_does_not_mind_carrier_keeps_the_device_of_an_adapter_that_is_unplugged_and_comes_back(who):
    adapter = Adapter(0)
    adapter.path = "/dev/ttyUSB0"
    with Modemd(who, u=telnet(adapter.path)) as daemon, Attached(daemon, "u") as attached, Tty("/dev/ttyUSB1") as modem:
        with opened(daemon, "u", attached) as program:
            program.raw(19200)
            modem.raw(19200)
            talk(program, modem)
            try:
                adapter.unplug()
                daemon.left("u")
                attached.expect("not connected")
            finally:
                adapter.plug()
            attached.expect("connected to")
            talk(program, modem)
        # Those who came in vain have left, too.
        daemon.left("u")
