"""What the tests that run inside a machine of their own share."""

import subprocess
import sys
import time
import traceback

# A busy machine under emulation is slow; nothing here should take half as long.
PATIENCE = 40.0

TESTS = []


class Skip(Exception):
    """What a test needs is not here."""


def test(function):
    TESTS.append(function)
    return function


def wait_for(what, condition, limit=PATIENCE):
    """Waits until `condition` gives something true, and gives that."""
    deadline = time.monotonic() + limit
    while True:
        got = condition()
        if got:
            return got
        assert time.monotonic() < deadline, f"no {what} within {limit} s"
        time.sleep(0.01)


def write_file(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def sh(command, check=True):
    """What a shell command writes, both streams; with `check`, it must succeed."""
    done = subprocess.run(command, shell=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert not check or done.returncode == 0, f"`{command}` exits {done.returncode}:\n{done.stdout}"
    return done.stdout.strip()


def run(cases, words):
    """Runs the (name, function) pairs whose names contain one of `words`, all if there are none.

    Gives the exit code: 0 if none failed and some ran.
    """
    sys.stdout.reconfigure(line_buffering=True)
    count = {"ok": 0, "FAIL": 0, "SKIP": 0}
    for name, function in cases:
        if words and not any(word in name for word in words):
            continue
        began = time.monotonic()
        try:
            function()
            result, why = "ok", ""
        except Skip as skip:
            result, why = "SKIP", f": {skip}"
        except Exception:
            result, why = "FAIL", ":\n" + traceback.format_exc()
        count[result] += 1
        print(f"{result} {name} {time.monotonic() - began:.1f} s{why}")
    print(", ".join(f"{number} {result}" for result, number in count.items()))
    return 1 if count["FAIL"] or not count["ok"] else 0
