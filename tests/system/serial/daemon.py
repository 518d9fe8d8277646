"""modemd and `modemctl attach`, started by a test with a configuration of its own."""

import glob
import json
import os
import re
import shutil
import subprocess
import threading
import time

from client import Client
from com_port import ComPort
from guest import PATIENCE, wait_for, write_file

MODEMD = "/usr/sbin/modemd"
MODEMCTL = "/usr/bin/modemctl"
USER = "modemtest"
AS_ROOT = []


class Program:
    """A program of ours that runs while the block does, and what it says."""

    def __init__(self, who, *command):
        self.log, self.heard = [], set()
        if who == "dialout":
            command = ["setpriv", f"--reuid={USER}", "--regid=dialout", "--clear-groups", *command]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        for line in self.process.stderr:
            self.log.append(line.rstrip())

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        ended = self.process.poll()
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            assert kind, f"{self.process.args} does not stop"
        if kind:
            print("    | " + "\n    | ".join(self.log))
        else:
            assert ended is None, f"{self.process.args} has ended with {ended}: {self.log}"
            assert not any("panicked" in line for line in self.log), self.log

    def expect(self, pattern, limit=PATIENCE):
        """Waits for a line of the log that was not asked for yet, and gives it."""
        def find():
            for number, line in enumerate(self.log):
                if number not in self.heard and re.search(pattern, line):
                    self.heard.add(number)
                    return line
            return None
        return wait_for(f"`{pattern}` in the log", find, limit)


class Modemd(Program):
    """modemd with the given ports: name -> what the configuration says of it."""

    def __init__(self, who, **ports):
        self.who = who
        self.ports = {name: 3001 + number for number, name in enumerate(ports)}
        text = '[server]\nuser = "root"\n'
        for name, settings in ports.items():
            # A client that closes is not waited for; tests that care say otherwise.
            if "linger" not in settings:
                settings += '\nlinger = "300ms"'
            text += f'[ports.{name}]\nlisten = ["127.0.0.1:{self.ports[name]}"]\nallow = ["localhost"]\n{settings}\n'
        write_file("/run/modemd-test.toml", text)
        self.run_dir = f"/run/modemd-of-{who}"
        if not os.path.isdir(self.run_dir):
            os.mkdir(self.run_dir)
            shutil.chown(self.run_dir, USER if who == "dialout" else "root")
        super().__init__(who, MODEMD, "--standalone", "--config", "/run/modemd-test.toml", "--run-dir", self.run_dir)
        for _ in ports:
            self.expect(r"listening on")

    def __exit__(self, kind, *_):
        super().__exit__(kind)
        if not kind:
            left = glob.glob("/run/lock/LCK..*")
            assert not left, f"lock files left: {left}"

    def client(self, port):
        return Client(self.ports[port])

    def session(self, port):
        """A client that has its line."""
        client = self.client(port)
        self.expect(f"{port}: .* is on ")
        return client

    def com_port(self, port):
        """A client of a telnet port that has its line and controls it."""
        client = ComPort(self.ports[port])
        self.expect(f"{port}: .* is on ")
        return client

    def modemctl(self, *words):
        """What modemctl prints of this modemd."""
        command = [MODEMCTL, "--socket", f"{self.run_dir}/io.modemd", *words]
        return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout

    def shown(self):
        """The only session, as modemctl has it."""
        (session,) = json.loads(self.modemctl("status", "--json"))["sessions"]
        return session

    def left(self, port, limit=PATIENCE):
        return self.expect(f"{port}: .* left ", limit)

    def is_responsive_while(self, port, other_end, done, limit):
        """Sends bytes through another line until `done()`; gives the longest time one took."""
        longest, deadline = 0.0, time.monotonic() + limit
        with self.client(port) as client:
            self.expect(f"{port}: .* is on ")
            while not done() and time.monotonic() < deadline:
                before = time.monotonic()
                client.send(b".")
                assert other_end.read(1) == b".", "a byte was lost"
                longest = max(longest, time.monotonic() - before)
                time.sleep(0.02)
        self.left(port)
        assert done(), f"not done within {limit} s; longest stall {longest:.2f} s"
        return longest


class Attached(Program):
    """A port of modemd that programs here find at `path`."""

    def __init__(self, daemon, port, *options):
        self.path = f"{daemon.run_dir}/{port}"
        control = f"{daemon.run_dir}/io.modemd"
        server = f"127.0.0.1:{daemon.ports[port]}"
        super().__init__(daemon.who, MODEMCTL, "--socket", control, "attach", server, "--link", self.path, *options)
        wait_for("the link", lambda: os.path.exists(self.path) or self.process.poll() is not None)
        assert os.path.exists(self.path), self.log

    def __exit__(self, kind, *_):
        super().__exit__(kind)
        assert kind or not os.path.lexists(self.path), "the link is left"


def also_as_root(function):
    AS_ROOT.append(function)
    return function


def device(path, more=""):
    return f'devices = ["{path}"]\n{more}'


def telnet(path, more=""):
    return device(path, f'protocol = "telnet"\n{more}')
