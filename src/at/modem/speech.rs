//! What the terminal types in command state, and how it is answered.

use std::time::Instant;

use super::Modem;
use crate::at::editor::{EditKeys, Entered};
use crate::at::result::ResultCode;
use crate::at::temperament::{Style, Temperament};

impl Modem {
    pub(super) fn type_character(&mut self, byte: u8, now: Instant) {
        if self.profile.echo {
            self.mouth.echo(byte);
        }
        if self.mobile.wants_text() {
            return self.type_text(byte & 0x7f, now);
        }
        let registers = &self.profile.registers;
        let keys = EditKeys {
            terminator: registers.terminator(),
            backspace: registers.backspace(),
        };
        match self.editor.push(byte, keys) {
            Some(Entered::Line(body)) => {
                let body = body.to_vec();
                self.carry_out(&body, now);
            }
            Some(Entered::TooLong) => self.tell(ResultCode::Error, now),
            None => {}
        }
    }

    pub(super) fn tell(&mut self, code: ResultCode, now: Instant) {
        if self.profile.quiet {
            return;
        }
        let mut text = Vec::new();
        self.profile.wording().result(code, &mut text);
        self.say(&text, now);
    }

    pub(super) fn say(&mut self, text: &[u8], now: Instant) {
        let Temperament { thinks, pieces, .. } = self.temperament;
        self.mouth.tell(text, now + thinks, now, pieces);
    }

    pub(super) fn inform(&mut self, text: &str, now: Instant) {
        let mut out = Vec::new();
        // A mobile phone does not leave out V.250's empty line.
        let result_follows = !self.profile.quiet && self.temperament.style == Style::Hayes;
        self.profile
            .wording()
            .information(text, result_follows, &mut out);
        self.say(&out, now);
    }
}
