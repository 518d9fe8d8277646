"""What goes wrong, and the next client who is served all the same."""

import contextlib
import os
import select
import signal
import socket
import time

from clients import Load, ask, connect, wait_served
from guest import sh, test, wait_for
from modem import Line, Modem
from server import locks, pid, port, serving, show

BOTH = ("shared", "per-connection")
BURST = 10_000
# Connections open at a time, in a burst.
AT_ONCE = 500


def service_pids():
    return [int(word) for word in sh("pgrep -x modemd", check=False).split()]


def assert_listening():
    assert sh("systemctl is-active modem.socket") == "active"
    assert show("modem.socket", "Result") == "success"


def check_death(sign, times=6):
    """modemd dies of a signal so often, each time with a client on the line."""
    modem = Modem()
    with serving(port(devices=[modem.device], allow=["localhost"])):
        with connect() as client:
            for _ in range(times):
                assert "OK" in ask(client)
                kill(*service_pids(), sign)
            assert "OK" in ask(client)
        wait_served()
        assert_listening()
    with serving(port(devices=[modem.device], allow=["localhost"], instance="per-connection")):
        for _ in range(times):
            with wait_for("line", on_line) as client:
                kill(*service_pids(), sign)
                modem.end_exclusive_mode()
                assert is_over(client)
        wait_served()
        assert_listening()


def kill(victim, sign):
    def is_dead():
        try:
            os.kill(victim, sign)
        except ProcessLookupError:
            return True
        return False

    # Rust's runtime has a look at the first SIGSEGV, and lets the next kill.
    wait_for("death", is_dead)


def on_line():
    """A client that has the line, or nothing if it is not free yet."""
    client = connect()
    if "OK" in ask(client):
        return client
    client.close()
    return None


def is_over(client):
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


@test
def a_crash_costs_no_session_of_the_shared_daemon_and_that_of_an_instance_however_often_it_comes():
    check_death(signal.SIGSEGV)


@test
def being_killed_outright_costs_no_session_of_the_shared_daemon_and_that_of_an_instance():
    check_death(signal.SIGKILL)


@test
def a_daemon_that_hangs_is_replaced_and_its_session_goes_on():
    modem = Modem()
    quick = "[Service]\nWatchdogSec=1s\nTimeoutAbortSec=1s\n"
    with serving(port(devices=[modem.device], allow=["localhost"]), service=quick):
        with connect() as client:
            assert "OK" in ask(client)
            before = pid()
            os.kill(before, signal.SIGSTOP)
            wait_for("another process", lambda: pid() not in (0, before))
            assert "OK" in ask(client)
        wait_served()
        assert_listening()


@test
def restarting_under_load_refuses_nobody():
    modem = Modem()
    with serving(port(devices=[modem.device], allow=["localhost"])):
        processes = set()
        with Load(8) as load:
            for _ in range(10):
                sh("systemctl restart modem.service")
                processes.add(pid())
                load.goes_on(8)
        assert load.wrong == [], load.wrong
        assert len(processes) == 10, processes
        wait_served()
        assert_listening()


@test
def dying_under_load_leaves_no_client_hanging_and_nothing_behind():
    modems = [Modem() for _ in range(3)]
    with serving(port(devices=[modem.device for modem in modems], allow=["localhost"], busy="wait")):
        with Load(8) as load:
            for _ in range(10):
                load.goes_on(8)
                before = pid()
                kill(before, signal.SIGKILL)
                wait_for("another process", lambda before=before: pid() not in (0, before))
        assert load.wrong == [], load.wrong
        wait_served()
        assert_listening()


@test
def a_hundred_calls_at_once_go_on():
    lines = [Line() for _ in range(100)]
    with serving(port(devices=[line.device for line in lines], allow=["localhost"])):
        with contextlib.ExitStack() as stack:
            calls = []
            for line in lines:
                client = stack.enter_context(connect())
                client.sendall(b"hello")
                assert line.hear(5) == b"hello"
                calls.append((client, line))
            before = show("modem.service", "NFileDescriptorStore")
            for end in (lambda: sh("systemctl restart modem.service"), lambda: kill(pid(), signal.SIGKILL)):
                end()
                for client, line in calls:
                    client.sendall(b"there?")
                    line.send(b"here!")
                for client, line in calls:
                    assert line.hear(6) == b"there?"
                    assert client.recv(5) == b"here!"
            assert show("modem.service", "NFileDescriptorStore") == before != "0"
        wait_for("end of the sessions", lambda: locks() == [])


def burst(count):
    """So many connections, as fast as they can be made, each until it is over."""
    begun, over = 0, 0
    poll = select.epoll()
    clients = {}
    deadline = time.monotonic() + 120
    while over < count:
        assert time.monotonic() < deadline, f"{over} of {count} clients are done after two minutes"
        while begun < count and len(clients) < AT_ONCE:
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", 2006))
            clients[client.fileno()] = client
            poll.register(client, select.EPOLLIN)
            begun += 1
        for fd, _ in poll.poll(1):
            try:
                more = clients[fd].recv(4096)
            except ConnectionResetError:
                more = b""
            if not more:
                poll.unregister(fd)
                clients.pop(fd).close()
                over += 1
    poll.close()


def check_burst(instance, count, socket_settings=""):
    modem = Modem()
    # One client has the line all the time, so that the others are told BUSY and to go.
    with serving(port(devices=[modem.device], allow=["localhost"], instance=instance), socket=socket_settings):
        with connect() as client:
            assert "OK" in ask(client)
            burst(count)
            # Who had the line has it still.
            assert "OK" in ask(client)
        wait_served()
        assert_listening()


@test
def ten_thousand_connections_at_the_shared_daemon_leave_it_serving():
    check_burst("shared", BURST)


@test
def ten_thousand_connections_at_per_connection_instances_leave_the_port_serving():
    # From 255 on systemd takes 75 a second of them (PollLimitBurst=), so that a machine in trouble has
    # time for other things. Ten thousand would take two minutes: so once without that help, and once
    # with it for as many as it takes to be felt.
    check_burst("per-connection", BURST, "[Socket]\nPollLimitIntervalSec=0\n")
    check_burst("per-connection", 400)
