//! Talking to the modem on a line.

use std::io;
use std::time::Duration;

use nix::errno::Errno;
use nix::unistd::{read, write};
use tokio::time::{Instant, sleep_until, timeout};

use super::Trouble;
use crate::at::dialogue::{Dialogue, Step};
use crate::com_port::Uart as _;
use crate::line::Line;

/// How long what ends an answer may come after the answer is known: a line feed, at 300 baud.
const REST: Duration = Duration::from_millis(50);

/// More than one answer.
const ROOM: usize = 256;

/// Says each line and hears its answer. What was said before is not listened to, and nothing of all that
/// is left to be read.
pub(super) async fn talk(
    line: &mut Line,
    steps: &[Step],
    patience: Duration,
) -> Result<(), Trouble> {
    if steps.is_empty() {
        return Ok(());
    }
    line.discard_received();
    let mut dialogue = Dialogue::new(steps.to_vec(), patience, Instant::now().into_std());
    let mut unsent = Vec::new();
    let mut heard = [0; ROOM];
    let mut last = b'\n';
    loop {
        unsent.extend(dialogue.output());
        if let Some(outcome) = dialogue.outcome() {
            if last != b'\n' {
                listen(line, REST).await?;
            }
            line.discard_unsent();
            line.discard_received();
            return Ok(outcome?);
        }
        let due = dialogue
            .next_deadline()
            .map_or_else(Instant::now, Instant::from_std);
        tokio::select! {
            count = hear(line, &mut heard) => {
                let heard = &heard[..count?];
                last = heard.last().copied().unwrap_or(last);
                dialogue.hear(heard, Instant::now().into_std());
            }
            count = put(line, &unsent), if !unsent.is_empty() => drop(unsent.drain(..count?)),
            () = sleep_until(due) => {
                // A second try is not to come behind a first that was not even sent.
                line.discard_unsent();
                unsent.clear();
                dialogue.advance(Instant::now().into_std());
            }
        }
    }
}

/// Says it, as far as the modem takes it in that time.
pub(super) async fn say(line: &Line, mut octets: &[u8], patience: Duration) -> io::Result<()> {
    let all = async {
        while !octets.is_empty() {
            octets = &octets[put(line, octets).await?..];
        }
        Ok(())
    };
    timeout(patience, all).await.unwrap_or(Ok(()))
}

/// Hears what is said for so long, and throws it away.
pub(super) async fn listen(line: &Line, time: Duration) -> io::Result<()> {
    let mut heard = [0; ROOM];
    let all = async {
        loop {
            hear(line, &mut heard).await?;
        }
    };
    timeout(time, all).await.unwrap_or(Ok(()))
}

async fn hear(line: &Line, room: &mut [u8]) -> io::Result<usize> {
    loop {
        let mut ready = line.tty().readable().await?;
        match read(ready.get_inner(), room) {
            // A terminal has no end of file but the loss of its other side.
            Ok(0) => return Err(Errno::EIO.into()),
            Ok(count) => return Ok(count),
            Err(Errno::EAGAIN) => ready.clear_ready(),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

async fn put(line: &Line, octets: &[u8]) -> io::Result<usize> {
    loop {
        let mut ready = line.tty().writable().await?;
        match write(ready.get_inner(), octets) {
            Ok(count) => return Ok(count),
            Err(Errno::EAGAIN) => ready.clear_ready(),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}
