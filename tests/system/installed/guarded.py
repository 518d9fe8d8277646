"""Ports whose clients may not dial every number: the guard, call records, and modems set aside, in the sandbox."""

import contextlib
import json
import os
import signal
import time

from caller import Caller
from calls import death, restart
from guest import sh, test, wait_for
from modem import Line, Telephone
from server import apply, locks, port, serving

FREE, DEAR = "0800123", "0900123"
BOTH = ("shared", "per-connection")
# Times of the client's own escape sequence, in fiftieths of a second and in seconds.
GUARD_TIME, SILENCE = 5, 0.2


def guarded_port(*modems, dial="", timeout="10s", **keys):
    """A port with this table `dial`, and in it what every number that is free begins with."""
    head = port(devices=[modem.device for modem in modems], allow=["localhost"], **keys)
    name = keys.get("name", "modem")
    return head + f'[ports.{name}.modem]\ntimeout = "{timeout}"\n[ports.{name}.dial]\nallow = ["0800*"]\n{dial}\n'


def command(client, line, until):
    """Types a command; what is said up to and with this word, which has a line of its own."""
    client.send(line.encode() + b"\r")
    said = client.hear(f"\r\n{until}\r\n".encode())
    assert said.endswith(f"{until}\r\n".encode()), (line, said)
    return said


def talk(client, octets):
    """Says something to the far side, which says the same."""
    client.send(octets)
    assert (said := client.hear(octets)) == octets, said


def escape(client):
    """The client goes to command state, and leaves the call as it is."""
    time.sleep(SILENCE)
    client.send(b"+++")
    assert (said := client.hear(b"\r\nOK\r\n")).endswith(b"OK\r\n"), said


@contextlib.contextmanager
def calling(number=2006):
    """A client of a port whose lines are all free before and after."""
    with Caller(number) as client:
        client.name = "{}:{}".format(*client.socket.getsockname())
        yield client
    wait_for("the line", lambda: not locks())


def calls(of):
    """What modemctl tells of the calls of this client."""
    sh("journalctl --sync")
    told = [json.loads(line) for line in sh("modemctl calls --since -1h --json").splitlines()]
    return [call for call in told if call["client"] == of.name]


def calls_until(of, count):
    return wait_for(f"{count} calls", lambda: len(found := calls(of)) >= count and found)


@contextlib.contextmanager
def local_time(zone):
    """The administrator has moved this machine."""
    before = os.readlink("/etc/localtime")
    try:
        sh(f"ln -sf /usr/share/zoneinfo/{zone} /etc/localtime")
        yield
    finally:
        sh(f"ln -sf {before} /etc/localtime")


@test
def an_allowed_number_connects_and_a_forbidden_one_is_refused_and_both_are_told_of():
    for instance in BOTH:
        modem = Telephone()
        with serving(guarded_port(modem, instance=instance)):
            with calling() as client:
                command(client, f"ATS12={GUARD_TIME}", "OK")
                command(client, "ATDT 0800-123", "CONNECT 33600")
                data = b"+++ATDT0900123\r" + bytes(range(256)) + b"+++"
                talk(client, data)
                escape(client)
                # Not with a call still up, whatever the number.
                command(client, f"ATD{DEAR}", "ERROR")
                command(client, "ATH", "OK")
                assert modem.hung_up and not modem.hayes.in_call
                for line in (f"ATDT{DEAR}", f"ATDT0800;DT{DEAR}", f"ATD{FREE}@W{DEAR};"):
                    command(client, line, "NO CARRIER")
                command(client, "ATE0S2=43&W", "ERROR")
                command(client, "AT", "OK")
                told = calls_until(client, 4)
            assert modem.hayes.dialled == [FREE], modem.hayes.dialled
            refused = [call for call in told if call["reason"] == "refused"]
            (called,) = (call for call in told if call not in refused)
            assert (called["number"], called["result"], called["reason"]) == (FREE, "CONNECT 33600", "hung-up"), called
            assert called["line"] == modem.device and called["direction"] == "outgoing", called
            # The escape sequence went to the far side, too.
            assert called["to_line"] in (len(data), len(data) + 3), called
            # With what the guard itself has said since.
            assert len(data) <= called["to_client"] < 2 * len(data), called
            assert called["duration_usec"] >= SILENCE * 1e6, called
            assert len(refused) == 3 and all("result" not in call for call in refused), refused
            assert refused[0]["number"] == DEAR and refused[0]["why"], refused


@test
def calls_per_hour_are_counted_over_sessions_and_kinds_of_instances():
    modem = Telephone()
    keys = {"name": "counted", "listen": ["2007"], "dial": "calls_per_hour = 3"}
    plain = port(devices=[Line().device], allow=["localhost"])

    def call(until):
        with calling(2007) as client:
            command(client, f"ATDT{FREE}", until)
            return client

    with serving(plain, guarded_port(modem, instance="per-connection", **keys)):
        call("CONNECT 33600")
        call("CONNECT 33600")
        assert os.path.exists("/run/modemd/private/accounts"), sh("ls /run/modemd/private")
        apply(plain, guarded_port(modem, instance="shared", **keys))
        call("CONNECT 33600")
        for change in (lambda: None, restart, lambda: apply(plain, guarded_port(modem, instance=BOTH[1], **keys))):
            change()
            (refused,) = calls_until(call("NO CARRIER"), 1)
            assert refused["reason"] == "refused" and "calls_per_hour" in refused["why"], refused
    assert modem.hayes.dialled == [FREE] * 3, modem.hayes.dialled


@test
def hours_are_those_of_the_machines_own_time():
    # POSIX's sign: six hours ahead of UTC. Two hours around now, there.
    east, hour = "Etc/GMT-6", time.gmtime().tm_hour + 6
    hours = f'hours = ["{(hour - 1) % 24:02}:00-{(hour + 2) % 24:02}:00"]'
    for instance in BOTH:
        modem = Telephone()
        with serving(guarded_port(modem, instance=instance, dial=hours)):
            for zone, until in (("Etc/UTC", "NO CARRIER"), (east, "CONNECT 33600")):
                with local_time(zone):
                    # modemd remembers it for some minutes.
                    sh("systemctl stop modem.service")
                    with calling() as client:
                        command(client, f"ATDT{FREE}", until)
                        if until == "NO CARRIER":
                            (refused,) = calls_until(client, 1)
                            assert "hours" in refused["why"], refused
        assert modem.hayes.dialled == [FREE], modem.hayes.dialled


@test
def a_guarded_call_goes_on_over_a_restart_and_a_death_and_so_does_its_guard():
    for change in (restart, death(signal.SIGKILL)):
        modem = Telephone()
        with serving(guarded_port(modem)):
            with calling() as client:
                command(client, f"ATS12={GUARD_TIME}", "OK")
                # Half a line of before and half a line of after.
                client.send(b"ATDT09")
                assert client.hear(b"ATDT09") == b"ATDT09"
                change()
                command(client, "00123", "NO CARRIER")
                command(client, f"ATDT{FREE}", "CONNECT 33600")
                talk(client, b"before")
                hung_up = modem.hung_up
                change()
                talk(client, b"+++ATDT0900123\rafter")
                assert modem.hung_up == hung_up and modem.hayes.in_call
                escape(client)
                # What a process does in the moment of its death may be lost: here one more turn.
                command(client, "AT", "OK")
                change()
                command(client, "AT&W", "ERROR")
                command(client, "ATO", "CONNECT")
                talk(client, b"and on")
                escape(client)
                command(client, "ATH", "OK")
                change()
                command(client, f"ATDT{DEAR}", "NO CARRIER")
                command(client, "ATDL", "CONNECT 33600")
                talk(client, b"again")
                refused, called, *_ = calls_until(client, 3)
                assert (refused["number"], refused["reason"]) == (DEAR, "refused"), refused
                assert (called["number"], called["reason"]) == (FREE, "hung-up"), called
                assert called["to_line"] >= len(b"before+++ATDT0900123\rafterand on"), called
                assert called["duration_usec"] > 0, called
        assert modem.hayes.dialled == [FREE] * 2, modem.hayes.dialled


@test
def a_modem_that_does_not_answer_is_set_aside_until_it_is_resumed():
    silent, modem = Telephone("silent"), Telephone("another")
    silent.is_silent = True

    def serve(instance):
        return guarded_port(silent, modem, timeout="1s", instance=instance)

    def aside():
        lines = json.loads(sh("modemctl status --json"))["lines"]
        return {line["line"]: line["aside"]["why"] for line in lines if line.get("aside")}

    with serving(serve("per-connection")):
        with calling() as client:
            assert b"another" in command(client, "ATI", "OK")
            assert list(aside()) == [silent.device] and "no answer to" in aside()[silent.device], aside()
            told = sh("modemctl status")
            assert "Set aside for a while" in told and silent.device in told, told
            asked = silent.asked
            assert asked > 0
            # Nobody asks it again, in no process.
            with Caller(2006) as another:
                assert another.hear(b"BUSY\r\n") == b"\r\nBUSY\r\n"
        apply(serve("shared"))
        with calling() as client:
            assert b"another" in command(client, "ATI", "OK")
        assert silent.asked == asked and list(aside()) == [silent.device], (silent.asked, asked, aside())
        silent.is_silent = False
        assert "is tried again" in sh(f"modemctl resume {silent.device}")
        assert aside() == {}
        with calling() as client:
            assert b"silent" in command(client, "ATI", "OK")
        assert aside() == {}
