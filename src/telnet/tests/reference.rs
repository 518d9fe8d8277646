//! The same again, slowly: all octets at hand at once, one after the other, nothing clever. It knows
//! a server that has made its offers.

use super::*;

pub(crate) struct Reference {
    pub(crate) heard: Vec<Heard>,
    pub(crate) said: Vec<u8>,
    /// By side and code: whether it is on, and whether we asked and have no answer yet.
    options: [[(bool, bool); 256]; 2],
}

impl Reference {
    pub(crate) fn read(input: &[u8]) -> Self {
        let mut this = Reference {
            heard: Vec::new(),
            said: Vec::new(),
            options: [[(false, false); 256]; 2],
        };
        for (option, side) in OFFERS {
            this.options[side as usize][usize::from(option.code())].1 = true;
        }
        let mut after_cr = false;
        let mut at = 0;
        while let Some(&octet) = input.get(at) {
            let binary = this.options[Side::Them as usize][0].0;
            if octet != IAC {
                if !(after_cr && (octet == 0 || octet == b'\n')) {
                    this.data(octet);
                }
                after_cr = octet == b'\r' && !binary;
                at += 1;
                continue;
            }
            match (input.get(at + 1), input.get(at + 2)) {
                (Some(&IAC), _) => {
                    this.data(IAC);
                    after_cr = false;
                }
                (Some(&SB), _) => {
                    at = this.subnegotiation(input, at + 2);
                    continue;
                }
                (Some(&verb @ WILL..=DONT), Some(&code)) => {
                    this.option(verb, code);
                    after_cr &= binary == this.options[Side::Them as usize][0].0;
                    at += 1;
                }
                (Some(&BRK), _) => this.heard.push(Heard::Break),
                (Some(&AYT), _) => this.heard.push(Heard::AreYouThere),
                (Some(&EOF), _) => this.heard.push(Heard::EndOfFile),
                _ => {}
            }
            at += 2;
        }
        this
    }

    fn data(&mut self, octet: u8) {
        match self.heard.last_mut() {
            Some(Heard::Data(data)) => data.push(octet),
            _ => self.heard.push(Heard::Data(vec![octet])),
        }
    }

    /// Returns where it goes on.
    fn subnegotiation(&mut self, input: &[u8], mut at: usize) -> usize {
        let mut content = Vec::new();
        let mut spoiled = false;
        loop {
            match (input.get(at), input.get(at + 1)) {
                (None, _) | (Some(&IAC), None) => return input.len(),
                (Some(&IAC), Some(&SE)) => break,
                (Some(&IAC), Some(&IAC)) => {
                    content.push(IAC);
                    at += 2;
                }
                (Some(&IAC), Some(&other)) if other > SE => return at,
                (Some(&IAC), Some(_)) => {
                    spoiled = true;
                    at += 2;
                }
                (Some(&octet), _) => {
                    content.push(octet);
                    at += 1;
                }
            }
        }
        let fits = !spoiled && (1..=256).contains(&content.len());
        if fits && let Some(option) = TelnetOption::of_code(content.remove(0)) {
            let code = usize::from(option.code());
            if self.options.iter().any(|side| side[code].0) {
                self.heard.push(Heard::Subnegotiation(option, content));
            }
        }
        at + 2
    }

    fn option(&mut self, verb: u8, code: u8) {
        let (side, yes, no) = match verb {
            WILL | WONT => (Side::Them, DO, DONT),
            _ => (Side::Us, WILL, WONT),
        };
        let wanted = matches!(verb, WILL | DO);
        let (on, asked) = &mut self.options[side as usize][usize::from(code)];
        let ours = match (side, code) {
            (Side::Us, 1) => true,
            (_, code) => matches!(code, 0 | 3 | 44),
        };
        let answers = !std::mem::take(asked);
        if wanted && !ours {
            let say = if verb == DO && code == 6 { yes } else { no };
            self.said.extend([IAC, say, code]);
        } else if *on != wanted {
            *on = wanted;
            if answers {
                self.said.extend([IAC, if wanted { yes } else { no }, code]);
            }
            if let Some(option) = TelnetOption::of_code(code) {
                self.heard.push(Heard::Switched(option, side, wanted));
            }
        }
    }
}
