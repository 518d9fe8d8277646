//! No bytes make the configuration's reader panic, and what it says can be printed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use modemd::config::{Config, Services};

fuzz_target!(|data: &[u8]| {
    // A NUL, which no configuration has, parts the main file from one of `conf.d` and that from
    // the services.
    let mut parts = data.splitn(3, |byte| *byte == 0);
    let mut part = || parts.next().unwrap_or_default().to_vec();
    let files = [
        ("modemd.toml".into(), part()),
        ("conf.d/more.toml".into(), part()),
    ];
    let services = Services::parse(&String::from_utf8_lossy(&part()));
    let config = Config::parse(&files, &services);
    for problem in &config.problems {
        assert!(problem.to_string().lines().count() >= 2);
    }
    for port in &config.ports {
        assert!(!port.devices.is_empty());
        assert!(config.port(&port.name).is_ok());
        // Who may dial what: nothing is allowed by a pattern that would not deny it.
        let dial = port.dial.iter();
        let rules =
            dial.flat_map(|dial| dial.clients.iter().map(|of| &of.rules).chain([&dial.rules]));
        for pattern in rules.flat_map(|rules| &rules.allow) {
            let number = String::from_utf8_lossy(&data[..data.len().min(64)]);
            assert!(!pattern.allows(&number) || pattern.denies(&number));
            assert_eq!(pattern.to_string().parse().as_ref(), Ok(pattern));
        }
    }
});
