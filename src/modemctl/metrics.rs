//! `modemctl metrics`: what modemd has counted, for Prometheus and its kin.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::connection::{Connection, Nothing};
use super::survey::Survey;
use super::trouble::Trouble;
use crate::metrics::http::{self, Refusal, Request, Response};
use crate::metrics::{Answers, Form, page};

/// How long a client may take for its request, and how long for our response.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long, and how much, a client may still send after that.
const LEFTOVER: (Duration, usize) = (Duration::from_secs(1), 64 * 1024);

/// Writes the page to stdout, or to `output` in place of what is there.
pub(super) fn run(socket: &Path, output: Option<&Path>) -> ExitCode {
    let answers = match ask(socket) {
        Ok(answers) => answers,
        Err(trouble) => return trouble.report(),
    };
    let written = match output {
        None => io::stdout().write_all(page(&answers, Form::Either).as_bytes()),
        Some(file) => replace(file, &page(&answers, Form::Prometheus)),
    };
    match (written, output) {
        (Ok(()), _) => ExitCode::SUCCESS,
        (Err(error), Some(file)) => {
            eprintln!("modemctl: {}: cannot be written: {error}", file.display());
            ExitCode::FAILURE
        }
        (Err(_), None) => ExitCode::FAILURE,
    }
}

/// All that the page is made of.
fn ask(socket: &Path) -> Result<Answers, Trouble> {
    let mut modemd = Connection::open(socket)?;
    let Survey {
        describe,
        ports,
        lines,
        sessions,
    } = Survey::ask(&mut modemd)?;
    Ok(Answers {
        description: describe,
        ports,
        lines,
        sessions,
        counts: modemd.call("GetCounts", &Nothing {})?,
    })
}

/// Writes `text` to `file` so that whoever reads it finds the former text or this one, and nothing between.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    let mut next = OsString::from(file);
    next.push(".tmp");
    let next = PathBuf::from(next);
    match fs::remove_file(&next) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // A link that somebody has put there is not followed.
    let mut new = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&next)?;
    let written = new.write_all(text.as_bytes());
    let done = written.and_then(|()| fs::rename(&next, file));
    if done.is_err() {
        let _ = fs::remove_file(&next);
    }
    done
}

/// Answers one HTTP request on stdin with one response on stdout.
pub(super) fn serve(socket: &Path) -> ExitCode {
    match exchange(socket) {
        Ok(()) => ExitCode::SUCCESS,
        // A client that has left is no fault of ours.
        Err(error) if is_about_the_client(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("modemctl: client: {error}");
            ExitCode::FAILURE
        }
    }
}

fn is_about_the_client(error: &io::Error) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionReset, NotConnected, TimedOut, WouldBlock};
    [
        BrokenPipe,
        ConnectionReset,
        NotConnected,
        TimedOut,
        WouldBlock,
    ]
    .contains(&error.kind())
}

fn exchange(socket: &Path) -> io::Result<()> {
    let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let Some(request) = receive(&input)? else {
        return Ok(());
    };
    let response = match request.page {
        Err(refusal) => Response::from(refusal),
        Ok(form) => match ask(socket) {
            Ok(answers) => Response::page(form, page(&answers, form)),
            Err(trouble) => {
                eprintln!("modemctl: {trouble}");
                Response::unavailable(&trouble.to_string())
            }
        },
    };
    send(&output, &response.octets(request.head_only))?;
    let _ = SockRef::from(&output).shutdown(std::net::Shutdown::Write);
    drain(&input)
}

/// The request; none, if the client sends none and leaves.
fn receive(input: &File) -> io::Result<Option<Request>> {
    let limit = Limit::after(PATIENCE);
    let mut octets = Vec::new();
    loop {
        match limit.read(input, &mut octets) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) if is_timeout(&error) => {
                return Ok(Some(Refusal::TooSlow.request()));
            }
            Err(error) => return Err(error),
        }
        if let Some(request) = http::request(&octets) {
            return Ok(Some(request));
        }
    }
}

fn send(mut output: &File, mut octets: &[u8]) -> io::Result<()> {
    let limit = Limit::after(PATIENCE);
    while !octets.is_empty() {
        limit.left(|left| SockRef::from(output).set_write_timeout(left))?;
        match output.write(octets) {
            Ok(count) => octets = &octets[count..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads what the client still sends until it has seen the end: to close before that is to reset the
/// connection, and with it goes what was not read of the response (RFC 9112, 9.6).
fn drain(input: &File) -> io::Result<()> {
    let (time, most) = LEFTOVER;
    let limit = Limit::after(time);
    let mut leftover = Vec::new();
    while leftover.len() < most && limit.read(input, &mut leftover)? > 0 {}
    Ok(())
}

/// The time for one thing, however many small steps it takes.
struct Limit(Instant);

impl Limit {
    fn after(time: Duration) -> Self {
        Limit(Instant::now() + time)
    }

    /// Has the next step end in time. What is no socket knows no time, and has nobody at its other end
    /// who would have to be limited.
    fn left(&self, set: impl FnOnce(Option<Duration>) -> io::Result<()>) -> io::Result<()> {
        let left = self.0.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        let _ = set(Some(left));
        Ok(())
    }

    /// Reads more of what comes in.
    fn read(&self, mut input: &File, octets: &mut Vec<u8>) -> io::Result<usize> {
        self.left(|left| SockRef::from(input).set_read_timeout(left))?;
        let mut buffer = [0; 4096];
        loop {
            match input.read(&mut buffer) {
                Ok(count) => {
                    octets.extend_from_slice(&buffer[..count]);
                    return Ok(count);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
