//! The lines whose modems do not do what they are told. Each is set aside for a while, and for longer each
//! time until it answers again. They are in a file, so that all processes know them, and those to come.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::state_dir::StateDir;

/// How long for at first; each time it is twice as long.
const FIRST: Duration = Duration::from_secs(60);

/// How long for at most.
const LONGEST: Duration = Duration::from_secs(64 * 60);

/// Where it is written down which lines are set aside; without a directory, only this process knows.
#[derive(Debug, Default)]
pub struct Aside {
    directory: Option<StateDir>,
    /// Those that could not be written down.
    memory: RefCell<AsideLines>,
}

/// The lines that are set aside, or were when their modems were last tried.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AsideLines(BTreeMap<PathBuf, Pause>);

/// For how long a line is set aside, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Until when, by [`uptime`](crate::uptime::uptime).
    pub until: Duration,
    /// How long that was from the beginning.
    pub length: Duration,
    /// What its modem did, or did not do.
    pub why: String,
}

impl AsideLines {
    /// Why a line is set aside `now`, if it is, by this or another of its names.
    #[must_use]
    pub fn get(&self, device: &Path, now: Duration) -> Option<&Pause> {
        self.last(device).filter(|pause| now < pause.until)
    }

    /// The last pause of a line whose modem has not done what it was told since.
    #[must_use]
    pub fn last(&self, device: &Path) -> Option<&Pause> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(device).or_else(|| self.0.get(&real(device)))
    }

    fn set(&mut self, device: &Path, why: &str, now: Duration) -> Pause {
        let length = match self.last(device) {
            None => FIRST,
            // Somebody else has found out at the same time.
            Some(pause) if now < pause.until => pause.length,
            Some(pause) => (pause.length * 2).min(LONGEST),
        };
        let pause = Pause {
            until: now + length,
            length,
            why: why.to_owned(),
        };
        self.0.insert(real(device), pause.clone());
        pause
    }

    /// The last pause of a line that is not aside any more.
    fn take(&mut self, device: &Path) -> Option<Pause> {
        let pause = self.0.remove(device);
        pause.or_else(|| self.0.remove(&real(device)))
    }
}

impl Aside {
    /// As it is written down in this directory.
    #[must_use]
    pub fn in_directory(directory: StateDir) -> Self {
        Aside {
            directory: Some(directory),
            memory: RefCell::default(),
        }
    }

    /// All of them. What cannot be read sets no line aside.
    #[must_use]
    pub fn lines(&self) -> AsideLines {
        let mut lines = self.written();
        let memory = self.memory.borrow();
        let memory = memory.0.iter();
        lines
            .0
            .extend(memory.map(|(line, pause)| (line.clone(), pause.clone())));
        lines
    }

    /// Sets a line aside from `now` on, and tells for how long.
    pub fn set(&self, device: &Path, why: &str, now: Duration) -> Pause {
        match self.change(|lines| lines.set(device, why, now)) {
            Some(Ok(pause)) => pause,
            failed => {
                if let Some(Err(error)) = failed {
                    let device = device.display();
                    warn!("{device}: that it is set aside is not written down: {error}");
                }
                self.memory.borrow_mut().set(device, why, now)
            }
        }
    }

    /// The modem of a line does what it is told, or is to be tried: tells for how long it was aside, if it
    /// was.
    pub fn forget(&self, device: &Path) -> Option<Pause> {
        let ours = self.memory.borrow_mut().take(device);
        if self.written().last(device).is_none() {
            return ours;
        }
        match self.change(|lines| lines.take(device)) {
            Some(Ok(pause)) => pause.or(ours),
            Some(Err(error)) => {
                let device = device.display();
                warn!("{device}: that it is set aside no more is not written down: {error}");
                ours
            }
            None => ours,
        }
    }

    fn written(&self) -> AsideLines {
        let file = self.directory.as_ref().map(StateDir::aside);
        let text = file.and_then(|file| fs::read(file).ok());
        let lines = text.and_then(|text| serde_json::from_slice(&text).ok());
        lines.unwrap_or_default()
    }

    /// Nothing without a directory.
    fn change<T>(&self, change: impl FnOnce(&mut AsideLines) -> T) -> Option<io::Result<T>> {
        let directory = self.directory.as_ref()?;
        let file = directory.aside();
        let write = || {
            // Several processes may change it. Whoever reads it meanwhile reads all of the one or all of
            // the other.
            let lock = File::open(directory.path())?;
            lock.lock()?;
            let mut lines = self.written();
            let done = change(&mut lines);
            if lines.0.is_empty() {
                match fs::remove_file(&file) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            } else {
                let new = file.with_extension("new");
                fs::write(&new, serde_json::to_vec(&lines)?)?;
                directory.give_away(&new)?;
                fs::rename(&new, &file)?;
            }
            Ok(done)
        };
        Some(write())
    }
}

/// The device that a name leads to; of one that is not there, the name.
fn real(device: &Path) -> PathBuf {
    device.canonicalize().unwrap_or_else(|_| device.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// A directory of this test's own, gone when dropped.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let name = format!("modemd-aside-{name}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            fs::create_dir_all(&path).unwrap();
            Scratch(path)
        }

        fn aside(&self) -> Aside {
            Aside::in_directory(StateDir::make(self.0.clone(), None).unwrap())
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_line_is_set_aside_for_twice_as_long_each_time_until_it_works() {
        let line = Path::new("/dev/gone");
        let scratch = Scratch::new("growing");
        for aside in [Aside::default(), scratch.aside()] {
            let mut now = Duration::from_secs(10);
            for minutes in [1, 2, 4, 8, 16, 32, 64, 64] {
                let pause = aside.set(line, "no answer to `AT`", now);
                assert_eq!(pause.length, minutes * MINUTE);
                let lines = aside.lines();
                assert_eq!(lines.get(line, now), Some(&pause));
                now += pause.length;
                assert_eq!(lines.get(line, now), None);
                assert_eq!(lines.last(line), Some(&pause));
            }
            assert!(aside.forget(line).is_some());
            assert_eq!(aside.lines(), AsideLines::default());
            assert_eq!(aside.forget(line), None);
            assert_eq!(aside.set(line, "again", now).length, MINUTE);
            aside.forget(line);
        }
    }

    #[test]
    fn who_finds_out_at_the_same_time_makes_it_no_longer() {
        let (aside, line) = (Aside::default(), Path::new("/dev/gone"));
        aside.set(line, "no answer to `AT`", Duration::ZERO);
        let pause = aside.set(line, "no answer to `ATZ`", MINUTE / 2);
        assert_eq!((pause.length, pause.until), (MINUTE, MINUTE * 3 / 2));
    }

    #[test]
    fn all_processes_know_it_and_under_all_names_of_the_line() {
        let scratch = Scratch::new("shared");
        let link = scratch.0.join("modem");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        let (one, other) = (scratch.aside(), scratch.aside());
        one.set(&link, "no answer to `AT`", Duration::ZERO);
        other.set(Path::new("/dev/gone"), "no answer to `AT`", Duration::ZERO);
        for aside in [&one, &other] {
            let lines = aside.lines();
            for line in [&link, Path::new("/dev/null"), Path::new("/dev/gone")] {
                assert!(lines.get(line, Duration::ZERO).is_some());
            }
            assert!(lines.last(Path::new("/dev/zero")).is_none());
        }
        assert!(other.forget(Path::new("/dev/null")).is_some());
        assert!(one.lines().last(&link).is_none());
        assert!(one.forget(Path::new("/dev/gone")).is_some());
        assert!(!scratch.0.join("aside").exists());
    }

    #[test]
    fn many_at_once_lose_nothing() {
        let scratch = Scratch::new("many");
        std::thread::scope(|scope| {
            for number in 0..8 {
                let scratch = &scratch;
                scope.spawn(move || {
                    let line = PathBuf::from(format!("/dev/gone{number}"));
                    let aside = scratch.aside();
                    for _ in 0..20 {
                        aside.set(&line, "no answer to `AT`", Duration::ZERO);
                        aside.forget(&line);
                    }
                    aside.set(&line, "no answer to `AT`", Duration::ZERO);
                });
            }
        });
        assert_eq!(scratch.aside().lines().0.len(), 8);
    }

    #[test]
    fn what_cannot_be_read_or_written_is_known_to_this_process_alone() {
        let scratch = Scratch::new("unwritable");
        let aside = scratch.aside();
        fs::write(scratch.0.join("aside"), "nonsense").unwrap();
        let line = Path::new("/dev/gone");
        assert!(aside.lines().last(line).is_none());
        fs::remove_dir_all(&scratch.0).unwrap();
        aside.set(line, "no answer to `AT`", Duration::ZERO);
        assert!(aside.lines().last(line).is_some());
        assert!(aside.forget(line).is_some());
        assert!(aside.lines().last(line).is_none());
    }
}
