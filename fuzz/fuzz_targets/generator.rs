//! Whatever a configuration says, each socket unit is closed but for what it lists, and no value
//! breaks out of its line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use modemd::config::{Config, Services};
use modemd::generator::{Plan, Surroundings};

fuzz_target!(|data: &[u8]| {
    let files = [("/etc/modemd/modemd.toml".into(), data.to_vec())];
    let config = Config::parse(&files, &Services::default());
    let surroundings = Surroundings {
        template: Some("[Service]\nExecStart=modemd --port modem\n".to_owned()),
        running: vec!["modem-former.socket".to_owned()],
        resolve: |_| None,
    };
    let plan = Plan::new(&config, &surroundings);
    for (path, text) in &plan.files {
        if path.extension().is_some_and(|kind| kind == "socket") {
            assert!(text.contains("\nPartOf=modem.socket\n"));
            // One that is not started again needs no filter.
            let is_former = text.contains("\nConditionPathExists=!/\n");
            assert!(is_former || text.contains("\nIPAddressDeny=any\n"));
        }
    }
    for (path, text) in &plan.files {
        assert!(!path.to_string_lossy().contains(".."));
        for line in text.lines() {
            assert!(!line.ends_with('\\'), "{line}");
            assert!(!line.contains('%'), "{line}");
        }
    }
    assert!(plan.log(&config).iter().all(|line| !line.contains('\n')));
});
