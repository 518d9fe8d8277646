//! No bytes make the reader of `attach.toml` panic, what it says can be printed, and what it takes for a
//! server reads back the same.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use modemd::config::{Attachments, Services, Target};

fuzz_target!(|data: &[u8]| {
    // A NUL, which no configuration has, parts the file from a server and that from the services.
    let mut parts = data.splitn(3, |byte| *byte == 0);
    let mut part = || parts.next().unwrap_or_default();
    let (file, server) = (part(), String::from_utf8_lossy(part()));
    let services = Services::parse(&String::from_utf8_lossy(part()));
    let read = Attachments::parse(Path::new("attach.toml"), file, &services);
    for problem in &read.problems {
        assert_eq!(problem.to_string().lines().count(), 4);
        if let Some(name) = &problem.port {
            assert!(read.get(name).is_err());
        }
    }
    let mut servers: Vec<Target> = Target::parse(&server, &services).into_iter().collect();
    for attachment in &read.attachments {
        assert_eq!(read.get(&attachment.name), Ok(attachment));
        servers.push(attachment.server.clone());
    }
    for server in servers {
        let again = Target::parse(&server.to_string(), &Services::default());
        assert_eq!(again, Ok(server));
    }
});
