"""Calls that outlive the process that began them: restarts, crashes, and the gap in between, in which only
systemd holds the line.

The other end of the cable counts every change of DTR and RTS, so that none is missed.
"""

import contextlib
import errno
import fcntl
import functools
import glob
import grp
import os
import signal
import termios
import time

import com_port
from client import Client
from com_port import (
    BREAK, BREAK_OFF, BREAK_ON, CONTROL, DTR_OFF, HAS_CD, HAS_CTS, HAS_DSR, MODEM_STATE, NEW_CD, NEW_CTS, NEW_DSR,
    PARITY, ComPort,
)
from devices import CD, DSR, DTR, RTS, Acm, Tty
from guest import sh, test, wait_for, write_file
from service import (
    ACM, ADAPTER, ADAPTER_LINK, APPLY, MODEM, OTHER_END, USB, configure, journal, main_pid, no_locks, port, talk,
)
from traffic import Traffic

TELNET, ACM_TOO, UART = 2010, 2011, 2012
# [ports.modem] and [ports.telnet], and where their cables end.
LINE, OTHER = "/dev/ttyNM0", "/dev/ttyNM1"
TELNET_LINE, TELNET_OTHER = "/dev/ttyNM2", "/dev/ttyNM3"
SPEED = 115_200
RESUMED = "MESSAGE_ID=4d3c1ef0f4c54d0e9a31fb1ab0e8e1d5"
# README: what a process that is killed may lose, of one direction of one session: the longest read of a client.
ONE_READ = 16 * 1024
DROP_INS = "/run/systemd/system/modem.service.d"
# As long as it is there, no modemd is.
HOLD = "/run/hold"


def drop_in(name, text):
    os.makedirs(DROP_INS, exist_ok=True)
    write_file(f"{DROP_INS}/{name}.conf", f"[Service]\n{text}\n")


@functools.cache
def configure_all():
    """All lines that there are, for all of these tests."""
    drop_in("hold", f"ExecStartPre=/bin/sh -c 'while [ -e {HOLD} ]; do sleep 0.1; done'")
    configure(
        f'devices = ["{LINE}"]\nline = "{SPEED},8,N,1"',
        port("telnet", TELNET, TELNET_LINE, f'line = "{SPEED},8,N,1"\nprotocol = "telnet"')
        + port("uart", UART, "/dev/ttyS1", 'line = "115200,8,N,1,rtscts"')
        + port("usb", USB, ADAPTER_LINK)
        + port("acm", ACM, "/dev/ttyACM0")
        + port("acm-too", ACM_TOO, "/dev/ttyACM1"),
    )


def share():
    configure_all()
    sh("systemctl start modem.socket")


def show(name):
    return sh(f"systemctl show --value --property={name} modem.service")


def stored():
    """How many descriptors systemd holds for the service."""
    return int(show("NFileDescriptorStore"))


def kill(sign):
    """Kills modemd, and waits until systemd knows."""
    pid = main_pid()

    def is_dead():
        try:
            os.kill(pid, sign)
        except ProcessLookupError:
            return True
        return False

    # Rust's runtime has a look at the first SIGSEGV, and lets the next kill.
    wait_for("death", is_dead)
    wait_for("systemd to notice", lambda: main_pid() != pid)


def hang():
    """modemd hangs until the watchdog finds it."""
    pid = main_pid()
    os.kill(pid, signal.SIGSTOP)
    wait_for("the watchdog", lambda: main_pid() != pid)


def run_out_of_memory():
    """The kernel's OOM killer takes modemd."""
    pid = main_pid()
    write_file(f"/proc/{pid}/oom_score_adj", "1000")
    write_file("/proc/sysrq-trigger", "f")
    wait_for("another process", lambda: main_pid() not in (0, pid))
    assert journal("--dmesg", f"--grep='Killed process {pid} .modemd.'")


@contextlib.contextmanager
def nobody_there(end):
    """The time after `end` in which there is no modemd, as long as the block makes it."""
    write_file(HOLD, "")
    try:
        end()
        wait_for("the gap", lambda: show("SubState") == "start-pre")
        yield
    finally:
        os.unlink(HOLD)


def restart_without_waiting():
    sh("systemctl --no-block restart modem.service")


def locked_by():
    """The processes that the lock files name and that are there."""
    pids = []
    for path in glob.glob("/run/lock/LCK..*"):
        with open(path, encoding="ascii") as file:
            pids.append(int(file.read()))
    return {pid for pid in pids if os.path.exists(f"/proc/{pid}")}


def killed_outright():
    kill(signal.SIGKILL)


def told(client, field, *matches):
    """What the journal's messages about this client that match have in a field, if they have it."""
    host, number = client.address
    return journal(f"--output-fields={field}", f"MODEMD_CLIENT={host}:{number}", *matches)


def call(number=MODEM, kind=Client):
    client = kind(number)
    client.address = client.socket.getsockname()
    return client


def lost_at_most(client):
    """What the journal says of a call so far."""
    return int(told(client, "MODEMD_BYTES_LOST", RESUMED)[-1])


@contextlib.contextmanager
def as_dialout():
    """Somebody in the group `dialout`, with no other privilege."""
    os.setegid(grp.getgrnam("dialout").gr_gid)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def take(path):
    """Takes a line as minicom and others do, and gives it back."""
    with Tty(path) as tty:
        fcntl.flock(tty.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.ioctl(tty.fd, termios.TIOCEXCL)
        fcntl.ioctl(tty.fd, termios.TIOCNXCL)


def refusal(path):
    """The error that somebody gets who takes the line."""
    try:
        take(path)
    except OSError as error:
        return errno.errorcode[error.errno]
    return None


def settings(path):
    with Tty(path) as tty:
        return tty.settings()


def expect_released(path, modem, before):
    """The line is as it was found before the session, and anybody's."""
    wait_for("end of DTR", lambda: modem.lines() & (DSR | CD) == 0)
    wait_for("the line's release", no_locks)
    with as_dialout():
        assert refusal(path) is None, f"{path} is taken: {refusal(path)}"
    assert settings(path) == before, f"\n{before} before\n{settings(path)} after"
    wait_for("end of what systemd holds", lambda: stored() == 0)


@contextlib.contextmanager
def line_at_rest(path=LINE, other=OTHER):
    """The other end of a line, and the settings that a session finds: those of somebody before it."""
    share()
    with Tty(path) as line:
        line.raw(2400, termios.PARENB, termios.IXON)
    with Tty(other) as modem:
        modem.raw(SPEED)
        yield modem, settings(path)


@test
def a_call_goes_on_over_restarts_and_crashes_and_dtr_never_drops():
    with line_at_rest() as (modem, before), call() as client:
        talk(client, modem)
        changes = modem.changes()
        told_before = 0
        with Traffic(client, modem) as traffic:

            def goes_on_over(what, at_most):
                nonlocal told_before
                traffic.goes_on(1_000)
                lost = traffic.lost
                what()
                traffic.goes_on()
                lost = traffic.lost - lost
                at_risk = lost_at_most(client) - told_before
                told_before += at_risk
                print(f"    {lost} lost, {at_risk} at risk")
                assert lost <= at_risk <= at_most

            # A short watchdog is in force after a restart, and with it the service may die of a slow machine.
            drop_in("watchdog", "WatchdogSec=4s\nTimeoutAbortSec=1s")
            goes_on_over(functools.partial(sh, APPLY), 0)
            goes_on_over(hang, ONE_READ)
            os.unlink(f"{DROP_INS}/watchdog.conf")
            goes_on_over(functools.partial(sh, "systemctl daemon-reload && systemctl restart modem.service"), 0)
            goes_on_over(functools.partial(kill, signal.SIGSEGV), ONE_READ)
            goes_on_over(functools.partial(sh, "systemctl daemon-reexec"), 0)
            goes_on_over(killed_outright, ONE_READ)
            goes_on_over(run_out_of_memory, ONE_READ)
        print(f"    {traffic!r}")
        assert modem.changes() == changes, "DTR or RTS has moved"
        assert len(told(client, "MESSAGE", RESUMED)) == 6
        client.socket.close()
        expect_released(LINE, modem, before)
        # All is said of one session.
        assert len(set(told(client, "MODEMD_SESSION"))) == 1
        assert told(client, "MODEMD_REASON") == ["client-closed"]


@test
def to_stop_the_service_ends_a_call_also_one_that_was_taken_up():
    with line_at_rest() as (modem, before):
        with call() as client:
            talk(client, modem)
            sh("systemctl restart modem.service")
            talk(client, modem)
            sh("systemctl stop modem.socket modem.service")
            assert client.read_to_end() == b""
            assert modem.lines() & (DSR | CD) == 0, "DTR is up"
            assert no_locks() and stored() == 0
            assert told(client, "MODEMD_REASON") == ["stopped"]
        expect_released(LINE, modem, before)


@test
def while_nobody_is_there_the_line_is_nobody_elses_and_what_happens_is_told_later():
    with line_at_rest(TELNET_LINE, TELNET_OTHER) as (modem, before):
        with call(TELNET, ComPort) as client:
            assert client.baud(115_200) == 115_200
            assert client.ask(PARITY, 3) == 3
            modem.raw(115_200, termios.PARENB)
            for end in (restart_without_waiting, killed_outright):
                breaks = modem.breaks()
                assert client.ask(CONTROL, BREAK_ON) == BREAK_ON
                client.ask(MODEM_STATE)
                client.answers.clear()
                changes = modem.changes()
                with nobody_there(end):
                    with as_dialout():
                        assert refusal(TELNET_LINE) == "EBUSY"
                    # Root may open it, and meets the lock.
                    assert refusal(TELNET_LINE) == "EAGAIN"
                    # After a crash the process that the file names is gone.
                    assert locked_by() == ({1} if end is restart_without_waiting else set())
                    # One signal is back again when somebody looks, the other is not.
                    modem.lower_lines(DTR | RTS)
                    modem.raise_lines(DTR)
                    modem.write(b"RING\r")
                assert client.read(5) == b"RING\r"
                assert locked_by() == {main_pid()}
                signals = client.notice(MODEM_STATE)
                print(f"    told of {signals:#x}")
                assert signals & (HAS_CD | HAS_DSR | HAS_CTS) == HAS_CD | HAS_DSR
                assert signals & (NEW_CD | NEW_DSR | NEW_CTS) == NEW_CD | NEW_DSR | NEW_CTS
                modem.raise_lines(RTS)
                assert client.notice(MODEM_STATE) & (HAS_CTS | NEW_CTS) == HAS_CTS | NEW_CTS
                # During a BREAK nothing gets through.
                client.write(b"unheard")
                assert client.ask(CONTROL, BREAK) == BREAK_ON
                assert client.ask(CONTROL, BREAK_OFF) == BREAK_OFF
                client.write(b"heard")
                # A BREAK is an octet of zeroes.
                assert modem.read(6) == b"\0heard"
                assert modem.breaks() == breaks + 1
                assert client.baud(0) == 115_200 and client.ask(PARITY) == 3
                # Read by somebody else, whose look at the line would not make up for a change of it.
                assert settings(TELNET_LINE)[-1] == 115_200 and settings(TELNET_LINE)[2] & termios.PARENB
                assert modem.changes() == changes, "DTR or RTS has moved"
            assert client.ask(CONTROL, DTR_OFF) == DTR_OFF
            changes = modem.changes()
            with Traffic(client, modem, (4_000, 1_000), octets_of) as traffic:
                traffic.goes_on(1_000)
                sh("systemctl restart modem.service")
                traffic.goes_on(2_000)
            assert traffic.lost == 0
            assert client.ask(CONTROL, com_port.DTR) == DTR_OFF and client.baud(12345) == 12345
            assert modem.changes() == changes, "DTR or RTS has moved"
        expect_released(TELNET_LINE, modem, before)


def octets_of(client):
    alive = client.look()
    octets, client.data = client.data, b""
    return octets if alive or octets else None


@test
def a_service_that_is_stopped_while_nobody_is_there_leaves_no_call_and_no_lock():
    for end in (restart_without_waiting, killed_outright):
        with line_at_rest() as (modem, _):
            with call() as client:
                talk(client, modem)
                with nobody_there(end):
                    sh("systemctl stop modem.socket modem.service")
                assert client.read_to_end() == b""
                wait_for("end of DTR", lambda: modem.lines() & (DSR | CD) == 0)
                assert stored() == 0 and locked_by() == set()
                with as_dialout():
                    wait_for("the line's release", lambda: refusal(LINE) is None)
            share()
            with call() as client:
                talk(client, modem)
            wait_for("the line's release", no_locks)


@test
def a_line_or_a_client_that_goes_while_nobody_is_there_is_released():
    ADAPTER.plug()
    OTHER_END.plug()
    for end in (restart_without_waiting, killed_outright):
        with line_at_rest() as (modem, before), Tty(OTHER_END.path) as usb:
            usb.raw()
            with call(USB) as loser, call() as leaver:
                talk(loser, usb)
                talk(leaver, modem)
                with nobody_there(end):
                    ADAPTER.unplug()
                    leaver.socket.close()
                    if end is killed_outright:
                        ADAPTER.plug()
                assert loser.read_to_end() == b""
            expect_released(LINE, modem, before)
            # Said when all is released.
            wait_for("the first end", lambda: told(loser, "MODEMD_REASON") == ["line-lost"])
            wait_for("the second end", lambda: told(leaver, "MODEMD_REASON") == ["client-closed"])
            ADAPTER.plug()
            with call(USB) as client:
                talk(client, usb)
            wait_for("the line's release", no_locks)


@test
def calls_on_an_8250_and_on_usb_go_on_over_a_restart_and_a_kill():
    share()
    ADAPTER.plug()
    OTHER_END.plug()
    Acm()
    # The adapter that QEMU makes has 384 octets of buffer and no way to say stop.
    lines = {
        UART: ("/dev/ttyS2", (12_000, 2_000)),
        USB: (OTHER_END.path, (12_000, 200)),
        ACM: ("/dev/ttyGS0", (12_000, 4_000)),
    }
    with contextlib.ExitStack() as open_here:
        traffics = []
        for number, (other_end, windows) in lines.items():
            modem = open_here.enter_context(Tty(other_end))
            modem.raw(cflag=termios.CRTSCTS if number == UART else 0)
            client = open_here.enter_context(call(number))
            talk(client, modem)
            traffics.append(open_here.enter_context(Traffic(client, modem, windows)))
        for command in (functools.partial(sh, "systemctl restart modem.service"), killed_outright):
            for traffic in traffics:
                traffic.goes_on(2_000)
            command()
            for traffic in traffics:
                traffic.goes_on(2_000)
            lost = sum(traffic.lost for traffic in traffics)
            at_risk = sum(lost_at_most(traffic.client) for traffic in traffics)
            print(f"    {lost} lost, {at_risk} at risk")
            if lost:
                print("    " + "\n    ".join(map(repr, traffics)))
            assert lost <= at_risk <= (ONE_READ if command is killed_outright else 0)
    wait_for("the lines' release", no_locks)
    wait_for("end of what systemd holds", lambda: stored() == 0)


@test
def a_usb_line_that_takes_nothing_does_not_hold_systemd():
    # Nobody opens ttyGS0 and ttyGS1: the gadget takes nothing from the bus. Closing such a line waits half a
    # minute (`closing_wait`) for whoever is the last to close it, and under 252 that may be systemd itself.
    share()
    acm = Acm()
    longest = 0.0

    def holds(count):
        nonlocal longest
        began = time.monotonic()
        held = stored()
        longest = max(longest, time.monotonic() - began)
        return held == count

    leaver, stayer = call(ACM), call(ACM_TOO)
    for client in (leaver, stayer):
        client.send(b"x" * 1000)
        wait_for("the session", lambda: told(client, "MESSAGE"))
    held = stored()
    sh("systemctl restart modem.service")
    leaver.socket.close()
    wait_for("what systemd holds to be less", lambda: holds(held // 2))
    sh("systemctl --no-block stop modem.socket modem.service")
    wait_for("end of what systemd holds", lambda: holds(0))
    assert stayer.read_to_end() == b""
    # Whoever waits for them need not wait for a line that is gone.
    acm.unplug()
    wait_for("the lines' release", no_locks)
    wait_for("end of the service", lambda: show("ActiveState") == "inactive")
    print(f"    longest answer {longest:.2f} s")
    assert longest < 10
    acm.plug()
    share()
    with Tty(OTHER) as modem, call() as client:
        modem.raw(SPEED)
        talk(client, modem)
    wait_for("the line's release", no_locks)
