//! `modemctl status` and attached ports.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use modemd::attach::interface::{Attached, State};
use modemd::varlink::Reply;
use nix::unistd::Group;
use serde_json::{Value, json};

use crate::fake::{Answer, Done, Fake, machine, modemctl, says};
use crate::fake_attached::{client, connected, failed, port, process};
use crate::stage::Stage;
use crate::support::{Scratch, root};

const CLIENT: &str = "\
NAME  SERVER          DEVICE               STATE      SINCE     TO LINE  TO PROGRAM  SIGNALS  SETTINGS
fax   modemhost:2007  /run/modemd/tty/fax  connected  1h 13min  1.5 KiB    12.3 MiB  CTS DCD  9600,7,E,1
gsm   modemhost:2007  /run/modemd/tty/gsm  retrying   31s           0 B         0 B

gsm: modemhost:2007: cannot be reached: Connection refused
";

#[test]
fn what_is_attached_is_shown_below_the_lines_with_why_it_is_not_connected() {
    let alone = Fake::new(machine).run(&["status"]).out;
    let fake = client();
    fake.listen(&fake.socket(), machine);
    let done = fake.run(&["status"]);
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""));
    assert_eq!(done.out, format!("{alone}\n{CLIENT}"));
}

#[test]
fn on_a_machine_without_modemd_what_is_attached_is_shown_alone() {
    for arguments in [&["status"][..], &[]] {
        let done = client().run(arguments);
        assert_eq!((done.code, done.err.as_str()), (Some(0), ""));
        assert_eq!(done.out, CLIENT);
    }
}

#[test]
fn a_modemd_that_does_not_answer_is_told_below_what_is_attached() {
    let fake = client();
    drop(UnixListener::bind(fake.socket()).unwrap());
    let done = fake.run(&["status"]);
    assert_eq!((done.code, done.out.as_str()), (Some(69), CLIENT));
    assert!(
        done.err.contains("nobody listens there any more"),
        "{done:?}"
    );
}

#[test]
fn programs_are_told_what_the_processes_say_and_who_cannot_be_asked() {
    let fake = client();
    fake.attach("odd", |_| Answer::Bytes(b"hello\0"));
    let attached = |done: &Done| {
        assert_eq!((done.code, done.err.as_str()), (Some(0), ""));
        let said: Value = serde_json::from_str(&done.out).unwrap();
        let ports = said["attached"].clone();
        let keys: Vec<_> = said.as_object().unwrap().keys().cloned().collect();
        (keys, ports)
    };
    let (keys, ports) = attached(&fake.run(&["status", "--json"]));
    assert_eq!(keys, ["attached"]);
    assert_eq!(ports[0], serde_json::to_value(connected("fax")).unwrap());
    assert_eq!(ports[1]["state"], "retrying");
    let keys_of_odd: Vec<_> = ports[2].as_object().unwrap().keys().collect();
    assert_eq!(keys_of_odd, ["name", "why"]);
    assert_eq!(ports[2]["name"], "odd");

    fake.listen(&fake.socket(), machine);
    let (keys, as_before) = attached(&fake.run(&["status", "--json"]));
    assert_eq!(keys, ["attached", "describe", "lines", "ports", "sessions"]);
    assert_eq!(as_before, ports);
}

#[test]
fn those_of_the_machine_and_those_of_this_user_are_found() {
    let (fake, own) = (client(), Scratch::new());
    let directory = own.path().join("modemd/attach");
    fs::create_dir_all(&directory).unwrap();
    let mine = Attached {
        link: None,
        ..port("modemhost:2008", State::Closed)
    };
    fake.listen(&directory.join("modemhost:2008"), process(mine));
    let status = |runtime: &Path| {
        let mut command = modemctl(&fake.socket());
        command.arg("status").env("XDG_RUNTIME_DIR", runtime);
        Done::from(command.output().unwrap())
    };
    let names = |done: &Done| -> Vec<String> {
        assert_eq!((done.code, done.err.as_str()), (Some(0), ""));
        let rows = done.out.lines().skip(1).take_while(|row| !row.is_empty());
        rows.map(|row| row.split(' ').next().unwrap().to_owned())
            .collect()
    };
    let both = status(own.path());
    assert_eq!(names(&both), ["fax", "gsm", "modemhost:2008"]);
    assert!(both.out.contains("modemhost:2007  /dev/pts/7"), "{both:?}");
    assert_eq!(names(&status(Path::new(""))), ["fax", "gsm"]);

    // The same place twice is one place.
    let same = own.path().join("modemd/io.modemd");
    let mut command = modemctl(&same);
    command.env("XDG_RUNTIME_DIR", own.path());
    let once = Done::from(command.output().unwrap());
    assert_eq!(names(&once), ["modemhost:2008"]);
}

#[test]
fn whoever_is_dead_silent_or_talks_nonsense_spoils_nothing() {
    let fake = Fake::away();
    fake.attach("a-fine", process(connected("a-fine")));
    let dead = fake.socket().with_file_name("attach").join("dead");
    drop(UnixListener::bind(&dead).unwrap());
    fake.attach("ends", |_| Answer::Hangup(Vec::new()));
    fake.attach("odd", |_| Answer::Bytes(b"\x1b[2J\0"));
    fake.attach("older", |call| {
        Answer::Replies(vec![Reply::method_not_found(&call.method)])
    });
    fake.attach("refuses", |_| failed("it is Sunday\x07"));
    fake.attach("silent", |_| Answer::Silence);
    fake.attach("z-fine", process(connected("z-fine")));
    // It is no socket, and so no port.
    fs::write(dead.with_file_name("note"), "").unwrap();

    let done = fake.run(&["status"]);
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""));
    let (table, whys) = done.out.split_once("\n\n").unwrap();
    let state = |row: &str| -> (String, bool) {
        let name = row.split(' ').next().unwrap();
        (name.to_owned(), row.ends_with("unknown"))
    };
    let states: Vec<_> = table.lines().skip(1).map(state).collect();
    let unknown = ["dead", "ends", "odd", "older", "refuses", "silent"];
    let expected: Vec<_> = ["a-fine"]
        .into_iter()
        .chain(unknown)
        .chain(["z-fine"])
        .map(|name| (name.to_owned(), unknown.contains(&name)))
        .collect();
    assert_eq!(states, expected, "{table}");
    let killed = format!(
        "dead: its process was killed: attach it again, or remove {}",
        dead.display()
    );
    let expected = [
        killed.as_str(),
        "ends: its process closed the connection",
        "odd: its process's answer makes no sense",
        "older: its process does not know Describe",
        "refuses: it was not done: it is Sunday\\u{7}",
        "silent: its process does not answer: end it, and attach it again",
    ];
    assert_eq!(whys.lines().count(), expected.len(), "{whys}");
    for (why, expected) in whys.lines().zip(expected) {
        assert!(why.starts_with(expected), "{expected:?} in {why:?}");
    }
}

#[test]
fn who_may_not_ask_is_told_of_the_group_that_may() {
    if !root() {
        return;
    }
    let fake = Fake::away();
    let socket = fake.attach("fax", process(connected("fax")));
    let dialout = Group::from_name("dialout").unwrap().unwrap();
    chown(&socket, None, Some(dialout.gid.as_raw())).unwrap();
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o660)).unwrap();
    let why = "fax: its process may not be asked: permission denied; be root, or join the group \
               dialout and log in anew: usermod -aG dialout nobody";
    let done = fake.run_as_nobody(&["status"]);
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""));
    assert_eq!(
        done.out,
        format!(
            "NAME  SERVER  DEVICE  STATE    SINCE  TO LINE  TO PROGRAM  SIGNALS  SETTINGS\nfax                   unknown\n\n{why}\n"
        )
    );
    says(&fake.run_as_nobody(&["break", "fax"]), 77, &[why]);

    // Nobody but root is in a group that may.
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o600)).unwrap();
    let done = fake.run_as_nobody(&["break", "fax"]);
    assert!(
        done.err.ends_with("permission denied; be root\n"),
        "{done:?}"
    );

    let directory = socket.parent().unwrap();
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700)).unwrap();
    let unlisted = format!("{}: what is attached cannot be listed", directory.display());
    let done = fake.run_as_nobody(&["status"]);
    assert!(done.err.contains(&unlisted), "{done:?}");
    says(&fake.run_as_nobody(&["break", "fax"]), 77, &[&unlisted]);
}

/// A machine of its own with this `attach.toml`, on which `fax` is attached.
fn with_attach_toml(fake: &Fake, text: &str) -> Option<Stage> {
    let stage = Stage::new()?;
    let file = stage.scratch().file("attach.toml", text);
    let etc = stage.scratch().path().join("etc");
    let run = fake.socket();
    let run = run.parent().unwrap().display();
    let (etc, file) = (etc.display(), file.display());
    let prepare = format!(
        "cp -a /etc {etc}; rm -rf {etc}/modemd; mkdir {etc}/modemd; cp {file} {etc}/modemd/; \
         mount --bind {etc} /etc; mkdir /run/modemd; mount --bind {run} /run/modemd"
    );
    Some(stage.own_run().run(&prepare))
}

fn run_on(stage: &Stage, arguments: &[&str]) -> Done {
    let mut command = Command::new(env!("CARGO_BIN_EXE_modemctl"));
    command.args(arguments).env("XDG_RUNTIME_DIR", "");
    Done::from(stage.command(&command).output().unwrap())
}

const ATTACH_TOML: &str = "\
[fax]
server = \"modemhost:2007\"
[door]
server = \"[2001:db8::7]:2008\"
protocol = \"raw\"
[wrong]
serve = \"modemhost:2009\"
";

#[test]
fn what_should_be_attached_and_is_not_is_shown_with_the_way_out() {
    let fake = client();
    let Some(stage) = with_attach_toml(&fake, ATTACH_TOML) else {
        return;
    };
    let done = run_on(&stage, &["status"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let rows: Vec<_> = done.out.lines().collect();
    let door: Vec<_> = rows[1].split_whitespace().collect();
    assert_eq!(door, ["door", "[2001:db8::7]:2008", "not", "attached"]);
    assert!(rows[2].starts_with("fax ") && rows[2].contains("connected"));
    assert!(rows.contains(&"door: not attached: systemctl enable --now modem-attach@door.service"));
    assert!(
        done.err.starts_with("modemctl: /etc/modemd/attach.toml:"),
        "{done:?}"
    );

    let done = run_on(&stage, &["status", "--json"]);
    let said: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(
        said["attached"][0],
        json!({
            "name": "door",
            "server": "[2001:db8::7]:2008",
            "protocol": "raw",
            "why": "not attached: systemctl enable --now modem-attach@door.service",
        })
    );
    // Elsewhere it is not known what is attached here.
    let elsewhere = run_on(&stage, &["--socket", "/nowhere/io.modemd", "status"]);
    says(
        &elsewhere,
        69,
        &["/nowhere/io.modemd: modemd cannot be asked"],
    );
}

#[test]
fn a_port_that_is_only_in_attach_toml_is_shown_on_a_machine_without_modemd() {
    let fake = Fake::away();
    let Some(stage) = with_attach_toml(&fake, "fax.server = \"modemhost:2007\"\n") else {
        return;
    };
    let done = run_on(&stage, &[]);
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""));
    assert!(
        done.out
            .ends_with("\n\nfax: not attached: systemctl enable --now modem-attach@fax.service\n"),
        "{done:?}"
    );
}
