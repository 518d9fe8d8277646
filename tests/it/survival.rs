//! Calls that go on over a restart and over a crash: one process leaves them, the next takes them up.

use std::io::Write;

use nix::sys::signal::Signal::{self, SIGKILL, SIGUSR1};

use crate::support::{Modem, assert_talks, read_until, reset};
use crate::systemd::{Service, port};

const BOTH_WAYS: [Signal; 2] = [SIGUSR1, SIGKILL];

#[test]
fn a_call_goes_on_over_restarts_and_crashes_and_its_line_stays_locked() {
    for protocol in ["raw", "telnet"] {
        let modem = Modem::new();
        let more = format!("protocol = {protocol:?}");
        let mut service = Service::new(&["modem"], &port("modem", &[&modem], &more));
        let mut client = service.connect();
        assert_talks(&mut client, &modem);
        let session = service.keeps(1);
        for signal in [BOTH_WAYS, BOTH_WAYS].concat() {
            let before = service.server().pid();
            service.assert_locked_by(before);
            service.rests();
            service.end(signal);
            service.assert_locked_by(if signal == SIGUSR1 { 1 } else { before });
            client.write_all(b"to nobody").unwrap();
            modem.say(b"from nobody");
            service.begin();
            service.assert_locked_by(service.server().pid());
            modem.expect(b"to nobody");
            read_until(&mut client, b"from nobody");
            assert_talks(&mut client, &modem);
            let why = if signal == SIGUSR1 {
                "after a restart"
            } else {
                "after modemd died"
            };
            let line = service.server().logged("is still on");
            assert!(line.ends_with(why), "{line}");
            // The one in the journal, for as long as it lasts.
            assert_eq!(service.keeps(1), session);
        }
        reset(client);
        service.assert_empty();
    }
}
