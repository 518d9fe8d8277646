//! What kinds of modems there are, as far as who speaks to one can tell.

use std::time::Duration;

use super::profile::Profile;

/// What one emulated modem is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Temperament {
    /// What takes it from data to commands in a call.
    pub escape: Escape,
    /// Whether S2 and S12 exist, so that the escape can be changed and switched off.
    pub has_s2: bool,
    /// What `&F` brings back.
    pub factory: Profile,
    /// What is stored when it is switched on: in force at once, and again after `Z`.
    pub stored: Profile,
    /// From a command line to the first octet of its answer.
    pub thinks: Duration,
    /// How answers come: in one piece where there is none.
    pub pieces: Option<Pieces>,
    /// From going off hook to the first digit, where dial tone is waited for.
    pub dial_tone_after: Duration,
    /// Which commands and words it knows.
    pub style: Style,
}

/// What takes a modem to online command state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    /// Three times S2, with the silence of S12 before and after (Hayes).
    GuardTime,
    /// Three times S2 anywhere in the data. Modems with a "time independent" escape look at what
    /// follows as well; this is the worst that they can be.
    AtOnce,
}

/// So many octets at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pieces {
    /// In one piece, at least 1.
    pub octets: usize,
    /// From one piece to the next.
    pub apart: Duration,
}

/// Whose language a modem speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// A modem on a telephone line.
    Hayes,
    /// A mobile phone's (3GPP TS 27.007 and 27.005), in the words of one of the SIM800 series.
    Gsm,
}

impl Default for Temperament {
    fn default() -> Self {
        Self::hayes()
    }
}

impl Temperament {
    /// The modem that programs expect: quick, and with an escape that files cannot trigger.
    #[must_use]
    pub fn hayes() -> Self {
        Self {
            escape: Escape::GuardTime,
            has_s2: true,
            factory: Profile::default(),
            stored: Profile::default(),
            thinks: Duration::ZERO,
            pieces: None,
            dial_tone_after: Duration::ZERO,
            style: Style::Hayes,
        }
    }

    /// Any three `+` in a file take it to command state.
    #[must_use]
    pub fn escapes_at_once() -> Self {
        Self {
            escape: Escape::AtOnce,
            dial_tone_after: Duration::from_secs(1),
            ..Self::hayes()
        }
    }

    /// Answers with numbers, and where nobody changes its profile not at all.
    #[must_use]
    pub fn terse() -> Self {
        let factory = Profile {
            verbose: false,
            ..Profile::default()
        };
        Self {
            factory,
            stored: Profile {
                quiet: true,
                ..factory
            },
            dial_tone_after: Duration::from_secs(1),
            ..Self::hayes()
        }
    }

    /// Thinks, and then answers a few octets at a time.
    #[must_use]
    pub fn slow_in_pieces() -> Self {
        Self {
            thinks: Duration::from_millis(400),
            pieces: Some(Pieces {
                octets: 3,
                apart: Duration::from_millis(60),
            }),
            dial_tone_after: Duration::from_secs(2),
            ..Self::hayes()
        }
    }

    /// A mobile phone's modem, which has no S2.
    #[must_use]
    pub fn gsm() -> Self {
        Self {
            has_s2: false,
            thinks: Duration::from_millis(20),
            dial_tone_after: Duration::from_millis(500),
            style: Style::Gsm,
            ..Self::hayes()
        }
    }

    /// One of each kind.
    #[must_use]
    pub fn all() -> [Self; 5] {
        [
            Self::hayes(),
            Self::escapes_at_once(),
            Self::terse(),
            Self::slow_in_pieces(),
            Self::gsm(),
        ]
    }
}
