//! What a session's calls are held to: by its port, and by who the client is.

use crate::access::{Admission, admit};
use crate::client::Peer;
use crate::config::{Dial, DialRules, HangUp};
use crate::guard::Rules;
use crate::port::Port;
use crate::relay::Attendance;

/// Nothing on a port of whose lines nobody said that there are modems. Looks up the client's name if the rules
/// have names in them.
pub(super) async fn attendance(port: &Port, peer: Peer) -> Option<Attendance> {
    let modem = port.modem.as_ref()?;
    let rules = match &port.dial {
        None => None,
        Some(dial) => Some(Rules {
            dial: rules_for(dial, peer).await,
            refusal: dial.refusal,
            commands: dial.commands.clone(),
            init: modem.init.clone(),
            timeout: modem.timeout,
            guard_time: modem.guard_time,
            by_escape: modem.hangup == HangUp::Escape,
        }),
    };
    Some(Attendance {
        numbers: modem.numbers,
        rules,
    })
}

/// The first of `clients` that the client is in; whoever comes by a unix socket has no address to be known by.
async fn rules_for(dial: &Dial, peer: Peer) -> DialRules {
    if let Peer::Network(_) = peer {
        for clients in &dial.clients {
            let listed = Admission::Listed(clients.hosts.clone());
            if admit(peer, &listed).await.is_ok() {
                return clients.rules.clone();
            }
        }
    }
    dial.rules.clone()
}

/// On whose account calls are made: the client's machine.
pub(super) fn host(peer: Peer) -> String {
    match peer {
        Peer::Network(address) => address.ip().to_string(),
        Peer::Local { .. } => "local".to_owned(),
    }
}
