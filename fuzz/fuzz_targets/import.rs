//! No files of older servers make the import panic, and what it prints is free of mistakes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use modemd::config::{Config, Services};
use modemd::import::{Format, Input, import};

fuzz_target!(|data: &[u8]| {
    let (first, data) = data.split_first().unwrap_or((&0, &[]));
    let from = match first % 6 {
        0 => None,
        1 => Some(Format::Masqdialer),
        2 => Some(Format::Inetd),
        3 => Some(Format::Xinetd),
        4 => Some(Format::Ser2net3),
        _ => Some(Format::Ser2net),
    };
    // A byte that is in no UTF-8 parts the files.
    let files: Vec<_> = data
        .split(|byte| *byte == 0xFF)
        .map(|bytes| Input {
            name: "old".to_owned(),
            bytes: bytes.to_vec(),
        })
        .collect();
    let services = Services::parse("modem 2006/tcp\n");
    let imported = import(&files, from, &services);
    let toml = [("modemd.toml".into(), imported.toml.into_bytes())];
    assert_eq!(Config::parse(&toml, &services).problems, []);
    for trouble in &imported.troubles {
        assert_eq!(trouble.to_string().lines().count(), 1);
    }
});
