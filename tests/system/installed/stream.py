"""Streams over a call: endless, both ways at once, and each octet that arrives is looked at."""

import functools
import os
import random
import threading
import traceback

from guest import wait_for

BLOCK = 1 << 20
# So many octets are enough to be found again.
ENOUGH = 16
# Neither a power of two nor a multiple of anything.
CHUNK = 40_009


@functools.lru_cache(maxsize=16)
def block(seed, number):
    return random.Random(f"{seed} {number}").randbytes(BLOCK)


def octets(seed, start, count):
    """A part of a stream, which is random: every octet is in it, and every two next to each other."""
    number, start = divmod(start, BLOCK)
    found = block(seed, number)[start : start + count]
    while len(found) < count:
        number += 1
        found += block(seed, number)[: count - len(found)]
    return found


class Flow:
    """One direction: from `send` to `receive`, which gives nothing if nothing comes for a moment."""

    def __init__(self, seed, send, receive, is_read):
        self.seed, self.send, self.receive, self.is_read = seed, send, receive, is_read
        self.sent, self.arrived, self.lost = 0, 0, 0
        self.unsure = b""
        self.enough, self.poured = threading.Event(), threading.Event()
        self.wrong = None
        for work in (self.pour, self.drain):
            threading.Thread(target=self.watched, args=[work], daemon=True).start()

    def watched(self, work):
        try:
            work()
        except Exception:
            self.wrong = traceback.format_exc()

    def pour(self):
        while not self.enough.is_set() and not self.wrong:
            self.send(octets(self.seed, self.sent, CHUNK))
            self.sent += CHUNK
        self.poured.set()

    def drain(self):
        self.is_read.wait()
        while not self.is_over() and not self.wrong:
            self.take(self.receive(0.05))

    def is_over(self):
        return self.poured.is_set() and self.arrived + self.lost == self.sent

    def take(self, data):
        """Looks at what came: it must be what follows, or after a loss what follows a little later."""
        data, self.unsure = self.unsure + data, b""
        while data:
            place = self.arrived + self.lost
            expected = octets(self.seed, place, len(data))
            right = len(data) if data == expected else len(os.path.commonprefix([data, expected]))
            self.arrived += right
            data = data[right:]
            if data and len(data) < ENOUGH:
                self.unsure = data
                return
            if data:
                skipped = octets(self.seed, place + right, BLOCK).find(data[:ENOUGH])
                assert skipped > 0, f"{data[:ENOUGH]} was not sent after octet {place + right}, or came before"
                self.lost += skipped


class Stream:
    """A flow each way between a caller and the far end of a line."""

    def __init__(self, caller, line, is_read=True):
        self.is_read = threading.Event()
        if is_read:
            self.is_read.set()
        self.to_line = Flow("to the line", caller.send, line.receive, self.is_read)
        self.to_client = Flow("to the client", line.send, caller.receive, self.is_read)
        self.flows = (self.to_line, self.to_client)

    def is_right(self):
        for flow in self.flows:
            assert not flow.wrong, f"{flow.seed}, after {flow.arrived} of {flow.sent} octets:\n{flow.wrong}"
        return True

    def lost(self):
        return sum(flow.lost for flow in self.flows)

    def goes_on(self, more):
        """Waits until so much more has arrived on either side, and both are still sending."""
        marks = [flow.arrived + more for flow in self.flows]

        def has_come():
            return self.is_right() and all(flow.arrived >= mark for flow, mark in zip(self.flows, marks))

        wait_for(f"{more} more octets each way", has_come)

    def is_stuck(self):
        """Waits until nothing more is taken, since nobody reads."""
        seen = []

        def is_still():
            seen.append([flow.sent for flow in self.flows])
            return self.is_right() and all(seen[-1]) and seen[-30:] == [seen[-1]] * 30

        wait_for("standstill", is_still)

    def ends(self):
        """Sends no more, and waits for all that is on the way."""
        for flow in self.flows:
            flow.enough.set()
        wait_for("rest of the stream", lambda: self.is_right() and all(flow.is_over() for flow in self.flows))
