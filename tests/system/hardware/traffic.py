"""Data both ways through a call, for as long as it takes, with a look at every octet that arrives."""

import os
import random
import select
import socket
import threading
import time

from guest import PATIENCE, wait_for

# No two places look alike. None of the octets means anything to telnet.
PATTERN = bytes(random.Random(5).choices(range(255), k=1 << 16))
# So many octets know their place.
SURE = 16
# What may have been lost in one place and is still found out.
FAR = 32 * 1024
# More than a line takes, and less than keeps this machine from all else.
PIECE, PAUSE = 512, 0.02


def pattern(start, count):
    start %= len(PATTERN)
    return (PATTERN + PATTERN)[start:start + count]


class Stream:
    """One direction. Never more than `window` octets are on their way, so that no buffer overflows."""

    def __init__(self, name, window, send):
        self.name, self.window, self.send = name, window, send
        self.sent = self.arrived = 0
        self.lost = []
        self._unknown = b""

    def has_room(self):
        return self.sent - self.arrived < self.window

    def send_some(self):
        try:
            self.sent += self.send(pattern(self.sent, min(PIECE, self.window - self.sent + self.arrived)))
        except BlockingIOError:
            pass

    def take(self, octets):
        octets = self._unknown + octets
        self._unknown = b""
        while octets:
            expected = pattern(self.arrived, len(octets))
            same = len(octets if octets == expected else os.path.commonprefix([octets, expected]))
            self.arrived += same
            octets = octets[same:]
            if octets and len(octets) < SURE:
                self._unknown = octets
                break
            if octets:
                gap = pattern(self.arrived, FAR).find(octets[:SURE])
                assert gap > 0, f"{self.name}: not what was sent, after {self.arrived} octets: {octets[:40]!r}"
                self.lost.append(gap)
                self.arrived += gap


def received(client):
    return client.socket.recv(65536) or None


class Traffic:
    """Data between a client and the modem, a Tty, until the block ends; there and back as much as `windows` say.

    The block fails if not everything arrives, apart from what `lost` tells. `octets_of` gives what has come
    to the client, or None at the end.
    """

    def __init__(self, client, modem, windows=(12_000, 4_000), octets_of=received):
        self.client, self.modem, self.octets_of = client, modem, octets_of
        # What a client sends is stopped by modemd, and may be more than fits into it.
        self.to_modem = Stream("to the modem", windows[0], lambda data: client.socket.send(data, socket.MSG_DONTWAIT))
        self.to_client = Stream("to the client", windows[1], lambda data: os.write(modem.fd, data))
        self.streams = (self.to_modem, self.to_client)
        self.wrong, self.ends = None, False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        try:
            while not self.ends or any(stream.arrived < stream.sent for stream in self.streams):
                ends = [(self.client.socket, self.to_modem), (self.modem.fd, self.to_client)]
                senders = [] if self.ends else [end for end, stream in ends if stream.has_room()]
                readable, writable, _ = select.select([end for end, _ in ends], senders, [], 0.1)
                for end, stream in ends:
                    if end in writable:
                        stream.send_some()
                if self.client.socket in readable:
                    octets = self.octets_of(self.client)
                    assert octets is not None, "the client was cut off"
                    self.to_client.take(octets)
                if self.modem.fd in readable:
                    self.to_modem.take(os.read(self.modem.fd, 4096))
                time.sleep(PAUSE)
        except (AssertionError, OSError) as error:
            self.wrong = error

    @property
    def lost(self):
        return sum(sum(stream.lost) for stream in self.streams)

    def goes_on(self, amount=5_000):
        """Waits until so much more has arrived at both ends."""
        goals = [(stream, stream.arrived + amount) for stream in self.streams]

        def is_reached():
            if self.wrong:
                raise AssertionError(f"{self!r}") from self.wrong
            return all(stream.arrived >= goal for stream, goal in goals)

        try:
            wait_for("traffic", is_reached)
        except AssertionError as error:
            raise AssertionError(f"{self!r}") from error

    def __repr__(self):
        return "; ".join(f"{s.name}: {s.sent} sent, {s.arrived} arrived, {s.lost} lost" for s in self.streams)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.ends = True
        self.thread.join(PATIENCE)
        if not kind:
            if self.wrong:
                raise AssertionError(f"{self!r}") from self.wrong
            assert not self.thread.is_alive(), f"not all has arrived: {self!r}"
