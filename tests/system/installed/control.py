"""The control interface: who may use it, what it tells and does, and metrics made of it."""

import http.client
import json
import os
import shutil
import socket
import subprocess

from access import is_dropped
from clients import FRIEND, ask, connect, is_refused, is_served, on_other_machine, wait_served
from guest import PATIENCE, Skip, sh, test, wait_for
from modem import Modem
from server import drop_in, pid, port, serving, show

SOCKET = "/run/modemd/io.modemd"
METRICS_PORT = 12006
# As SESSION-BEGAN has it in the journal.
BEGAN = "16275e76514d4ea08a22402c5bd02b12"


def control(method, **parameters):
    """What a method gives."""
    with socket.socket(socket.AF_UNIX) as asked:
        asked.settimeout(PATIENCE)
        asked.connect(SOCKET)
        asked.sendall(json.dumps({"method": method, "parameters": parameters}).encode() + b"\0")
        heard = b""
        while not heard.endswith(b"\0"):
            more = asked.recv(65536)
            assert more, f"{method}: the connection ended after {heard}"
            heard += more
    reply = json.loads(heard[:-1])
    assert "error" not in reply, reply
    return reply["parameters"]


def owner(path):
    return sh(f"stat -c '%U:%G %a' {path}")


def need_varlinkctl():
    if not shutil.which("varlinkctl"):
        raise Skip("this systemd has no varlinkctl")


def varlinkctl(method, **parameters):
    """What a method gives, by systemd's own program."""
    return json.loads(sh(f"varlinkctl call --json=short {SOCKET} io.modemd.{method} '{json.dumps(parameters)}'"))


class Watching:
    """`varlinkctl call --more`, until the block ends."""

    def __init__(self, method, **parameters):
        words = ["varlinkctl", "call", "--more", "--json=short", SOCKET, f"io.modemd.{method}", json.dumps(parameters)]
        # More than the file that is read has is waited for: one reply a line, as they come.
        self.program = subprocess.Popen(["stdbuf", "-oL", *words], stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.program.kill()
        self.program.communicate()

    def next(self):
        """The next reply; varlinkctl puts an RS in front of each (RFC 7464)."""
        line = self.program.stdout.readline().lstrip("\x1e")
        assert line, "no more replies"
        return json.loads(line)


def both_instances():
    """A port of each kind, with modems, and keys for `serving`."""
    modem, fax = Modem("modem"), Modem("fax")
    ports = (
        port(devices=[modem.device], allow=["localhost"]),
        port("fax", devices=[fax.device], listen=["2007"], allow=["localhost"], instance="per-connection"),
    )
    return modem, fax, ports


def scrape(path="/metrics", accept=None, source=None):
    """The response to one scrape."""

    def here():
        connection = http.client.HTTPConnection("10.99.0.1" if source else "127.0.0.1", METRICS_PORT, PATIENCE)
        connection.source_address = (source, 0) if source else None
        connection.request("GET", path, headers={"Accept": accept} if accept else {})
        response = connection.getresponse()
        return response.status, response.getheader("Content-Type"), response.read().decode()

    return on_other_machine(here) if source else here()


@test
def the_control_socket_takes_root_and_its_group_and_nobody_else():
    modem = Modem()
    sh("useradd --system stranger; useradd --system --groups modemd keeper")
    try:
        assert not os.path.exists(SOCKET)
        with serving(port(devices=[modem.device], allow=["localhost"])):

            def check():
                assert owner(SOCKET) == "root:modemd 660"
                assert owner("/run/modemd") == "root:root 755"

            def modemctl_as(user):
                done = f"su -s /bin/sh {user} -c 'modemctl metrics > /dev/null'; echo $?"
                return int(sh(done, check=False).splitlines()[-1])

            check()
            assert is_served()
            check()
            assert owner("/run/modemd/private") == "modemd:dialout 700"
            sh("systemctl restart modem.service")
            wait_served()
            check()
            assert (modemctl_as("root"), modemctl_as("keeper"), modemctl_as("stranger")) == (0, 0, 77)
            # dialout is about lines.
            sh("usermod -G dialout stranger")
            assert modemctl_as("stranger") == 77
        assert not os.path.exists(SOCKET)
        assert modemctl_as("root") == 69
    finally:
        sh("userdel stranger; userdel keeper", check=False)


@test
def a_question_starts_the_daemon_and_the_one_switch_ends_both():
    modem = Modem()
    with serving(port(devices=[modem.device], allow=["localhost"])):
        assert show("modem.service", "ActiveState") == "inactive"
        assert [of["name"] for of in control("io.modemd.ListPorts")["ports"]] == ["modem"]
        assert control("io.modemd.Describe")["pid"] == pid() != 0
        sh("systemctl stop modem.socket")
        assert sh("systemctl is-active modem-control.socket modem.service", check=False).split() == ["inactive"] * 2


@test
def varlinkctl_understands_the_interface():
    need_varlinkctl()
    with serving(both_instances()[2][0]):
        said = sh(f"varlinkctl introspect {SOCKET} io.modemd")
        for method in ("Describe", "ListPorts", "ListLines", "ListSessions", "GetCounts", "HangUp", "Drain", "Resume",
                       "WatchEvents", "WatchSession"):
            assert f"method {method}(" in said, said
        assert "io.modemd" in sh(f"varlinkctl info {SOCKET}")
        text = control("org.varlink.service.GetInterfaceDescription", interface="io.modemd")["description"]
        subprocess.run(["varlinkctl", "validate-idl"], input=text, text=True, check=True, stdout=subprocess.DEVNULL)


@test
def varlinkctl_sees_and_steers_the_sessions_of_both_kinds_of_instances():
    need_varlinkctl()
    modem, fax, ports = both_instances()
    with serving(*ports):
        with connect() as one, connect(2007) as two:
            clients = {"modem": one, "fax": two}
            for name, client in clients.items():
                assert name in ask(client)
            assert varlinkctl("Describe")["problems"] == []
            listed = {of["name"]: of for of in varlinkctl("ListPorts")["ports"]}
            assert {name: of["instance"] for name, of in listed.items()} == {"modem": "shared", "fax": "per_connection"}
            sessions = {of["port"]: of for of in varlinkctl("ListSessions")["sessions"]}
            assert sorted(sessions) == ["fax", "modem"], sessions
            lines = {of["line"]: of for of in varlinkctl("ListLines")["lines"]}
            for name, device in (("modem", modem.device), ("fax", fax.device)):
                session = sessions[name]
                assert session["client"] == "{}:{}".format(*clients[name].getsockname()), session
                assert session["line"] == device and session["state"] == "serving", session
                assert lines[device]["state"] == "in_use" and lines[device]["session"] == session["session"], lines
            assert sessions["modem"]["pid"] == pid() != sessions["fax"]["pid"]
            for name, client in clients.items():
                varlinkctl("HangUp", session=sessions[name]["session"])
                assert client.recv(100) == b"", name
        wait_for("end of both", lambda: varlinkctl("ListSessions")["sessions"] == [])
        counts = {(of["port"], of["line"]): of for of in varlinkctl("GetCounts")["lines"]}
        for key in (("modem", modem.device), ("fax", fax.device)):
            assert counts[key]["sessions"] == 1 and counts[key]["to_line"] == len("ATI\r"), counts
        nobody = json.dumps({"session": "0" * 16})
        refused = sh(f"varlinkctl call {SOCKET} io.modemd.HangUp '{nobody}' && echo done", check=False)
        assert "io.modemd.NoSuchSession" in refused and not refused.endswith("done"), refused


@test
def varlinkctl_takes_lines_out_of_service_and_puts_them_back():
    need_varlinkctl()
    modem, fax, ports = both_instances()
    with serving(*ports):
        for device, number in ((modem.device, 2006), (fax.device, 2007)):
            varlinkctl("Drain", line=device)
            assert [of["line"] for of in varlinkctl("ListLines")["lines"] if of["drained"]] == [device]
            with connect(number) as client:
                assert ask(client) == "\r\nBUSY\r\n"
            # It is remembered when the daemon is another one.
            sh("systemctl restart modem.service")
            with connect(number) as client:
                assert ask(client) == "\r\nBUSY\r\n"
            varlinkctl("Resume", line=device)
            wait_served(number)


@test
def varlinkctl_watches_what_happens():
    need_varlinkctl()
    modem, fax, ports = both_instances()
    with serving(*ports):
        for name, number in (("modem", 2006), ("fax", 2007)):
            with Watching("WatchEvents") as events:
                assert events.next().get("event") is None
                with connect(number) as client:
                    assert name in ask(client)
                    event = events.next()["event"]
                    while event["message_id"] != BEGAN or event["port"] != name:
                        event = events.next()["event"]
                    assert event["client"] == "{}:{}".format(*client.getsockname()), event
                    with Watching("WatchSession", session=event["session"]) as traffic:
                        assert traffic.next().get("traffic") is None
                        assert name in ask(client)
                        seen = {"to_line": b"", "to_client": b""}
                        while not seen["to_client"].endswith(b"OK\r\n"):
                            part = traffic.next()["traffic"]
                            seen[part["way"]] += bytes.fromhex(part["data"])
                        assert seen["to_line"] == b"ATI\r" and name.encode() in seen["to_client"], seen


@test
def a_scrape_tells_of_sessions_of_both_kinds_of_instances():
    modem, fax, ports = both_instances()
    with serving(*ports):
        sh("systemctl start modem-metrics.socket")
        for number in (2006, 2007):
            assert is_served(number)

        def page():
            status, content_type, text = scrape()
            assert status == 200 and content_type == "text/plain; version=0.0.4; charset=utf-8", text
            return text

        def told():
            text = page()
            samples = (f'modemd_transferred_bytes_total{{port="{name}",line="{device}",way="to_line"}} 4\n'
                       for name, device in (("modem", modem.device), ("fax", fax.device)))
            return all(sample in text for sample in samples)

        wait_for("counts of both", told)
        # For promtool, which is not in here.
        with open("/share/page", "w", encoding="utf-8") as file:
            file.write(page())
        open_metrics = "application/openmetrics-text; version=1.0.0; charset=utf-8"
        status, content_type, text = scrape(accept=open_metrics)
        assert (status, content_type) == (200, open_metrics) and "# TYPE modemd_sessions counter\n" in text, text
        assert scrape("/")[0] == 404
        sh("modemctl metrics --output /tmp/modemd.prom")
        assert "# TYPE modemd_sessions_total counter\n" in sh("cat /tmp/modemd.prom")
        assert sh("modemctl metrics").endswith("\n# EOF")
        assert is_dropped(METRICS_PORT, source=FRIEND)
        drop_in("modem-metrics.socket", f"[Socket]\nIPAddressAllow={FRIEND}\n")
        sh("systemctl daemon-reload && systemctl restart modem-metrics.socket")
        assert scrape(source=FRIEND)[0] == 200


@test
def a_scrape_is_told_when_modemd_is_switched_off_and_does_not_switch_it_on():
    sh("systemctl start modem-metrics.socket")
    try:
        status, _, text = scrape()
        assert status == 503 and "systemctl enable --now modem.socket" in text, text
        assert sh("systemctl is-active modem.socket modem.service", check=False).split() == ["inactive"] * 2
        assert is_refused()
    finally:
        sh("systemctl stop modem-metrics.socket")
    wait_for("end of the scrapes", lambda: "metrics" not in sh("systemctl list-units --plain --no-legend 'modem*'"))
    assert sh("systemctl --failed --plain --no-legend") == ""
