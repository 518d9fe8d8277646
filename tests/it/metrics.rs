//! `modemctl metrics`, beside a modemd of cardboard; the real one stands in `tests/system/installed`.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use modemd::control::interface::{
    Counts, Description, Instance, Line, LineCounts, LineState, Lines, Port, PortCounts, Ports,
    Protocol, Session, SessionState, Sessions,
};
use modemd::metrics::{Answers, Form, page};
use modemd::varlink::{Call, Frames, Reply, frame};

use crate::support::{PYTHON, Scratch, have, skip};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

fn port(name: &str, lines: &[&str]) -> Port {
    Port {
        name: name.to_owned(),
        protocol: Protocol::Raw,
        instance: Instance::Shared,
        listen: vec!["2006".to_owned()],
        lines: lines.iter().map(|&line| line.to_owned()).collect(),
        settings: "115200,8,N,1".to_owned(),
        queues: true,
    }
}

fn line(line: &str, state: LineState, drained: bool) -> Line {
    Line {
        line: line.to_owned(),
        ports: Vec::new(),
        state,
        session: None,
        holder: None,
        drained,
        aside: None,
    }
}

fn session(port: &str, state: SessionState) -> Session {
    let session = serde_json::json!({
        "session": "0123456789abcdef", "port": port, "client": "192.168.2.7:50112", "state": state,
        "since_usec": 0, "age_usec": 0, "pid": 7
    });
    serde_json::from_value(session).unwrap()
}

/// Of everything something, and a line of a name that needs care.
fn answers() -> Answers {
    Answers {
        description: Description {
            version: "0.1.0".to_owned(),
            pid: 7,
            problems: vec!["a mistake".to_owned()],
        },
        ports: vec![
            port("modem", &["/dev/ttyS1", "/dev/ttyS2"]),
            port("fax", &["/dev/ttyS2", "/dev/odd\"\\\nline"]),
        ],
        lines: vec![
            line("/dev/ttyS1", LineState::InUse, false),
            line("/dev/ttyS2", LineState::Free, true),
            line("/dev/odd\"\\\nline", LineState::Missing, false),
        ],
        sessions: vec![
            session("modem", SessionState::Serving),
            session("modem", SessionState::Waiting),
        ],
        counts: Counts {
            ports: vec![
                PortCounts {
                    port: "modem".to_owned(),
                    denied: 1,
                    busy: 2,
                    broken: 3,
                    waits: 4,
                    waited_usec: 5_000_006,
                    gave_up: 7,
                },
                PortCounts {
                    port: "former".to_owned(),
                    denied: 8,
                    ..PortCounts::default()
                },
            ],
            lines: vec![LineCounts {
                port: "modem".to_owned(),
                line: "/dev/ttyS1".to_owned(),
                sessions: 10,
                in_use_usec: 11_500_000,
                to_line: 12,
                to_client: u64::MAX,
                framing: 13,
                parity: 14,
                overrun: 15,
                breaks: 16,
            }],
        },
    }
}

/// Answers one program as modemd would, until that has nothing more to ask.
pub(crate) fn answer_one(listener: &UnixListener) {
    let (mut stream, _) = listener.accept().unwrap();
    let answers = answers();
    let mut frames = Frames::default();
    let mut buffer = [0; 4096];
    loop {
        while let Some(message) = frames.next() {
            let call: Call = serde_json::from_slice(&message.unwrap()).unwrap();
            let (ports, lines) = (answers.ports.clone(), answers.lines.clone());
            let sessions = answers.sessions.clone();
            let reply = match call.method.as_str() {
                "io.modemd.Describe" => Reply::of(&answers.description),
                "io.modemd.ListPorts" => Reply::of(&Ports { ports }),
                "io.modemd.ListLines" => Reply::of(&Lines { lines }),
                "io.modemd.ListSessions" => Reply::of(&Sessions { sessions }),
                "io.modemd.GetCounts" => Reply::of(&answers.counts),
                other => Reply::method_not_found(other),
            };
            stream.write_all(&frame(&reply)).unwrap();
        }
        match stream.read(&mut buffer).unwrap() {
            0 => return,
            count => frames.feed(&buffer[..count]),
        }
    }
}

/// `modemctl --socket` and the path of a socket.
pub(crate) fn modemctl(socket: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_modemctl"));
    command
        .arg("--socket")
        .arg(socket)
        .arg("metrics")
        .args(more);
    command
}

/// What it does beside a modemd of cardboard.
pub(crate) fn beside_modemd(run: impl FnOnce(&Path) -> Output) -> Output {
    let scratch = Scratch::new();
    let socket = scratch.path().join("io.modemd");
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| answer_one(&listener));
        run(&socket)
    })
}

/// The response to a request, and what the program said on stderr.
fn exchange(socket: &Path, request: &[u8]) -> Output {
    let (mut client, server) = UnixStream::pair().unwrap();
    let server = OwnedFd::from(server);
    let mut program = modemctl(socket, &["--http"])
        .stdin(server.try_clone().unwrap())
        .stdout(server)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    client.write_all(request).unwrap();
    let mut stdout = Vec::new();
    client.read_to_end(&mut stdout).unwrap();
    drop(client);
    let mut stderr = Vec::new();
    program
        .stderr
        .take()
        .unwrap()
        .read_to_end(&mut stderr)
        .unwrap();
    let status = program.wait().unwrap();
    Output {
        status,
        stdout,
        stderr,
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn expected(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/metrics");
    folder.join(name)
}

#[test]
fn a_page_has_everything_for_all_ports_and_lines_in_the_words_of_each_form() {
    for (form, name) in [
        (Form::OpenMetrics, "open_metrics"),
        (Form::Prometheus, "prometheus"),
        (Form::Either, "either"),
    ] {
        let is = page(&answers(), form);
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::write(expected(name), &is).unwrap();
        }
        assert_eq!(is, std::fs::read_to_string(expected(name)).unwrap());
    }
}

#[test]
fn promtool_finds_nothing_wrong_with_what_prometheus_is_given() {
    if !have(&["promtool"]) {
        return;
    }
    for form in [Form::Prometheus, Form::Either] {
        let mut promtool = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = promtool.stdin.take().unwrap();
        stdin.write_all(page(&answers(), form).as_bytes()).unwrap();
        drop(stdin);
        let verdict = promtool.wait_with_output().unwrap();
        assert!(verdict.status.success(), "{form:?}: {verdict:?}");
        assert_eq!(text(&verdict.stderr), "", "{form:?}");
    }
}

/// Prints what it understood, a sample a line.
const READ: &str = "
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read
for family in read(sys.stdin.read()):
    for sample in family.samples:
        print(family.type, sample.name, sorted(sample.labels.items()), float(sample.value))
";

#[test]
fn a_parser_of_openmetrics_reads_what_was_meant() {
    if !have(&["python3"]) {
        return;
    }
    if !Path::new("/usr/lib/python3/dist-packages/prometheus_client").exists() {
        skip("not installed: python3-prometheus-client");
        return;
    }
    for (form, counter) in [(Form::OpenMetrics, "counter"), (Form::Either, "unknown")] {
        let mut python = Command::new(PYTHON)
            .args(["-c", READ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = python.stdin.take().unwrap();
        stdin.write_all(page(&answers(), form).as_bytes()).unwrap();
        drop(stdin);
        let read = python.wait_with_output().unwrap();
        let read = text(&read.stdout);
        for line in [
            "gauge modemd_build_info [('version', '0.1.0')] 1.0".to_owned(),
            r#"gauge modemd_line_up [('line', '/dev/odd"\\\nline')] 0.0"#.to_owned(),
            format!("{counter} modemd_waited_seconds_total [('port', 'modem')] 5.000006"),
            format!("{counter} modemd_gave_up_total [('port', 'fax')] 0.0"),
        ] {
            assert!(read.lines().any(|has| has == line), "{line}\nin {read}");
        }
    }
}

#[test]
fn the_page_goes_to_stdout_for_whoever_reads_it() {
    let done = beside_modemd(|socket| modemctl(socket, &[]).output().unwrap());
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    assert_eq!(text(&done.stdout), page(&answers(), Form::Either));
}

#[test]
fn a_file_is_replaced_and_stays_as_it_was_where_modemd_is_not() {
    let scratch = Scratch::new();
    let file = scratch.file("modemd.prom", "former\n");
    // What a crash has left, or somebody else has put there.
    let elsewhere = scratch.file("elsewhere", "");
    std::os::unix::fs::symlink(&elsewhere, scratch.path().join("modemd.prom.tmp")).unwrap();
    let output = file.to_str().unwrap();
    let nobody = scratch.path().join("nobody");
    let failed = modemctl(&nobody, &["--output", output]).output().unwrap();
    assert_eq!(failed.status.code(), Some(69), "{}", text(&failed.stderr));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "former\n");

    let done = beside_modemd(|socket| modemctl(socket, &["--output", output]).output().unwrap());
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    assert_eq!(text(&done.stdout), "");
    let written = std::fs::read_to_string(&file).unwrap();
    assert_eq!(written, page(&answers(), Form::Prometheus));
    assert_eq!(std::fs::read_to_string(elsewhere).unwrap(), "");
    assert!(!scratch.path().join("modemd.prom.tmp").exists());
}

#[test]
fn a_file_that_cannot_be_written_is_told() {
    let done = beside_modemd(|socket| {
        modemctl(socket, &["--output", "/proc/none/x.prom"])
            .output()
            .unwrap()
    });
    assert_eq!(done.status.code(), Some(1));
    let said = text(&done.stderr);
    assert!(
        said.starts_with("modemctl: /proc/none/x.prom: cannot be written: "),
        "{said}"
    );
}

#[test]
fn a_scrape_gets_the_page_in_the_form_that_it_asks_for() {
    for (accept, form, content_type) in [
        ("*/*", Form::Prometheus, PROMETHEUS),
        (OPEN_METRICS, Form::OpenMetrics, OPEN_METRICS),
    ] {
        let request = format!("GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\n\r\n");
        let done = beside_modemd(|socket| exchange(socket, request.as_bytes()));
        assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
        let page = page(&answers(), form);
        let length = page.len();
        let response = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{page}"
        );
        assert_eq!(text(&done.stdout), response);
    }
}

#[test]
fn who_asks_with_head_is_told_about_the_page_only() {
    let request = b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
    let done = beside_modemd(|socket| exchange(socket, request));
    let response = text(&done.stdout);
    let length = page(&answers(), Form::Prometheus).len();
    assert!(
        response.contains(&format!("\r\nContent-Length: {length}\r\n")),
        "{response}"
    );
    assert!(response.ends_with("\r\n\r\n"), "{response}");
}

#[test]
fn everything_else_is_answered_with_a_word_and_ends_in_order() {
    let scratch = Scratch::new();
    let nobody = scratch.path().join("nobody");
    for (request, answer) in [
        ("GET / HTTP/1.0\r\n\r\n", "HTTP/1.1 404 Not Found\r\n"),
        (
            "PUT /metrics HTTP/1.0\r\n\r\n",
            "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, HEAD\r\n",
        ),
        (
            "\x16\x03\x01\x02\x00\x01\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\n",
        ),
        (
            "GET /metrics HTTP/1.1\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\n",
        ),
        (
            "GET /metrics HTTP/1.0\r\n\r\n",
            "HTTP/1.1 503 Service Unavailable\r\n",
        ),
    ] {
        let done = exchange(&nobody, request.as_bytes());
        assert_eq!(
            done.status.code(),
            Some(0),
            "{request:?}: {}",
            text(&done.stderr)
        );
        let response = text(&done.stdout);
        assert!(response.starts_with(answer), "{request:?}: {response}");
        let (_, word) = response.split_once("\r\n\r\n").unwrap();
        assert!(word.len() > 10 && word.ends_with('\n'), "{response}");
        // The journal hears of what is wrong here, and not of what clients do.
        assert_eq!(
            !done.stderr.is_empty(),
            answer.contains("503"),
            "{response}"
        );
    }
}

#[test]
fn a_request_without_end_is_refused_and_its_client_reads_why() {
    let scratch = Scratch::new();
    let endless = format!("GET /metrics HTTP/1.1\r\nX: {}", "x".repeat(60_000));
    let done = exchange(&scratch.path().join("nobody"), endless.as_bytes());
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    let response = text(&done.stdout);
    assert!(response.starts_with("HTTP/1.1 431 "), "{response}");
}

#[test]
fn a_client_that_says_nothing_is_not_waited_for() {
    let scratch = Scratch::new();
    let nobody = scratch.path().join("nobody");
    let serve = |client: UnixStream| {
        let client = OwnedFd::from(client);
        let mut program = modemctl(&nobody, &["--http"]);
        program.stdin(client.try_clone().unwrap()).stdout(client);
        program.spawn().unwrap()
    };
    // It leaves without a word.
    let (client, server) = UnixStream::pair().unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut program = serve(server);
    assert!(program.wait().unwrap().success());
    drop(client);

    // It stays, and sends a little now and then.
    let (mut client, server) = UnixStream::pair().unwrap();
    let mut program = serve(server);
    let mut trickle = client.try_clone().unwrap();
    std::thread::spawn(move || {
        while trickle.write_all(b"G").is_ok() {
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
    });
    let mut response = [0; 12];
    client.read_exact(&mut response).unwrap();
    assert_eq!(text(&response), "HTTP/1.1 408");
    assert!(program.wait().unwrap().success());
}
