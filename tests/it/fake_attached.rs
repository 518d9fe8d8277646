//! Somebody who answers modemctl in the place of attached ports.

use modemd::attach::interface::{Attached, Description, NAME, Protocol, Signals, State};
use modemd::varlink::{Call, Parameters, Reply};

use crate::fake::{Answer, Fake};

pub(crate) fn port(name: &str, state: State) -> Attached {
    Attached {
        name: name.to_owned(),
        server: "modemhost:2007".to_owned(),
        protocol: Protocol::Telnet,
        link: Some(format!("/run/modemd/tty/{name}")),
        device: "/dev/pts/7".to_owned(),
        state,
        age_usec: 31_000_000,
        why: None,
        peer: None,
        to_line: 0,
        to_program: 0,
        settings: None,
        signals: None,
        pid: 78,
    }
}

/// One that a program is connected with.
pub(crate) fn connected(name: &str) -> Attached {
    Attached {
        age_usec: 4_380_000_000,
        peer: Some("192.168.2.1:2007".to_owned()),
        to_line: 1536,
        to_program: 13_000_000,
        settings: Some("9600,7,E,1".to_owned()),
        signals: Some(Signals {
            cts: true,
            dsr: false,
            dcd: true,
            ri: false,
        }),
        ..port(name, State::Connected)
    }
}

pub(crate) fn retrying(name: &str, why: &str) -> Attached {
    let why = Some(why.to_owned());
    Attached {
        why,
        ..port(name, State::Retrying)
    }
}

/// The process of such a port.
pub(crate) fn process(attached: Attached) -> impl Fn(&Call) -> Answer {
    move |call| match call.target() {
        (NAME, "Describe") => Answer::of(&Description {
            attached: attached.clone(),
        }),
        (NAME, "SendBreak") => Answer::nothing(),
        _ => Answer::Replies(vec![Reply::method_not_found(&call.method)]),
    }
}

pub(crate) fn failed(why: &str) -> Answer {
    let about: Parameters = [("why".to_owned(), why.into())].into_iter().collect();
    Answer::Replies(vec![Reply::error(format!("{NAME}.Failed"), about)])
}

/// A machine with attached ports and no modemd.
pub(crate) fn client() -> Fake {
    let fake = Fake::away();
    fake.attach("fax", process(connected("fax")));
    let refused = "modemhost:2007: cannot be reached: Connection refused";
    fake.attach("gsm", process(retrying("gsm", refused)));
    fake
}
