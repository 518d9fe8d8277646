//! Those who ask how it stands, over Varlink: never waited for.

use std::fs::{self, Permissions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::interface::{Break, DESCRIPTION, Description, NAME};
use crate::varlink::{Call, Frames, Parameters, Reply, SERVICE, frame, introduce};

/// How many may be connected at once; who comes then takes the place of the first.
const MOST: usize = 16;

/// The longest call.
const LONGEST_CALL: usize = 4096;

/// The longest BREAK, in milliseconds: none is meant to last longer than a space disconnect.
const LONGEST_BREAK: u16 = 3000;

/// Who can be asked, and what for.
pub(super) trait Asked {
    /// How it stands.
    fn describe(&self) -> Description;
    /// Sends a BREAK of so many milliseconds, or says why not.
    fn send_break(&mut self, msec: u16) -> Result<(), String>;
}

/// A socket, until dropped, and who is connected to it.
#[derive(Debug)]
pub(super) struct Callers {
    listener: UnixListener,
    path: PathBuf,
    connected: Vec<Caller>,
}

#[derive(Debug)]
struct Caller {
    stream: UnixStream,
    frames: Frames,
}

impl Callers {
    /// Listens in a folder, which is made if there is none. Of two processes of a name the second fails with
    /// `AddrInUse`.
    pub(super) fn listen(folder: &Path, name: &str) -> io::Result<Callers> {
        fs::create_dir_all(folder)?;
        let path = folder.join(name);
        match UnixStream::connect(&path) {
            Ok(_) => return Err(io::ErrorKind::AddrInUse.into()),
            // Its process was killed.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(&path)?;
            }
            Err(_) => {}
        }
        let listener = UnixListener::bind(&path)?;
        // Whoever may open the device may ask about it.
        fs::set_permissions(&path, Permissions::from_mode(0o660))?;
        listener.set_nonblocking(true)?;
        Ok(Callers {
            listener,
            path,
            connected: Vec::new(),
        })
    }

    /// What becomes readable when somebody comes or asks.
    pub(super) fn all(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let callers = self.connected.iter().map(|caller| caller.stream.as_fd());
        std::iter::once(self.listener.as_fd()).chain(callers)
    }

    /// Lets in who has come, and answers all who have asked.
    pub(super) fn answer(&mut self, asked: &mut impl Asked) {
        while let Ok((stream, _)) = self.listener.accept() {
            if stream.set_nonblocking(true).is_ok() {
                if self.connected.len() == MOST {
                    self.connected.remove(0);
                }
                self.connected.push(Caller {
                    stream,
                    frames: Frames::up_to(LONGEST_CALL),
                });
            }
        }
        self.connected
            .retain_mut(|caller| caller.answer(asked).is_ok());
    }
}

impl Drop for Callers {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

impl Caller {
    /// Fails when they are gone, talk nonsense or do not take their answers.
    fn answer(&mut self, asked: &mut impl Asked) -> io::Result<()> {
        let mut octets = [0; 1024];
        match self.stream.read(&mut octets) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => self.frames.feed(&octets[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        while let Some(message) = self.frames.next() {
            let call: Call = serde_json::from_slice(&message.map_err(io::Error::other)?)?;
            let reply = reply(&call, asked);
            if !call.oneway {
                self.stream.write_all(&frame(&reply))?;
            }
        }
        Ok(())
    }
}

fn reply(call: &Call, asked: &mut impl Asked) -> Reply {
    match call.target() {
        (SERVICE, _) => introduce(call, NAME, DESCRIPTION),
        (NAME, "Describe") => Reply::of(&asked.describe()),
        (NAME, "SendBreak") => {
            let given = serde_json::from_value(Value::Object(call.parameters.clone()));
            match given {
                Ok(Break { msec }) if (1..=LONGEST_BREAK).contains(&msec) => {
                    match asked.send_break(msec) {
                        Ok(()) => Reply::of(&Parameters::new()),
                        Err(why) => {
                            let about = Parameters::from_iter([("why".to_owned(), json!(why))]);
                            Reply::error(format!("{NAME}.Failed"), about)
                        }
                    }
                }
                _ => Reply::invalid_parameter("msec"),
            }
        }
        (NAME, _) => Reply::method_not_found(&call.method),
        (interface, _) => Reply::interface_not_found(interface),
    }
}
