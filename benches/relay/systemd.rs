//! systemd, as far as modemd's speed depends on it: it is told of each session and keeps its
//! descriptors (`FileDescriptorStoreMax=` of modem.service).

use std::collections::HashMap;
use std::io::{self, IoSliceMut};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, UnixAddr, recvmsg};

/// Where a service reports to.
pub(crate) struct Systemd {
    socket: UnixDatagram,
    path: PathBuf,
    ready: Receiver<()>,
}

impl Systemd {
    pub(crate) fn new(path: &Path) -> io::Result<Systemd> {
        let socket = UnixDatagram::bind(path)?;
        let from = socket.try_clone()?;
        let (tell, ready) = channel();
        std::thread::spawn(move || hear(&from, &tell));
        Ok(Systemd {
            socket,
            path: path.to_owned(),
            ready,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn wait_until_ready(&self) -> Result<(), String> {
        let told = self.ready.recv_timeout(Duration::from_secs(30));
        told.map_err(|_| "it did not get ready".to_owned())
    }
}

impl Drop for Systemd {
    fn drop(&mut self) {
        // Ends the thread, and with it the store.
        let _ = self.socket.shutdown(Shutdown::Read);
        let _ = std::fs::remove_file(&self.path);
    }
}

fn hear(socket: &UnixDatagram, ready: &Sender<()>) {
    let mut store: HashMap<String, Vec<OwnedFd>> = HashMap::new();
    while let Ok((text, descriptors)) = receive(socket) {
        if text.is_empty() {
            return;
        }
        let name = text.lines().find_map(|line| line.strip_prefix("FDNAME="));
        let name = name.unwrap_or_default();
        let has = |line| text.lines().any(|has| has == line);
        if has("FDSTORE=1") {
            store
                .entry(name.to_owned())
                .or_default()
                .extend(descriptors);
        } else if has("FDSTOREREMOVE=1") {
            store.remove(name);
        } else if has("READY=1") {
            let _ = ready.send(());
        }
    }
}

fn receive(socket: &UnixDatagram) -> io::Result<(String, Vec<OwnedFd>)> {
    let mut text = [0; 4096];
    let mut room = nix::cmsg_space!([i32; 16]);
    let mut parts = [IoSliceMut::new(&mut text)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<UnixAddr>(socket.as_raw_fd(), &mut parts, Some(&mut room), flags)?;
    let length = message.bytes;
    let mut descriptors = Vec::new();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(received) = control {
            descriptors.extend(received.into_iter().map(|descriptor| {
                // SAFETY: the kernel has just made it for us, and told us once.
                #[allow(unsafe_code)]
                unsafe {
                    OwnedFd::from_raw_fd(descriptor)
                }
            }));
        }
    }
    Ok((String::from_utf8_lossy(&text[..length]).into(), descriptors))
}
