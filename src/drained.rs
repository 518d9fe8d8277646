//! The lines that are out of service. They are in a file, so that a restart does not put them back, and
//! all processes know them.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where it is written down which lines are out of service; without a file, all are in service.
#[derive(Debug, Default)]
pub struct Drained {
    file: Option<PathBuf>,
}

/// The lines that are out of service at one moment.
#[derive(Debug, Default)]
pub struct DrainedLines(BTreeSet<PathBuf>);

impl DrainedLines {
    /// Whether a line is among them, by this or another of its names.
    #[must_use]
    pub fn contains(&self, device: &Path) -> bool {
        !self.0.is_empty() && (self.0.contains(device) || self.0.contains(&real(device)))
    }
}

impl Drained {
    /// As this file has it, which need not be there.
    #[must_use]
    pub fn in_file(file: PathBuf) -> Self {
        Drained { file: Some(file) }
    }

    /// Those that are out of service now. What cannot be read keeps no line out of service.
    #[must_use]
    pub fn now(&self) -> DrainedLines {
        let text = self.file.as_ref().and_then(|file| fs::read(file).ok());
        let lines = text.and_then(|text| serde_json::from_slice(&text).ok());
        DrainedLines(lines.unwrap_or_default())
    }

    /// Takes a line out of service, or puts it back.
    ///
    /// Only one process may do that at a time: the shared daemon.
    pub fn change(&self, device: &Path, drained: bool) -> io::Result<()> {
        let Some(file) = &self.file else {
            return Err(io::Error::other(
                "there is no directory to write it down in; start modemd with --run-dir, or with the \
                 RuntimeDirectory= of its service",
            ));
        };
        let DrainedLines(mut lines) = self.now();
        if drained {
            lines.insert(real(device));
        } else {
            lines.remove(device);
            lines.remove(&real(device));
        }
        if lines.is_empty() {
            return match fs::remove_file(file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        // Whoever reads it meanwhile reads all of the one or all of the other.
        let new = file.with_extension("new");
        fs::write(&new, serde_json::to_vec(&lines)?)?;
        fs::rename(&new, file)
    }
}

/// The device that a name leads to; of one that is not there, the name.
fn real(device: &Path) -> PathBuf {
    device.canonicalize().unwrap_or_else(|_| device.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_out_of_service_under_all_its_names_until_it_is_put_back() {
        let folder = std::env::temp_dir().join(format!("modemd-drained-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let link = folder.join("modem");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        let drained = Drained::in_file(folder.join("drained"));
        let out = |device: &Path| drained.now().contains(device);
        let (null, gone) = (Path::new("/dev/null"), Path::new("/dev/gone"));
        assert!(!out(null));
        drained.change(&link, true).unwrap();
        drained.change(gone, true).unwrap();
        assert!(out(null) && out(&link) && out(gone) && !out(Path::new("/dev/zero")));
        drained.change(null, false).unwrap();
        assert!(!out(null) && !out(&link) && out(gone));
        drained.change(gone, false).unwrap();
        drained.change(gone, false).unwrap();
        assert!(!out(gone));
        assert!(!folder.join("drained").exists());
        fs::write(folder.join("drained"), "nonsense").unwrap();
        assert!(!out(null));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn without_a_place_to_write_it_down_no_line_is_taken_out_of_service() {
        let drained = Drained::default();
        assert!(drained.change(Path::new("/dev/null"), true).is_err());
        assert!(!drained.now().contains(Path::new("/dev/null")));
    }
}
