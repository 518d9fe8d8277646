//! Fetches the files for [`Config::parse`] and [`Attachments::parse`].

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{Attachments, Config, Problem, Services};

/// More than any configuration, and little enough to read whole: somebody named a wrong file.
const LARGEST: u64 = 1 << 20;

/// What to do when there is no `modemd.toml`.
const WITHOUT_CONFIG: &str = "write one, or name another with `--config FILE`";

/// What to do when there is no `attach.toml`.
const WITHOUT_ATTACHMENTS: &str = "write one with a `[NAME]` for each line, and \
                                   `server = \"modemhost:2007\"` below it, or name another with \
                                   `--config FILE`";

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
            Err(error) => problems.push(unreadable(&directory, &error, WITHOUT_CONFIG)),
        }
        let mut files = Vec::new();
        for path in paths {
            match read(&path) {
                Ok(bytes) => files.push((path, bytes)),
                Err(error) => problems.push(unreadable(&path, &error, WITHOUT_CONFIG)),
            }
        }
        let mut config = Self::parse(&files, &Services::load());
        config.problems.splice(0..0, problems);
        config
    }
}

impl Attachments {
    /// Reads `path`, and service names from `/etc/services`; a file that cannot be read is a problem
    /// among [`Attachments::problems`].
    #[must_use]
    pub fn load(path: &Path) -> Self {
        match read(path) {
            Ok(bytes) => Self::parse(path, &bytes, &Services::load()),
            Err(error) => Self {
                file: path.to_owned(),
                attachments: Vec::new(),
                problems: vec![unreadable(path, &error, WITHOUT_ATTACHMENTS)],
            },
        }
    }
}

impl Services {
    /// Those of `/etc/services`, which is read when a name is looked up. No such file: no names, and
    /// whoever uses one is told so.
    #[must_use]
    pub fn load() -> Self {
        Self::read_by(|| {
            let services = fs::read("/etc/services").unwrap_or_default();
            String::from_utf8_lossy(&services).into_owned()
        })
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

fn unreadable(path: &Path, error: &io::Error, without: &str) -> Problem {
    let remedy = match error.kind() {
        io::ErrorKind::NotFound => without,
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory of its own for a test, gone at its end.
    struct Etc(PathBuf);

    impl Etc {
        fn new(test: &str) -> Self {
            let path = std::env::temp_dir().join(format!("modemd-{test}-{}", std::process::id()));
            fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn write(&self, name: &str, text: impl AsRef<[u8]>) {
            let path = self.0.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn load(&self) -> Config {
            Config::load(&self.0.join("modemd.toml"))
        }

        /// The problems with this directory's name left out.
        fn headlines(&self) -> Vec<String> {
            let directory = format!("{}/", self.0.display());
            let problems = self.load().problems.into_iter();
            let headlines = problems.map(|p| p.headline().replace(&directory, ""));
            headlines.collect()
        }
    }

    impl Drop for Etc {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn port(name: &str) -> String {
        format!("[ports.{name}]\ndevices = [\"/dev/{name}\"]\n")
    }

    #[test]
    fn the_files_of_conf_d_are_read_in_the_order_of_their_names() {
        let etc = Etc::new("order");
        etc.write("modemd.toml", port("main"));
        for name in ["20-b", "10-c", "30-a"] {
            etc.write(&format!("conf.d/{name}.toml"), port(name));
        }
        etc.write("conf.d/.hidden.toml", "not read");
        etc.write("conf.d/10-c.toml.dpkg-old", "not read");
        etc.write("conf.d/toml", "not read");
        let config = etc.load();
        assert_eq!(config.problems, []);
        let names: Vec<_> = config.ports.iter().map(|port| &port.name).collect();
        assert_eq!(names, ["main", "10-c", "20-b", "30-a"]);
    }

    #[test]
    fn a_missing_file_is_a_problem_and_the_others_are_read() {
        let etc = Etc::new("missing");
        etc.write("conf.d/more.toml", port("modem"));
        let config = etc.load();
        assert!(config.port("modem").is_ok());
        assert_eq!(
            etc.headlines(),
            ["modemd.toml: cannot be read: No such file or directory (os error 2)"]
        );
    }

    #[test]
    fn what_is_no_file_of_bearable_size_is_a_problem() {
        let etc = Etc::new("unreadable");
        etc.write("modemd.toml/file", "");
        fs::create_dir(etc.0.join("conf.d")).unwrap();
        std::os::unix::fs::symlink("nowhere", etc.0.join("conf.d/1.toml")).unwrap();
        etc.write("conf.d/2.toml", vec![b'\n'; 1 << 21]);
        assert_eq!(
            etc.headlines(),
            [
                "modemd.toml: cannot be read: Is a directory (os error 21)",
                "conf.d/1.toml: cannot be read: No such file or directory (os error 2)",
                "conf.d/2.toml: cannot be read: file too large",
            ]
        );
    }

    #[test]
    fn a_conf_d_that_is_no_directory_is_a_problem() {
        let etc = Etc::new("no-directory");
        etc.write("modemd.toml", port("modem"));
        etc.write("conf.d", "");
        assert_eq!(
            etc.headlines(),
            ["conf.d: cannot be read: Not a directory (os error 20)"]
        );
    }
}
