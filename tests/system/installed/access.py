"""Who gets in: asked by the kernel first, by modemd then."""

import os

from clients import FRIEND, STRANGER, ask, connect, is_served, name_server, wait_served
from guest import sh, test, write_file
from modem import Modem
from server import APPLY, Journal, drop_in, port, serving

DENIED = "MESSAGE_ID=081ccbad174c4eb5b38a6a8d4952024a"
# The kernel drops without a word: it takes a while to be sure.
SHORT = 1


def is_dropped(*where, **how):
    try:
        connect(*where, limit=SHORT, **how).close()
    except TimeoutError:
        return True
    return False


@test
def a_client_outside_allow_is_dropped_by_the_kernel_and_without_its_filter_refused_by_modemd():
    modem = Modem()
    with serving(port(devices=[modem.device], allow=["localhost", FRIEND])):
        journal = Journal()
        assert is_dropped(source=STRANGER)
        # modemd was not even started, so that nobody tried the line.
        assert journal.entries("_SYSTEMD_UNIT=modem.service") == []
        assert is_served(source=FRIEND)

        drop_in("modem.socket", "[Socket]\nIPAddressAllow=any\n")
        sh(APPLY)
        client = connect(source=STRANGER)
        assert ask(client) == ""
        said = journal.wait("MODEMD_PORT=modem", DENIED)
        assert said["MODEMD_CLIENT"] == "{}:{}".format(*client.getsockname()), said
        assert said["PRIORITY"] == "4", said
        explained = sh(f"journalctl --no-pager -x {DENIED} MODEMD_CLIENT={said['MODEMD_CLIENT']}")
        assert "add its address, network or name to `allow`" in explained, explained
        wait_served(source=FRIEND)


@test
def a_host_name_in_allow_opens_that_port_to_that_host_and_no_other_port():
    modem, fax = Modem(), Modem()
    hosts = sh("cat /etc/hosts", check=False) if os.path.exists("/etc/hosts") else None
    sh(f"echo {FRIEND} laptop.example.org >> /etc/hosts")
    ports = (
        port(devices=[modem.device], allow=["localhost"]),
        port("fax", devices=[fax.device], listen=["2007"], allow=["laptop.example.org"]),
    )
    try:
        with serving(*ports):
            journal = Journal()
            assert is_served(2007, source=FRIEND)
            assert is_dropped(2006, source=FRIEND)
            assert not is_served(2007, source=STRANGER)
            journal.wait("MODEMD_PORT=fax", DENIED)
            assert is_served(2006)
    finally:
        if hosts is None:
            os.unlink("/etc/hosts")
        else:
            write_file("/etc/hosts", hosts + "\n")


@test
def names_are_looked_up_through_resolved_from_inside_the_sandbox():
    modem = Modem()
    names = name_server()
    names.knows(FRIEND, "laptop.example.org")
    names.knows(STRANGER, "laptop.example.net")
    for instance in ("shared", "per-connection"):
        with serving(port(devices=[modem.device], allow=["localhost", "*.example.org"], instance=instance)):
            journal = Journal()
            assert is_served(source=FRIEND)
            assert not is_served(source=STRANGER)
            said = journal.wait("MODEMD_PORT=modem", DENIED)
            assert "laptop.example.net" in said["MESSAGE"], said
    assert ("2.0.99.10.in-addr.arpa", names.PTR) in names.asked, names.asked
