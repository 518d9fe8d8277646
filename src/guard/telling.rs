//! What the client is told, in the words that it wants.

use super::{Guard, State};
use crate::at::response::Outcome;
use crate::at::result::ResultCode;
use crate::config::Refusal;

impl Guard {
    /// Tells the client a result code.
    pub(super) fn tell(&mut self, code: ResultCode) {
        if self.view.quiet {
            return;
        }
        let progress = self.view.progress;
        let code = match code {
            ResultCode::Busy if !progress.hears_busy() => ResultCode::NoCarrier,
            ResultCode::NoDialtone if !progress.hears_dial_tone() => ResultCode::NoCarrier,
            code => code,
        };
        self.view.wording().result(code, &mut self.out.to_client);
    }

    /// Tells the client a result code as the modem has worded it, where there are words of its own.
    pub(super) fn tell_outcome(&mut self, outcome: &Outcome) {
        let has_words = match outcome.code {
            ResultCode::Connect(_) => self.view.progress.tells_rate(),
            ResultCode::Error => outcome.text != "ERROR",
            _ => false,
        };
        if has_words && self.view.verbose && !self.view.quiet {
            let wording = self.view.wording();
            wording.information(&outcome.text, false, &mut self.out.to_client);
        } else {
            self.tell(outcome.code);
        }
    }

    pub(super) fn refuse(&mut self) {
        self.tell(match self.rules.refusal {
            Refusal::NoCarrier => ResultCode::NoCarrier,
            Refusal::Error => ResultCode::Error,
        });
    }

    /// Hands information to the client.
    pub(super) fn inform(&mut self, text: &[u8]) {
        let text: String = text.iter().map(|octet| char::from(octet & 0x7f)).collect();
        self.inform_of(&text, matches!(self.state, State::Line(_)));
    }

    pub(super) fn inform_of(&mut self, text: &str, result_follows: bool) {
        let result_follows = result_follows && !self.view.quiet;
        let wording = self.view.wording();
        wording.information(text, result_follows, &mut self.out.to_client);
    }
}
