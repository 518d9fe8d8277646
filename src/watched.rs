//! Descriptors that the event loop watches.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

use nix::pty::PtyMaster;
use nix::sys::epoll;
use nix::sys::signalfd::SignalFd;
use socket2::Socket;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::line::Tty;

/// Something that owns one open descriptor, and keeps the same one open until it is dropped.
pub(crate) trait OwnsDescriptor: AsRawFd {}

/// Many descriptors that are watched as one.
pub(crate) struct Epoll(pub(crate) epoll::Epoll);

impl AsRawFd for Epoll {
    fn as_raw_fd(&self) -> RawFd {
        self.0.0.as_raw_fd()
    }
}

impl OwnsDescriptor for Arc<PtyMaster> {}
impl OwnsDescriptor for Epoll {}
impl OwnsDescriptor for SignalFd {}
impl OwnsDescriptor for Socket {}
impl OwnsDescriptor for Tty {}

/// Registers `inner`, which is in non-blocking mode, with the event loop of this thread.
pub(crate) fn watch<T: OwnsDescriptor>(inner: T) -> io::Result<AsyncFd<T>> {
    // SAFETY: the implementors of `OwnsDescriptor` are known, none of them lets its descriptor be
    // closed or exchanged while it lives, and none changes it in place.
    #[allow(unsafe_code)]
    unsafe {
        let events = Interest::READABLE | Interest::WRITABLE | Interest::PRIORITY;
        Ok(AsyncFd::register_with_interest(inner, events)?)
    }
}
