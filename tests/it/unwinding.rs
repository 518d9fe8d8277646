//! What a panic leaves behind: nothing. None can be provoked from outside, so here the library is
//! driven by hand.

use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use modemd::claim::{Claim, LockDirectory};
use modemd::config::LineSettings;
use modemd::line::Line;
use nix::sys::termios::{InputFlags, LocalFlags, SetArg, tcgetattr, tcsetattr};

use crate::support::{Modem, Scratch, locks_in};

fn locks_of(scratch: &Scratch) -> LockDirectory {
    LockDirectory::new(Some(scratch.path().to_owned()), None)
}

/// Runs `work` on the open line in an event loop, as a session does.
fn on_the_line<T>(device: &Path, locks: &LockDirectory, work: impl FnOnce(Line) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let claim = Claim::take(device, locks).unwrap();
        work(Line::open(device, LineSettings::default(), claim).unwrap())
    })
}

#[test]
fn a_panic_with_a_claim_in_hand_removes_the_lock_files() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let locks = locks_of(&scratch);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _claim = Claim::take(modem.device(), &locks).unwrap();
        assert!(!locks_in(scratch.path()).is_empty());
        panic!("as asked for");
    }));
    assert!(panicked.is_err());
    assert!(locks_in(scratch.path()).is_empty());
    Claim::take(modem.device(), &locks).unwrap();
}

#[test]
fn a_panic_with_a_line_in_hand_restores_and_releases_it() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let locks = locks_of(&scratch);
    let mut left = tcgetattr(modem.master()).unwrap();
    left.local_flags |= LocalFlags::ICANON | LocalFlags::ECHO;
    left.input_flags |= InputFlags::ICRNL | InputFlags::ISTRIP;
    tcsetattr(modem.master(), SetArg::TCSANOW, &left).unwrap();
    let found = tcgetattr(modem.master()).unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        on_the_line(modem.device(), &locks, |_line| {
            assert_ne!(tcgetattr(modem.master()).unwrap(), found);
            panic!("as asked for");
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(tcgetattr(modem.master()).unwrap(), found);
    assert!(locks_in(scratch.path()).is_empty());
    // No flock and no exclusive mode is left either.
    on_the_line(modem.device(), &locks, drop);
}

#[test]
fn a_session_that_is_dropped_in_the_middle_restores_and_releases_its_line() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let locks = locks_of(&scratch);
    let found = tcgetattr(modem.master()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let claim = Claim::take(modem.device(), &locks).unwrap();
        let line = Line::open(modem.device(), LineSettings::default(), claim).unwrap();
        let session = async move {
            let _line = line;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            () = session => {}
            () = std::future::ready(()) => {}
        }
    });
    assert_eq!(tcgetattr(modem.master()).unwrap(), found);
    assert!(locks_in(scratch.path()).is_empty());
    on_the_line(modem.device(), &locks, drop);
}

#[test]
fn a_line_that_cannot_be_opened_gives_back_its_claim() {
    let scratch = Scratch::new();
    let locks = locks_of(&scratch);
    let device = scratch.file("not-a-line", "");
    let before = device.metadata().unwrap().mtime_nsec();
    let claim = Claim::take(&device, &locks).unwrap();
    assert!(!locks_in(scratch.path()).is_empty());
    let refused = Line::open(&device, LineSettings::default(), claim).unwrap_err();
    assert!(
        refused.to_string().contains("not a serial line"),
        "{refused}"
    );
    assert!(locks_in(scratch.path()).is_empty());
    assert_eq!(device.metadata().unwrap().mtime_nsec(), before);
}
