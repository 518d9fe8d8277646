//! `modemd demo`.

use std::io::{self, Write};

use tokio::task::spawn_local;

use super::{Failure, block_on, not_permitted, unavailable};
use crate::access::Admission;
use crate::at::plan;
use crate::config::{self, AllowList, Config, Endpoint, Host};
use crate::demo::{self, EmulatedModems};
use crate::listen;
use crate::privileges;
use crate::server::{self, Service};
use crate::state_dir::SharedState;

/// The name of the port that the demonstration makes.
const DEMO_PORT: &str = "demo";

/// Enough to dial one from the other.
const DEMO_MODEMS: usize = 2;

/// Emulated modems, for whoever wants to try it out: as root they belong to nobody.
pub(super) fn demonstrate(endpoint: &Endpoint) -> Result<(), Failure> {
    let listener = listen::open(DEMO_PORT, endpoint).map_err(unavailable)?;
    privileges::plan("nobody", None)
        .and_then(|privileges| privileges.let_go())
        .map_err(not_permitted)?;
    let modems = EmulatedModems::start(DEMO_MODEMS).map_err(unavailable)?;
    // Whoever reads this may have gone already; that is no reason not to serve.
    let _ = writeln!(
        io::stdout(),
        "{}",
        introduction(&listener.socket, modems.devices())
    );
    let mut port = config::Port::new(DEMO_PORT);
    port.devices = modems
        .devices()
        .iter()
        .map(|modem| modem.path().to_owned())
        .collect();
    let service = Service {
        admission: Some(Admission::Listed(AllowList::from_iter([Host::Localhost]))),
        source: None,
        binds: false,
        exits_when_idle: false,
        config: Config {
            ports: vec![port],
            ..Config::default()
        },
        shared: SharedState::default(),
        control: None,
    };
    block_on(async {
        let modems = spawn_local(modems.run());
        let served = server::serve(service, vec![listener], Vec::new()).await;
        modems.abort();
        served
    })?
    .map_err(unavailable)
}

/// What to try, for a terminal.
fn introduction(socket: &socket2::Socket, modems: &[demo::Device]) -> String {
    let address = socket.local_addr().ok();
    let network = address.as_ref().and_then(socket2::SockAddr::as_socket);
    let path = address.as_ref().and_then(socket2::SockAddr::as_pathname);
    let numbers: Vec<_> = modems.iter().map(demo::Device::number).collect();
    let (at, how) = match (network, path) {
        (Some(at), _) => (at.to_string(), format!("telnet {} {}", at.ip(), at.port())),
        (None, Some(path)) => {
            let path = path.display().to_string();
            (path.clone(), format!("nc -U {path}"))
        }
        (None, None) => (String::new(), "a client".to_owned()),
    };
    format!(
        "sharing an emulated modem on {at}      (try: {how}, then ATI1)\n\
         numbers to dial with ATDT: {} (each other), {} (echo), {} (the time), {} (a greeting), \
         {} (busy), {} (nobody answers)",
        numbers.join(" and "),
        plan::ECHO,
        plan::TIME,
        plan::GREETING,
        plan::BUSY,
        plan::NOBODY_HOME,
    )
}
