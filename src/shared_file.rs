//! A file of the state directory that several processes change.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

const PAUSE: Duration = Duration::from_micros(100);

/// How many octets tell what a file is of.
pub(crate) const SIGNATURE_LENGTH: usize = 16;

/// The open file. It begins with a signature.
#[derive(Debug)]
pub(crate) struct SharedFile {
    file: File,
    path: PathBuf,
    patience: Duration,
}

impl SharedFile {
    /// Opens the file, which is made if it is not there; one with another signature is begun anew.
    ///
    /// `patience` is how long is waited for another process that has it locked. It has for some
    /// microseconds; one that is stopped in the midst of it must not stop all the others, whose event loop
    /// this is.
    pub(crate) fn open(
        path: &Path,
        signature: &[u8; SIGNATURE_LENGTH],
        patience: Duration,
    ) -> io::Result<Self> {
        loop {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(path)?;
            let this = SharedFile {
                file,
                path: path.to_owned(),
                patience,
            };
            if this.locked(|| this.is_fit(signature))? {
                return Ok(this);
            }
        }
    }

    /// Whether this is the file to write in. Another version's is put out of the way: a process of that
    /// version may still write in it.
    fn is_fit(&self, signature: &[u8; SIGNATURE_LENGTH]) -> io::Result<bool> {
        let is_there = fs::metadata(&self.path).is_ok_and(|of| {
            let ours = self.file.metadata().map(|of| of.ino());
            ours.is_ok_and(|ours| ours == of.ino())
        });
        if !is_there {
            return Ok(false);
        }
        if self.file.metadata()?.len() == 0 {
            self.file.write_all_at(signature, 0)?;
        }
        let mut begin = [0; SIGNATURE_LENGTH];
        let is_ours = self.file.read_exact_at(&mut begin, 0).is_ok() && begin == *signature;
        if !is_ours {
            fs::remove_file(&self.path)?;
        }
        Ok(is_ours)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Does something that no other process may do meanwhile.
    pub(crate) fn locked<T>(&self, what: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let mut patience = self.patience;
        while let Err(error) = self.file.try_lock() {
            if patience.is_zero() {
                return Err(error.into());
            }
            patience = patience.saturating_sub(PAUSE);
            sleep(PAUSE);
        }
        let done = what();
        self.file.unlock()?;
        done
    }

    /// All that is in it, or so much.
    pub(crate) fn octets(&self, most: usize) -> io::Result<Vec<u8>> {
        let length = usize::try_from(self.file.metadata()?.len()).unwrap_or(usize::MAX);
        let mut octets = vec![0; length.min(most)];
        let mut at = 0;
        while at < octets.len() {
            match self.file.read_at(&mut octets[at..], at as u64)? {
                0 => break,
                count => at += count,
            }
        }
        octets.truncate(at);
        Ok(octets)
    }

    pub(crate) fn read_exact_at(&self, octets: &mut [u8], place: u64) -> io::Result<()> {
        self.file.read_exact_at(octets, place)
    }

    pub(crate) fn write_all_at(&self, octets: &[u8], place: u64) -> io::Result<()> {
        self.file.write_all_at(octets, place)
    }

    pub(crate) fn set_len(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }
}
