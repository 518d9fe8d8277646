//! The page that says how hub4com makes a COM port on Windows, beside what hub4com says itself.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use modemd::config::{Config, Services};

/// What hub4com 2.1.0.0 says of its options: `hub4com --help`, `hub4com --help=MODULE` for each module,
/// `com2tcp-rfc2217 --help`; after its sources, `hub4com.cpp`, `plugins/MODULE/port.cpp` or `filter.cpp`,
/// and `com2tcp-rfc2217.bat`.
const DOCUMENTED: [(&str, &str); 9] = [
    (
        "hub4com",
        "load help route bi-route echo-route no-route fc-route no-default-fc-route create-filter \
         add-filters use-driver",
    ),
    (
        "serial",
        "baud data parity stop octs odsr ox ix idsr ito write-limit share-mode",
    ),
    ("tcp", "interface reconnect write-limit"),
    ("escparse", "request-esc-mode"),
    ("pinmap", "rts dtr out1 out2 cts dsr ring dcd break data"),
    ("linectl", "br lc"),
    ("pin2con", "connect delay-disconnect"),
    (
        "telnet",
        "terminal comport suppress-echo keep-active ascii-cr-padding",
    ),
    (
        "com2tcp-rfc2217",
        "rfc2217-mode connect delay-disconnect keep-active share-com-port trace help interface \
         reconnect",
    ),
];

fn knows(module: &str, option: &str) -> bool {
    let (_, options) = DOCUMENTED.iter().find(|(name, _)| *name == module).unwrap();
    options.split_whitespace().any(|known| known == option)
}

fn page() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/windows.md");
    fs::read_to_string(file).unwrap()
}

/// The one literal block of the page with this in it.
#[track_caller]
fn block(with: &str) -> Vec<String> {
    let page = page();
    let blocks = page.split("\n```").skip(1).step_by(2);
    let mut found = blocks.filter(|block| block.contains(with));
    // The first line has what follows the fence.
    let lines = found.next().unwrap().lines().skip(1).map(str::to_owned);
    assert!(found.next().is_none(), "{with} is in two blocks");
    lines.collect()
}

/// `modem.txt`
pub(crate) fn arguments() -> Vec<String> {
    block("--create-filter=")
}

/// The option of a word, without its value.
fn option(word: &str) -> Option<&str> {
    let name = word.strip_prefix("--")?;
    Some(name.split('=').next().unwrap())
}

#[track_caller]
fn is_documented(module: &str, word: &str) {
    let name = option(word).unwrap_or_else(|| panic!("{module}: {word}"));
    assert!(knows(module, name), "{module} knows no --{name}");
}

/// A filter: its module, the group that it is in, and its options.
pub(crate) fn filter(argument: &str) -> Option<(&str, &str, Vec<&str>)> {
    let (whole, options) = argument
        .strip_prefix("--create-filter=")?
        .split_once(':')
        .unwrap_or((argument.strip_prefix("--create-filter=")?, ""));
    let mut names = whole.split(',');
    let (module, group) = (names.next().unwrap(), names.next().unwrap());
    Some((module, group, options.split_whitespace().collect()))
}

#[test]
fn every_option_of_hub4com_that_the_page_names_is_documented() {
    let arguments = arguments();
    let mut driver = "serial";
    for argument in &arguments {
        if let Some((module, _, options)) = filter(argument) {
            for word in options {
                is_documented(module, word);
            }
        } else if let Some(name) = option(argument) {
            // The options of a driver's ports may come anywhere before the port.
            if !knows("serial", name) && !knows("tcp", name) {
                is_documented("hub4com", argument);
            }
        }
        driver = argument.strip_prefix("--use-driver=").unwrap_or(driver);
    }
    assert_eq!(driver, "tcp", "the last port is the server");
    let page = page();
    for line in page.lines().filter(|line| line.starts_with("hub4com --")) {
        is_documented("hub4com", line.split_whitespace().nth(1).unwrap());
    }
    for word in block("com2tcp-rfc2217 ")[0].split_whitespace() {
        if word.starts_with("--") {
            is_documented("com2tcp-rfc2217", word);
        }
    }
    // In the text and the tables.
    for word in page.split('`').skip(1).step_by(2) {
        if let Some(name) = option(word) {
            let known = DOCUMENTED.iter().any(|(module, _)| knows(module, name));
            assert!(known, "nobody knows --{name}");
        }
    }
}

/// What `com2tcp-rfc2217.bat` of 2.1.0.0 makes of a command line with a host and a port: RFC 2217 as
/// client.
fn expanded(line: &str) -> Vec<String> {
    let mut words = line.split_whitespace();
    assert_eq!(words.next(), Some("com2tcp-rfc2217"));
    let (mut all, mut pin2con, mut telnet) = (Vec::new(), Vec::new(), Vec::new());
    let mut star = "*";
    let mut places = Vec::new();
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap();
        match word {
            "--reconnect" => all.push(format!("--reconnect={}", value())),
            "--connect" => {
                star = "";
                pin2con.push(format!("--connect={}", value()));
            }
            "--delay-disconnect" => pin2con.push(format!("--delay-disconnect={}", value())),
            "--keep-active" => telnet.push(format!("--keep-active={}", value())),
            _ => places.push(word),
        }
    }
    let [com, host, port] = places[..] else {
        panic!("{places:?}");
    };
    all.push("--create-filter=escparse,com,parse".to_owned());
    if star.is_empty() {
        let options = pin2con.join(" ");
        all.push(format!("--create-filter=pin2con,com,connect:{options}"));
    }
    let options = telnet.join(" ");
    all.extend([
        "--create-filter=pinmap,com,pinmap:--rts=cts --dtr=dsr".to_owned(),
        "--create-filter=linectl,com,lc:--br=local --lc=local".to_owned(),
        "--add-filters=0:com".to_owned(),
        format!("--create-filter=telnet,tcp,telnet:{options} --comport=client"),
        "--create-filter=pinmap,tcp,pinmap:--rts=cts --dtr=dsr --break=break".to_owned(),
        "--create-filter=linectl,tcp,lc:--br=remote --lc=remote".to_owned(),
        "--add-filters=1:tcp".to_owned(),
        "--octs=off".to_owned(),
        com.to_owned(),
        "--use-driver=tcp".to_owned(),
        format!("{star}{host}:{port}"),
    ]);
    all
}

#[test]
fn the_file_on_the_page_is_what_hub4coms_own_script_makes_and_carrier_and_ring() {
    let line = &block("com2tcp-rfc2217 ")[0];
    let with_carrier: Vec<_> = expanded(line)
        .iter()
        .map(|argument| {
            argument.replace(
                "pinmap,com,pinmap:--rts=cts --dtr=dsr",
                "pinmap,com,pinmap:--rts=cts --dtr=dsr --out1=dcd --out2=ring",
            )
        })
        .collect();
    assert_eq!(arguments(), with_carrier);
    // What is on these two is on the pair's other end what com0com is told to make of it.
    let pair = block("PortName=COM#").join("\n");
    assert!(pair.contains("dcd=rout1,ri=rout2"));
}

#[test]
fn the_server_on_the_page_is_one_that_modemd_takes_and_hub4com_connects_to() {
    let text = block("[ports.com]").join("\n");
    let files = [("modemd.toml".into(), text.into_bytes())];
    let config = Config::parse(&files, &Services::parse(""));
    assert!(config.problems.is_empty(), "{:?}", config.problems);
    let port = config.port("com").ok().unwrap();
    let server: SocketAddr = arguments().last().unwrap().parse().unwrap();
    let listens = format!("{:?}", port.listen);
    assert!(listens.contains(&server.port().to_string()), "{listens}");
    let client = "192.168.2.7".parse().unwrap();
    assert!(port.allow.permits_address(client));
    assert_eq!(server.ip().to_string(), "192.168.2.1");
}
