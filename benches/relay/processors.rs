//! Who runs where: the server under test has one processor for itself, and the modems and clients have the
//! others. Else the scheduler puts them together or apart as it happens, which changes all figures by a
//! factor of two or three from one second to the next.

use std::process::Child;
use std::sync::OnceLock;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

const OURSELVES: Pid = Pid::from_raw(0);

/// The number of the servers' own; nothing on a machine that has only one.
static OF_SERVERS: OnceLock<usize> = OnceLock::new();

/// Leaves a processor to the servers. To be called before there are threads.
pub(crate) fn leave_one() -> nix::Result<()> {
    let all = sched_getaffinity(OURSELVES)?;
    let is_ours = |number: &usize| all.is_set(*number).unwrap_or(false);
    let numbers: Vec<usize> = (0..CpuSet::count()).filter(is_ours).collect();
    let [_, .., last] = numbers.as_slice() else {
        return Ok(());
    };
    let mut ours = all;
    ours.unset(*last)?;
    sched_setaffinity(OURSELVES, &ours)?;
    let _ = OF_SERVERS.set(*last);
    Ok(())
}

/// Has a process run where the servers do, and all that it will start.
pub(crate) fn put(server: &Child) -> nix::Result<()> {
    let Some(number) = OF_SERVERS.get() else {
        return Ok(());
    };
    let mut its = CpuSet::new();
    its.set(*number)?;
    let pid = Pid::from_raw(i32::try_from(server.id()).unwrap_or(0));
    sched_setaffinity(pid, &its)
}
