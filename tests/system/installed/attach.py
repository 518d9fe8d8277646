"""Lines of other machines as devices of this one: modem-attach@NAME.service.

The other machine is this one, too: its modemd has the lines.
"""

import contextlib
import glob
import grp
import os
import signal
import subprocess

from clients import FRIEND, SERVER, name_server
from guest import PATIENCE, sh, test, wait_for, write_file
from modem import Modem
from server import BEGAN, ENDED, Journal, loaded, pid, port, serving, show

CONFIGURATION = "/etc/modemd/attach.toml"
# A user and a group that nothing here belongs to; and that user in the group that may use lines.
ANYBODY = {"user": 4001, "group": 4001, "extra_groups": ()}
CALLER = {**ANYBODY, "extra_groups": (grp.getgrnam("dialout").gr_gid,)}
# A program as good as any: it speaks to the modem until it has the answer, and closes the device when its own
# input ends. What it says is what came.
ASK = r"""
exec 3<> "$1"
stty -F "$1" raw -echo 9600
printf 'ATI\r' >&3
dd bs=1 count="$2" <&3 2> /dev/null
read line
"""


def unit(name):
    return f"modem-attach@{name}.service"


def device(name):
    return f"/dev/modemd/{name}"


def configure(text):
    write_file(CONFIGURATION, text)


def attachment(name, server, protocol="telnet"):
    return f'[{name}]\nserver = "{server}"\nprotocol = "{protocol}"\n'


@contextlib.contextmanager
def attached(*tables):
    """What attach.toml says, attached until the block ends; then nothing may be left."""
    names = [table[1 : table.index("]")] for table in tables]
    units = " ".join(map(unit, names))
    try:
        configure("\n".join(tables))
        sh(f"systemctl start {units}")
        yield
        sh(f"systemctl stop {units}")
        assert glob.glob("/run/modemd/tty/*") + glob.glob("/run/modemd/attach/*") == []
    finally:
        sh(f"systemctl stop {units}; systemctl reset-failed {units}", check=False)
        os.unlink(CONFIGURATION)


def far_port(modem, number=2007, name="far", **keys):
    keys = {"allow": ["localhost"], **keys}
    return port(name, devices=[modem.device], listen=[str(number)], protocol="telnet", **keys)


class Program:
    """Asks the modem who it is, and has the device open until closed."""

    def __init__(self, name, who=CALLER):
        self.expected = f"\r\n{name}\r\n\r\nOK\r\n"
        self.process = subprocess.Popen(
            ["/bin/sh", "-e", "-c", ASK, "sh", device(name), str(len(self.expected))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **who,
        )

    def __enter__(self):
        return self

    def __exit__(self, error, *_):
        if error:
            # Its answer may never come.
            self.process.kill()
        self.close()

    def close(self):
        if not self.process.stdin.closed:
            self.process.communicate(b"\n", timeout=PATIENCE)

    def is_answered(self):
        # dd writes each byte as it comes.
        answer = b""
        while len(answer) < len(self.expected) and (more := os.read(self.process.stdout.fileno(), 100)):
            answer += more
        return answer.decode() == self.expected


def is_answered(name):
    with Program(name) as program:
        return program.is_answered()


def state(name, who=CALLER):
    """What `modemctl status` says of it, in words."""
    # That they may not ask modemd itself is not said.
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    said = subprocess.run(["modemctl", "status"], **streams, text=True, check=False, **who).stdout
    return next((line.split()[1:] for line in said.splitlines() if line.split()[:1] == [name]), [])


def wait_state(name, word):
    wait_for(f"state `{word}`", lambda: word in state(name))


@test
def a_device_of_a_far_modem_is_open_to_dialout_and_to_nobody_else():
    modem = Modem("fax")
    with serving(far_port(modem)), attached(attachment("fax", "localhost:2007")):
        assert sh(f"stat -L -c '%A %U %G' {device('fax')}") == "crw-rw---- modemd dialout"
        assert sh(f"ps -o user:20=,group:20= -p {pid(unit('fax'))}").split() == ["modemd", "dialout"]
        with Program("fax", ANYBODY) as program:
            assert "Permission denied" in program.process.stderr.readline().decode()
        assert "unknown" in state("fax", ANYBODY), state("fax", ANYBODY)
        assert is_answered("fax")


@test
def the_far_line_is_taken_when_a_program_opens_the_device_and_released_when_it_closes_it():
    modem = Modem("fax")
    with serving(far_port(modem)), attached(attachment("fax", "localhost:2007")):
        journal = Journal()
        wait_state("fax", "closed")
        assert journal.entries("MODEMD_PORT=far") == []
        with Program("fax") as program:
            assert program.is_answered()
            began = journal.wait("MODEMD_PORT=far", BEGAN)
            assert began["MODEMD_LINE"] == modem.device, began
            wait_state("fax", "connected")
            assert {"localhost:2007", "/run/modemd/tty/fax"} <= set(state("fax")), state("fax")
            told = wait_for("status", lambda: show(unit("fax"), "StatusText"))
            assert told in sh(f"systemctl status --no-pager {unit('fax')}"), told
            assert "connected" in told, told
        ended = journal.wait("MODEMD_PORT=far", ENDED)
        assert ended["MODEMD_REASON"] == "client-closed", ended
        wait_state("fax", "closed")
        assert is_answered("fax")


@test
def an_instance_that_stops_takes_its_device_along_and_leaves_the_others_theirs():
    one, two = Modem("one"), Modem("two")
    ports = far_port(one), far_port(two, 2008, name="further")
    with serving(*ports), attached(attachment("one", "localhost:2007"), attachment("two", "localhost:2008")):
        assert sorted(os.listdir("/dev/modemd")) == ["one", "two"]
        with Program("two") as program:
            assert program.is_answered()
            assert is_answered("one")
            before = os.path.realpath(device("two"))
            sh(f"systemctl stop {unit('one')}")
            assert os.listdir("/dev/modemd") == ["two"]
            assert os.listdir("/run/modemd/attach") == ["two"]
            assert os.path.realpath(device("two")) == before
            wait_state("two", "connected")
        assert is_answered("two")
        sh(f"systemctl start {unit('one')}")
        assert is_answered("one")


@test
def an_attached_line_that_is_killed_outright_comes_back():
    modem = Modem("fax")
    with serving(far_port(modem)), attached(attachment("fax", "localhost:2007")):
        with Program("fax") as program:
            assert program.is_answered()
            before = pid(unit("fax"))
            os.kill(before, signal.SIGKILL)
            wait_for("another process", lambda: pid(unit("fax")) not in (0, before))
            wait_for("start", lambda: show(unit("fax"), "ActiveState") == "active")
        assert os.listdir("/dev/modemd") == ["fax"]
        # The killed one may have the line for a moment.
        wait_for("answer", lambda: is_answered("fax"))


@test
def an_attached_line_needs_no_server_before_a_program_wants_it_and_then_waits_for_it():
    modem = Modem("fax")
    with attached(attachment("fax", "localhost:2007")):
        assert show(unit("fax"), "ActiveState") == "active"
        with Program("fax") as program:
            wait_state("fax", "retrying")
            assert "refused" in sh("modemctl status", check=False)
            assert "refused" in show(unit("fax"), "StatusText")
            with serving(far_port(modem)):
                assert program.is_answered()
                program.close()


@test
def a_mistake_in_attach_toml_is_told_in_the_journal_and_not_made_again_and_again():
    for text in ("[fax]\nserver = 2007\n", "[other]\nserver = 'localhost:2007'\n", "[fax\n", None):
        journal = Journal()
        if text is not None:
            configure(text)
        elif os.path.exists(CONFIGURATION):
            os.unlink(CONFIGURATION)
        sh(f"systemctl start {unit('fax')}", check=False)
        # Otherwise it would be on its way to the next start.
        assert show(unit("fax"), "ActiveState") == "failed", text
        assert show(unit("fax"), "NRestarts") == "0", text
        said = str([entry["MESSAGE"] for entry in journal.entries(f"_SYSTEMD_UNIT={unit('fax')}")])
        assert "attach.toml" in said, said
        sh(f"systemctl reset-failed {unit('fax')}")


@test
def a_server_is_found_by_its_name_from_inside_the_sandbox_with_resolved_and_without():
    modem = Modem("fax")
    names = name_server()
    names.knows(SERVER, "modemhost.example.org")
    paths = "/etc/nsswitch.conf", "/etc/resolv.conf"
    with serving(far_port(modem, allow=["localhost", SERVER])), attached(attachment("fax", "modemhost.example.org:2007")):
        assert is_answered("fax")
        for path in paths:
            os.rename(path, path + ".kept")
        try:
            write_file("/etc/nsswitch.conf", "hosts: files dns\n")
            write_file("/etc/resolv.conf", f"nameserver {FRIEND}\n")
            sh("systemctl stop systemd-resolved")
            sh(f"systemctl restart {unit('fax')}")
            names.asked.clear()
            assert is_answered("fax")
            assert ("modemhost.example.org", names.A) in names.asked, names.asked
        finally:
            for path in paths:
                os.rename(path + ".kept", path)
            sh("systemctl start systemd-resolved")


@test
def the_stable_name_is_there_from_the_start_of_the_system_and_systemd_finds_no_fault_with_the_unit():
    os.unlink("/dev/modemd")
    sh("systemctl restart systemd-tmpfiles-setup-dev.service")
    assert os.readlink("/dev/modemd") == "../run/modemd/tty"
    assert sh(f"systemd-analyze verify --man=no {unit('fax')}") == ""
    assert loaded() == [], loaded()
