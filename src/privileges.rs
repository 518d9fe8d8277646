//! From root to somebody who can only open serial lines, for good.

use std::ffi::CString;
use std::time::{Duration, Instant};

use caps::{CapSet, Capability};
use nix::errno::Errno;
use nix::sys::prctl;
use nix::unistd::{
    Gid, Group, Uid, User, geteuid, getgrouplist, getgroups, getresgid, getresuid, setgroups,
    setresgid, setresuid,
};

/// The sets that a thread holds itself; the bounding set only says what it could come to hold. The
/// ambient set never has what is not both permitted and inheritable (`capabilities(7)`), and it takes
/// forty calls to look at.
const SETS: [CapSet; 3] = [CapSet::Inheritable, CapSet::Effective, CapSet::Permitted];

/// How long a thread that has done its work may take to vanish.
const THREADS_END_WITHIN: Duration = Duration::from_secs(1);

const UNREADABLE: &str = "capabilities cannot be read";

/// Whom to become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user's number.
    pub uid: Uid,
    /// The group's number.
    pub gid: Gid,
    /// All groups there will be: that one, and those that list the user as a member, as systemd has
    /// it too (`Group=`, systemd.exec(5)). Fedora's lock directory is for members of `lock`.
    pub groups: Vec<Gid>,
}

/// What to do about the privileges that modemd was started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Privileges {
    /// Started as root: become this user before a byte of a client is read.
    Become(Identity),
    /// Started as root, and told to stay so.
    StayRoot,
    /// Not started as root: there is nobody to become, only something to let go of.
    Unprivileged,
}

/// Why the privileges could not be dropped. Nothing may go on after that.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegesError {
    /// The user to become is unknown.
    #[error(
        "user `{0}` does not exist: modemd was started as root and needs somebody to become; make it \
         with `systemd-sysusers` or `useradd --system {0}`, or name another with `--user` or `user =`"
    )]
    NoUser(String),
    /// The group to become is unknown.
    #[error(
        "group `{0}` does not exist: the serial lines' group is wanted; name another with `--group` or \
         `group =`"
    )]
    NoGroup(String),
    /// The kernel refuses a step.
    #[error("privileges: {0}: {1}")]
    Refused(&'static str, String),
    /// All steps were taken, and yet something is left.
    #[error("privileges: {0} is left after dropping everything; not going on")]
    Left(String),
}

/// Decides what is to be done, by who we are and whom the configuration names. `group` defaults to
/// the user's own.
pub fn plan(user: &str, group: Option<&str>) -> Result<Privileges, PrivilegesError> {
    if !geteuid().is_root() {
        return Ok(Privileges::Unprivileged);
    }
    let lookup = |step| move |errno: Errno| PrivilegesError::Refused(step, errno.desc().to_owned());
    let entry = User::from_name(user)
        .map_err(lookup("the user cannot be looked up"))?
        .ok_or_else(|| PrivilegesError::NoUser(user.to_owned()))?;
    if entry.uid.is_root() {
        return Ok(Privileges::StayRoot);
    }
    let gid = match group {
        None => entry.gid,
        Some(name) => {
            Group::from_name(name)
                .map_err(lookup("the group cannot be looked up"))?
                .ok_or_else(|| PrivilegesError::NoGroup(name.to_owned()))?
                .gid
        }
    };
    let name = CString::new(entry.name).map_err(|_| PrivilegesError::NoUser(user.to_owned()))?;
    let mut groups = getgrouplist(&name, gid).map_err(lookup("the groups cannot be looked up"))?;
    groups.retain(|group| group.as_raw() != 0);
    Ok(Privileges::Become(Identity {
        uid: entry.uid,
        gid,
        groups,
    }))
}

impl Privileges {
    /// Who the lock files must belong to, if not to who we are now.
    #[must_use]
    pub fn identity(&self) -> Option<(Uid, Gid)> {
        match self {
            Privileges::Become(identity) => Some((identity.uid, identity.gid)),
            _ => None,
        }
    }

    /// Lets go of everything, and looks whether it is gone.
    ///
    /// Call it while the process has one thread: capabilities belong to threads
    /// (`capabilities(7)`), and others would keep theirs. One that is about to end is waited for.
    pub fn let_go(&self) -> Result<(), PrivilegesError> {
        let threads = threads_after_waiting();
        if threads > 1 {
            return Err(PrivilegesError::Left(format!(
                "a second thread ({threads} in all)"
            )));
        }
        if let Privileges::Become(identity) = self {
            identity.assume()?;
        }
        prctl::set_no_new_privs().map_err(refused("no_new_privs cannot be set"))?;
        if *self == Privileges::StayRoot {
            return Ok(());
        }
        for set in SETS {
            // In our units there is nothing to clear, and `capset(2)` is not allowed at all.
            if !caps::read(None, set)
                .map_err(caps_refused(UNREADABLE))?
                .is_empty()
            {
                caps::clear(None, set).map_err(caps_refused("capabilities cannot be dropped"))?;
            }
        }
        self.verify()
    }

    fn verify(&self) -> Result<(), PrivilegesError> {
        let left = |what: String| Err(PrivilegesError::Left(what));
        for set in SETS {
            let held = caps::read(None, set).map_err(caps_refused(UNREADABLE))?;
            if let Some(capability) = held.iter().next() {
                return left(format!("{capability} in the {set:?} set"));
            }
        }
        if !prctl::get_no_new_privs().map_err(refused("no_new_privs cannot be read back"))? {
            return left("the way to new privileges".to_owned());
        }
        let Privileges::Become(identity) = self else {
            return Ok(());
        };
        if let Some(capability) = bounding()?.first() {
            return left(format!("{capability} in the bounding set"));
        }
        let uids = getresuid().map_err(refused("the user cannot be read back"))?;
        let gids = getresgid().map_err(refused("the group cannot be read back"))?;
        let groups = getgroups().map_err(refused("the groups cannot be read back"))?;
        let (uid, gid) = (identity.uid, identity.gid);
        if [uids.real, uids.effective, uids.saved] != [uid; 3] {
            return left(format!("a user id in {uids:?}"));
        }
        let is_ours = |group: &Gid| identity.groups.contains(group);
        if [gids.real, gids.effective, gids.saved] != [gid; 3] || !groups.iter().all(is_ours) {
            return left(format!("a group id in {gids:?} or {groups:?}"));
        }
        Ok(())
    }
}

impl Identity {
    fn assume(&self) -> Result<(), PrivilegesError> {
        // While still root: the bounding set needs CAP_SETPCAP, the groups CAP_SETGID.
        for capability in bounding()? {
            caps::drop(None, CapSet::Bounding, capability)
                .map_err(caps_refused("the bounding set cannot be emptied"))?;
        }
        setgroups(&self.groups).map_err(refused("the supplementary groups cannot be dropped"))?;
        setresgid(self.gid, self.gid, self.gid).map_err(refused("the group cannot be changed"))?;
        setresuid(self.uid, self.uid, self.uid).map_err(refused("the user cannot be changed"))
    }
}

/// How many threads this process has, when those that are about to end have had the time to.
fn threads_after_waiting() -> usize {
    let deadline = Instant::now() + THREADS_END_WITHIN;
    loop {
        let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
        if threads <= 1 || Instant::now() >= deadline {
            return threads;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// What is left in the bounding set, of all that this kernel knows.
fn bounding() -> Result<Vec<Capability>, PrivilegesError> {
    caps::runtime::thread_all_supported()
        .into_iter()
        .filter_map(
            |capability| match caps::has_cap(None, CapSet::Bounding, capability) {
                Ok(true) => Some(Ok(capability)),
                Ok(false) => None,
                Err(error) => Some(Err(caps_refused("the bounding set cannot be read")(error))),
            },
        )
        .collect()
}

fn refused(step: &'static str) -> impl Fn(Errno) -> PrivilegesError {
    move |errno| PrivilegesError::Refused(step, errno.desc().to_owned())
}

fn caps_refused(step: &'static str) -> impl Fn(caps::errors::CapsError) -> PrivilegesError {
    move |error| PrivilegesError::Refused(step, error.to_string())
}
