"""What can be done from inside a service's sandbox: tries it, and tells the client that came for it.

Runs in modemd's place, with the sockets that systemd hands it. In the place of `modemctl attach`, which is handed
none, it tells a file.
"""

import ctypes
import errno
import json
import mmap
import os
import pty
import signal
import socket
import stat
import struct
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.mmap.restype = ctypes.c_void_p
# sched.h
NAMESPACES = {"mount": 0x20000, "cgroup": 0x2000000, "uts": 0x4000000, "ipc": 0x8000000, "user": 0x10000000,
              "pid": 0x20000000, "network": 0x40000000}
AF_UNSPEC, AF_VSOCK = 0, 40


def result(function):
    """`done`, or the name of the error."""
    try:
        function()
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
    return "done"


def checked(function, *arguments):
    def call():
        if function(*arguments) == -1:
            raise OSError(ctypes.get_errno(), "")

    return result(call)


def open_device(path):
    os.close(os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK))


def devices():
    """What opening each device gives, by its path."""
    found = {}
    for folder, _, files in os.walk("/dev"):
        for path in (os.path.join(folder, file) for file in files):
            mode = os.lstat(path).st_mode
            if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
                found[path] = result(lambda path=path: open_device(path))
    return found


def writable():
    """What of the file system can be written, devices and /proc aside."""
    found = []
    for folder, folders, files in os.walk("/"):
        if folder == "/":
            folders.remove("proc")
        if os.access(folder, os.W_OK):
            found.append(folder)
        for path in (os.path.join(folder, file) for file in files):
            if stat.S_ISREG(os.lstat(path).st_mode) and os.access(path, os.W_OK):
                found.append(path)
    return found


def create(folder):
    path = os.path.join(folder, "probe")
    with open(path, "w", encoding="utf-8"):
        pass
    os.unlink(path)


def make_executable_later():
    """Writes to memory first, and wants to run it then."""
    kind = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    page = LIBC.mmap(None, mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_WRITE, kind, -1, 0)
    return checked(LIBC.mprotect, ctypes.c_void_p(page), mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_EXEC)


def set_user_id_bit():
    path = "/tmp/probe-suid"
    try:
        with open(path, "w", encoding="utf-8"):
            pass
        os.chmod(path, 0o4755)
    finally:
        os.unlink(path)


def turn_outward(client, target):
    """Makes a socket that was handed in call somebody else."""
    nobody = struct.pack("H14x", AF_UNSPEC)
    if LIBC.connect(client.fileno(), nobody, len(nobody)) == -1:
        return errno.errorcode[ctypes.get_errno()]
    # The socket is one for both families.
    address, port = target
    client.settimeout(1)
    return result(lambda: client.connect((f"::ffff:{address}", port)))


def make_terminal():
    """A pseudo terminal for the group that this runs as; its path, owners and mode, as seen from here."""
    _, slave = pty.openpty()
    path = os.ttyname(slave)
    os.chown(path, -1, os.getegid())
    os.chmod(path, 0o660)
    found = os.stat(path)
    return [path, found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)]


def listen():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()


def probe():
    with open("/proc/self/status", encoding="utf-8") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    with open("/proc/self/net/dev", encoding="utf-8") as file:
        interfaces = [line.split(":")[0].strip() for line in file if ":" in line]
    families = {"unix": socket.AF_UNIX, "inet": socket.AF_INET, "inet6": socket.AF_INET6, "netlink": socket.AF_NETLINK,
                "packet": socket.AF_PACKET, "vsock": AF_VSOCK}
    return {
        "user": [os.getuid(), os.getgid()],
        "status": {key: status[key] for key in
                   ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp")},
        "sockets": {name: result(lambda family=family: socket.socket(family, socket.SOCK_DGRAM).close())
                    for name, family in families.items()},
        "interfaces": interfaces,
        "devices": devices(),
        "writable": writable(),
        "created": {folder: result(lambda folder=folder: create(folder))
                    for folder in ("/", "/etc", "/usr", "/var", "/run", "/home", "/root", "/opt", "/dev", "/sys",
                                   "/dev/shm", "/var/lib", "/var/log", "/etc/modemd", "/run/lock", "/run/modemd",
                                   "/run/modemd/private", "/run/modemd/attach", "/run/modemd/tty", "/tmp",
                                   "/var/tmp")},
        "in /tmp": os.listdir("/tmp"),
        "control": result(lambda: socket.socket(socket.AF_UNIX).connect("/run/modemd/io.modemd")),
        "private": result(lambda: os.listdir("/run/modemd/private")),
        "configuration": result(lambda: open("/etc/modemd/modemd.toml", encoding="utf-8").close()),
        "processes": [name for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()],
        "namespaces": {name: checked(LIBC.unshare, flag) for name, flag in NAMESPACES.items()},
        "writable and executable": result(lambda: mmap.mmap(-1, mmap.PAGESIZE, prot=7).close()),
        "made executable": make_executable_later(),
        "set-user-id": result(set_user_id_bit),
        "realtime": result(lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))),
        "personality": checked(LIBC.personality, 0x0008),  # PER_LINUX32
        "host name": checked(LIBC.sethostname, b"probe", 5),
        "mount": checked(LIBC.mount, b"none", b"/tmp", b"tmpfs", 0, None),
        "kernel log": checked(LIBC.klogctl, 2, ctypes.create_string_buffer(8), 8),
        "become root": result(lambda: os.setuid(0)),
    }


def say_ready():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])


def main():
    if "LISTEN_FDS" not in os.environ and "NOTIFY_SOCKET" in os.environ:
        found = {**probe(), "terminal": make_terminal(), "listen": result(listen),
                 "of modemd": os.listdir("/run/modemd")}
        with open("/run/modemd/attach/found", "w", encoding="utf-8") as file:
            json.dump(found, file)
        say_ready()
        signal.sigwait([signal.SIGTERM])
        return
    if "NOTIFY_SOCKET" in os.environ:
        # Beside its port's, the shared daemon is handed the control socket, in any order.
        names = os.environ["LISTEN_FDNAMES"].split(":")
        handed = socket.socket(fileno=3 + next(at for at, name in enumerate(names) if name != "@control"))
        say_ready()
    else:
        # In the place of what answers a scrape.
        handed = socket.socket(fileno=0)
    is_listener = handed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    while True:
        client = handed.accept()[0] if is_listener else handed
        order = client.recv(100).decode().split()
        if order[0] == "PROBE":
            client.sendall(json.dumps(probe()).encode())
        else:
            # To where, and with what to tell that it worked.
            print("turned outward:", turn_outward(client, (order[1], int(order[2]))), flush=True)
        client.close()
        if not is_listener:
            sys.exit()


main()
