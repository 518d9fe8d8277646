//! Messages over one connection.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::varlink::{Frames, frame};

/// A connection.
pub(super) struct Wire {
    stream: UnixStream,
    frames: Frames,
    longest: usize,
}

impl Wire {
    /// On which messages of so many octets come in.
    pub(super) fn new(stream: UnixStream, longest: usize) -> Self {
        Wire {
            stream,
            frames: Frames::up_to(longest),
            longest,
        }
    }

    /// Sends a message.
    pub(super) async fn say(&mut self, message: &impl Serialize) -> io::Result<()> {
        self.stream.write_all(&frame(message)).await
    }

    /// The next message. Whoever drops this has lost nothing.
    pub(super) async fn hear<T: DeserializeOwned>(&mut self) -> io::Result<T> {
        loop {
            if let Some(message) = self.frames.next() {
                let message = message.map_err(io::Error::other)?;
                return Ok(serde_json::from_slice(&message)?);
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> io::Result<()> {
        let mut octets = [0; 1024];
        match self.stream.read(&mut octets).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                self.frames.feed(&octets[..count]);
                Ok(())
            }
        }
    }

    /// Completes when the other side is gone. What it says meanwhile is for later, unless it is more than
    /// makes sense.
    pub(super) async fn gone(&mut self) {
        while self.frames.held() <= self.longest && self.more().await.is_ok() {}
    }
}
