//! Fetches the files for [`Config::parse`].

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{Config, Problem, Services};

/// More than any configuration, and little enough to read whole: somebody named a wrong file.
const LARGEST: u64 = 1 << 20;

impl Config {
    /// Reads `path` and the `conf.d/*.toml` beside it, the latter in the order of their names and
    /// without hidden ones, and service names from `/etc/services`.
    ///
    /// A file that cannot be read is a problem among [`Config::problems`], the others count.
    #[must_use]
    pub fn load(path: &Path) -> Self {
        let mut problems = Vec::new();
        let mut paths = vec![path.to_owned()];
        let directory = path.with_file_name("conf.d");
        match fragments(&directory) {
            Ok(fragments) => paths.extend(fragments),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => problems.push(unreadable(&directory, &error)),
        }
        let mut files = Vec::new();
        for path in paths {
            match read(&path) {
                Ok(bytes) => files.push((path, bytes)),
                Err(error) => problems.push(unreadable(&path, &error)),
            }
        }
        let mut config = Self::parse(&files, &Services::load());
        config.problems.splice(0..0, problems);
        config
    }
}

impl Services {
    /// Reads `/etc/services`. No such file: no names, and whoever uses one is told so.
    #[must_use]
    pub fn load() -> Self {
        let services = fs::read("/etc/services").unwrap_or_default();
        Self::parse(&String::from_utf8_lossy(&services))
    }
}

/// The files of `directory` that are configuration.
fn fragments(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().as_bytes();
        if !name.starts_with(b".") && path.extension() == Some(OsStr::new("toml")) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(LARGEST + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    let remedy = match error.kind() {
        io::ErrorKind::NotFound => "write one, or name another with `--config FILE`",
        io::ErrorKind::PermissionDenied => "let the user that modemd runs as read it",
        io::ErrorKind::IsADirectory => "name a file",
        io::ErrorKind::FileTooLarge => "a configuration has at most 1 MiB: name another file",
        _ => "see to the disk, or name another file with `--config FILE`",
    };
    Problem {
        port: None,
        place: None,
        message: format!("{}: cannot be read: {error}", path.display()),
        remedy: remedy.to_owned(),
    }
}
