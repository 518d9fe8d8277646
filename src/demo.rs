//! stand-in
use socket2::Socket;
use std::io;
/// Shares.
pub async fn run(_socket: Socket) -> io::Result<()> {
    Ok(())
}
