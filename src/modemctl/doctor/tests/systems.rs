//! Made-up systems: what was seen of each.

use std::collections::BTreeMap;
use std::path::Path;

use crate::config::DEFAULT_PATH;
use crate::modemctl::doctor::braille::{RulesFile, UsbDevice, parse};
use crate::modemctl::doctor::facts::{
    Access, Account, Facts, Line, Lock, LockDirectory, Node, Person, Process, SetAside, Systemd,
    Tty, Unit,
};

pub(super) const CONFIGURATION: &str = "\
[ports.modem]
devices = [\"/dev/ttyS1\", \"/dev/serial/by-id/usb-QinHeng-if00\"]
allow = [\"192.168.2.0/24\"]
[ports.fax]
listen = [\"2007\"]
devices = [\"/dev/ttyS1\"]
allow = [\"localhost\"]
";

pub(super) const MODEMD: u32 = 995;
pub(super) const DIALOUT: u32 = 20;

pub(super) fn person(uid: u32, name: &str, groups: &[(u32, &str)]) -> Person {
    let groups = groups.iter().map(|(gid, name)| (*gid, (*name).to_owned()));
    Person {
        uid,
        name: name.to_owned(),
        groups: groups.collect(),
    }
}

pub(super) fn modemd() -> Person {
    person(
        MODEMD,
        "modemd",
        &[(MODEMD, "modemd"), (DIALOUT, "dialout")],
    )
}

pub(super) fn access(uid: u32, gid: u32, group: &str, mode: u32) -> Access {
    Access {
        uid,
        gid,
        mode,
        group: Some(group.to_owned()),
    }
}

pub(super) fn process(pid: i32, program: &str) -> Process {
    Process {
        pid,
        program: program.to_owned(),
    }
}

pub(super) fn unit(properties: &[(&str, &str)]) -> Unit {
    let pairs = properties.iter();
    pairs
        .map(|(name, is)| ((*name).to_owned(), (*is).to_owned()))
        .collect()
}

pub(super) fn socket(state: &str, file: &str) -> Unit {
    unit(&[
        ("LoadState", "loaded"),
        ("ActiveState", state),
        ("UnitFileState", file),
        ("Result", "resources"),
        ("NeedDaemonReload", "no"),
        ("IPAddressDeny", "0.0.0.0/0 ::/0"),
    ])
}

pub(super) fn tty(real: &str) -> Tty {
    Tty {
        real: real.into(),
        access: access(0, DIALOUT, "dialout", 0o20660),
        is_pseudo: false,
        is_console: false,
        getty: None,
        udev: Ok(BTreeMap::from([(
            "ID_MM_PORT_IGNORE".to_owned(),
            "1".to_owned(),
        )])),
        usb: None,
        latency: None,
        users: Ok(Vec::new()),
        flock: None,
    }
}

pub(super) fn line(device: &str, tty: Tty) -> Line {
    Line {
        device: device.into(),
        node: Node::Tty(Box::new(tty)),
        locks: Vec::new(),
    }
}

/// A system on which all is well.
pub(super) fn healthy() -> Facts {
    let usb = UsbDevice {
        product: "1a86/7523/264".to_owned(),
        chain: vec![BTreeMap::new()],
    };
    let adapter = Tty {
        usb: Some(usb),
        ..tty("/dev/ttyUSB0")
    };
    let service = unit(&[
        ("LoadState", "loaded"),
        ("PrivateNetwork", "yes"),
        ("NeedDaemonReload", "no"),
    ]);
    Facts {
        file: DEFAULT_PATH.into(),
        is_served: true,
        systemd: Ok(Systemd {
            units: BTreeMap::from([
                ("modem.socket".to_owned(), socket("active", "enabled")),
                ("modem-fax.socket".to_owned(), socket("active", "generated")),
                (
                    "modem-control.socket".to_owned(),
                    socket("active", "enabled"),
                ),
                ("modem.service".to_owned(), service),
            ]),
            ..Systemd::default()
        }),
        has_filters: Ok(true),
        has_unified_hierarchy: true,
        service: Account {
            user: "modemd".to_owned(),
            group: "dialout".to_owned(),
            person: Ok(Some(modemd())),
        },
        serial_group: Ok(Some(DIALOUT)),
        caller: Ok(person(0, "root", &[(0, "root")])),
        locks: LockDirectory {
            path: "/run/lock".into(),
            access: Ok(Some(access(0, 0, "root", 0o41777))),
        },
        lines: vec![
            line("/dev/serial/by-id/usb-QinHeng-if00", adapter),
            line("/dev/ttyS1", tty("/dev/ttyS1")),
        ],
        by_id: vec!["/dev/serial/by-id/usb-QinHeng-if00".to_owned()],
        modem_manager: None,
        braille: Vec::new(),
        bare_usb: Vec::new(),
        set_aside: Ok(Vec::new()),
        has_time_zone: true,
        lookups: Some("systemd-resolved does not run"),
        unknown_names: Ok(Vec::new()),
    }
}

impl Facts {
    /// A modem that does not answer, and no time zone.
    pub(super) fn trouble_guards(&mut self) {
        self.set_aside = Ok(vec![SetAside {
            device: "/dev/ttyS1".into(),
            why: "no answer to `ATZ`".to_owned(),
        }]);
        self.has_time_zone = false;
    }

    pub(super) fn tty(&mut self, device: &str) -> &mut Tty {
        match &mut self.line(device).node {
            Node::Tty(tty) => tty,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn line(&mut self, device: &str) -> &mut Line {
        let mut lines = self.lines.iter_mut();
        lines.find(|line| line.device == Path::new(device)).unwrap()
    }

    pub(super) fn systemd(&mut self) -> &mut Systemd {
        self.systemd.as_mut().unwrap()
    }

    pub(super) fn unit(&mut self, unit: &str, property: &str, is: &str) {
        let unit = self.systemd().units.entry(unit.to_owned()).or_default();
        unit.insert(property.to_owned(), is.to_owned());
    }
}

pub(super) const S1: &str = "/dev/ttyS1";
pub(super) const ADAPTER: &str = "/dev/serial/by-id/usb-QinHeng-if00";

type Change = fn(&mut Facts);

/// What is not as it should be, by what that is called.
const CASES: [(&str, Change); 35] = [
    ("all-is-well", |_| {}),
    ("switched-off", |f| {
        for name in ["modem.socket", "modem-fax.socket", "modem-control.socket"] {
            f.unit(name, "ActiveState", "inactive");
        }
        f.unit("modem.socket", "UnitFileState", "disabled");
    }),
    ("not-enabled", |f| {
        f.unit("modem.socket", "UnitFileState", "disabled");
    }),
    ("stopped", |f| {
        f.unit("modem.socket", "ActiveState", "inactive");
    }),
    ("failed", |f| {
        f.unit("modem.socket", "ActiveState", "failed");
    }),
    ("masked", |f| {
        f.unit("modem.socket", "LoadState", "masked");
        f.unit("modem.socket", "NeedDaemonReload", "yes");
        f.unit("modem.socket", "ActiveState", "inactive");
    }),
    ("not-installed", |f| f.systemd().units.clear()),
    ("another-port-failed", |f| {
        f.unit("modem-fax.socket", "ActiveState", "failed");
    }),
    ("reload-forgotten", |f| {
        f.systemd().units.remove("modem-fax.socket");
        f.systemd().pending = vec![
            "modem-fax.socket".to_owned(),
            "modem.service.d/00-modemd.conf".to_owned(),
        ];
        f.unit("modem.socket", "NeedDaemonReload", "yes");
    }),
    ("reload-forgotten-for-the-sandbox", |f| {
        f.systemd().pending = vec!["modem.service.d/00-modemd.conf".to_owned()];
    }),
    ("unplugged-since-the-last-reload", |f| {
        f.systemd().pending = vec!["modem.service.d/00-modemd.conf".to_owned()];
        f.line(ADAPTER).node = Node::Missing;
    }),
    ("files-have-changed", |f| {
        f.unit("modem.socket", "NeedDaemonReload", "yes");
    }),
    ("restart-forgotten", |f| {
        f.unit("modem-fax.socket", "ActiveState", "inactive");
        f.systemd().former = vec!["modem-old.socket".to_owned()];
    }),
    ("refused-by-the-generator", |f| {
        f.systemd().units.remove("modem-fax.socket");
        f.systemd().refusals =
            vec!["no units for port `fax`: it does not say where to `listen`".to_owned()];
    }),
    ("no-control-socket", |f| {
        f.unit("modem-control.socket", "ActiveState", "failed");
    }),
    ("no-systemd", |f| {
        f.systemd = Err("systemd does not run here".to_owned());
    }),
    ("another-file", |f| {
        f.is_served = false;
        f.file = "/tmp/modemd.toml".into();
    }),
    ("no-filter-loaded", |f| f.has_filters = Ok(false)),
    ("old-control-groups", |f| f.has_unified_hierarchy = false),
    ("filter-undone", |f| {
        f.unit("modem-fax.socket", "IPAddressDeny", "");
    }),
    ("nobody-in-particular", |f| {
        f.caller = Ok(person(1000, "anna", &[(1000, "anna")]));
        f.has_filters = Err("only root sees what systemd has loaded".to_owned());
        for device in [S1, ADAPTER] {
            f.tty(device).users = Err("only root sees the open files of others".to_owned());
        }
        f.tty(ADAPTER).latency = Some(16);
    }),
    ("no-user-and-no-group", |f| {
        f.service.person = Ok(None);
        f.serial_group = Ok(None);
    }),
    ("not-in-the-group", |f| {
        f.service.person = Ok(Some(person(MODEMD, "modemd", &[(MODEMD, "modemd")])));
    }),
    ("locks-of-another-group", |f| {
        f.locks.path = "/run/lock/lockdev".into();
        f.locks.access = Ok(Some(access(0, 54, "lock", 0o40775)));
    }),
    ("locks-of-root", |f| {
        f.locks.access = Ok(Some(access(0, 0, "root", 0o40755)));
    }),
    ("no-lock-directory", |f| {
        f.locks.path = "/var/spool/our locks".into();
        f.locks.access = Ok(None);
    }),
    ("stale-locks", |f| {
        let lock = |name: &str, owner, pid, holder: Option<Process>| Lock {
            path: Path::new("/run/lock").join(name),
            owner,
            pid,
            holder,
        };
        f.line(S1).locks = vec![
            lock("LCK..ttyS1", 1000, Some(4711), None),
            lock("LCK..mine", MODEMD, Some(4712), None),
            lock("LCK..empty", 0, None, None),
            lock(
                "LCK..minicom",
                1000,
                Some(812),
                Some(process(812, "minicom")),
            ),
        ];
    }),
    ("devices", |f| {
        f.line(ADAPTER).node = Node::Broken("../../ttyUSB0".into());
        f.line(S1).node = Node::NoTty;
        f.lines.extend([Line {
            device: "/dev/ttyS7".into(),
            node: Node::Missing,
            locks: Vec::new(),
        }]);
    }),
    ("access", |f| {
        f.tty(S1).access = access(0, 5, "tty", 0o20620);
        f.tty(ADAPTER).access = access(0, 14, "uucp", 0o20660);
        let mut own = tty("/dev/ttyX0");
        own.access = access(0, 0, "root", 0o20600);
        f.lines.push(line("/dev/ttyX0", own));
    }),
    ("in-use", |f| {
        f.tty(ADAPTER).users = Ok(vec![process(812, "minicom"), process(900, "modemd")]);
        f.tty(S1).flock = Some(process(1, "systemd"));
    }),
    ("logins", |f| {
        f.tty(S1).is_console = true;
        f.tty(ADAPTER).getty = Some("serial-getty@ttyUSB0.service".to_owned());
        f.tty(ADAPTER).users = Ok(vec![process(600, "systemd-executo"), process(601, "bash")]);
    }),
    ("modem-manager", |f| {
        f.modem_manager = Some(500);
        f.tty(ADAPTER).udev = Ok(BTreeMap::new());
        f.tty(ADAPTER).users = Ok(vec![process(500, "ModemManager")]);
        f.tty(S1).udev = Err("udev does not know it".to_owned());
    }),
    ("brltty", |f| {
        let rule = "ENV{PRODUCT}==\"1a86/7523/*\", ENV{BRLTTY_BRAILLE_DRIVER}=\"bm\"\n";
        let file = |path: &str| RulesFile {
            path: path.into(),
            rules: parse(rule),
        };
        f.braille = vec![
            file("/usr/lib/udev/rules.d/85-brltty.rules"),
            file("/etc/udev/rules.d/90-brltty.rules"),
        ];
        f.bare_usb = f.tty(ADAPTER).usb.clone().into_iter().collect();
    }),
    ("brltty-has-it", |f| {
        let rule = "ENV{PRODUCT}==\"1a86/7523/*\", ENV{BRLTTY_BRAILLE_DRIVER}=\"bm\"\n";
        f.braille = vec![RulesFile {
            path: "/usr/lib/udev/rules.d/85-brltty.rules".into(),
            rules: parse(rule),
        }];
        f.bare_usb = f.tty(ADAPTER).usb.clone().into_iter().collect();
        f.line(ADAPTER).node = Node::Missing;
        f.by_id.clear();
    }),
    ("latency", |f| {
        f.tty(S1).latency = Some(1);
        f.tty(ADAPTER).latency = Some(16);
        f.tty(ADAPTER).users = Ok(vec![process(900, "modemd")]);
    }),
];

/// Configurations that have something wrong, or something that is to be looked at, by name.
pub(super) const CONFIGURATIONS: [(&str, &str); 7] = [
    (
        "mistakes",
        "[ports.modem]\ndevices = []\nallo = [\"localhost\"]\n",
    ),
    ("no-ports", ""),
    (
        "nobody-is-let-in",
        "[ports.modem]\ndevices = [\"/dev/ttyS1\"]\n",
    ),
    (
        "unix-socket",
        "[ports.modem]\nlisten = [\"/run/modem.sock\"]\ndevices = [\"/dev/ttyS1\"]\n",
    ),
    (
        "names",
        "[ports.modem]\ndevices = [\"/dev/ttyS1\"]\nallow = [\"pc.example.org\", \"*.example.org\"]\n",
    ),
    (
        "guard",
        "[ports.modem]\ndevices = [\"/dev/ttyS1\"]\nallow = [\"any\"]\n\
         [ports.modem.dial]\nallow = [\"0800*\"]\nhours = [\"08:00-18:00\"]\n",
    ),
    (
        "guard-in-trouble",
        "[ports.modem]\ndevices = [\"/dev/ttyS1\"]\nallow = [\"any\"]\n\
         [ports.modem.dial]\nallow = [\"0800*\"]\nhours = [\"08:00-18:00\"]\n\
         [ports.fax]\nlisten = [\"2007\"]\ndevices = [\"/dev/ttyS1\"]\nallow = [\"localhost\"]\n\
         [ports.fax.modem]\n",
    ),
];

/// What somebody may call a thing who would like root to run something else.
pub(super) const HOSTILE: &str = "a b'\"\\;EVIL&$(EVIL)`EVIL`\n\x1b[2JEVIL #";

/// The same system, with hostile names wherever others than modemd choose them.
pub(super) fn with_hostile_names(mut facts: Facts) -> Facts {
    let name = |path: &Path| path.with_file_name(HOSTILE);
    facts.file = "/tmp".into();
    facts.file.push(HOSTILE);
    HOSTILE.clone_into(&mut facts.service.user);
    HOSTILE.clone_into(&mut facts.service.group);
    if let Ok(person) = &mut facts.caller {
        HOSTILE.clone_into(&mut person.name);
    }
    if let Ok(Some(access)) = &mut facts.locks.access {
        access.group = Some(HOSTILE.to_owned());
    }
    facts.locks.path.push(HOSTILE);
    facts.by_id.push(format!("/dev/serial/by-id/{HOSTILE}"));
    for file in &mut facts.braille {
        file.path = name(&file.path);
    }
    for line in &mut facts.lines {
        line.device = name(&line.device);
        for lock in &mut line.locks {
            lock.path = name(&lock.path);
        }
        match &mut line.node {
            Node::Broken(target) => *target = HOSTILE.into(),
            Node::Tty(tty) => {
                tty.real = name(&tty.real);
                if tty.access.gid != 5 && tty.access.gid != 0 {
                    tty.access.group = Some(HOSTILE.to_owned());
                }
                if let Some(getty) = &mut tty.getty {
                    *getty = format!("serial-getty@{HOSTILE}.service");
                }
            }
            Node::Missing | Node::NoTty => {}
        }
    }
    facts
}

/// Every made-up system by its name, the one on which all is well first.
pub(super) fn systems() -> impl Iterator<Item = (&'static str, Facts)> {
    CASES.iter().map(|(name, change)| {
        let mut facts = healthy();
        change(&mut facts);
        (*name, facts)
    })
}
