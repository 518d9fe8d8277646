//! The folder that systemd gives a generator.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Plan;

impl Plan {
    /// Writes the units below `folder`.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        for (name, text) in &self.files {
            fs::write(prepared(folder, name)?, text)?;
        }
        for (name, target) in &self.links {
            std::os::unix::fs::symlink(target, prepared(folder, name)?)?;
        }
        Ok(())
    }

    /// The units that are not in `folder` as they are planned, by their names there. Links come and go
    /// with the units that they lead to.
    pub(super) fn pending(&self, folder: &Path) -> Vec<String> {
        let is_there = |name: &Path, text: &str| {
            fs::read(folder.join(name)).is_ok_and(|there| there == text.as_bytes())
        };
        let missing = self
            .files
            .iter()
            .filter(|(name, text)| !is_there(name, text));
        missing
            .map(|(name, _)| name.display().to_string())
            .collect()
    }
}

/// The path of `name` below `folder`, with the folders that lead there made.
fn prepared(folder: &Path, name: &Path) -> io::Result<PathBuf> {
    let path = folder.join(name);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    Ok(path)
}
