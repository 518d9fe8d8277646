//! Faxes through a guard: programs that speak class 1 to guarded modems.

use std::fs;
use std::io::Read;

use crate::attach_fax::{efax, page, rows};
use crate::attached::Attached;
use crate::fax_exchange::FaxExchange;
use crate::guarded::{ALLOW, FORBIDDEN};
use crate::support::{Client, Modem, Scratch, have, port, standalone, wait_until};

/// What it ended with, and told.
#[track_caller]
fn ended(efax: &mut Client) -> (Option<i32>, String) {
    let mut said = String::new();
    let out = efax.0.stdout.as_mut().unwrap();
    out.read_to_string(&mut said).unwrap();
    (efax.0.wait().unwrap().code(), said)
}

#[test]
fn a_page_goes_through_two_guards_and_nowhere_else() {
    if !have(&["efax", "efix"]) {
        return;
    }
    let scratch = Scratch::new();
    let page = page(&scratch);
    let lines = [Modem::new(), Modem::new()];
    let devices = [lines[0].device().to_owned(), lines[1].device().to_owned()];
    let devices = [devices[0].as_path(), devices[1].as_path()];
    let more = format!("protocol = \"telnet\"\n[ports.modem.dial]\n{ALLOW}");
    let server = standalone(&scratch, &port(&devices, &more));
    let exchange = FaxExchange::new(lines);
    let attached = [(); 2].map(|()| Attached::to(server.address()));
    let heard = |command: &str| {
        let heard = exchange.heard.lock().unwrap();
        heard.commands.iter().flatten().any(|line| line == command)
    };
    let page_name = page.to_str().unwrap();
    let number = format!("T{FORBIDDEN}");
    let mut refused = efax(
        &attached[1],
        &["-h", "", "-t", &number, page_name],
        &scratch,
    );
    let (code, said) = ended(&mut refused);
    assert_ne!(code, Some(0), "{said}");
    assert!(
        said.contains("NO CARRIER") || said.contains("no answer"),
        "{said}"
    );
    server.logged_times(" left ", 1);
    assert!(!heard("ATDT0900123456"));
    let mut receiver = efax(&attached[0], &["-r", "received"], &scratch);
    wait_until("somebody to answer", || heard("ATA"));
    let mut sender = efax(
        &attached[1],
        &["-h", "", "-t", "T5551002", page_name],
        &scratch,
    );
    for efax in [&mut sender, &mut receiver] {
        let (code, said) = ended(efax);
        assert_eq!(code, Some(0), "{said}");
    }
    let arrived = scratch.path().join("received.001");
    assert!(rows(&arrived) == rows(&page));
    assert!(!fs::exists(scratch.path().join("received.002")).unwrap());
    let heard = exchange.heard.lock().unwrap();
    let mut dialled = heard
        .commands
        .iter()
        .flatten()
        .filter(|line| line.starts_with("ATD"));
    assert_eq!(dialled.next().map(String::as_str), Some("ATDT5551002"));
    assert_eq!(dialled.next(), None);
}
