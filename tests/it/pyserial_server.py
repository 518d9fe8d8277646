"""pyserial's RFC 2217 server: one client at a time has the line. Arguments: the device, the TCP port."""

import socket
import sys
import threading

import serial
import serial.rfc2217


class PseudoTerminal(serial.Serial):
    """Has no signals (ENOTTY): as if there were a modem that is ready, and nobody saw DTR and RTS."""

    cts = dsr = cd = property(lambda self: True)
    ri = property(lambda self: False)

    def _update_dtr_state(self) -> None:
        pass

    _update_rts_state = _update_dtr_state


class Client:
    """What a PortManager writes to, from more than one thread."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.lock = threading.Lock()

    def write(self, octets: bytes) -> None:
        with self.lock:
            self.connection.sendall(octets)


def serve(line: serial.Serial, connection: socket.socket) -> None:
    client = Client(connection)
    manager = serial.rfc2217.PortManager(line, client)
    gone = threading.Event()

    def from_line() -> None:
        while not gone.is_set():
            octets = line.read(line.in_waiting or 1)
            if octets:
                client.write(b"".join(manager.escape(octets)))

    reader = threading.Thread(target=from_line)
    reader.start()
    try:
        while octets := connection.recv(1024):
            line.write(b"".join(manager.filter(octets)))
    finally:
        gone.set()
        reader.join()
        connection.close()


def main() -> None:
    device, port = sys.argv[1:]
    with socket.create_server(("127.0.0.1", int(port))) as listener:
        while True:
            connection, _ = listener.accept()
            with PseudoTerminal(device, 300, timeout=0.1) as line:
                serve(line, connection)


main()
