//! Two fax modems of service class 1 (ITU-T T.31) with a telephone line between them.
//!
//! Each is a modem that knows nothing of faxes: the program at its terminal speaks T.30 itself, frame
//! by frame, and says when to listen with which modulation and when to speak. What one sends with a
//! modulation waits here until the other one listens with the same, so that nothing is ever too late.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::support::Modem;

const DLE: u8 = 0x10;
const ETX: u8 = 0x03;
/// Two DLE in a row.
const SUB: u8 = 0x1a;

/// V.21 channel 2, which carries the HDLC frames.
const V21: &str = "3";

/// The bit of a frame's control octet that says that it is the last one.
const FINAL: u8 = 0x10;

/// How long sending a page takes at least: efax divides by the seconds.
const PAGE: Duration = Duration::from_millis(1200);

/// What the modems did.
#[derive(Default)]
pub(crate) struct Heard {
    /// The commands of each.
    pub(crate) commands: [Vec<String>; 2],
    /// The octets that were sent with other modulations than that of frames, as they came.
    pub(crate) pages: Vec<u8>,
}

/// What is sent in one go.
enum Burst {
    Frames(VecDeque<Vec<u8>>),
    Octets(String, Vec<u8>),
}

#[derive(Clone, PartialEq, Eq)]
enum Doing {
    Commands,
    Dialling,
    Answering,
    /// Waits for what the other one sends with this modulation.
    Listening(String),
    /// Sends with this modulation what comes from its terminal.
    Sending(String),
    /// Says this when it is time.
    Ending(Instant, &'static str),
}

struct FaxModem {
    terminal: Modem,
    doing: Doing,
    /// What has come of a command or of what is to be sent.
    came: Vec<u8>,
    /// The octet before was a DLE.
    is_escaped: bool,
    frames: VecDeque<Vec<u8>>,
    to_say: Vec<u8>,
    /// What the other one has sent.
    line: VecDeque<Burst>,
}

impl FaxModem {
    fn new(terminal: Modem) -> FaxModem {
        FaxModem {
            terminal,
            doing: Doing::Commands,
            came: Vec::new(),
            is_escaped: false,
            frames: VecDeque::new(),
            to_say: Vec::new(),
            line: VecDeque::new(),
        }
    }

    fn answer(&mut self, result: &str) {
        self.to_say.extend(format!("\r\n{result}\r\n").bytes());
    }

    fn begin(&mut self, doing: Doing) {
        self.came.clear();
        self.is_escaped = false;
        if matches!(doing, Doing::Sending(_)) {
            self.answer("CONNECT");
        }
        self.doing = doing;
    }

    /// What the program is given, and a DLE ETX.
    fn pass_on(&mut self, octets: &[u8]) {
        self.answer("CONNECT");
        for &octet in octets {
            self.to_say.push(octet);
            if octet == DLE {
                self.to_say.push(DLE);
            }
        }
        self.to_say.extend([DLE, ETX]);
    }

    /// Hears what waits on the line, if it is of the kind that it listens to.
    fn listen(&mut self) {
        let Doing::Listening(modulation) = &self.doing else {
            return;
        };
        let result = match self.line.pop_front() {
            None => return,
            Some(Burst::Frames(mut frames)) if modulation == V21 => {
                let frame = frames.pop_front().unwrap();
                if !frames.is_empty() {
                    self.line.push_front(Burst::Frames(frames));
                }
                self.pass_on(&with_check_sequence(frame));
                "OK"
            }
            Some(Burst::Octets(sent_with, octets)) if *modulation == sent_with => {
                self.pass_on(&octets);
                "NO CARRIER"
            }
            Some(other) => {
                self.line.push_front(other);
                "+FCERROR"
            }
        };
        self.answer(result);
        self.doing = Doing::Commands;
    }

    /// What was to be sent has come: the burst, once it is whole.
    fn sent(&mut self, modulation: String) -> Option<Burst> {
        let octets = std::mem::take(&mut self.came);
        if modulation != V21 {
            self.doing = Doing::Ending(Instant::now() + PAGE, "OK");
            return Some(Burst::Octets(modulation, octets));
        }
        let is_last = octets[1] & FINAL != 0;
        self.frames.push_back(octets);
        if !is_last {
            self.answer("CONNECT");
            return None;
        }
        self.answer("OK");
        self.doing = Doing::Commands;
        Some(Burst::Frames(std::mem::take(&mut self.frames)))
    }
}

/// A frame as a modem gives it to its program (ISO/IEC 13239): complement of the remainder, last.
fn with_check_sequence(mut frame: Vec<u8>) -> Vec<u8> {
    let remainder = frame.iter().fold(0xffff_u16, |remainder, octet| {
        (0..8).fold(remainder ^ u16::from(*octet), |remainder, _| {
            (remainder >> 1) ^ (0x8408 * (remainder & 1))
        })
    });
    frame.extend((!remainder).to_le_bytes());
    frame
}

/// The modems and who runs them.
pub(crate) struct FaxExchange {
    pub(crate) heard: Arc<Mutex<Heard>>,
    enough: Arc<AtomicBool>,
    running: Option<JoinHandle<()>>,
}

impl FaxExchange {
    /// Makes modems of the far ends of two lines.
    pub(crate) fn new(terminals: [Modem; 2]) -> FaxExchange {
        let heard = Arc::new(Mutex::new(Heard::default()));
        let enough = Arc::new(AtomicBool::new(false));
        let running = thread::spawn({
            let (heard, enough) = (Arc::clone(&heard), Arc::clone(&enough));
            let mut modems = terminals.map(FaxModem::new);
            move || {
                while !enough.load(Ordering::Relaxed) {
                    let busy = [0, 1].map(|this| turn(&mut modems, this, &heard));
                    if busy == [false, false] {
                        thread::sleep(Duration::from_millis(1));
                    }
                }
            }
        });
        FaxExchange {
            heard,
            enough,
            running: Some(running),
        }
    }
}

impl Drop for FaxExchange {
    fn drop(&mut self) {
        self.enough.store(true, Ordering::Relaxed);
        let ended = self.running.take().unwrap().join();
        assert!(ended.is_ok() || thread::panicking());
    }
}

/// Takes what a terminal says, and gives it what there is; whether there was anything.
fn turn(modems: &mut [FaxModem; 2], this: usize, heard: &Mutex<Heard>) -> bool {
    let said = modems[this].terminal.read_now();
    for &octet in &said {
        take(modems, this, octet, heard);
    }
    let modem = &mut modems[this];
    modem.listen();
    if let Doing::Ending(when, result) = modem.doing
        && when <= Instant::now()
    {
        modem.answer(result);
        modem.doing = Doing::Commands;
    }
    let written = (&mut modem.terminal.master())
        .write(&modem.to_say)
        .unwrap_or(0);
    modem.to_say.drain(..written);
    !said.is_empty() || written > 0
}

fn take(modems: &mut [FaxModem; 2], this: usize, octet: u8, heard: &Mutex<Heard>) {
    let modem = &mut modems[this];
    match modem.doing.clone() {
        Doing::Commands if octet == b'\r' => {
            let command = String::from_utf8_lossy(&modem.came).trim().to_owned();
            modem.came.clear();
            if !command.is_empty() {
                obey(modems, this, &command);
                heard.lock().unwrap().commands[this].push(command);
            }
        }
        Doing::Commands => modem.came.push(octet),
        Doing::Dialling | Doing::Answering => {
            modem.doing = Doing::Commands;
            modem.answer("NO CARRIER");
        }
        Doing::Ending(..) => {}
        // Any octet ends it (T.31).
        Doing::Listening(_) => {
            modem.doing = Doing::Commands;
            modem.answer("OK");
        }
        Doing::Sending(modulation) => {
            if !std::mem::take(&mut modem.is_escaped) {
                if octet == DLE {
                    modem.is_escaped = true;
                } else {
                    modem.came.push(octet);
                }
                return;
            }
            match octet {
                DLE => modem.came.push(DLE),
                SUB => modem.came.extend([DLE, DLE]),
                ETX => {
                    if modulation != V21 {
                        heard.lock().unwrap().pages.extend(&modem.came);
                    }
                    if let Some(burst) = modem.sent(modulation) {
                        modems[1 - this].line.push_back(burst);
                    }
                }
                other => panic!("DLE {other:#04x} from a program"),
            }
        }
    }
}

fn obey(modems: &mut [FaxModem; 2], this: usize, command: &str) {
    let command = command.strip_prefix("AT").unwrap_or(command);
    let value = |prefix| command.strip_prefix(prefix).map(str::to_owned);
    if command == "+FTM=?" || command == "+FRM=?" {
        modems[this].answer("24,48,72,96");
        modems[this].answer("OK");
    } else if command == "+FCLASS=?" {
        modems[this].answer("0,1");
        modems[this].answer("OK");
    } else if command == "S2?" {
        // There is nothing that it would take for an escape.
        modems[this].answer("255");
        modems[this].answer("OK");
    } else if let Some(modulation) = value("+FTH=").or(value("+FTM=")) {
        modems[this].begin(Doing::Sending(modulation));
    } else if let Some(modulation) = value("+FRH=").or(value("+FRM=")) {
        modems[this].begin(Doing::Listening(modulation));
    } else if command == "A" || command.starts_with('D') {
        call(modems, this, command == "A");
    } else {
        modems[this].answer("OK");
    }
}

/// Answers a call, or makes one; whichever comes first waits for the other.
fn call(modems: &mut [FaxModem; 2], this: usize, answers: bool) {
    let [mine, theirs] = if answers {
        [Doing::Answering, Doing::Dialling]
    } else {
        [Doing::Dialling, Doing::Answering]
    };
    modems[this].line.clear();
    modems[this].begin(mine);
    if modems[1 - this].doing == theirs {
        let answering = if answers { this } else { 1 - this };
        // Who answers speaks first, in frames, and who has called hears them (T.31).
        modems[answering].begin(Doing::Sending(V21.to_owned()));
        modems[1 - answering].begin(Doing::Listening(V21.to_owned()));
    }
}
