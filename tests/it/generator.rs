//! `modemd-generator` as systemd runs it, and what `modemctl` says of its work.

use std::path::PathBuf;
use std::process::{Command, Output};

use crate::stage::Stage;

const PORTS: &str = "\
[ports.modem]
devices = [\"/dev/ttyS1\"]
allow = [\"localhost\"]
[ports.fax]
listen = [\"2007\"]
devices = [\"/dev/ttyS2\"]
allow = [\"desk.example.org\"]
[ports.wrong]
devices = []
";

/// A machine with this configuration, where systemd runs.
fn machine(configuration: &str) -> Option<Stage> {
    let stage = Stage::new()?;
    let etc = stage.scratch().path().join("etc");
    let file = stage.scratch().file("modemd.toml", configuration);
    let (etc, file) = (etc.display(), file.display());
    let prepare = format!(
        "cp -a /etc {etc}; mkdir -p {etc}/modemd; cp {file} {etc}/modemd/; \
         echo 'hosts: files dns' > {etc}/nsswitch.conf; mount --bind {etc} /etc"
    );
    Some(
        stage
            .own_run()
            .run("mkdir -p /run/systemd/system")
            .run("mount -t tmpfs none /sys/fs/cgroup; mkdir /sys/fs/cgroup/system.slice")
            .run(&prepare),
    )
}

/// What came of a shell script there, which finds our programs as `$modemctl` and `$generator`.
fn run(stage: &Stage, script: &str) -> (Option<i32>, String) {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("exec 2>&1; {script}")]);
    shell.env("modemctl", env!("CARGO_BIN_EXE_modemctl"));
    shell.env("generator", env!("CARGO_BIN_EXE_modemd-generator"));
    let Output { status, stdout, .. } = stage.command(&shell).output().unwrap();
    (status.code(), String::from_utf8_lossy(&stdout).into_owned())
}

/// Folders as systemd hands them over, and the generator run on them.
const GENERATE: &str = "cd /run/systemd; mkdir generator generator.early generator.late; \
                        $generator /run/systemd/generator /run/systemd/generator.early \
                        /run/systemd/generator.late";

#[test]
fn units_go_to_the_first_folder_and_a_wrong_port_has_none() {
    let Some(stage) = machine(PORTS) else { return };
    let (code, said) = run(
        &stage,
        &format!("{GENERATE} && find generator* ! -type d | sort"),
    );
    assert_eq!(code, Some(0), "{said}");
    let (log, found): (Vec<_>, Vec<_>) = said
        .lines()
        .partition(|line| line.starts_with("modemd-generator: "));
    assert_eq!(
        found,
        [
            "generator/modem-fax.socket",
            "generator/modem.service.d/00-modemd.conf",
            "generator/modem.socket.d/00-modemd.conf",
            "generator/modem.socket.wants/modem-fax.socket",
        ]
    );
    assert_eq!(log.len(), 1, "{said}");
    assert!(
        log[0].contains("no units for port `wrong`: /etc/modemd/modemd.toml:9:11: "),
        "{said}"
    );
}

#[test]
fn under_systemd_what_is_wrong_is_told_to_the_kernel_log() {
    let Some(stage) = machine(PORTS) else { return };
    let kmsg: PathBuf = stage.scratch().file("kmsg", "");
    let stage = stage.run(&format!("mount --bind {} /dev/kmsg", kmsg.display()));
    let (code, said) = run(&stage, &format!("export SYSTEMD_SCOPE=system; {GENERATE}"));
    assert_eq!((code, said.as_str()), (Some(0), ""));
    let log = std::fs::read_to_string(kmsg).unwrap();
    assert!(log.starts_with("<3>modemd-generator["), "{log}");
    assert!(log.contains("no units for port `wrong`: "), "{log}");
    assert_eq!(log.matches('\n').count(), 1, "{log}");
}

#[test]
fn a_configuration_that_cannot_be_read_makes_no_units_and_a_missing_one_is_no_mistake() {
    let Some(stage) = machine("[ports.modem") else {
        return;
    };
    let (code, said) = run(&stage, &format!("{GENERATE}; find generator* ! -type d"));
    assert_eq!(code, Some(0));
    assert!(said.contains("not TOML"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    let (code, said) = run(&stage, &format!("rm -r /etc/modemd; {GENERATE}"));
    assert_eq!((code, said.as_str()), (Some(0), ""));
}

#[test]
fn a_folder_that_cannot_be_written_is_told() {
    let Some(stage) = machine(PORTS) else { return };
    let (code, said) = run(&stage, "$generator /proc/none");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("/proc/none: cannot be written: "), "{said}");
    let (code, said) = run(&stage, "$generator");
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("usage: modemd-generator FOLDER"), "{said}");
}

#[test]
fn check_says_with_which_one_command_a_change_is_applied() {
    let Some(stage) = machine(PORTS) else { return };
    let apply =
        "apply it: systemctl daemon-reload && systemctl restart modem.socket (sessions go on)";
    let switch = "it is not switched on yet: systemctl enable --now modem.socket does that";
    let (_, said) = run(&stage, "$modemctl check");
    assert!(said.lines().any(|line| line == apply), "{said}");
    assert!(said.lines().any(|line| line == switch), "{said}");
    let runs = "mkdir /sys/fs/cgroup/system.slice/modem.socket";
    let (_, said) = run(&stage, &format!("{runs}; $modemctl check"));
    assert!(said.lines().any(|line| line == apply), "{said}");
    assert!(!said.contains("switched on"), "{said}");
    // Another file is not the one that systemd reads.
    let copy = "cp /etc/modemd/modemd.toml /run/x.toml";
    let (_, said) = run(&stage, &format!("{copy}; $modemctl check /run/x.toml"));
    assert!(!said.contains("apply it"), "{said}");
}

#[test]
fn check_says_where_names_cannot_be_looked_up_and_what_helps() {
    let Some(stage) = machine(PORTS) else { return };
    let (_, said) = run(&stage, "$modemctl check");
    for part in [
        "note: port fax: ",
        "/etc/nsswitch.conf has no `resolve`",
        "libnss-resolve",
        "/usr/share/doc/modemd/examples/name-lookups.conf",
    ] {
        assert!(said.contains(part), "{part:?} in {said}");
    }
    let resolved = "echo 'hosts: files resolve dns' > /etc/nsswitch.conf";
    let (_, said) = run(&stage, &format!("{resolved}; $modemctl check"));
    assert!(said.contains("systemd-resolved does not run"), "{said}");
    let runs = "mkdir /run/systemd/resolve; : > /run/systemd/resolve/io.systemd.Resolve";
    let (_, said) = run(&stage, &format!("{resolved}; {runs}; $modemctl check"));
    assert!(!said.contains("note:"), "{said}");
    let (_, said) = run(
        &stage,
        "sed -i s/desk.example.org/any/ /etc/modemd/*; $modemctl check",
    );
    assert!(!said.contains("note:"), "{said}");
}

#[test]
fn check_says_what_a_port_without_a_mistake_does_not_get() {
    let Some(stage) = machine("[ports.fax]\ndevices = [\"/dev/ttyS1\"]\n") else {
        return;
    };
    let (code, said) = run(&stage, "$modemctl check");
    assert_eq!(code, Some(0), "{said}");
    let note = "note: no units for port `fax`: it does not say where to `listen`";
    assert!(said.contains(note), "{said}");
}

#[test]
fn shares_tells_udev_which_devices_are_lines_of_ours() {
    let Some(stage) = machine(PORTS) else { return };
    let code = |arguments: &str| run(&stage, &format!("$modemctl shares {arguments}")).0;
    assert_eq!(code("/dev/ttyS1"), Some(0));
    assert_eq!(code("/dev/ttyS7 serial/by-id/other ttyS2"), Some(0));
    assert_eq!(code("/dev/ttyS7 serial/by-id/other"), Some(1));
    let (gone, said) = run(&stage, "rm -r /etc/modemd; $modemctl shares /dev/ttyS1");
    assert_eq!((gone, said.as_str()), (Some(1), ""));
}
