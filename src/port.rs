//! What clients connect to, while the service runs.

use std::rc::Rc;
use std::time::Duration;

use crate::access::Admission;
use crate::aside::Aside;
use crate::claim::LockDirectory;
use crate::com_port::Rights;
use crate::config::{self, Busy, Instance};
use crate::drained::Drained;
use crate::modem::Care;
use crate::pool::Pool;
use crate::relay::{Limits, Protocol};

/// A port in service: its settings, and its lines.
#[derive(Debug)]
pub struct Port {
    /// The name it has in the configuration, and its socket in `LISTEN_FDNAMES`.
    pub name: String,
    /// Whom it lets in.
    pub admission: Admission,
    /// Its lines.
    pub pool: Pool,
    /// What its clients speak.
    pub protocol: Protocol,
    /// Whether this process serves all its clients, or one of them.
    pub instance: Instance,
    /// What happens when all lines are in use.
    pub busy: Busy,
    /// What ends a session that nobody ends.
    pub limits: Limits,
    /// Within which time a client that vanished is noticed.
    pub keepalive: Duration,
    /// How many octets may wait in the kernel for a client that does not read.
    pub max_unsent: u32,
    /// What is known of its modems, if anything is.
    pub modem: Option<config::Modem>,
    /// Which numbers may be dialled; none: no guard.
    pub dial: Option<config::Dial>,
}

impl Port {
    /// Puts a configured port into service.
    #[must_use]
    pub fn new(
        settings: &config::Port,
        instance: Instance,
        admission: Admission,
        locks: Rc<LockDirectory>,
        drained: Rc<Drained>,
        aside: Rc<Aside>,
    ) -> Port {
        Port {
            name: settings.name.clone(),
            admission,
            pool: Pool::new(
                settings.devices.clone(),
                settings.line,
                Care::of(settings),
                locks,
                drained,
                aside,
            ),
            protocol: match settings.protocol {
                config::Protocol::Raw => Protocol::Raw,
                config::Protocol::Telnet => Protocol::Telnet(Rights {
                    settings: settings.client_settings,
                    max_baud: settings.max_baud,
                }),
            },
            instance,
            busy: settings.busy,
            limits: Limits {
                idle: settings.idle_timeout,
                linger: settings.linger,
                keepalive: settings.keepalive,
            },
            keepalive: settings.keepalive,
            max_unsent: settings.max_unsent,
            modem: settings
                .modem
                .clone()
                .or_else(|| settings.dial.as_ref().map(|_| config::Modem::default())),
            dial: settings.dial.clone(),
        }
    }
}
