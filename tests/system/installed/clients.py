"""Clients here and on another machine: a network namespace with a cable to this one."""

import ctypes
import functools
import os
import socket
import struct
import threading
from concurrent.futures import ThreadPoolExecutor

from guest import PATIENCE, sh, wait_for, write_file

SERVER = "10.99.0.1"
# Addresses of the other machine.
FRIEND, STRANGER = "10.99.0.2", "10.99.0.3"
MODEM_PORT = 2006

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000  # sched.h


def make_other_machine():
    sh(
        "ip link set lo up"
        " && ip netns add other && ip link add cable type veth peer name cable netns other"
        f" && ip address add {SERVER}/24 dev cable && ip link set cable up"
        f" && ip -n other address add {FRIEND}/24 dev cable && ip -n other address add {STRANGER}/24 dev cable"
        " && ip -n other link set cable up && ip -n other link set lo up"
    )


def on_other_machine(function):
    """Calls `function` there, and gives what it gives. A socket made there stays there."""

    def call():
        network = os.open("/run/netns/other", os.O_RDONLY)
        try:
            # Of this thread alone, which ends with the call.
            if LIBC.setns(network, CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        finally:
            os.close(network)
        return function()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(call).result()


def connect(port=MODEM_PORT, source=None, limit=PATIENCE):
    """A connection from this machine, or from an address of the other one; or by a path."""

    def here():
        if isinstance(port, str):
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(limit)
            client.connect(port)
            return client
        return socket.create_connection((SERVER if source else "127.0.0.1", port), limit, (source or "", 0))

    client = on_other_machine(here) if source else here()
    client.settimeout(PATIENCE)
    return client


def ask(client):
    """What the modem says about itself; less, if the connection ends before that."""
    answer = b""
    try:
        client.sendall(b"ATI\r")
        while not answer.endswith(b"OK\r\n"):
            more = client.recv(4096)
            if not more:
                break
            answer += more
    except (BrokenPipeError, ConnectionResetError):
        pass
    return answer.decode()


def is_served(*where, **how):
    """Whether a client gets through to a modem."""
    with connect(*where, **how) as client:
        return "OK" in ask(client)


def wait_served(*where, **how):
    """Waits until a client gets through: the one before may not have hung up yet."""
    wait_for("answer of a modem", lambda: is_served(*where, **how))


class Load:
    """Clients who come again and again until the block ends, and those who were not let in."""

    def __init__(self, clients):
        self.served, self.wrong = 0, []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.come_again) for _ in range(clients)]

    def come_again(self):
        while not self.over.is_set():
            try:
                is_served()
                self.served += 1
            except OSError as error:
                self.wrong.append(error)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def goes_on(self, times):
        """Waits until more than so many others have come and gone."""
        before = self.served
        wait_for("clients", lambda: self.served > before + times)


def is_refused(port=MODEM_PORT):
    """Whether nobody listens."""
    try:
        connect(port).close()
    except (ConnectionRefusedError, FileNotFoundError):
        return True
    return False


class NameServer:
    """A name server on the other machine (RFC 1035)."""

    PTR, A = 12, 1

    def __init__(self):
        self.names = {}
        self.asked = []
        self.socket = on_other_machine(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.socket.bind((FRIEND, 53))
        threading.Thread(target=self.serve, daemon=True).start()

    def knows(self, address, name):
        """The address leads to the name, and back."""
        reverse = ".".join(reversed(address.split("."))) + ".in-addr.arpa"
        labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
        self.names[reverse, self.PTR] = labels + b"\0"
        self.names[name, self.A] = socket.inet_aton(address)

    def serve(self):
        while True:
            question, source = self.socket.recvfrom(4096)
            labels, at = [], 12
            while question[at]:
                labels.append(question[at + 1 : at + 1 + question[at]].decode().lower())
                at += 1 + question[at]
            name, kind = ".".join(labels), struct.unpack_from("!H", question, at + 1)[0]
            self.asked.append((name, kind))
            data = self.names.get((name, kind))
            known = any(name == other for other, _ in self.names)
            # A response, recursion available; no such name.
            head = question[:2] + struct.pack("!HHHHH", 0x8180 if known else 0x8183, 1, int(bool(data)), 0, 0)
            reply = head + question[12 : at + 5]
            if data:
                # The name of the question, class IN, a minute.
                reply += struct.pack("!HHHIH", 0xC00C, kind, 1, 60, len(data)) + data
            self.socket.sendto(reply, source)


@functools.cache
def name_server():
    """The one that systemd-resolved asks from now on, until this system is switched off."""
    names = NameServer()
    os.makedirs("/run/systemd/resolved.conf.d")
    settings = f"[Resolve]\nDNS={FRIEND}\nDNSSEC=no\nMulticastDNS=no\nLLMNR=no\n"
    write_file("/run/systemd/resolved.conf.d/tests.conf", settings)
    sh("systemctl restart systemd-resolved")
    return names
