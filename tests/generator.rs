//! Cases for the generator: each folder in `tests/generator` is one, with the files as they would
//! stand in `/etc/modemd`, and in `expected` the units that come of them and the `log`.
//!
//! A new case is files only; `UPDATE_EXPECTED=1 cargo test --test generator` writes its `expected`
//! (and those of all others), to be read before it is committed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use modemd::config::{Config, Services};
use modemd::generator::{Plan, Surroundings};
use proptest::prelude::*;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn unit(name: &str) -> String {
    fs::read_to_string(repository().join("units").join(name)).unwrap()
}

fn cases() -> Vec<PathBuf> {
    let folders = fs::read_dir(repository().join("tests/generator")).unwrap();
    let mut cases: Vec<_> = folders.map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

/// The files of a case as if they stood in `/etc/modemd`.
fn configuration(case: &Path) -> Config {
    let mut names = vec![PathBuf::from("modemd.toml")];
    if let Ok(directory) = fs::read_dir(case.join("conf.d")) {
        let entries = directory.map(|entry| Path::new("conf.d").join(entry.unwrap().file_name()));
        names.extend(entries);
        names[1..].sort();
    }
    let etc = Path::new("/etc/modemd");
    let files = names
        .into_iter()
        .map(|name| (etc.join(&name), fs::read(case.join(&name)).unwrap()));
    Config::parse(&files.collect::<Vec<_>>(), &Services::default())
}

fn plan(config: &Config) -> Plan {
    let surroundings = Surroundings {
        template: Some(unit("modem@.service")),
        running: [
            "modem.socket",
            "modem-control.socket",
            "modem-fax.socket",
            "modem-metrics.socket",
        ]
        .map(str::to_owned)
        .into(),
        // Nothing is plugged in here.
        resolve: |_| None,
    };
    Plan::new(config, &surroundings)
}

/// What is in a folder: files with their text, links with their target.
fn tree(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(&inner).into_iter().flatten() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().to_owned();
            if let Ok(target) = fs::read_link(&path) {
                found.insert(name, format!("-> {}", target.display()));
            } else if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

/// A folder that is gone at the end of a test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("modemd-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn written(config: &Config, folder: &Path) {
    let plan = plan(config);
    plan.write(folder).unwrap();
    let mut log = plan.log(config).join("\n");
    if !log.is_empty() {
        log.push('\n');
    }
    fs::write(folder.join("log"), log).unwrap();
}

#[test]
fn each_folder_gives_the_units_it_expects() {
    let mut differences = Vec::new();
    for case in cases() {
        let name = case.file_name().unwrap().to_str().unwrap();
        let expected = case.join("expected");
        let config = configuration(&case);
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            let _ = fs::remove_dir_all(&expected);
            fs::create_dir(&expected).unwrap();
            written(&config, &expected);
            continue;
        }
        let scratch = Scratch::new(name);
        written(&config, &scratch.0);
        let (is, expected) = (tree(&scratch.0), tree(&expected));
        for path in is.keys().chain(expected.keys()) {
            if is.get(path) != expected.get(path) {
                differences.push(format!(
                    "{name}/{}:\n--- expected\n{}\n--- is\n{}",
                    path.display(),
                    expected.get(path).map_or("nothing", String::as_str),
                    is.get(path).map_or("nothing", String::as_str),
                ));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn systemd_finds_nothing_wrong_with_any_of_them() {
    let version = Command::new("systemd-analyze").arg("--version").output();
    if version.is_err() {
        assert!(std::env::var_os("CI").is_none(), "no systemd-analyze");
        eprintln!("SKIP systemd_finds_nothing_wrong_with_any_of_them: no systemd-analyze");
        return;
    }
    for case in cases() {
        let name = case.file_name().unwrap().to_str().unwrap();
        let scratch = Scratch::new(&format!("verify-{name}"));
        plan(&configuration(&case)).write(&scratch.0).unwrap();
        for shipped in [
            "modem.socket",
            "modem.service",
            "modem@.service",
            "modem-control.socket",
        ] {
            fs::write(scratch.0.join(shipped), unit(shipped)).unwrap();
        }
        // The program of this build stands where the installed one would.
        let mut units = Vec::new();
        for (path, text) in tree(&scratch.0) {
            if text.contains("ExecStart=/usr/sbin/modemd") {
                let text = text.replace("/usr/sbin/modemd", env!("CARGO_BIN_EXE_modemd"));
                fs::write(scratch.0.join(&path), text).unwrap();
            }
            if path.parent() == Some(Path::new("")) {
                units.push(scratch.0.join(path));
            }
        }
        // 252 exits 0 on unknown keys, unless told so.
        let verdict = Command::new("systemd-analyze")
            .args(["verify", "--recursive-errors=no", "--man=no"])
            .args(&units)
            .env("SYSTEMD_UNIT_PATH", format!("{}:", scratch.0.display()))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&verdict.stderr).into_owned();
        let about_ours: Vec<_> = said.lines().filter(|line| line.contains("modem")).collect();
        assert!(
            verdict.status.success() && about_ours.is_empty(),
            "{name}: {said}"
        );
    }
}

/// What `modem.socket` says of sockets in general holds for all.
#[test]
fn a_generated_socket_has_all_that_the_shipped_one_has() {
    let text = "[ports.fax]\nlisten = [\"2007\"]\ndevices = [\"/dev/ttyS1\"]\n";
    let files = [("modemd.toml".into(), text.as_bytes().to_vec())];
    let plan = plan(&Config::parse(&files, &Services::default()));
    let generated = &plan.files[Path::new("modem-fax.socket")];
    let own = ["FileDescriptorName=", "IPAddressAllow=", "ListenStream="];
    let shipped = unit("modem.socket");
    let shipped = shipped.split_once("[Socket]").unwrap().1;
    let shipped = shipped.split_once("[Install]").unwrap().0;
    for line in shipped
        .lines()
        .filter(|line| line.contains('=') && !line.starts_with('#'))
    {
        if !own.iter().any(|own| line.starts_with(own)) {
            assert!(generated.lines().any(|has| has == line), "{line}");
        }
    }
}

/// Every line of a unit that a configuration could have put there.
fn lines(plan: &Plan) -> Vec<String> {
    let shipped = unit("modem@.service");
    let lines = plan.files.values().flat_map(|text| text.lines());
    lines
        .filter(|line| !shipped.lines().any(|has| has == *line))
        .map(str::to_owned)
        .collect()
}

/// What the generator writes, whatever it is fed; and where a value is of somebody else's making,
/// it means itself.
fn is_ours(line: &str) -> bool {
    let keys = [
        "Accept=yes",
        "ConditionPathExists=!/",
        "Description=Former Modem Sharing Socket",
        "Description=Modem Sharing Socket for ",
        "DeviceAllow=",
        "Documentation=man:modemd(8) man:modemd.toml(5)",
        "ExecStart=/usr/sbin/modemd --port ",
        "FileDescriptorName=",
        "FreeBind=yes",
        "IPAddressAllow=",
        "IPAddressDeny=any",
        "KeepAlive=yes",
        "ListenStream=",
        "MaxConnections=",
        "NoDelay=",
        "PartOf=modem.socket",
        "ReadWritePaths=-/",
        "RemoveOnStop=yes",
        "ReusePort=yes",
        "Service=modem.service",
        "SocketGroup=dialout",
        "SocketMode=06",
        "SourcePath=/etc/modemd/",
        "StartLimitIntervalSec=0",
        "TriggerLimitIntervalSec=0",
    ];
    let is_plain = |value: &str| !value.contains(['%', '\\', '"', '\'', '$', ';', '#']);
    line.is_empty()
        || line.starts_with('#')
        || ["[Unit]", "[Socket]", "[Service]"].contains(&line)
        || keys
            .iter()
            .any(|key| line.strip_prefix(key).is_some_and(is_plain))
}

/// A good file with everything in it, to be spoilt.
const GOOD: &str = include_str!("generator/everything/modemd.toml");

proptest! {
    #[test]
    fn a_spoilt_file_puts_nothing_strange_into_a_unit(
        at: proptest::sample::Index,
        taken in 0_usize..12,
        put in "(\\PC|[%\\\\\\[\\]=\"#.,\t\r\n0-9]){0,6}",
    ) {
        let mut bytes = GOOD.as_bytes().to_vec();
        let at = at.index(bytes.len());
        let end = (at + taken).min(bytes.len());
        bytes.splice(at..end, put.into_bytes());
        let files = [("/etc/modemd/modemd.toml".into(), bytes)];
        let config = Config::parse(&files, &Services::default());
        let plan = plan(&config);
        for line in lines(&plan) {
            prop_assert!(is_ours(&line), "{line:?}");
        }
        for line in plan.log(&config) {
            prop_assert!(!line.contains('\n'), "{line:?}");
        }
    }

    #[test]
    fn no_socket_lets_in_more_than_its_port(hosts in proptest::collection::vec(
        "10\\.[1-9][0-9]?\\.0\\.0/16|fd[0-9a-f]{2}::/16|192\\.168\\.1\\.[1-9]|localhost", 0..5
    )) {
        let quoted: Vec<_> = hosts.iter().map(|host| format!("{host:?}")).collect();
        let text = format!(
            "[ports.fax]\nlisten = [\"2007\"]\ndevices = [\"/dev/ttyS1\"]\nallow = [{}]\n",
            quoted.join(", ")
        );
        let files = [("modemd.toml".into(), text.into_bytes())];
        let config = Config::parse(&files, &Services::default());
        prop_assert_eq!(&config.problems, &[]);
        let plan = plan(&config);
        let unit = &plan.files[Path::new("modem-fax.socket")];
        let allowed: Vec<_> =
            unit.lines().filter_map(|line| line.strip_prefix("IPAddressAllow=")).collect();
        prop_assert_eq!(allowed, hosts);
        prop_assert!(unit.contains("IPAddressDeny=any\n"));
    }
}
