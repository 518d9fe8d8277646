"""A client of modemd."""

import socket

from guest import PATIENCE


class Client:
    """Somebody on this machine who connects to a port of modemd, by its number."""

    def __init__(self, number):
        self.socket = socket.create_connection(("127.0.0.1", number), PATIENCE)
        self.socket.settimeout(PATIENCE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def read(self, count):
        got = b""
        while len(got) < count:
            more = self.socket.recv(65536)
            if not more:
                break
            got += more
        return got

    def read_to_end(self):
        got = b""
        try:
            while more := self.socket.recv(65536):
                got += more
        except ConnectionResetError:
            pass
        return got
