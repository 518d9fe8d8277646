//! What was counted, as Prometheus and `node_exporter` themselves take it in.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::Command;

use crate::metrics::{answer_one, beside_modemd, modemctl};
use crate::support::{Running, Scratch, have, wait_for};

/// Where a program of Prometheus' kind listens, by its own account; it was told to take any port.
fn address(program: &Running) -> String {
    let said = program.logged("Listening on");
    let (_, address) = said.rsplit_once("address=").unwrap();
    address.to_owned()
}

#[test]
fn node_exporter_hands_on_what_was_written_for_it() {
    if !have(&["prometheus-node-exporter", "curl"]) {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.path().join("modemd.prom");
    let written = beside_modemd(|socket| {
        let mut command = modemctl(socket, &["--output"]);
        command.arg(&file).output().unwrap()
    });
    assert!(written.status.success(), "{written:?}");
    let mut command = Command::new("prometheus-node-exporter");
    command
        .args(["--web.listen-address=127.0.0.1:0", "--collector.textfile"])
        .arg("--collector.disable-defaults")
        .arg("--collector.textfile.directory")
        .arg(scratch.path());
    let exporter = Running::start(command);
    let curl = Command::new("curl")
        .args(["--silent", "--show-error", "--fail"])
        .arg(format!("http://{}/metrics", address(&exporter)))
        .output()
        .unwrap();
    assert!(curl.status.success(), "{curl:?}");
    let page = String::from_utf8(curl.stdout).unwrap();
    for line in [
        "node_textfile_scrape_error 0",
        "# TYPE modemd_waited_seconds_total counter",
        "modemd_waited_seconds_total{port=\"modem\"} 5.000006",
        "modemd_line_up{line=\"/dev/odd\\\"\\\\\\nline\"} 0",
    ] {
        assert!(page.lines().any(|has| has == line), "{line}\nin {page}");
    }
}

#[test]
fn prometheus_takes_in_what_a_scrape_is_answered() {
    if !have(&["prometheus", "promtool"]) {
        return;
    }
    let scratch = Scratch::new();
    let socket = scratch.path().join("io.modemd");
    let modemd = UnixListener::bind(&socket).unwrap();
    let scraped = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = scratch.file(
        "prometheus.yml",
        format!(
            "scrape_configs:\n- job_name: modems\n  scrape_interval: 10s\n  scrape_timeout: 10s\n  \
             static_configs: [{{targets: [\"{}\"]}}]\n",
            scraped.local_addr().unwrap()
        ),
    );
    let mut command = Command::new("prometheus");
    command
        .arg(format!("--config.file={}", config.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            scratch.path().join("data").display()
        ))
        .arg("--web.listen-address=127.0.0.1:0");
    let prometheus = Running::start(command);
    let answered = std::thread::scope(|scope| {
        scope.spawn(|| answer_one(&modemd));
        // As modem-metrics.socket has it done.
        let client = OwnedFd::from(scraped.accept().unwrap().0);
        let mut modemctl = modemctl(&socket, &["--http"]);
        modemctl.stdin(client.try_clone().unwrap()).stdout(client);
        modemctl.status().unwrap()
    });
    assert!(answered.success());
    let server = format!("http://{}", address(&prometheus));
    let known = wait_for("what was scraped", || {
        // Scrapes that nobody answers come after the one that was.
        let query = "last_over_time({job=\"modems\", __name__=~\"modemd_.+\"}[1h])";
        let promtool = Command::new("promtool")
            .args(["query", "instant", &server, query])
            .output()
            .unwrap();
        let said = String::from_utf8(promtool.stdout).unwrap();
        said.contains("modemd_").then_some(said)
    });
    for (sample, value) in [
        ("modemd_waited_seconds_total{", "=> 5.000006 @"),
        ("modemd_build_info{", "=> 1 @"),
        ("modemd_line_drained{", "line=\"/dev/ttyS2\"} => 1 @"),
    ] {
        let is_it = |line: &str| line.starts_with(sample) && line.contains(value);
        assert!(known.lines().any(is_it), "{sample} {value}\nin {known}");
    }
}
