//! Has the C compiler's own unwinder linked in, so that the programs need no library but libc's.
//!
//! The standard library asks for it as `libgcc_s.so.1`. What is in an archive before that is taken from
//! there, and then the linker leaves the library out (`--as-needed`, which rustc says).

use std::env;
use std::path::Path;
use std::process::Command;

/// Comes with gcc, in the directory of the `libgcc.a` without which it links nothing.
const UNWINDER: &str = "libgcc_eh.a";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=RUSTC_LINKER");
    // Others than these have another unwinder, or none.
    let is = |what: &str, value: &str| env::var(what).is_ok_and(|of| of == value);
    if !is("CARGO_CFG_TARGET_OS", "linux") || !is("CARGO_CFG_TARGET_ENV", "gnu") {
        return;
    }
    // Where there is none (a compiler that brings no gcc), the shared one does.
    if compiler_has(UNWINDER) {
        println!("cargo::rustc-link-lib=static:-bundle=gcc_eh");
    }
}

/// Whether what rustc links with finds a library of its own (gcc(1), `-print-file-name`): it answers with
/// a path, and with the bare name if not.
fn compiler_has(library: &str) -> bool {
    let compiler = env::var_os("RUSTC_LINKER").unwrap_or_else(|| "cc".into());
    let answer = Command::new(compiler)
        .arg(format!("-print-file-name={library}"))
        .output();
    answer.is_ok_and(|answer| {
        let path = String::from_utf8_lossy(&answer.stdout);
        Path::new(path.trim()).is_absolute()
    })
}
