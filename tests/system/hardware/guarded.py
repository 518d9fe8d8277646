"""Modems that may not dial every number, on lines that have DTR and DCD."""

import contextlib
import json
import os
import select
import threading

from client import Client
from devices import DSR, DTR, Tty
from guest import sh, test, wait_for
from hayes import Hayes
from service import MODEM, configure, journal, main_pid, no_locks, talk

LINE, OTHER = "/dev/ttyNM0", "/dev/ttyNM1"
FREE, DEAR = "0800123", b"ATDT0900123\r"
# As the journal has it.
CALL = "MESSAGE_ID=e7605244e8814c59a2f90f02d551e371"
# More than the line takes at once.
WINDOW = 6_000


class Modem(threading.Thread):
    """A telephone modem at the far end of the cable, with &C1 and &D2, until the block ends.

    It loses carrier when it has heard `loses_at` octets in a call. If it is `stubborn`, DTR means nothing to it.
    """

    def __init__(self):
        super().__init__(daemon=True)
        self.tty = Tty(OTHER).raw()
        self.hayes = Hayes(carrier=self.show)
        self.show(False)
        self.loses_at, self.stubborn, self.falls, self.ends, self.wrong = None, False, 0, False, None
        self.begin, self.taken = self.tty.received(), 0

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ends = True
        self.join()
        self.tty.close()
        assert not self.wrong, self.wrong

    def show(self, carrier):
        (self.tty.raise_lines if carrier else self.tty.lower_lines)(DTR)

    def has_dtr(self):
        return bool(self.tty.lines() & DSR)

    def take(self):
        octets = os.read(self.tty.fd, 4096)
        self.taken += len(octets)
        return octets

    def run(self):
        try:
            changes, had_dtr = self.tty.changes()[1], self.has_dtr()
            while not self.ends:
                is_heard = select.select([self.tty.fd], [], [], 0.005)[0]
                # None is missed, and what was heard is not older.
                now = self.tty.changes()[1]
                falls = (now - changes + had_dtr) // 2
                changes, had_dtr = now, had_dtr ^ bool(now - changes & 1)
                if falls and not self.stubborn:
                    self.hayes.dtr_fell()
                self.falls += falls
                if is_heard:
                    self.tty.write(self.hayes.hear(self.take()))
                if self.loses_at and self.hayes.in_call and len(self.hayes.heard) >= self.loses_at:
                    self.lose_carrier()
        except (AssertionError, OSError) as error:
            self.wrong = error

    def lose_carrier(self):
        self.loses_at = None
        said = self.hayes.lose_carrier()
        # What had arrived before was data.
        arrived = self.tty.received()
        while self.begin + self.taken < arrived:
            select.select([self.tty.fd], [], [], 1)
            self.take()
        self.tty.write(said)


@contextlib.contextmanager
def guarded_line():
    """The modem on the guarded line, which is free afterwards."""
    table = '[ports.modem.modem]\ntimeout = "10s"\n[ports.modem.dial]\nallow = ["0800*"]'
    with Modem() as modem:
        configure(f'devices = ["{LINE}"]', table)
        yield modem
        wait_for("the line's release", no_locks)


def hear(client, word):
    """What comes with this word at the end."""
    got = b""
    while not got.endswith(word):
        more = client.socket.recv(1)
        assert more, got[-200:]
        got += more
    return got


def dial(client):
    client.send(f"\rATDT{FREE}\r".encode())
    hear(client, b"\r\nCONNECT 33600\r\n")


def say(client, octets):
    """Says something to the far side, which says the same."""
    client.send(octets)
    assert (heard := client.read(len(octets))) == octets, heard


def aside():
    lines = json.loads(sh("modemctl status --json"))["lines"]
    return [line["aside"]["why"] for line in lines if line.get("aside")]


@test
def a_guarded_call_is_hung_up_by_dtr_whoever_ends_it():
    with guarded_line() as modem:
        with Client(MODEM) as client:
            dial(client)
            falls = modem.falls
            say(client, b"+++" + DEAR)
            assert modem.falls == falls and modem.has_dtr()
            client.send(b"\r")
            client.read(1)
        wait_for("the line's release", no_locks)
        # DCD was seen to fall, and DTR not raised again for a look at the modem.
        assert (modem.falls, modem.has_dtr(), modem.hayes.in_call) == (falls + 1, False, False)
        with Client(MODEM) as client:
            dial(client)
            falls = modem.falls
            sh("modemctl hangup " + LINE)
            client.read_to_end()
            wait_for("the line's release", no_locks)
            assert (modem.falls, modem.has_dtr(), modem.hayes.in_call) == (falls + 1, False, False)
        assert aside() == []
        assert modem.hayes.dialled == [FREE] * 2, modem.hayes.dialled


@test
def what_is_under_way_when_carrier_is_lost_dials_nothing_and_the_next_call_works():
    with guarded_line() as modem, Client(MODEM) as client:
        lost_before = len(journal(CALL, "MODEMD_REASON=carrier-lost"))
        piece = {"nothing but commands": DEAR * 20, "commands amid data": b"-" * 2_000 + DEAR * 3}
        for what, at in zip(piece, (701, 1_234), strict=True):
            dial(client)
            falls, sent, got, modem.loses_at = modem.falls, 0, b"", at
            while b"NO CARRIER\r\n" not in got:
                has_room = sent - len(modem.hayes.heard) < WINDOW
                readable, writable, _ = select.select([client.socket], [client.socket] if has_room else [], [], 0.1)
                if writable:
                    sent += client.socket.send(piece[what])
                if readable:
                    more = client.socket.recv(65536)
                    assert more, got[-200:]
                    got += more
                assert not modem.wrong and len(got) < 100_000, (modem.wrong, got[-200:])
            wait_for("end of DTR", lambda: modem.falls > falls)
            print(f"    {what}: {sent} octets sent, {len(modem.hayes.heard)} heard before, {modem.falls - falls} falls")
        dial(client)
        say(client, b"and on")
        assert modem.hayes.registers[2] == 255
        assert modem.hayes.dialled == [FREE] * (len(piece) + 1), modem.hayes.dialled
        assert len(journal(CALL, "MODEMD_REASON=carrier-lost")) == lost_before + len(piece)


@test
def a_far_side_that_says_no_carrier_ends_no_call_that_has_carrier():
    with guarded_line() as modem, Client(MODEM) as client:
        dial(client)
        falls = modem.falls
        words = b"\r\nNO CARRIER\r\n"
        # With something behind it, as the last for a while, and amid commands.
        for octets in (words + b"x", words, DEAR + words + DEAR, b"."):
            say(client, octets)
        assert modem.hayes.in_call and modem.falls == falls
        assert modem.hayes.dialled == [FREE], modem.hayes.dialled


@test
def a_modem_that_does_not_hang_up_is_set_aside_and_tried_again_when_told():
    with guarded_line() as modem:
        with Client(MODEM) as client:
            dial(client)
            modem.stubborn = True
        wait_for("the line's release", no_locks)
        (why,) = aside()
        assert "does not hang up" in why, why
        with Client(MODEM) as client:
            assert b"ERROR: no modem here works" in client.read_to_end()
        # Somebody switches it off and on.
        modem.stubborn = False
        modem.hayes.dtr_fell()
        sh(f"modemctl resume {LINE}")
        with Client(MODEM) as client:
            dial(client)
        wait_for("the line's release", no_locks)
        assert aside() == []


@test
def hanging_up_by_nothing_leaves_dtr_up():
    configure(f'devices = ["{LINE}"]', '[ports.modem.modem]\ninit = []\nhangup = "none"')
    with Tty(OTHER).raw() as modem:
        with Client(MODEM) as client:
            talk(client, modem)
            changes = modem.changes()
        wait_for("the line's release", no_locks)
        with Client(MODEM) as client:
            talk(client, modem)
        wait_for("the line's release", no_locks)
        # It is the kernel who would drop DTR, when nobody has the line open any more.
        wait_for("the line's closing", lambda: LINE not in sh(f"ls -l /proc/{main_pid()}/fd"))
        assert modem.lines() & DSR and modem.changes() == changes
        # Whoever has the line next finds it as others leave it.
        with Tty(LINE) as line:
            line.raw()
        wait_for("end of DTR", lambda: modem.lines() & DSR == 0)
