//! `modemctl`.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::support::Scratch;

fn check(file: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_modemctl"))
        .arg("check")
        .arg(file)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn check_describes_what_would_be_served_and_exits_0() {
    let scratch = Scratch::new();
    let file = scratch.file(
        "modemd.toml",
        "[ports.modem]\ndevices = [\"/dev/ttyS1\", \"/dev/ttyS2\"]\nallow = [\"10.0.0.0/8\"]\n\
         busy = \"wait\"\nwait = \"90s\"\nprotocol = \"telnet\"\nmax_baud = 230400\n",
    );
    let done = check(&file);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    let said = text(&done.stdout);
    for part in [
        "port modem",
        "where its socket unit says",
        "/dev/ttyS1, /dev/ttyS2 (115200,8,N,1)",
        "telnet (clients may change: any; up to 230400 baud)",
        "10.0.0.0/8",
        "wait for 1min 30s",
        "no mistakes",
    ] {
        assert!(said.contains(part), "{part:?} in {said}");
    }
}

#[test]
fn check_shows_every_mistake_in_its_place_and_exits_78() {
    let scratch = Scratch::new();
    let file = scratch.file(
        "modemd.toml",
        "[ports.good]\ndevices = [\"/dev/ttyS1\"]\n\
         [ports.bad]\ndevices = []\nallo = [\"localhost\"]\n",
    );
    let done = check(&file);
    assert_eq!(done.status.code(), Some(78));
    let said = text(&done.stderr);
    assert!(
        said.contains(&format!("{}:4:11: ", file.display())),
        "{said}"
    );
    assert!(
        said.contains(&format!("{}:5:1: ", file.display())),
        "{said}"
    );
    assert!(said.contains("^~~~"), "{said}");
    assert!(said.contains("2 mistakes"), "{said}");
    // The others are served all the same.
    assert!(text(&done.stdout).contains("port good"));
}

#[test]
fn the_file_that_is_shipped_has_no_mistakes() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/modemd.toml");
    let done = check(&shipped);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    assert!(text(&done.stdout).contains("lets in:  localhost"));
}

#[test]
fn check_does_not_say_that_nobody_gets_in_at_a_unix_socket() {
    let scratch = Scratch::new();
    let file = scratch.file(
        "modemd.toml",
        "[ports.modem]\nlisten = [\"/run/modem.sock\"]\ndevices = [\"/dev/ttyS1\"]\n",
    );
    let said = text(&check(&file).stdout);
    assert!(
        said.contains("lets in:  whoever may open its unix socket"),
        "{said}"
    );
}

#[test]
fn check_says_which_numbers_may_be_dialled() {
    let scratch = Scratch::new();
    let dial = "[ports.modem]\ndevices = [\"/dev/ttyS1\"]\n\
                [ports.modem.dial]\nallow = [\"+49*\", \"0800*\"]\ndeny = [\"*0900*\"]\n";
    let clients = "hours = [\"Mon-Fri 8:00-18:00\"]\nminutes_per_call = 60\n\
                   [[ports.modem.dial.clients]]\nhosts = [\"desk\", \"192.168.2.7\"]\n\
                   allow = [\"*\"]\ncalls_per_hour = 2\n\
                   [[ports.modem.dial.clients]]\nhosts = [\"192.168.2.0/24\"]\nallow = []\n";
    for (text_of_file, lines) in [
        (dial.to_owned(), vec!["dials:    +49*, 0800*; not *0900*"]),
        (
            dial.to_owned() + clients,
            vec![
                "dials:    from desk, 192.168.2.7: *; not *0900*; Mon-Fri 08:00-18:00; \
                 2 calls an hour; 60 minutes a call",
                "dials:    from 192.168.2.0/24: nothing",
                "dials:    from elsewhere: +49*, 0800*; not *0900*; Mon-Fri 08:00-18:00; \
                 60 minutes a call",
            ],
        ),
    ] {
        let done = check(&scratch.file("modemd.toml", &text_of_file));
        let said = text(&done.stdout);
        let dials = said.lines().filter_map(|line| line.strip_prefix("  "));
        let dials: Vec<_> = dials.filter(|line| line.starts_with("dials:")).collect();
        assert_eq!(dials, lines, "{said}{}", text(&done.stderr));
    }
}

const PORT: &str = "[ports.modem]\ndevices = [\"/dev/ttyS1\"]\n";

#[test]
fn check_describes_the_attachments_beside_a_file_and_alone() {
    let scratch = Scratch::new();
    let file = scratch.file("modemd.toml", PORT);
    let beside = scratch.file(
        "attach.toml",
        "[fax]\nserver = \"modemhost:2007\"\n\
         [plain]\nserver = \"[2001:DB8::1]:2008\"\nprotocol = \"raw\"\n\
         [scale]\nserver = \"192.0.2.1:2009\"\nline = \"9600,7,e,1\"\n",
    );
    let attachments = format!(
        "attachment fax
  device:   /dev/modemd/fax
  server:   modemhost:2007
  protocol: telnet
  line:     as it is there, until a program changes it
attachment plain
  device:   /dev/modemd/plain
  server:   [2001:db8::1]:2008
  protocol: raw
  line:     as it is there
attachment scale
  device:   /dev/modemd/scale
  server:   192.0.2.1:2009
  protocol: telnet
  line:     set to 9600,7,E,1 when the device is opened
{}: no mistakes
",
        beside.display()
    );
    let done = check(&beside);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    assert_eq!(text(&done.stdout), attachments);
    let done = check(&file);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    let said = text(&done.stdout);
    let ports = said.strip_suffix(&attachments).expect(&said);
    assert!(ports.starts_with("port modem\n"), "{said}");
    let verdict = format!("{}: no mistakes\n", file.display());
    assert!(ports.ends_with(&verdict), "{said}");
}

#[test]
fn check_says_nothing_of_attachments_where_there_are_none() {
    let scratch = Scratch::new();
    let done = check(&scratch.file("modemd.toml", PORT));
    assert_eq!(done.status.code(), Some(0));
    let said = text(&done.stdout) + &text(&done.stderr);
    assert!(!said.contains("attach"), "{said}");
}

#[test]
fn check_shows_a_mistake_in_attach_toml_in_its_place_and_exits_78() {
    let scratch = Scratch::new();
    let file = scratch.file("modemd.toml", PORT);
    let beside = scratch.file(
        "attach.toml",
        "[fax]\nserver = \"modemhost\"\n[switch]\nserver = \"modemhost:2007\"\n",
    );
    for asked in [&file, &beside] {
        let done = check(asked);
        assert_eq!(done.status.code(), Some(78));
        assert_eq!(
            text(&done.stderr),
            format!(
                "{}:2:10: fax.server: `modemhost` has no port
    server = \"modemhost\"
             ^~~~~~~~~~~
    write for example `modemhost:2007`
1 mistake
",
                beside.display()
            )
        );
        // The other one can be used all the same.
        let said = text(&done.stdout);
        assert!(said.contains("attachment switch\n"), "{said}");
        assert_eq!(said.contains("port modem\n"), asked == &file, "{said}");
    }
}

#[test]
fn check_wants_the_attach_toml_that_it_was_told_of() {
    let scratch = Scratch::new();
    let done = check(&scratch.path().join("attach.toml"));
    assert_eq!(done.status.code(), Some(78));
    let said = text(&done.stderr);
    assert!(said.contains("attach.toml: cannot be read: "), "{said}");
    assert!(
        said.contains("write one with a `[NAME]` for each line"),
        "{said}"
    );
}

#[test]
fn the_attach_toml_that_is_shipped_is_an_example_and_nothing_else() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/attach.toml");
    let done = check(&shipped);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    let verdict = format!("{}: no mistakes, and no attachments\n", shipped.display());
    assert_eq!(text(&done.stdout), verdict);

    let example = std::fs::read_to_string(shipped).unwrap();
    let switched_on = example.lines().map(|line| match line.strip_prefix('#') {
        Some(line) if !line.starts_with(' ') => line,
        _ => line,
    });
    let switched_on: Vec<_> = switched_on.collect();
    let scratch = Scratch::new();
    let done = check(&scratch.file("attach.toml", switched_on.join("\n")));
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    assert!(text(&done.stdout).matches("attachment ").count() >= 3);
}

#[test]
fn check_does_not_mind_that_nobody_reads_to_the_end() {
    let scratch = Scratch::new();
    let file = scratch.file("modemd.toml", "[ports.modem]\ndevices = [\"/dev/ttyS1\"]\n");
    let mut check = Command::new(env!("CARGO_BIN_EXE_modemctl"))
        .arg("check")
        .arg(file)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(check.stdout.take());
    let done = check.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
}
