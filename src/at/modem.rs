//! One emulated modem: a terminal on one side, a telephone line on the other.
//!
//! The modem decides what commands mean and when; whether a call comes about is the
//! [exchange's](super::exchange) business, which works off the modem's [`Request`]s and tells it
//! what happens on the line.

mod command_state;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::editor::{CommandLineEditor, EditKeys, Entered};
use super::escape::EscapeWatch;
use super::profile::{Profile, TerminalGone};
use super::result::ResultCode;

/// Bytes that may wait for the terminal, and as many for the line, before the modem takes no
/// more. One answer to one command line may go beyond it.
pub const CAPACITY: usize = 8 * 1024;

/// What `CONNECT` tells, in bits a second: a speed that every serial port knows, since dialling
/// programs (C-Kermit: `set dial speed-matching`) change theirs to it.
const RATE: u32 = 115_200;

/// How long after the command line a character is no reason to give up dialling yet: it may be
/// the line feed after the carriage return (V.250 5.6.1).
const ABORT_GRACE: Duration = Duration::from_millis(125);

/// From the ring that S0 names to the answer. In this time the terminal can be found gone.
const ANSWER_PAUSE: Duration = Duration::from_millis(500);

/// What the modem wants from the telephone line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Take this number's line.
    Call(String),
    /// Take the call that is ringing.
    Answer,
    /// End the call, whatever its state.
    HangUp,
}

/// The modem. Times handed in must not go backwards, and [`Self::advance`] comes before anything
/// else at that time.
#[derive(Debug)]
pub struct Modem {
    number: String,
    profile: Profile,
    stored: Profile,
    editor: CommandLineEditor,
    selected_register: u8,
    state: State,
    terminal_ready: bool,
    auto_answer: Option<Instant>,
    /// Digits that `D…;` has already dialled, for a next `D` to go on from.
    dialled: String,
    last_number: String,
    requests: VecDeque<Request>,
    to_terminal: VecDeque<u8>,
    to_line: VecDeque<u8>,
}

#[derive(Debug)]
enum State {
    Command {
        off_hook: bool,
    },
    /// From `D` or `A` until carrier, failure or abort.
    Connecting(Attempt),
    Online(EscapeWatch),
    OnlineCommand,
}

/// A call being made or answered.
#[derive(Debug)]
struct Attempt {
    began: Instant,
    /// The number still to be dialled, and when all of its pauses are over.
    dial: Option<(Instant, String)>,
    /// When S7 runs out.
    gives_up: Instant,
    /// What to tell then.
    failure: ResultCode,
    /// `@` was in the number: silence after ringing is told whatever `X` says.
    waits_for_answer: bool,
}

impl Modem {
    /// A modem fresh from the factory, on the line with this number, with no terminal yet.
    #[must_use]
    pub fn new(number: String) -> Self {
        let profile = Profile::default();
        Self {
            number,
            profile,
            stored: profile,
            editor: CommandLineEditor::default(),
            selected_register: 0,
            state: State::Command { off_hook: false },
            terminal_ready: false,
            auto_answer: None,
            dialled: String::new(),
            last_number: String::new(),
            requests: VecDeque::new(),
            to_terminal: VecDeque::new(),
            to_line: VecDeque::new(),
        }
    }

    // The terminal's side.

    /// Takes bytes from the terminal and returns how many.
    ///
    /// It stops short when the far side or the terminal does not take what is waiting already,
    /// and after a command that makes a [`Request`], which is to be worked off first.
    pub fn receive(&mut self, data: &[u8], now: Instant) -> usize {
        let mut taken = 0;
        while taken < data.len() && self.requests.is_empty() {
            let rest = &data[taken..];
            match &mut self.state {
                State::Online(watch) => {
                    let count = rest.len().min(CAPACITY.saturating_sub(self.to_line.len()));
                    let registers = &self.profile.registers;
                    watch.data(
                        &rest[..count],
                        registers.escape(),
                        registers.guard_time(),
                        now,
                    );
                    self.to_line.extend(&rest[..count]);
                    return taken + count;
                }
                State::Connecting(attempt) => {
                    if now >= attempt.began + ABORT_GRACE {
                        self.go_on_hook();
                        self.tell(ResultCode::NoCarrier);
                    }
                    taken += 1;
                }
                State::Command { .. } | State::OnlineCommand => {
                    if self.to_terminal.len() >= CAPACITY {
                        break;
                    }
                    self.type_character(rest[0], now);
                    taken += 1;
                }
            }
        }
        taken
    }

    /// What the terminal is to get next; empty for nothing.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        self.to_terminal.as_slices().0
    }

    /// The terminal has got the first `count` bytes of [`Self::output`].
    pub fn sent(&mut self, count: usize) {
        self.to_terminal.drain(..count.min(self.to_terminal.len()));
    }

    /// DTR: whether there is a terminal. Its going off does what `&D` says.
    pub fn set_terminal_ready(&mut self, ready: bool) {
        let was_ready = std::mem::replace(&mut self.terminal_ready, ready);
        if ready || !was_ready || self.profile.terminal_gone == TerminalGone::Ignored {
            return;
        }
        self.editor.clear();
        match self.profile.terminal_gone {
            TerminalGone::Ignored => {}
            TerminalGone::CommandState => {
                if matches!(self.state, State::Online(_)) {
                    self.state = State::OnlineCommand;
                }
            }
            TerminalGone::HangUp => self.go_on_hook(),
            TerminalGone::Reset => {
                self.go_on_hook();
                self.profile = self.stored;
            }
        }
    }

    // Time.

    /// When [`Self::advance`] is to be called at the latest; `None` if time changes nothing.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Command { .. } => self.auto_answer,
            State::Connecting(attempt) => match &attempt.dial {
                Some((at, _)) => Some(attempt.gives_up.min(*at)),
                None => Some(attempt.gives_up),
            },
            State::Online(watch) => watch.due(self.profile.registers.guard_time()),
            State::OnlineCommand => None,
        }
    }

    /// Does what is due at `now`.
    pub fn advance(&mut self, now: Instant) {
        if self.next_deadline().is_none_or(|due| due > now) {
            return;
        }
        match &mut self.state {
            State::Command { .. } => {
                self.auto_answer = None;
                if self.terminal_ready || self.profile.terminal_gone == TerminalGone::Ignored {
                    self.answer(now);
                }
            }
            State::Connecting(attempt) => {
                if let Some((_, number)) = attempt.dial.take_if(|(at, _)| *at <= now) {
                    self.requests.push_back(Request::Call(number));
                } else {
                    let failure = attempt.failure;
                    self.go_on_hook();
                    self.tell(failure);
                }
            }
            State::Online(_) => {
                self.state = State::OnlineCommand;
                self.tell(ResultCode::Ok);
            }
            State::OnlineCommand => {}
        }
    }

    // The line's side.

    /// The next thing the modem wants from the exchange.
    pub fn take_request(&mut self) -> Option<Request> {
        self.requests.pop_front()
    }

    /// Callers find the line busy.
    #[must_use]
    pub fn is_off_hook(&self) -> bool {
        !matches!(self.state, State::Command { off_hook: false })
    }

    /// The bell rings once.
    pub fn ring(&mut self, now: Instant) {
        if self.is_off_hook() {
            return;
        }
        let registers = &mut self.profile.registers;
        let rings = registers.rings().saturating_add(1);
        registers.count_rings(rings);
        let answer_at = registers.answer_at_ring();
        if answer_at > 0 && rings >= answer_at {
            self.auto_answer = Some(now + ANSWER_PAUSE);
        }
        // A terminal that reads nothing must not be told about ring after ring.
        if self.to_terminal.len() < CAPACITY {
            self.tell(ResultCode::Ring);
        }
    }

    /// The caller gave up.
    pub fn ringing_stopped(&mut self) {
        self.auto_answer = None;
        self.profile.registers.count_rings(0);
    }

    /// The called side is being rung.
    pub fn ringing_tone(&mut self) {
        let hears = self.profile.progress.hears_busy();
        if let State::Connecting(attempt) = &mut self.state
            && (hears || attempt.waits_for_answer)
        {
            attempt.failure = ResultCode::NoAnswer;
        }
    }

    /// The called side is busy. Under X0 to X2 the modem does not know that tone and waits for
    /// carrier in vain.
    pub fn busy_tone(&mut self) {
        if matches!(self.state, State::Connecting(_)) && self.profile.progress.hears_busy() {
            self.go_on_hook();
            self.tell(ResultCode::Busy);
        }
    }

    /// Carrier: the call is up.
    pub fn connected(&mut self, now: Instant) {
        if matches!(self.state, State::Connecting(_)) {
            self.tell(ResultCode::Connect(RATE));
            self.state = State::Online(EscapeWatch::new(now));
        }
    }

    /// The far side is gone.
    pub fn carrier_lost(&mut self) {
        if self.is_off_hook() {
            self.go_on_hook();
            self.tell(ResultCode::NoCarrier);
        }
    }

    /// Takes what comes over the line and returns how many bytes; in command state the far side
    /// has to wait.
    pub fn hear(&mut self, data: &[u8]) -> usize {
        if !self.is_online() {
            return 0;
        }
        let taken = data
            .len()
            .min(CAPACITY.saturating_sub(self.to_terminal.len()));
        self.to_terminal.extend(&data[..taken]);
        taken
    }

    /// What goes over the line next; empty for nothing.
    #[must_use]
    pub fn saying(&self) -> &[u8] {
        self.to_line.as_slices().0
    }

    /// The far side has taken the first `count` bytes of [`Self::saying`].
    pub fn said(&mut self, count: usize) {
        self.to_line.drain(..count.min(self.to_line.len()));
    }

    /// What the terminal sent before the modem hung up and the line has not carried yet.
    pub fn take_unsaid(&mut self) -> VecDeque<u8> {
        std::mem::take(&mut self.to_line)
    }

    /// In data state: what comes over the line goes to the terminal.
    #[must_use]
    pub fn is_online(&self) -> bool {
        matches!(self.state, State::Online(_))
    }

    // What the parts above have in common.

    fn type_character(&mut self, byte: u8, now: Instant) {
        let registers = &self.profile.registers;
        let keys = EditKeys {
            terminator: registers.terminator(),
            backspace: registers.backspace(),
        };
        if self.profile.echo {
            self.to_terminal.push_back(byte);
        }
        match self.editor.push(byte, keys) {
            Some(Entered::Line(body)) => {
                let body = body.to_vec();
                self.carry_out(&body, now);
            }
            Some(Entered::TooLong) => self.tell(ResultCode::Error),
            None => {}
        }
    }

    fn tell(&mut self, code: ResultCode) {
        if self.profile.quiet {
            return;
        }
        let mut text = Vec::new();
        self.profile.wording().result(code, &mut text);
        self.to_terminal.extend(text);
    }

    fn go_on_hook(&mut self) {
        if self.is_off_hook() {
            self.requests.push_back(Request::HangUp);
        }
        self.state = State::Command { off_hook: false };
        self.dialled.clear();
        self.ringing_stopped();
    }

    fn answer(&mut self, now: Instant) {
        self.ringing_stopped();
        self.connect(now, now, None, ResultCode::NoCarrier, false);
        self.requests.push_back(Request::Answer);
    }

    /// Begins to wait for carrier. S7 counts from `dialled_at`, when the number is out.
    fn connect(
        &mut self,
        now: Instant,
        dialled_at: Instant,
        number: Option<String>,
        failure: ResultCode,
        waits_for_answer: bool,
    ) {
        self.state = State::Connecting(Attempt {
            began: now,
            dial: number.map(|number| (dialled_at, number)),
            gives_up: dialled_at + self.profile.registers.carrier_wait(),
            failure,
            waits_for_answer,
        });
    }
}
