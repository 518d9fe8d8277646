//! A server that is started by its first client, by `systemd-socket-activate`.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cost::descendants;
use crate::locks;
use crate::modem::Modem;
use crate::processors::put;
use crate::server::{Kind, MODEMD, free_addresses, listening, minimal, modemd_settings, scratch};
use crate::stream::Client;
use crate::systemd::Systemd;
use crate::table::{Better, Figure, median};

/// Whether it is given the listening socket, or each client's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accept {
    No,
    Yes,
}

pub(crate) const ACTIVATE: &str = "systemd-socket-activate";

pub(crate) fn measure(kind: Kind, accept: Accept, count: usize) -> Result<Vec<Figure>, String> {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        times.push(start_once(kind, accept)?.as_secs_f64() * 1e3);
    }
    Ok(vec![Figure::new(
        "first answer",
        "ms",
        median(&mut times),
        Better::Less,
    )])
}

fn start_once(kind: Kind, accept: Accept) -> Result<Duration, String> {
    let text = |error: std::io::Error| error.to_string();
    let modems = Modem::many(1).map_err(text)?;
    let address = free_addresses(1)?.remove(0);
    let folder = scratch()?;
    let systemd = Systemd::new(&folder.join("notify")).map_err(text)?;
    let mut command = Command::new(ACTIVATE);
    command.args(["-l", &address]);
    if accept == Accept::Yes {
        command.arg("--accept");
    }
    if kind == Kind::Minimal {
        let minimal = minimal()?;
        command.arg(minimal.get_program()).args(minimal.get_args());
        command.arg(modems[0].device());
    } else {
        let config = folder.join("modemd.toml");
        let ports = [(&address, &modems[0])];
        let settings = modemd_settings(kind, &folder, ports.into_iter());
        fs::write(&config, settings).map_err(text)?;
        let notify = format!("NOTIFY_SOCKET={}", systemd.path().display());
        // A port's name is that of its socket.
        command
            .args(["--fdname=p0", "-E", &notify, MODEMD, "--config"])
            .arg(config);
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let running = Running(
        command
            .spawn()
            .map_err(|error| format!("{ACTIVATE}: {error}"))?,
    );
    put(&running.0).map_err(|errno| errno.to_string())?;
    wait_until_it_listens(&address)?;
    let since = Instant::now();
    Client::through(&address, kind.is_telnet(), &modems[0])?;
    let took = since.elapsed();
    let _ = fs::remove_dir_all(&folder);
    Ok(took)
}

/// Looked up, since a connection would start it.
fn wait_until_it_listens(address: &str) -> Result<(), String> {
    let deadline = Instant::now() + Duration::from_secs(20);
    while Instant::now() < deadline {
        if listening()?.contains(address) {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(1));
    }
    Err(format!("{ACTIVATE} does not listen on {address}"))
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(pid) = i32::try_from(self.0.id()) {
            for process in descendants(&[Pid::from_raw(pid)]) {
                let _ = kill(process, Signal::SIGKILL);
            }
        }
        let _ = self.0.wait();
        // Killed, the server has left those it had.
        if let Some(folder) = locks::folder() {
            locks::clear(folder);
        }
    }
}
