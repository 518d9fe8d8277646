"""What a telnet client does to a line by RFC 2217, as the other end of the line has it."""

import os
import socket
import struct
import termios

import com_port
from com_port import (
    BREAK, BREAK_OFF, BREAK_ON, CONTROL, DATA_BITS, DTR_OFF, DTR_ON, END_RI, FLOW_HARDWARE, FLOW_NONE, FLOW_XON_XOFF,
    HAS_CD, HAS_CTS, HAS_DSR, HAS_RI, INBOUND_HARDWARE, INBOUND_NONE, INBOUND_XON_XOFF, LINE_STATE, LINE_STATE_MASK,
    MODEM_STATE, MODEM_STATE_MASK, NEW_CD, NEW_CTS, NEW_DSR, PARITY, PURGE, RESUME, RTS_OFF, RTS_ON, SAW_BREAK,
    SAW_FRAMING, SAW_OVERRUN, SAW_PARITY, SENT_ALL, STOP_BITS, SUSPEND, request,
)
from daemon import Modemd, telnet
from devices import CD, CTS, DSR, DTR, OUT1, OUT2, RTS, Acm, Tty
from guest import test, wait_for

CMSPAR = 0o10000000000
# The octet in front of which there is 0xFF 0x00 came with an error, and a BREAK is one of zeroes.
MARK_ERRORS = termios.PARMRK | termios.INPCK
BREAK_SEEN = b"\xff\0\0"


def marked(octets):
    return b"".join(b"\xff\0" + octets[at:at + 1] for at in range(len(octets)))


def expect(tty, data):
    got = tty.read(len(data))
    same = os.path.commonprefix([got, data])
    assert got == data, f"{len(got)} octets for {len(data)}, after {len(same)} right ones {got[len(same):][:40]!r}"


# --- settings -------------------------------------------------------------------------------------


@test
def what_a_client_sets_is_in_force_as_it_was_answered_and_gone_after_it(who):
    size, parity = termios.CSIZE, termios.PARENB | termios.PARODD | CMSPAR
    software = termios.IXON | termios.IXOFF
    both = [
        (DATA_BITS, {5: termios.CS5, 6: termios.CS6, 7: termios.CS7, 8: termios.CS8}, 2, size),
        (PARITY, {2: parity & ~CMSPAR, 3: termios.PARENB, 4: parity, 5: parity & ~termios.PARODD, 1: 0}, 2, parity),
        (STOP_BITS, {2: termios.CSTOPB, 1: 0}, 2, termios.CSTOPB),
        (CONTROL, {FLOW_HARDWARE: termios.CRTSCTS, FLOW_XON_XOFF: 0, FLOW_NONE: 0}, 2, termios.CRTSCTS),
        (CONTROL, {FLOW_XON_XOFF: software, FLOW_HARDWARE: 0, FLOW_NONE: 0}, 0, software),
        (CONTROL, {INBOUND_XON_XOFF: termios.IXOFF, INBOUND_NONE: 0}, 0, software),
    ]
    for path in ("/dev/ttyS1", "/dev/ttyNM0"):
        with Modemd(who, s=telnet(path, 'line = "9600,8,N,1"')) as daemon, Tty(path) as line:
            before = line.settings()
            with daemon.com_port("s") as client:
                for speed in (300, 12345, 115200, 1200):
                    assert client.baud(speed) == speed
                    assert line.speed() == speed
                for code, values, index, mask in both:
                    for value, flags in values.items():
                        assert client.ask(code, value) == value, (code, value)
                        assert line.settings()[index] & mask == flags, (code, value)
                # Nobody has one and a half, and data bits are 5 to 8.
                assert client.ask(STOP_BITS, 3) == 1 and client.ask(DATA_BITS, 9) == 8
                assert client.ask(PARITY, 4) == 4 and client.ask(DATA_BITS, 7) == 7
                assert client.ask(CONTROL, FLOW_HARDWARE) == FLOW_HARDWARE
                assert client.ask(CONTROL, com_port.INBOUND) == INBOUND_HARDWARE
                assert not client.data, client.data
            daemon.left("s")
            assert line.settings() == before


@test
def a_speed_beyond_an_8250_is_answered_with_the_one_that_it_has(who):
    with Modemd(who, s1=telnet("/dev/ttyS1", 'line = "9600,8,N,1"')) as daemon, Tty("/dev/ttyS1") as line:
        with daemon.com_port("s1") as client:
            for speed in (4_000_000, 230_400, 0xFFFF_FFFF):
                assert client.baud(speed) == 9600
                assert line.speed() == 9600
            assert client.baud(19200) == 19200
        daemon.left("s1")


@test
def an_ftdi_adapter_has_the_settings_that_it_can_and_keeps_them_where_it_cannot(who):
    with Modemd(who, u=telnet("/dev/ttyUSB0")) as daemon, Tty("/dev/ttyUSB0") as line, Tty("/dev/ttyUSB1") as modem:
        with daemon.com_port("u") as client:
            assert client.ask(DATA_BITS, 7) == 7
            # Its driver lets 5 pass, "to control some smartcard readers" (ftdi_sio.c).
            assert client.ask(DATA_BITS, 6) == 7
            assert line.settings()[2] & termios.CSIZE == termios.CS7
            assert client.ask(DATA_BITS, 8) == 8
            for parity in (2, 3, 4, 5, 1):
                assert client.ask(PARITY, parity) == parity
            assert client.ask(STOP_BITS, 2) == 2
            assert client.baud(12345) == 12345
            print(f"    12345: in force {line.speed()}")
            assert abs(line.speed() - 12345) * 50 <= 12345
            assert client.baud(4_000_000) == 12345
            assert client.ask(CONTROL, DTR_OFF) == DTR_OFF and client.ask(CONTROL, com_port.DTR) == DTR_OFF
            assert client.ask(CONTROL, DTR_ON) == DTR_ON
            assert client.ask(CONTROL, BREAK_ON) == BREAK_ON and client.ask(CONTROL, BREAK_OFF) == BREAK_OFF
            modem.raw(12345, termios.CSTOPB)
            client.write(b"AT\r")
            assert modem.read(3) == b"AT\r"
        daemon.left("u")


@test
def an_acm_modem_is_controlled_and_tells_of_its_carrier(who):
    Acm()
    with Modemd(who, acm=telnet("/dev/ttyACM0")) as daemon, Tty("/dev/ttyACM0") as line:
        with daemon.com_port("acm") as client:
            assert client.baud(12345) == 12345 and line.speed() == 12345
            assert client.ask(PARITY, 3) == 3 and client.ask(DATA_BITS, 7) == 7
            assert client.ask(CONTROL, DTR_OFF) == DTR_OFF and not line.lines() & DTR
            assert client.ask(CONTROL, DTR_ON) == DTR_ON and line.lines() & DTR
            # The gadget's end raises both when it is opened, and drops them when it is closed.
            assert client.greeting & (HAS_CD | HAS_DSR) == 0
            with Tty("/dev/ttyGS0") as modem:
                modem.raw()
                signals_become(client, HAS_CD | HAS_DSR, NEW_CD | NEW_DSR, HAS_CD | HAS_DSR)
                client.write(b"AT\r")
                assert modem.read(3) == b"AT\r"
            signals_become(client, 0, NEW_CD | NEW_DSR, HAS_CD | HAS_DSR)
        daemon.left("acm")


# --- DTR, RTS and BREAK ---------------------------------------------------------------------------


@test
def dtr_and_rts_of_a_client_are_what_the_modem_sees(who):
    with Modemd(who, nm=telnet("/dev/ttyNM0")) as daemon, Tty("/dev/ttyNM1") as modem:
        modem.raw()
        with daemon.com_port("nm") as client:
            for asked, bits, seen in (
                (DTR_OFF, DSR | CD, 0),
                (RTS_OFF, DSR | CD | CTS, 0),
                (DTR_ON, DSR | CD | CTS, DSR | CD),
                (RTS_ON, DSR | CD | CTS, DSR | CD | CTS),
            ):
                assert client.ask(CONTROL, asked) == asked
                assert modem.lines() & bits == seen, f"{asked}: {modem.lines():#x}"
                assert client.ask(CONTROL, com_port.DTR if asked in (DTR_ON, DTR_OFF) else com_port.RTS) == asked
        daemon.left("nm")
        assert modem.lines() & (DSR | CD | CTS) == 0


@test
def a_break_begins_and_ends_where_it_stands_among_the_data(who):
    with Modemd(who, nm=telnet("/dev/ttyNM0")) as daemon, Tty("/dev/ttyNM1") as modem:
        modem.raw(iflag=MARK_ERRORS)
        before = modem.breaks()
        with daemon.com_port("nm") as client:
            client.send(b"one" + request(CONTROL, BREAK_ON) + request(CONTROL, BREAK))
            assert client.notice(CONTROL) == BREAK_ON and client.notice(CONTROL) == BREAK_ON
            assert modem.read(6) == b"one" + BREAK_SEEN
            # What is sent during a BREAK is lost on the line, and nothing waits for its end.
            client.send(b"unseen" + request(CONTROL, BREAK_OFF) + b"two")
            assert client.notice(CONTROL) == BREAK_OFF
            assert client.ask(CONTROL, BREAK) == BREAK_OFF
            assert modem.read(3) == b"two"
            client.send(b"three" + bytes([com_port.IAC, com_port.BRK]) + b"four")
            assert modem.read(12) == b"three" + BREAK_SEEN + b"four"
            assert modem.breaks() == before + 2
        daemon.left("nm")


@test
def a_break_held_up_by_cts_holds_up_nobody_else(who):
    ports = {"nm": telnet("/dev/ttyNM0", 'line = "115200,8,N,1,rtscts"'), "other": telnet("/dev/ttyNM2")}
    with Modemd(who, **ports) as daemon, Tty("/dev/ttyNM1") as modem, Tty("/dev/ttyNM3") as other:
        modem.raw()
        other.raw()
        before = modem.breaks()
        with daemon.com_port("nm") as client:
            modem.lower_lines(RTS)
            client.send(b"stuck" * 20 + bytes([com_port.IAC, com_port.BRK]) + request(CONTROL, BREAK_ON))
            answered = lambda: client.look() and any(code == CONTROL + 100 for code, _ in client.answers)
            longest = daemon.is_responsive_while("other", other, answered, 25)
            # None begins while anything is unsent.
            assert client.notice(CONTROL) == BREAK_OFF
            print(f"    longest stall {longest:.2f} s")
            assert longest < 2
            modem.raise_lines(RTS)
            assert modem.read(100) == b"stuck" * 20
            assert client.ask(CONTROL, BREAK_ON) == BREAK_ON
            assert modem.breaks() == before + 1
        daemon.left("nm")


@test
def whoever_comes_after_a_client_that_vanished_finds_dtr_up_and_no_break(who):
    # Held open here, so that it is not the closing that ends them.
    with Modemd(who, nm=telnet("/dev/ttyNM0")) as daemon, Tty("/dev/ttyNM0"), Tty("/dev/ttyNM1") as modem:
        modem.raw()
        for does in (BREAK_ON, DTR_OFF, RTS_OFF):
            with daemon.com_port("nm") as client:
                assert client.ask(CONTROL, does) == does
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            print("    " + daemon.left("nm"))
            with daemon.com_port("nm") as client:
                assert modem.lines() & (DSR | CD | CTS) == DSR | CD | CTS
                assert client.ask(CONTROL, BREAK) == BREAK_OFF
                client.write(b"AT\r")
                # In front of it there may be the zeroes of a BREAK.
                assert modem.read(4 if does == BREAK_ON else 3).endswith(b"AT\r")
            daemon.left("nm")


@test
def a_program_that_closes_its_port_and_opens_it_again_at_once_gets_it(who):
    with Modemd(who, nm=telnet("/dev/ttyNM0")) as daemon:
        # Hanging up takes half a second.
        for _ in range(5):
            with daemon.com_port("nm") as client:
                assert client.baud(9600) == 9600


# --- what the client is told ----------------------------------------------------------------------


def signals_become(client, signals, changes, mask=HAS_CD | HAS_RI | HAS_DSR | HAS_CTS):
    """Waits for notices that tell of `changes`, of which the last has `signals`; there may be several."""
    told, last = 0, None

    def complete():
        nonlocal told, last
        while (MODEM_STATE + 100) in (code for code, _ in client.answers):
            last = client.notice(MODEM_STATE)
            told |= last & 15
        return last is not None and last & mask == signals and told & changes == changes

    client.wait(f"signals {signals:#x} with changes {changes:#x}, instead of {last} and {told:#x}", complete)
    assert told == changes, f"{told:#x}"


@test
def a_client_is_told_of_the_modems_signals_as_far_as_it_wants(who):
    with Modemd(who, nm=telnet("/dev/ttyNM0")) as daemon, Tty("/dev/ttyNM1") as modem:
        modem.raw()
        modem.lower_lines(DTR | RTS)
        with daemon.com_port("nm") as client:
            assert client.greeting == 0
            modem.raise_lines(DTR)
            signals_become(client, HAS_CD | HAS_DSR, NEW_CD | NEW_DSR)
            modem.raise_lines(RTS)
            signals_become(client, HAS_CD | HAS_DSR | HAS_CTS, NEW_CTS)
            modem.raise_lines(OUT1)
            signals_become(client, HAS_CD | HAS_DSR | HAS_CTS | HAS_RI, 0)
            modem.lower_lines(OUT1)
            signals_become(client, HAS_CD | HAS_DSR | HAS_CTS, END_RI)
            # Too short to be seen; the driver has counted it.
            modem.lower_lines(DTR)
            modem.raise_lines(DTR)
            signals_become(client, HAS_CD | HAS_DSR | HAS_CTS, NEW_CD | NEW_DSR)
            modem.lower_lines(DTR | RTS)
            signals_become(client, 0, NEW_CD | NEW_DSR | NEW_CTS)

            # CTS alone: of what changes before it there is no word, and then none of CD.
            assert client.ask(MODEM_STATE_MASK, HAS_CTS | NEW_CTS) == HAS_CTS | NEW_CTS
            modem.raise_lines(DTR)
            wait_for("DSR", lambda: client.ask(MODEM_STATE) & HAS_DSR)
            modem.raise_lines(RTS)
            signals_become(client, HAS_CTS, NEW_CTS)
            # None at all, but to those who ask.
            assert client.ask(MODEM_STATE_MASK, 0) == 0
            modem.lower_lines(RTS)
            assert client.ask(MODEM_STATE) == HAS_CD | HAS_DSR | NEW_CTS
            assert not client.answers, client.answers
        daemon.left("nm")
        # The next one wants all again.
        with daemon.com_port("nm") as client:
            assert client.greeting == HAS_CD | HAS_DSR
            modem.raise_lines(RTS)
            signals_become(client, HAS_CD | HAS_DSR | HAS_CTS, NEW_CTS)
        daemon.left("nm")


@test
def a_client_that_wants_it_is_told_of_break_framing_parity_and_overrun(who):
    with Modemd(who, nm=telnet("/dev/ttyNM0", 'line = "9600,8,N,1"')) as daemon, Tty("/dev/ttyNM1") as modem:
        modem.raw(9600)
        with daemon.com_port("nm") as client:
            # Nobody is told who has not asked.
            termios.tcsendbreak(modem.fd, 0)
            modem.write(b"a")
            assert client.read(1) == b"a"
            client.ask(LINE_STATE)
            assert not client.answers, client.answers
            assert client.ask(LINE_STATE_MASK, 255) == 255
            assert client.ask(LINE_STATE) == SENT_ALL

            termios.tcsendbreak(modem.fd, 0)
            assert client.notice(LINE_STATE) == SAW_BREAK
            # The octets come as they are; none is made up for the BREAK.
            for bits, settings in (
                (SAW_FRAMING, {"speed": 19200}),
                (SAW_PARITY, {"speed": 9600, "cflag": termios.PARENB}),
            ):
                modem.raw(**settings)
                modem.write(b"\xff")
                assert client.notice(LINE_STATE) == bits
                assert client.read(1) == b"\xff"
            modem.raw(9600)
            modem.raise_lines(OUT2)
            modem.write(b"-")
            termios.tcdrain(modem.fd)
            modem.lower_lines(OUT2)
            assert client.notice(LINE_STATE) == SAW_OVERRUN
            assert client.ask(LINE_STATE_MASK, SAW_PARITY) == SAW_PARITY
            termios.tcsendbreak(modem.fd, 0)
            modem.raw(9600, termios.PARENB)
            modem.write(b"b")
            assert client.notice(LINE_STATE) == SAW_PARITY
            assert client.read(1) == b"b"
        daemon.left("nm")


# --- commands among the data ----------------------------------------------------------------------


@test
def what_is_sent_before_a_change_leaves_before_it_and_what_is_sent_behind_leaves_after(who):
    # Few and too many for the driver's buffer; and about what a UART has of its own, when that takes long.
    for speed, amount in ((1200, 100), (19200, 6000), (110, 20)):
        with Modemd(who, nm=telnet("/dev/ttyNM0", f'line = "{speed},8,N,1"')) as daemon, Tty("/dev/ttyNM1") as modem:
            modem.raw(speed, iflag=MARK_ERRORS)
            with daemon.com_port("nm") as client:
                # The modem changes nothing, and so it marks what comes with another speed.
                client.send(b"a" * amount + com_port.baud(2400) + b"b" * 10 + com_port.baud(speed) + b"c" * 10)
                expect(modem, b"a" * amount + marked(b"b" * 10) + b"c" * 10)
                assert client.answer(com_port.BAUD) == (2400).to_bytes(4, "big")
                assert client.answer(com_port.BAUD) == speed.to_bytes(4, "big")
                client.send(b"d" * 10 + request(PARITY, 3) + b"e" * 10)
                expect(modem, b"d" * 10 + marked(b"e" * 10))
                assert client.notice(PARITY) == 3
            daemon.left("nm")


@test
def a_line_that_is_stopped_can_be_freed_or_emptied_by_what_stands_behind_the_data(who):
    ports = {"nm": telnet("/dev/ttyNM0", 'line = "1000000,8,N,1,rtscts"')}
    with Modemd(who, **ports) as daemon, Tty("/dev/ttyNM0") as line, Tty("/dev/ttyNM1") as modem:
        modem.raw(1_000_000)
        for amount in (100, 6000, 60_000):
            with daemon.com_port("nm") as client:
                modem.lower_lines(RTS)
                data = os.urandom(amount)
                client.write(data)
                wait_for("unsent octets", line.unsent)
                assert client.ask(CONTROL, FLOW_NONE) == FLOW_NONE
                expect(modem, data)

                assert client.ask(CONTROL, FLOW_HARDWARE) == FLOW_HARDWARE
                client.write(data)
                wait_for("unsent octets", line.unsent)
                assert client.ask(PURGE, 2) == 2
                assert line.unsent() == 0
                client.write(b"AT\r")
                modem.raise_lines(RTS)
                assert modem.read(3) == b"AT\r"
            daemon.left("nm")


@test
def xoff_and_xon_of_the_modem_stop_a_client_and_let_it_go_on(who):
    with Modemd(who, nm=telnet("/dev/ttyNM0")) as daemon, Tty("/dev/ttyNM0") as line, Tty("/dev/ttyNM1") as modem:
        modem.raw()
        with daemon.com_port("nm") as client:
            assert client.ask(CONTROL, FLOW_XON_XOFF) == FLOW_XON_XOFF
            modem.write(b"\x13x")
            assert client.read(1) == b"x"
            client.write(b"y" * 100)
            wait_for("unsent octets", line.unsent)
            modem.write(b"\x11")
            assert modem.read(100) == b"y" * 100
        daemon.left("nm")


@test
def a_client_that_suspends_holds_the_modem_up_by_the_flow_control_that_it_has_set(who):
    with Modemd(who, nm=telnet("/dev/ttyNM0", 'line = "1000000,8,N,1"')) as daemon, Tty("/dev/ttyNM1") as modem:
        modem.raw(1_000_000)
        # More than a terminal's buffer has, and no XON or XOFF.
        data = bytes(range(0x20, 0x70)) * 75
        for flow in (FLOW_HARDWARE, INBOUND_XON_XOFF):
            with daemon.com_port("nm") as client:
                assert client.ask(CONTROL, flow) == flow
                client.send(request(SUSPEND))
                modem.write(data)
                if flow == FLOW_HARDWARE:
                    wait_for("RTS down", lambda: not modem.lines() & CTS)
                    # Flow control keeps its RTS down no longer than there is any.
                    client.send(request(CONTROL, FLOW_NONE))
                    wait_for("RTS up", lambda: modem.lines() & CTS)
                else:
                    assert modem.read(1) == b"\x13"
                client.send(request(RESUME))
                assert client.read(len(data)) == data
                if flow == FLOW_HARDWARE:
                    assert client.notice(CONTROL) == FLOW_NONE
                else:
                    assert modem.read(1) == b"\x11"
            daemon.left("nm")
