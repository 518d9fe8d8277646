//! The name by which programs find the device: pseudo terminals have another number each time.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// A symbolic link, until dropped.
#[derive(Debug)]
pub(super) struct Link {
    path: PathBuf,
    device: PathBuf,
}

impl Link {
    /// Makes it lead to a device. The folder is made if there is none; what is there by this name must be a
    /// link, and is replaced.
    pub(super) fn make(path: &Path, device: &Path) -> io::Result<Link> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut link = Link {
            path: path.to_owned(),
            device: PathBuf::new(),
        };
        link.lead_to(device)?;
        Ok(link)
    }

    /// Makes it lead to another device; at no moment there is none.
    pub(super) fn lead_to(&mut self, device: &Path) -> io::Result<()> {
        match fs::symlink_metadata(&self.path) {
            Ok(found) if !found.is_symlink() => {
                return Err(io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    "it exists, and is no symbolic link",
                ));
            }
            _ => {}
        }
        let new = unfinished(&self.path);
        // Somebody of our number may have been killed before it was moved.
        if fs::symlink_metadata(&new).is_ok_and(|found| found.is_symlink()) {
            fs::remove_file(&new)?;
        }
        symlink(device, &new)?;
        if let Err(error) = fs::rename(&new, &self.path) {
            let _ = fs::remove_file(&new);
            return Err(error);
        }
        device.clone_into(&mut self.device);
        Ok(())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// By what name a link is made before it takes the place of the one that is there.
fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    path.with_file_name(name)
}

impl Drop for Link {
    fn drop(&mut self) {
        // It may be somebody else's by now.
        if fs::read_link(&self.path).is_ok_and(|device| device == self.device) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(test: &str) -> PathBuf {
        let name = format!("modemd-link-{test}-{}", std::process::id());
        std::env::temp_dir().join(name)
    }

    #[test]
    fn a_link_leads_to_a_device_until_it_is_dropped() {
        let folder = folder("leads");
        let path = folder.join("tty/fax");
        let mut link = Link::make(&path, Path::new("/dev/pts/1")).unwrap();
        assert_eq!(fs::read_link(&path).unwrap(), Path::new("/dev/pts/1"));
        link.lead_to(Path::new("/dev/pts/2")).unwrap();
        assert_eq!(fs::read_link(&path).unwrap(), Path::new("/dev/pts/2"));
        assert_eq!(fs::read_dir(folder.join("tty")).unwrap().count(), 1);
        drop(link);
        assert!(fs::symlink_metadata(&path).is_err());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_is_no_link_stays_and_so_does_the_link_of_another() {
        let folder = folder("stays");
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("fax");
        fs::write(&path, "a file").unwrap();
        assert!(Link::make(&path, Path::new("/dev/pts/1")).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"a file");
        fs::remove_file(&path).unwrap();
        let before = Link::make(&path, Path::new("/dev/pts/1")).unwrap();
        let after = Link::make(&path, Path::new("/dev/pts/2")).unwrap();
        drop(before);
        assert_eq!(fs::read_link(&path).unwrap(), Path::new("/dev/pts/2"));
        drop(after);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_one_that_was_killed_has_half_made_is_in_nobodys_way() {
        let folder = folder("killed");
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("fax");
        symlink("/dev/pts/1", unfinished(&path)).unwrap();
        let link = Link::make(&path, Path::new("/dev/pts/2")).unwrap();
        assert_eq!(fs::read_link(&path).unwrap(), Path::new("/dev/pts/2"));
        drop(link);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        fs::remove_dir_all(folder).unwrap();
    }
}
