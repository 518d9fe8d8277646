//! Faxes through `modemctl attach`: two programs that speak class 1 to modems elsewhere.
//!
//! The one that sends turns XON/XOFF on for a page, and off before it listens to frames, in each of
//! which there is an XOFF: what it sets has to be in force there before the command behind it arrives.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::attached::Attached;
use crate::fax_exchange::FaxExchange;
use crate::support::{Client, Modem, Scratch, bounded, have, random, share, wait_until};

/// Dots in a row of a page.
const WIDTH: usize = 1728;

/// A page full of dots, in the format that fax modems take.
pub(crate) fn page(scratch: &Scratch) -> PathBuf {
    const HEIGHT: usize = 200;
    let mut picture = format!("P4\n{WIDTH} {HEIGHT}\n").into_bytes();
    // The last row is white: efax does not keep it.
    picture.extend(random(WIDTH / 8 * (HEIGHT - 1)));
    picture.extend([0; WIDTH / 8]);
    let picture = scratch.file("page.pbm", picture);
    let page = convert(&picture, "tiffg3");
    scratch.file("page.tif", page)
}

#[track_caller]
fn convert(file: &Path, format: &str) -> Vec<u8> {
    let done = Command::new("efix")
        .arg(format!("-o{format}"))
        .arg(file)
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    done.stdout
}

/// The rows of a page that are not white: above them efax leaves room for a header.
#[track_caller]
pub(crate) fn rows(page: &Path) -> Vec<Vec<u8>> {
    let picture = convert(page, "pbm");
    let header = picture.iter().position(|octet| *octet == b'\n').unwrap();
    let rows = picture[header + 1..].chunks(WIDTH / 8);
    let black = rows.filter(|row| row.iter().any(|octet| *octet != 0));
    black.map(<[u8]>::to_vec).collect()
}

/// An efax on this device that tells all that it does.
pub(crate) fn efax(attached: &Attached, arguments: &[&str], scratch: &Scratch) -> Client {
    let child = bounded("efax")
        .args(["-d", attached.name(), "-o1", "-v", "", "-v", "ewinchmrt"])
        .args(arguments)
        .current_dir(scratch.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Client(child)
}

#[test]
fn a_page_goes_from_one_efax_to_another() {
    if !have(&["efax", "efix"]) {
        return;
    }
    let scratch = Scratch::new();
    let page = page(&scratch);
    let lines = [Modem::new(), Modem::new()];
    let devices = [lines[0].device().to_owned(), lines[1].device().to_owned()];
    let devices = [devices[0].as_path(), devices[1].as_path()];
    let server = share(&devices, scratch.path(), &["--protocol", "telnet"]);
    let attached = [(); 2].map(|()| Attached::to(server.address()));
    let exchange = FaxExchange::new(lines);
    let heard = |command: &str| {
        let heard = exchange.heard.lock().unwrap();
        heard.commands.iter().flatten().any(|line| line == command)
    };
    let mut receiver = efax(&attached[0], &["-r", "received"], &scratch);
    wait_until("somebody to answer", || heard("ATA"));
    let number = ["-h", "", "-t", "T5551002", page.to_str().unwrap()];
    let mut sender = efax(&attached[1], &number, &scratch);
    for efax in [&mut sender, &mut receiver] {
        let mut said = String::new();
        let out = efax.0.stdout.as_mut().unwrap();
        out.read_to_string(&mut said).unwrap();
        let status = efax.0.wait().unwrap();
        assert!(status.success(), "{status:?}\n{said}");
    }
    let arrived = scratch.path().join("received.001");
    assert!(rows(&arrived) == rows(&page));
    assert!(!fs::exists(scratch.path().join("received.002")).unwrap());
    // Which proves something: what is a command elsewhere was in it as data. 0xFF begins each frame.
    let heard = exchange.heard.lock().unwrap();
    for octet in [0x00, 0x0d, 0x10, 0x11, 0x13] {
        assert!(heard.pages.contains(&octet), "no {octet:#04x}");
    }
}
