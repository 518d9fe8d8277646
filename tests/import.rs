//! Configurations of older servers: each folder in `tests/import` is a case, with their files, perhaps a
//! `services` as in `/etc`, and what `modemctl import` makes of them in `expected.toml` and, if it had to
//! complain, `expected.stderr`.
//!
//! A new case is files only; `UPDATE_EXPECTED=1 cargo test --test import` writes what is expected, to be read
//! before it is committed.

use std::fs;
use std::path::{Path, PathBuf};

use modemd::config::{Config, Host, Services};
use modemd::import::{Format, Imported, Input, import};
use proptest::prelude::*;

/// Files that are about a case, and not of an older server.
const OURS: [&str; 3] = ["services", "expected.toml", "expected.stderr"];

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import");
    let folders = fs::read_dir(root).unwrap().map(|e| e.unwrap().path());
    let mut cases: Vec<_> = folders.filter(|path| path.is_dir()).collect();
    cases.sort();
    cases
}

/// A case's files in the order of their names, which are told without the folder.
fn inputs(case: &Path) -> Vec<Input> {
    let mut inputs = Vec::new();
    let mut folders = vec![case.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(case).unwrap().to_str().unwrap();
            if path.is_dir() {
                folders.push(path);
            } else if !OURS.contains(&name) {
                inputs.push(Input {
                    name: name.to_owned(),
                    bytes: fs::read(&path).unwrap(),
                });
            }
        }
    }
    inputs.sort_by(|a, b| a.name.cmp(&b.name));
    inputs
}

fn services(case: &Path) -> Services {
    Services::parse(&fs::read_to_string(case.join("services")).unwrap_or_default())
}

fn parse(toml: &str, services: &Services) -> Config {
    Config::parse(
        &[("modemd.toml".into(), toml.as_bytes().to_vec())],
        services,
    )
}

fn troubles(imported: &Imported) -> String {
    let lines = imported.troubles.iter().map(|of| format!("{of}\n"));
    lines.collect()
}

#[test]
fn every_case_comes_out_as_expected_and_is_free_of_mistakes() {
    let cases = cases();
    assert!(cases.len() > 10, "only {} cases found", cases.len());
    let is_update = std::env::var_os("UPDATE_EXPECTED").is_some();
    let mut wrong = Vec::new();
    for case in cases {
        let services = services(&case);
        let imported = import(&inputs(&case), None, &services);
        let problems = parse(&imported.toml, &services).problems;
        assert_eq!(problems, [], "{}", case.display());
        for (name, text) in [
            ("expected.toml", imported.toml.clone()),
            ("expected.stderr", troubles(&imported)),
        ] {
            let file = case.join(name);
            if is_update && text.is_empty() {
                let _ = fs::remove_file(&file);
            } else if is_update {
                fs::write(&file, &text).unwrap();
            }
            let expected = fs::read_to_string(&file).unwrap_or_default();
            if text != expected {
                wrong.push(format!("{}:\n{text}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether a line of what is printed is one that import itself writes: a comment, or a setting of a port.
fn is_ours(line: &str) -> bool {
    let keys = [
        "listen",
        "devices",
        "line",
        "allow",
        "protocol",
        "client_settings",
        "idle_timeout",
    ];
    let key = line.split_once(" = ").map(|(key, _)| key.trim_end());
    line.is_empty()
        || line.starts_with('#')
        || line.starts_with("[ports.")
        || key.is_some_and(|key| keys.contains(&key))
}

/// What `import` promises of whatever it is given.
fn check(files: &[Input], from: Option<Format>) -> Result<(), TestCaseError> {
    let services = Services::parse("modem 2006/tcp\n");
    let imported = import(files, from, &services);
    let config = parse(&imported.toml, &services);
    prop_assert_eq!(&config.problems, &[], "{}", imported.toml);
    let everybody = files.iter().any(|file| {
        let text = String::from_utf8_lossy(&file.bytes);
        ["*", "0.0.0.0", "--allow"]
            .iter()
            .any(|of| text.contains(of))
    });
    for port in &config.ports {
        prop_assert!(
            everybody || !port.allow.hosts().contains(&Host::Any),
            "{}",
            imported.toml
        );
    }
    for line in imported.toml.split('\n') {
        prop_assert!(
            is_ours(line) && !line.contains(char::is_control),
            "{line:?}"
        );
    }
    let headers = imported.toml.lines().filter(|of| of.starts_with("[ports."));
    prop_assert_eq!(headers.count(), config.ports.len());
    for trouble in &imported.troubles {
        prop_assert!(!trouble.to_string().contains(char::is_control));
        prop_assert_eq!(trouble.to_string().lines().count(), 1);
    }
    Ok(())
}

fn some_format() -> impl Strategy<Value = Option<Format>> {
    prop::sample::select(vec![
        None,
        Some(Format::Masqdialer),
        Some(Format::Inetd),
        Some(Format::Xinetd),
        Some(Format::Ser2net3),
        Some(Format::Ser2net),
    ])
}

/// A file of one of the cases.
fn some_file() -> impl Strategy<Value = Input> {
    let files: Vec<_> = cases().iter().flat_map(|case| inputs(case)).collect();
    prop::sample::select(files)
}

/// What is put into files, or in place of a piece of one.
fn some_piece() -> impl Strategy<Value = Vec<u8>> {
    let pieces = vec![
        "\n",
        "\r\n",
        "\\\n",
        ":",
        ",",
        "=",
        "{",
        "}",
        "[",
        "]",
        "&a ",
        "*a",
        "*(a)",
        "#",
        "\"",
        "'",
        "\0",
        "\x7f",
        "\u{85}",
        "\u{2028}",
        "\x1b[31m",
        "-",
        "/dev/ttyS1",
        "/dev/",
        "localhost",
        "::1",
        "0",
        "65536",
        "raw",
        "telnet",
        "any",
        "connection",
        "2006",
        "modem",
        "unix,/run/a",
        "remaddr=",
        "\n[ports.x]\n",
        "999999999999999999999",
    ];
    prop_oneof![
        prop::sample::select(pieces).prop_map(|piece| piece.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..6),
    ]
}

proptest! {
    #[test]
    fn whatever_the_files_say_the_outcome_is_free_of_mistakes(
        name in "\\PC{0,12}|inetd.conf|a.yaml|xinetd.d/a|x\n[ports.y]",
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            "(\\PC|[ \t\n:,=#*&{}/]){0,200}".prop_map(String::into_bytes),
        ],
        from in some_format(),
    ) {
        check(&[Input { name, bytes }], from)?;
    }

    #[test]
    fn so_it_is_of_real_files_with_something_wrong_in_them(
        files in prop::collection::vec(
            (some_file(), prop::collection::vec((any::<prop::sample::Index>(), 0..20_usize, some_piece()), 0..6)),
            1..4,
        ),
        from in some_format(),
    ) {
        let spoilt = |(mut file, changes): (Input, Vec<(prop::sample::Index, usize, Vec<u8>)>)| {
            for (at, length, piece) in changes {
                let at = at.index(file.bytes.len() + 1);
                let end = (at + length).min(file.bytes.len());
                file.bytes.splice(at..end, piece);
            }
            file
        };
        let files: Vec<_> = files.into_iter().map(spoilt).collect();
        check(&files, from)?;
    }
}

fn import_one(name: &str, text: &str) -> Config {
    let files = [Input {
        name: name.to_owned(),
        bytes: text.as_bytes().to_vec(),
    }];
    let services = Services::parse("modem 2006/tcp\n");
    parse(&import(&files, None, &services).toml, &services)
}

#[test]
fn nobody_is_let_in_whom_the_old_file_does_not_name() {
    for (name, text) in [
        ("mserver.conf", "5800 /dev/ttyS1 115200,8,N,1\n"),
        ("ser2net.conf", "2000:raw:0:/dev/ttyS1:9600\n"),
        (
            "ser2net.yaml",
            "connection: &a\n  accepter: tcp,2000\n  connector: serialdev,/dev/ttyS1\n",
        ),
        (
            "inetd.conf",
            "modem stream tcp nowait root /usr/sbin/modemd modemd /dev/ttyS1\n",
        ),
    ] {
        let config = import_one(name, text);
        assert_eq!(config.ports.len(), 1, "{name}");
        assert_eq!(config.ports[0].allow.hosts(), [Host::Localhost], "{name}");
    }
    let machine = import_one(
        "mserver.conf",
        "5800 /dev/ttyS1 9600,8,N,1 any,desk.example.org\n",
    );
    assert!(!machine.ports[0].allow.hosts().contains(&Host::Any));
    let wrapped = "modem stream tcp nowait root /usr/sbin/tcpd /usr/sbin/modemd /dev/ttyS1\n";
    assert_eq!(import_one("inetd.conf", wrapped).ports[0].allow.hosts(), []);
}

/// A text that is a comment in the outcome, a name, a device or a host there, and would be more.
#[test]
fn no_line_of_an_old_file_becomes_more_than_a_comment_or_a_value() {
    let piece = "x\"]\u{85}\r[ports.evil]\r\tallow=[\"any\"]\\\"\u{1b}[2J";
    let escaped = "\"x\\\"]\\n[ports.evil]\\nallow=[\\\"any\\\"]\\n#\"";
    for (format, text) in [
        (
            Format::Masqdialer,
            format!("5800 /dev/{piece} 9600,8,N,1 {piece},a.org\n"),
        ),
        (
            Format::Masqdialer,
            format!("{piece} /dev/ttyS1 {piece} a.org\n{piece}\n"),
        ),
        (
            Format::Inetd,
            format!(
                "2006 stream tcp nowait {piece} /bin/modemd modemd --line '{piece}' '/dev/{piece}'\n"
            ),
        ),
        (
            Format::Inetd,
            format!(
                "{piece} stream tcp nowait root /bin/cu cu -l '{piece}' -s '{piece}' '{piece}'\n"
            ),
        ),
        (
            Format::Xinetd,
            format!(
                "service {piece}\n{{\nport = 2006\nserver = /bin/modemd\nserver_args = /dev/{piece}\nonly_from = {piece}\ncps = {piece}\n}}\n"
            ),
        ),
        (
            Format::Ser2net3,
            format!(
                "DEVICE:{piece}:/dev/{piece}\nDEFAULT:{piece}:{piece}\n2000:raw:0:{piece}:9600 {piece} remaddr={piece}\n"
            ),
        ),
        (
            Format::Ser2net,
            format!(
                "define: &a {escaped}\nconnection:\n  name: {escaped}\n  accepter: tcp,2000\n  connector: \"serialdev,/dev/*(a),9600n81,*(a)\"\n  options:\n    {escaped}: {escaped}\n    remaddr: {escaped}\n"
            ),
        ),
        (
            Format::Ser2net,
            format!(
                "connection:\n  accepter: {escaped}\n  connector: {escaped}\n{escaped}: {escaped}\n"
            ),
        ),
    ] {
        let file = |name: &str| Input {
            name: name.to_owned(),
            bytes: text.clone().into_bytes(),
        };
        check(&[file(piece), file("x\n[ports.evil]\n")], Some(format)).unwrap();
    }
}

#[test]
fn the_format_is_told_by_the_content_before_the_name() {
    for (name, text) in [
        ("a", "5800 /dev/ttyS1 115200,8,N,1\n"),
        ("inetd.conf", "2000:telnet:0:/dev/ttyS1:9600\n"),
        (
            "ser2net.conf",
            "%YAML 1.1\n---\nconnection: &a\n  accepter: tcp,2000\n  connector: serialdev,/dev/ttyS1\n",
        ),
        (
            "ser2net.conf",
            "modem stream tcp nowait root /usr/sbin/modemd modemd /dev/ttyS1\n",
        ),
        (
            "ser2net.conf",
            "service modem\n{\nserver = /usr/sbin/modemd\nserver_args = /dev/ttyS1\n}\n",
        ),
    ] {
        assert_eq!(import_one(name, text).ports.len(), 1, "{text}");
    }
}
