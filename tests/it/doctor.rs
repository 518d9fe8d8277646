//! `modemctl doctor` as a program, on systems made up of files, and of programs that say what systemd
//! and others would.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::{Gid, Uid, chown};

use crate::support::{Scratch, root};

const ADAPTER: &str = "/dev/serial/by-id/usb-QinHeng-if00";

/// Units on which all is well.
const UNITS: &str = "\
Id=modem.socket
LoadState=loaded
ActiveState=active
UnitFileState=enabled
NeedDaemonReload=no
IPAddressDeny=0.0.0.0/0 ::/0

Id=modem.service
LoadState=loaded
User=modemd
Group=dialout
NeedDaemonReload=no
";

/// What the generator makes of the configuration below.
const DROP_IN: &str = "\
# Made by modemd-generator(8), anew at each daemon-reload: not to be edited.
# `systemctl edit modem.socket` makes a drop-in that wins.

[Unit]
SourcePath=/etc/modemd/modemd.toml

[Socket]
IPAddressAllow=
IPAddressAllow=localhost
";

/// A system of our own.
struct System(Scratch);

impl System {
    /// One on which all is well; without its lines, which only root can make.
    fn new() -> Self {
        let system = System(Scratch::new());
        system.write(
            "etc/modemd/modemd.toml",
            &format!("[ports.modem]\ndevices = [\"{ADAPTER}\"]\nallow = [\"localhost\"]\n"),
        );
        system.write(
            "run/systemd/generator/modem.socket.d/00-modemd.conf",
            DROP_IN,
        );
        fs::create_dir_all(system.at("run/systemd/system")).unwrap();
        fs::create_dir_all(system.at("run/lock")).unwrap();
        system.chmod("run/lock", 0o1777);
        system.write("proc/1/comm", "systemd\n");
        system.write("proc/1/fdinfo/7", "pos:\t0\nprog_type:\t8\n");
        fs::create_dir_all(system.at("proc/1/fd")).unwrap();
        system.write("proc/locks", "");
        system.write("sys/fs/cgroup/cgroup.controllers", "cpu\n");
        system.write("sys/class/tty/console/active", "tty0\n");
        system.program("systemctl", &format!("cat <<'END'\n{UNITS}END"));
        system.program("udevadm", "echo ID_MM_PORT_IGNORE=1");
        system.program(
            "id",
            "case $* in\n\
             '-- modemd') echo 'uid=64995(modemd) gid=64995(modemd) groups=64995(modemd),64020(dialout)' ;;\n\
             *) echo 'uid=0(root) gid=0(root) groups=0(root)' ;;\nesac",
        );
        system.program(
            "getent",
            "case $* in\n'group dialout'|'group 64020') echo dialout:x:64020: ;;\n*) exit 2 ;;\nesac",
        );
        system
    }

    /// With its line.
    fn with_line() -> Self {
        let system = Self::new();
        fs::create_dir_all(system.at("dev/serial/by-id")).unwrap();
        let line = system.at("dev/ttyUSB0");
        let number = makedev(188, 0);
        mknod(
            &line,
            SFlag::S_IFCHR,
            Mode::from_bits_truncate(0o660),
            number,
        )
        .unwrap();
        chown(&line, Some(Uid::from_raw(0)), Some(Gid::from_raw(64020))).unwrap();
        system.chmod("dev/ttyUSB0", 0o660);
        system.link("../../ttyUSB0", "dev/serial/by-id/usb-QinHeng-if00");
        let usb = "sys/devices/usb1/1-1";
        let tty = format!("{usb}/1-1:1.0/ttyUSB0/tty/ttyUSB0");
        system.write(&format!("{tty}/dev"), "188:0\n");
        system.write(&format!("{usb}/idVendor"), "1a86\n");
        system.write(
            &format!("{usb}/uevent"),
            "DEVTYPE=usb_device\nPRODUCT=1a86/7523/264\n",
        );
        system.link("../..", &format!("{tty}/device"));
        let above = "../../..";
        system.link(&format!("{above}/{tty}"), "sys/dev/char/188:0");
        system.link(&format!("{above}/{tty}"), "sys/class/tty/ttyUSB0");
        system.link(&format!("../{above}/{usb}"), "sys/bus/usb/devices/1-1");
        system
    }

    fn at(&self, path: &str) -> std::path::PathBuf {
        self.0.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn link(&self, target: &str, path: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    fn chmod(&self, path: &str, mode: u32) {
        fs::set_permissions(self.at(path), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// A program that is found before any other of this name.
    fn program(&self, name: &str, script: &str) {
        let path = format!("programs/{name}");
        self.write(&path, &format!("#!/bin/sh\n{script}\n"));
        self.chmod(&path, 0o755);
    }

    fn doctor(&self, arguments: &[&str]) -> Output {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut folders = vec![self.at("programs")];
        folders.extend(std::env::split_paths(&path));
        Command::new(env!("CARGO_BIN_EXE_modemctl"))
            .args(["doctor", "--root", self.0.path().to_str().unwrap()])
            .args(arguments)
            .env("PATH", std::env::join_paths(folders).unwrap())
            .output()
            .unwrap()
    }

    /// What it says of what is not as it should be, after a look at what it exits with.
    #[track_caller]
    fn findings(&self, status: i32) -> Vec<String> {
        let done = self.doctor(&[]);
        let said = text(&done.stdout);
        assert_eq!(
            done.status.code(),
            Some(status),
            "{said}{}",
            text(&done.stderr)
        );
        let lines = said.lines().filter(|line| !line.starts_with("ok "));
        lines.map(str::to_owned).collect()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_healthy_system_has_a_line_for_each_topic_and_exit_code_0() {
    if !root() {
        return;
    }
    let system = System::with_line();
    let done = system.doctor(&[]);
    let expected = format!(
        "\
ok       configuration: /etc/modemd/modemd.toml: 1 port, 1 line, no mistakes
ok       systemd: modem.socket is enabled and active
ok       kernel filter: in force for modem.socket
ok       user: modemd is there, and in group dialout
ok       you: root may control modemd
ok       locks: modemd may write /run/lock, and no stale lock is in the way
ok       lines: modemd may open {ADAPTER}
ok       in use: no line is in use by another program
ok       logins: no line is the system's console or has a login
ok       ModemManager: does not run
ok       brltty: has no udev rules here
ok       latency: no line has an FTDI converter with a slow timer
ok       names: `allow` and `hosts` have none that would have to be looked up
nothing is wrong
"
    );
    assert_eq!(text(&done.stdout), expected, "{}", text(&done.stderr));
    assert_eq!(done.status.code(), Some(0));
    assert_eq!(text(&system.doctor(&["--json"]).stdout), "[]\n");
}

#[test]
fn what_is_wrong_with_a_line_is_found() {
    if !root() {
        return;
    }
    let system = System::with_line();
    system.write(
        "usr/lib/udev/rules.d/85-brltty.rules",
        "ENV{PRODUCT}==\"1a86/7523/*\", ENV{BRLTTY_BRAILLE_DRIVER}=\"bm\", GOTO=\"run\"\n",
    );
    system.write("sys/class/tty/console/active", "tty0 ttyUSB0\n");
    system.write("proc/500/comm", "ModemManager\n");
    system.link("/dev/null", "proc/500/fd/0");
    system.write("proc/812/comm", "minicom\n");
    system.link("/dev/ttyUSB0", "proc/812/fd/3");
    system.program("udevadm", "echo SUBSYSTEM=tty");
    system.write("run/lock/LCK..ttyUSB0", "      4711\n");
    system.chmod("dev/ttyUSB0", 0o600);
    let expected = format!(
        "\
problem  locks: /run/lock/LCK..ttyUSB0 is a stale lock of pid 4711, which is gone; modemd may not remove it, for it belongs to uid 0
             rm /run/lock/LCK..ttyUSB0
problem  lines: modemd may not open {ADAPTER}: it belongs to group dialout, with mode 0600
             echo 'KERNEL==\"ttyUSB0\", GROUP=\"dialout\", MODE=\"0660\"' >> /etc/udev/rules.d/60-modemd-lines.rules && udevadm control --reload && udevadm trigger --action=add /dev/ttyUSB0
warning  in use: {ADAPTER} is in use by pid 812 (minicom): clients do not get it before that ends
             kill 812
problem  logins: {ADAPTER} is the system console: modemd does not share it
             remove console=ttyUSB0 from the kernel's command line (Debian: /etc/default/grub, then update-grub) and reboot
problem  ModemManager: runs and was not told to leave {ADAPTER} alone: it opens it at any time
             udevadm trigger --settle --subsystem-match=tty && systemctl try-restart ModemManager.service
warning  brltty: takes {ADAPTER}: /usr/lib/udev/rules.d/85-brltty.rules gives USB devices 1a86:7523 to it
             ln -s /dev/null /etc/udev/rules.d/85-brltty.rules && udevadm control --reload && systemctl stop 'brltty*'   # if nobody here reads braille; then plug it in anew
4 problems, 2 warnings"
    );
    assert_eq!(system.findings(1).join("\n"), expected);
    // What it says to type, as if it had been typed.
    system.link("/dev/null", "etc/udev/rules.d/85-brltty.rules");
    fs::remove_file(system.at("run/lock/LCK..ttyUSB0")).unwrap();
    fs::remove_dir_all(system.at("proc/812")).unwrap();
    system.write("sys/class/tty/console/active", "tty0\n");
    system.program("udevadm", "echo ID_MM_PORT_IGNORE=1");
    system.chmod("dev/ttyUSB0", 0o660);
    assert_eq!(system.findings(0), ["nothing is wrong"]);
}

#[test]
fn a_line_that_is_used_for_logins_is_found() {
    if !root() {
        return;
    }
    let system = System::with_line();
    let unit = "serial-getty@ttyUSB0.service";
    system.link("0123", &format!("run/systemd/units/invocation:{unit}"));
    let findings = system.findings(1);
    assert!(findings[0].starts_with("problem  logins: "), "{findings:?}");
    assert!(
        findings[1].contains(&format!("systemctl disable --now {unit}")),
        "{findings:?}"
    );
}

#[test]
fn a_slow_timer_counts_in_a_session_and_only_there() {
    if !root() {
        return;
    }
    let system = System::with_line();
    system.write("sys/bus/usb-serial/devices/ttyUSB0/latency_timer", "16\n");
    assert_eq!(system.findings(0), ["nothing is wrong"]);
    system.write("proc/900/comm", "modemd\n");
    system.link("/dev/ttyUSB0", "proc/900/fd/9");
    let findings = system.findings(1);
    assert!(
        findings[0].contains("collects bytes for 16 ms"),
        "{findings:?}"
    );
}

#[test]
fn a_link_that_leads_nowhere_and_a_file_are_no_lines() {
    let system = System::new();
    system.link("../../ttyUSB0", "dev/serial/by-id/usb-QinHeng-if00");
    system.write("dev/serial/by-id/usb-ACME-if00", "");
    let findings = system.findings(1);
    assert_eq!(
        findings[0],
        format!("problem  lines: {ADAPTER} is a link to ../../ttyUSB0, which is not there")
    );
    assert!(
        findings[1].ends_with("/dev/serial/by-id has /dev/serial/by-id/usb-ACME-if00"),
        "{findings:?}"
    );
    fs::remove_file(system.at("dev/serial/by-id/usb-QinHeng-if00")).unwrap();
    system.write("dev/serial/by-id/usb-QinHeng-if00", "");
    let findings = system.findings(1);
    assert_eq!(
        findings[0],
        format!("problem  lines: {ADAPTER} is not a serial line")
    );
}

#[test]
fn brltty_may_be_why_a_line_is_not_there() {
    let system = System::new();
    let rules = "ENV{PRODUCT}==\"1a86/7523/*\", ENV{BRLTTY_BRAILLE_DRIVER}=\"bm\"\n";
    system.write("usr/lib/udev/rules.d/85-brltty.rules", rules);
    system.write("sys/devices/usb1/1-1/idVendor", "1a86\n");
    system.write("sys/devices/usb1/1-1/uevent", "PRODUCT=1a86/7523/264\n");
    system.link("../../../devices/usb1/1-1", "sys/bus/usb/devices/1-1");
    let findings = system.findings(1);
    assert!(
        findings[2].starts_with("problem  brltty: may have taken a line that is not there"),
        "{findings:?}"
    );
}

#[test]
fn units_that_are_not_as_configured_are_found() {
    let system = System::new();
    let drop_in = "run/systemd/generator/modem.socket.d/00-modemd.conf";
    system.write(drop_in, &DROP_IN.replace("localhost", "10.0.0.0/8"));
    let findings = system.findings(1);
    assert_eq!(
        findings[..2],
        [
            "problem  systemd: systemd does not have the units that the configuration asks for: \
             modem.socket.d/00-modemd.conf",
            "             systemctl daemon-reload && systemctl restart modem.socket",
        ]
    );
    system.write(drop_in, DROP_IN);
    system.program(
        "systemctl",
        &format!("cat <<'END'\n{}END", UNITS.replace("enabled", "disabled")),
    );
    let findings = system.findings(1);
    assert!(
        findings[0].contains("modem.socket is not enabled"),
        "{findings:?}"
    );
    system.program("systemctl", "exit 1");
    let findings = system.findings(1);
    assert_eq!(
        findings[0],
        "unknown  systemd: units and sockets: systemctl cannot ask systemd"
    );
}

#[test]
fn filters_that_systemd_did_not_load_are_missed() {
    let system = System::new();
    system.write("proc/1/fdinfo/7", "pos:\t0\nprog_type:\t15\n");
    let findings = system.findings(1);
    assert!(
        findings[0].starts_with("warning  kernel filter: "),
        "{findings:?}"
    );
}

#[test]
fn a_lock_directory_and_a_user_are_looked_for() {
    let system = System::new();
    system.chmod("run/lock", 0o755);
    let findings = system.findings(1);
    assert!(
        findings[0].contains("modemd may not write the lock directory /run/lock"),
        "{findings:?}"
    );
    system.program(
        "id",
        "case $* in\n?*) exit 1 ;;\n*) echo 'uid=1000(anna) gid=1000(anna)' ;;\nesac",
    );
    let findings = system.findings(1);
    assert!(
        findings[0].contains("there is no user modemd"),
        "{findings:?}"
    );
    assert!(
        findings[2].contains("anna is not in group modemd"),
        "{findings:?}"
    );
}

#[test]
fn mistakes_in_the_configuration_are_counted_and_exit_78() {
    let system = System::new();
    system.write(
        "etc/modemd/modemd.toml",
        "[ports.modem]\ndevices = []\nallo = [\"localhost\"]\n",
    );
    let findings = system.findings(78);
    assert!(
        findings[0].contains("/etc/modemd/modemd.toml has 2 mistakes"),
        "{findings:?}"
    );
    assert!(findings[1].ends_with("modemctl check"), "{findings:?}");
}

#[test]
fn modems_that_are_set_aside_and_hours_without_a_time_zone_are_found() {
    let system = System::new();
    let config = format!(
        "[ports.modem]\ndevices = [\"{ADAPTER}\"]\nallow = [\"localhost\"]\n\
         [ports.modem.dial]\nallow = [\"0800*\"]\nhours = [\"08:00-18:00\"]\n"
    );
    system.write("etc/modemd/modemd.toml", &config);
    let pause = |until: u64| {
        format!(
            r#"{{"{ADAPTER}":{{"until":{{"secs":{until},"nanos":0}},"length":{{"secs":60,"nanos":0}},"why":"no answer"}}}}"#
        )
    };
    system.write("run/modemd/private/aside", &pause(1 << 40));
    let said = text(&system.doctor(&[]).stdout);
    let aside = format!("problem  calls: {ADAPTER} is set aside: no answer\n");
    assert!(said.contains(&aside), "{said}");
    assert!(
        said.contains("`hours` of port `modem` are in UTC"),
        "{said}"
    );
    // That is over.
    system.write("run/modemd/private/aside", &pause(0));
    system.write("etc/localtime", "TZif");
    let said = text(&system.doctor(&[]).stdout);
    assert!(
        said.contains("ok       calls: 1 port with modems"),
        "{said}"
    );
}

#[test]
fn another_file_is_judged_without_the_units_that_are_not_made_of_it() {
    let system = System::new();
    system.write(
        "srv/new.toml",
        "[ports.modem]\ndevices = [\"/dev/ttyS77\"]\nallow = [\"any\"]\n",
    );
    let done = system.doctor(&["--config", "/srv/new.toml"]);
    let said = text(&done.stdout);
    assert!(
        said.contains("ok       configuration: /srv/new.toml: 1 port, 1 line"),
        "{said}"
    );
    assert!(
        said.contains("they are not made of /srv/new.toml"),
        "{said}"
    );
}

#[test]
fn without_the_programs_it_asks_nothing_is_called_healthy_that_they_know_of() {
    let system = System::new();
    let done = Command::new(env!("CARGO_BIN_EXE_modemctl"))
        .args(["doctor", "--root", system.0.path().to_str().unwrap()])
        .env("PATH", Path::new("/nonexistent"))
        .output()
        .unwrap();
    let said = text(&done.stdout);
    for topic in ["systemd", "kernel filter", "user", "you", "locks", "lines"] {
        assert!(
            said.contains(&format!("unknown  {topic}: ")),
            "{topic} in {said}"
        );
        assert!(
            !said.contains(&format!("ok       {topic}: ")),
            "{topic} in {said}"
        );
    }
}
