"""Several ports, in both modes, and what changes them."""

from clients import FRIEND, SERVER, STRANGER, ask, connect, is_refused, is_served, wait_served
from access import is_dropped
from guest import sh, test, wait_for
from modem import Modem
from server import APPLY, Journal, apply, configure, failed, loaded, pid, port, serving, show

BOTH = ("shared", "per-connection")


@test
def a_pool_is_filled_in_order_and_then_says_busy_in_both_modes():
    for instance in BOTH:
        first, second = Modem("first"), Modem("second")
        with serving(port(devices=[first.device, second.device], allow=["localhost"], instance=instance)):
            with connect() as one:
                assert "first" in ask(one)
                with connect() as two:
                    assert "second" in ask(two)
                    with connect() as three:
                        assert ask(three) == "\r\nBUSY\r\n"
            wait_served()


@test
def each_port_has_its_own_hosts_and_modem_in_both_modes():
    for instance in BOTH:
        modem, fax = Modem("modem"), Modem("fax")
        ports = (
            port(devices=[modem.device], allow=[FRIEND], instance=instance),
            port("fax", devices=[fax.device], allow=[STRANGER], listen=[f"{SERVER}:2007"], instance=instance),
        )
        with serving(*ports):
            assert is_dropped(2006, source=STRANGER)
            assert is_dropped(2007, source=FRIEND)
            with connect(2006, source=FRIEND) as to_modem, connect(2007, source=STRANGER) as to_fax:
                assert "modem" in ask(to_modem)
                assert "fax" in ask(to_fax)
                services = [name for name in loaded() if name.endswith(".service")]
                if instance == "shared":
                    assert services == ["modem.service"], services
                else:
                    assert len(services) == 2, services
                    assert services[0].startswith("modem-fax@") and services[1].startswith("modem@"), services
            # An instance leaves nothing.
            if instance == "per-connection":
                wait_for("end of the instances", lambda: all(name.endswith(".socket") for name in loaded()))


@test
def a_port_comes_and_goes_with_the_documented_command():
    modem, fax = Modem("modem"), Modem("fax")
    for instance in BOTH:
        plain = port(devices=[modem.device], allow=["localhost"])
        extra = port("fax", devices=[fax.device], listen=["2007"], allow=["localhost"], instance=instance)
        with serving(plain):
            assert is_refused(2007)
            with connect() as client:
                assert "modem" in ask(client)
                apply(plain, extra)
            wait_served(2006)
            wait_served(2007)
            moved = extra.replace("2007", "2008")
            apply(plain, moved)
            wait_served(2008)
            assert is_refused(2007)
            with connect(2008):
                apply(plain)
            assert is_refused(2008)
            assert failed() == "", sh("systemctl status --no-pager --failed", check=False)
            wait_for("end of what belonged to the port", lambda: not any("fax" in name for name in loaded()))
            wait_served(2006)


@test
def many_changes_can_be_applied_in_a_row():
    modem, fax = Modem(), Modem()
    plain = port(devices=[modem.device], allow=["localhost"])
    with serving(plain):
        # More than five starts within ten seconds are too many by default (StartLimitBurst=).
        for number in range(2007, 2015):
            apply(plain, port("fax", devices=[fax.device], listen=[str(number)], allow=["localhost"]))
        assert is_served(2014)
        assert is_served(2006)


@test
def a_port_on_a_path_is_for_dialout():
    modem = Modem()
    with serving(
        port(devices=[modem.device], allow=["localhost"]),
        port("local", devices=[modem.device], listen=["/run/local-modem"]),
    ):
        assert sh("stat -c '%A %U %G' /run/local-modem") == "srw-rw---- root dialout"
        assert is_served("/run/local-modem")


@test
def reloading_changes_what_is_behind_a_socket_and_disturbs_nobody():
    old, new = Modem("old"), Modem("new")
    with serving(port(devices=[old.device], allow=["localhost"])):
        with connect() as client:
            assert "old" in ask(client)
            before = pid()
            configure(port(devices=[new.device], allow=["localhost"]))
            sh("systemctl reload modem.service")
            wait_for("new modem", lambda: "new" in ask(connect()))
            assert "old" in ask(client)
            assert pid() == before


@test
def a_wrong_port_keeps_no_other_from_being_served():
    modem = Modem()
    with serving(port(devices=[modem.device], allow=["localhost"]), port("fax", listen=["2007"], allow=["localhost"])):
        assert is_served()
        assert is_refused(2007)
        assert "the configuration has a mistake" in show("modem.service", "StatusText")


@test
def whoever_comes_to_a_port_that_has_left_the_configuration_is_sent_away_and_nothing_fails():
    modem, fax = Modem(), Modem()
    plain = port(devices=[modem.device], allow=["localhost"])
    for instance in BOTH:
        fax_port = port("fax", devices=[fax.device], listen=["2007"], allow=["localhost"], instance=instance)
        with serving(plain, fax_port):
            configure(plain)
            journal = Journal()
            with connect(2007) as client:
                assert ask(client) == ""
            journal.wait("MODEMD_PORT=fax", "MESSAGE_ID=8659847665664baf99d14590e0e721f2")
            assert journal.entries("UNIT_RESULT=exit-code") == []
            sh(APPLY)
            assert is_refused(2007)
