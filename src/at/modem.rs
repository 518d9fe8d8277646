//! One emulated modem: a terminal on one side, a telephone line on the other.
//!
//! The modem decides what commands mean and when; whether a call comes about is the
//! [exchange's](super::exchange) business, which works off the modem's [`Request`]s and tells it
//! what happens on the line.

mod command_state;
mod dialling;
mod extended;
mod mobile;
mod mouth;
mod speech;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use self::dialling::Attempt;
pub use self::extended::Caller;
use self::mobile::Mobile;
use self::mouth::Mouth;
use super::ABORT_GRACE;
use super::command::Dial;
use super::editor::CommandLineEditor;
use super::escape::EscapeWatch;
use super::profile::{Profile, TerminalGone};
use super::result::ResultCode;
use super::temperament::{Escape, Temperament};

/// Bytes that may wait for the terminal, and as many for the line, before the modem takes no
/// more. One answer to one command line may go beyond it.
pub const CAPACITY: usize = 8 * 1024;

/// What `CONNECT` tells, in bits a second: a speed that every serial port knows, since dialling
/// programs (C-Kermit: `set dial speed-matching`) change theirs to it.
const RATE: u32 = 115_200;

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
    temperament: Temperament,
    profile: Profile,
    stored: Profile,
    editor: CommandLineEditor,
    selected_register: u8,
    state: State,
    terminal_ready: bool,
    auto_answer: Option<Instant>,
    /// Who is calling, and when that is told.
    caller: Option<(Instant, Caller)>,
    /// Digits that `D…;` has already dialled, for a next `D` to go on from.
    begun: String,
    last_number: String,
    /// What `&Z` has stored.
    stored_numbers: [Dial; 4],
    dialled: Vec<String>,
    mobile: Mobile,
    requests: VecDeque<Request>,
    mouth: Mouth,
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

impl Modem {
    /// A modem fresh from the factory, on the line with this number, with no terminal yet.
    #[must_use]
    pub fn new(number: String) -> Self {
        Self::with_temperament(number, Temperament::default())
    }

    /// A modem like this, just switched on.
    #[must_use]
    pub fn with_temperament(number: String, temperament: Temperament) -> Self {
        Self {
            number,
            profile: temperament.stored,
            stored: temperament.stored,
            temperament,
            editor: CommandLineEditor::default(),
            selected_register: 0,
            state: State::Command { off_hook: false },
            terminal_ready: false,
            auto_answer: None,
            caller: None,
            begun: String::new(),
            last_number: String::new(),
            stored_numbers: Default::default(),
            dialled: Vec::new(),
            mobile: Mobile::default(),
            requests: VecDeque::new(),
            mouth: Mouth::default(),
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
                    let registers = &self.profile.registers;
                    let escape = registers.escape();
                    let room = CAPACITY.saturating_sub(self.to_line.len());
                    let mut data = &rest[..rest.len().min(room)];
                    let escapes_at = match self.temperament.escape {
                        Escape::GuardTime => None,
                        Escape::AtOnce => watch.third(data, escape),
                    };
                    if let Some(at) = escapes_at {
                        // What stands before it is carried, and perhaps answered, first.
                        data = &data[..at.max(1)];
                    }
                    watch.data(data, escape, registers.guard_time(), now);
                    self.to_line.extend(data);
                    if escapes_at != Some(0) {
                        return taken + data.len();
                    }
                    taken += 1;
                    self.state = State::OnlineCommand;
                    self.tell(ResultCode::Ok, now);
                }
                State::Connecting(attempt) => {
                    if now >= attempt.began + ABORT_GRACE {
                        self.go_on_hook();
                        self.tell(ResultCode::NoCarrier, now);
                    }
                    taken += 1;
                }
                State::Command { .. } | State::OnlineCommand => {
                    if self.mouth.is_full() {
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
        self.mouth.output()
    }

    /// The terminal has got the first `count` bytes of [`Self::output`].
    pub fn sent(&mut self, count: usize) {
        self.mouth.sent(count);
    }

    /// Throws away what the modem has to say: nobody is there to read it.
    pub fn discard_output(&mut self) {
        self.mouth.discard();
    }

    /// DTR: whether there is a terminal. Its going off does what `&D` says.
    pub fn set_terminal_ready(&mut self, ready: bool) {
        let was_ready = std::mem::replace(&mut self.terminal_ready, ready);
        if ready || !was_ready || self.profile.terminal_gone == TerminalGone::Ignored {
            return;
        }
        self.editor.clear();
        self.mobile.forget_message();
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
        let caller = self.caller.as_ref().map(|(at, _)| *at);
        [self.state_deadline(), caller, self.mouth.next_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    fn state_deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Command { .. } => self.auto_answer,
            State::Connecting(attempt) => Some(attempt.next_deadline()),
            State::Online(watch) => watch.due(self.profile.registers.guard_time()),
            State::OnlineCommand => None,
        }
    }

    /// Does what is due at `now`.
    pub fn advance(&mut self, now: Instant) {
        self.mouth.advance(now);
        if let Some((_, caller)) = self.caller.take_if(|(at, _)| *at <= now) {
            self.tell_caller(&caller, now);
        }
        if self.state_deadline().is_none_or(|due| due > now) {
            return;
        }
        match &self.state {
            State::Command { .. } => {
                self.auto_answer = None;
                if self.terminal_ready || self.profile.terminal_gone == TerminalGone::Ignored {
                    self.answer(now);
                }
            }
            State::Connecting(_) => self.advance_attempt(now),
            State::Online(_) => {
                self.state = State::OnlineCommand;
                self.tell(ResultCode::Ok, now);
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

    /// DCD, as `&C` says.
    #[must_use]
    pub fn carrier(&self) -> bool {
        self.profile.carrier_detect == 0
            || matches!(self.state, State::Online(_) | State::OnlineCommand)
    }

    /// The bell rings once.
    pub fn ring(&mut self, caller: &Caller, now: Instant) {
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
        if !self.mouth.is_full() {
            self.tell_ring(caller, rings, now);
        }
    }

    /// The caller gave up.
    pub fn ringing_stopped(&mut self) {
        self.auto_answer = None;
        self.caller = None;
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
    pub fn busy_tone(&mut self, now: Instant) {
        if matches!(self.state, State::Connecting(_)) && self.profile.progress.hears_busy() {
            self.go_on_hook();
            self.tell(ResultCode::Busy, now);
        }
    }

    /// Carrier: the call is up.
    pub fn connected(&mut self, now: Instant) {
        if matches!(self.state, State::Connecting(_)) {
            self.tell(ResultCode::Connect(RATE), now);
            self.state = State::Online(EscapeWatch::new(now));
        }
    }

    /// The far side is gone.
    pub fn carrier_lost(&mut self, now: Instant) {
        if self.is_off_hook() {
            self.go_on_hook();
            self.tell(ResultCode::NoCarrier, now);
        }
    }

    /// Takes what comes over the line and returns how many bytes; in command state the far side
    /// has to wait.
    pub fn hear(&mut self, data: &[u8]) -> usize {
        if !self.is_online() {
            return 0;
        }
        self.mouth.pass(data)
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

    fn go_on_hook(&mut self) {
        if self.is_off_hook() {
            self.requests.push_back(Request::HangUp);
        }
        self.state = State::Command { off_hook: false };
        self.begun.clear();
        self.ringing_stopped();
    }

    fn answer(&mut self, now: Instant) {
        self.ringing_stopped();
        let wait = self.profile.registers.carrier_wait();
        self.state = State::Connecting(Attempt::answer(now, wait));
        self.requests.push_back(Request::Answer);
    }
}
