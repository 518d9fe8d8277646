use super::*;
use proptest::prelude::*;

struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("modemd-{}-{name}", our_pid()));
        fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    fn lock(&self) -> PathBuf {
        self.0.join("LCK..ttyT0")
    }

    fn with(self, content: impl AsRef<[u8]>) -> Self {
        fs::write(self.lock(), content).unwrap();
        self
    }

    fn aged(self) -> Self {
        let long_ago = SystemTime::now() - Duration::from_secs(60);
        let file = OpenOptions::new().write(true).open(self.lock()).unwrap();
        file.set_modified(long_ago).unwrap();
        self
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A pid that belonged to somebody a moment ago and to nobody now.
fn dead_pid() -> u32 {
    let mut child = std::process::Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    child.id()
}

#[test]
fn a_lock_is_eleven_octets_and_gone_when_dropped() {
    let directory = Directory::new("format");
    let lock = LockFile::make(directory.lock(), None).unwrap();
    let content = fs::read(directory.lock()).unwrap();
    assert_eq!(content, format!("{:10}\n", our_pid()).as_bytes());
    assert_eq!(content.len(), 11);
    assert_eq!(directory.names(), ["LCK..ttyT0"]);
    drop(lock);
    assert!(directory.names().is_empty());
}

#[test]
fn a_second_lock_in_the_same_process_is_refused() {
    let directory = Directory::new("twice");
    let _held = LockFile::make(directory.lock(), None).unwrap();
    let second = LockFile::make(directory.lock(), None);
    assert!(matches!(second, Err(LockFileError::Held(_))), "{second:?}");
}

#[test]
fn a_lock_of_a_living_process_is_respected() {
    let mut sleeper = std::process::Command::new("sleep")
        .arg("60")
        .spawn()
        .unwrap();
    let directory = Directory::new("alive").with(format!("{:10}\n", sleeper.id()));
    let refused = LockFile::make(directory.lock(), None)
        .unwrap_err()
        .to_string();
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    assert!(refused.contains("(sleep)"), "{refused}");
    assert_eq!(directory.names(), ["LCK..ttyT0"]);
}

#[test]
fn a_lock_of_a_dead_process_is_taken_over() {
    let directory = Directory::new("dead").with(format!("{:10}\n", dead_pid()));
    let _lock = LockFile::make(directory.lock(), None).unwrap();
    assert_eq!(
        pid_in(&fs::read(directory.lock()).unwrap()),
        Some(our_pid())
    );
    assert_eq!(directory.names(), ["LCK..ttyT0"]);
}

#[test]
fn a_binary_lock_of_a_dead_process_is_taken_over() {
    let directory = Directory::new("binary").with(dead_pid().to_ne_bytes());
    LockFile::make(directory.lock(), None).unwrap();
}

#[test]
fn a_lock_with_our_pid_that_this_process_never_made_is_taken_over() {
    let directory = Directory::new("reused").with(format!("{:10}\n", our_pid()));
    LockFile::make(directory.lock(), None).unwrap();
}

#[test]
fn an_empty_lock_is_respected_while_it_is_young_and_taken_over_when_old() {
    for content in ["", "garbage\n", "-5\n", "99999999999\n"] {
        let young = Directory::new("young").with(content);
        let refused = LockFile::make(young.lock(), None);
        assert!(
            matches!(refused, Err(LockFileError::Held(_))),
            "{refused:?}"
        );
        let old = Directory::new("old").with(content).aged();
        LockFile::make(old.lock(), None).unwrap();
    }
}

#[test]
fn a_lock_that_somebody_replaced_is_left_alone() {
    let directory = Directory::new("replaced");
    let lock = LockFile::make(directory.lock(), None).unwrap();
    fs::write(directory.lock(), "         1\n").unwrap();
    drop(lock);
    assert_eq!(fs::read(directory.lock()).unwrap(), b"         1\n");
}

#[test]
fn a_directory_that_is_not_there_is_an_error_of_its_own() {
    let nowhere = LockFile::make(PathBuf::from("/nonexistent/LCK..x"), None);
    assert!(matches!(nowhere, Err(LockFileError::Unwritable(_))));
}

#[test]
fn a_binary_pid_that_begins_like_text_is_no_text() {
    // "1", a blank, and two octets that are no text.
    assert_eq!(pid_in(&i32::to_ne_bytes(0x000f_2031)), Some(0x000f_2031));
}

proptest! {
    #[test]
    fn any_content_is_survived(content in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Some(pid) = pid_in(&content) {
            prop_assert!(pid > 0);
        }
    }

    #[test]
    fn every_pid_is_read_back_from_both_formats(pid in 1..=(1 << 22)) {
        prop_assert_eq!(pid_in(format!("{pid:10}\n").as_bytes()), Some(pid));
        prop_assert_eq!(pid_in(format!("{pid:10} minicom root\n").as_bytes()), Some(pid));
        prop_assert_eq!(pid_in(&i32::to_ne_bytes(pid)), Some(pid));
    }
}
