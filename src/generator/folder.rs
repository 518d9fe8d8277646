//! The folder that systemd gives a generator: written, and compared with a plan later.

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

    /// Whether `folder` has these units and no others of ours.
    #[must_use]
    pub fn is_in(&self, folder: &Path) -> bool {
        let has = |(name, text): (&PathBuf, &String)| {
            fs::read_to_string(folder.join(name)).is_ok_and(|is| is == *text)
        };
        // A socket that nothing pulls in any more has had its day.
        let is_former = |name: &Path| name.extension().is_some_and(|kind| kind == "socket");
        let is_known = |name: PathBuf| {
            self.files.contains_key(&name) || self.links.contains_key(&name) || is_former(&name)
        };
        self.files.iter().all(has)
            && self.links.keys().all(|name| folder.join(name).is_symlink())
            && names_of_ours(folder).into_iter().all(is_known)
    }
}

/// What a generator before us wrote into `folder`, itself and in folders of its own.
fn names_of_ours(folder: &Path) -> Vec<PathBuf> {
    let names = |folder: &Path| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| PathBuf::from(entry.file_name()))
    };
    let mut found = Vec::new();
    for name in names(folder).filter(|name| name.to_string_lossy().starts_with("modem")) {
        let inner = folder.join(&name);
        if inner.is_dir() {
            found.extend(names(&inner).map(|file| name.join(file)));
        } else {
            found.push(name);
        }
    }
    found
}

/// The path of `name` below `folder`, with the folders that lead there made.
fn prepared(folder: &Path, name: &Path) -> io::Result<PathBuf> {
    let path = folder.join(name);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    Ok(path)
}
