//! `modemctl top`: who is on which line, live.

mod asker;
mod graph;
mod keys;
mod model;
mod screen;
mod view;

use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::read;

use self::asker::News;
use self::model::{Model, Outcome, Wish};
use self::screen::Screen;
use super::connection::Connection;
use super::paint::Paint;
use super::survey::Survey;
use super::trouble::note;
use crate::exit_code;

pub(super) fn run(socket: &Path) -> ExitCode {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        note(&"top needs a terminal; elsewhere there is modemctl status");
        return ExitCode::FAILURE;
    }
    let start = Instant::now();
    let asked = Connection::open(socket).and_then(|mut connection| {
        let survey = Survey::ask(&mut connection)?;
        Ok((connection, survey))
    });
    let (connection, survey) = match asked {
        Ok(both) => both,
        Err(trouble) => return trouble.report(),
    };
    let watched = Watched::new(
        socket,
        connection,
        Model::new(survey, start.elapsed()),
        start,
    );
    match watched.and_then(Watched::run) {
        Ok(code) => code,
        Err(error) => {
            note(&format!("top: the terminal: {error}"));
            ExitCode::from(exit_code::UNAVAILABLE)
        }
    }
}

/// All that something may come from.
struct Watched {
    model: Model,
    start: Instant,
    signals: SignalFd,
    wishes: Sender<Wish>,
    news: Receiver<News>,
    bell: UnixStream,
}

impl Watched {
    fn new(
        socket: &Path,
        connection: Connection,
        model: Model,
        start: Instant,
    ) -> io::Result<Watched> {
        let mut signals = SigSet::empty();
        for signal in [
            Signal::SIGWINCH,
            Signal::SIGINT,
            Signal::SIGTERM,
            Signal::SIGHUP,
            Signal::SIGQUIT,
        ] {
            signals.add(signal);
        }
        // Before there are other threads, which inherit it.
        signals.thread_block()?;
        let signals = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC)?;
        let (bell, announce) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        let (wishes, to_do) = channel();
        let (told, news) = channel();
        let socket = socket.to_owned();
        thread::spawn(move || asker::ask(&socket, Some(connection), &to_do, &told, announce));
        Ok(Watched {
            model,
            start,
            signals,
            wishes,
            news,
            bell,
        })
    }

    fn run(mut self) -> io::Result<ExitCode> {
        let paint = Paint::for_stdout();
        let mut screen = Screen::enter()?;
        loop {
            let size = Screen::size();
            screen.show(view::draw(&self.model, size, paint), size)?;
            let (typed, signalled) = self.wait()?;
            if signalled && let Some(signal) = self.signals.read_signal()? {
                let signal = i32::try_from(signal.ssi_signo).unwrap_or_default();
                if signal != Signal::SIGWINCH as i32 {
                    // As shells have it, for those who were ended by a signal.
                    return Ok(ExitCode::from(128 + u8::try_from(signal).unwrap_or(0)));
                }
            }
            if !self.hear() {
                return Err(io::Error::other("modemctl failed, please report this"));
            }
            if typed && let Some(code) = self.obey(view::page(size.1))? {
                return Ok(code);
            }
        }
    }

    /// Waits until there is something; whether that is keys, and a signal.
    fn wait(&self) -> io::Result<(bool, bool)> {
        let stdin = io::stdin();
        let mut fds = [
            PollFd::new(stdin.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.bell.as_fd(), PollFlags::POLLIN),
        ];
        poll(&mut fds, PollTimeout::NONE)?;
        let is_there = |fd: &PollFd<'_>| fd.any().unwrap_or(true);
        Ok((is_there(&fds[0]), is_there(&fds[1])))
    }

    /// Takes in what modemd said; false if nobody asks it any more.
    fn hear(&mut self) -> bool {
        let mut rung = [0; 64];
        if let Ok(0) = self.bell.read(&mut rung) {
            return false;
        }
        while let Ok(news) = self.news.try_recv() {
            match news {
                News::Survey(survey) => self.model.take(survey, self.start.elapsed()),
                News::Done(said) => self.model.notice = Some(said),
                News::Away(why) => self.model.away = Some(why),
            }
        }
        true
    }

    /// Does what was typed; what to exit with, if that was to quit.
    fn obey(&mut self, page: usize) -> io::Result<Option<ExitCode>> {
        let mut typed = [0; 256];
        let count = read(io::stdin(), &mut typed)?;
        if count == 0 {
            // The terminal is gone.
            return Ok(Some(ExitCode::SUCCESS));
        }
        for key in keys::keys(&typed[..count]) {
            match self.model.press(key, page) {
                Some(Outcome::Quit) => return Ok(Some(ExitCode::SUCCESS)),
                // If nobody takes it, `hear` notices.
                Some(Outcome::Wish(wish)) => drop(self.wishes.send(wish)),
                None => {}
            }
        }
        Ok(None)
    }
}
