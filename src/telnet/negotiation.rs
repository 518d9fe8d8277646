//! One option on one side: who wants it, and who has agreed (RFC 1143, the Q method).
//!
//! The rules of RFC 1143, section 7, answer a message only if it changes the state, so that two
//! machines always come to an end, also when both ask at the same time.

use serde::{Deserialize, Serialize};

/// Where one option on one side stands. "We" is whoever keeps this.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Negotiation {
    /// It is off.
    #[default]
    No,
    /// It is on.
    Yes,
    /// We asked to have it off.
    WantNo,
    /// We asked to have it off, and want it on again as soon as that is answered.
    WantNoThenYes,
    /// We asked to have it on.
    WantYes,
    /// We asked to have it on, and want it off again as soon as that is answered.
    WantYesThenNo,
}

/// What is to be sent: WILL or DO, WONT or DONT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Say {
    Yes,
    No,
}

impl Negotiation {
    /// Whether it is on. While switching it off is not answered yet, the other side has it on.
    pub(super) fn is_on(self) -> bool {
        matches!(self, Self::Yes | Self::WantNo | Self::WantNoThenYes)
    }

    /// Whether the other side has still to answer.
    pub(super) fn is_open(self) -> bool {
        !matches!(self, Self::No | Self::Yes)
    }

    /// The other side says WILL or DO; if it asks, we `agree` or not.
    pub(super) fn hear_yes(&mut self, agree: bool) -> Option<Say> {
        let (next, say) = match *self {
            Self::No if agree => (Self::Yes, Some(Say::Yes)),
            Self::No => (Self::No, Some(Say::No)),
            Self::Yes | Self::WantYes | Self::WantNoThenYes => (Self::Yes, None),
            // The other side is in error: asked to have it off, it must say so.
            Self::WantNo => (Self::No, None),
            Self::WantYesThenNo => (Self::WantNo, Some(Say::No)),
        };
        *self = next;
        say
    }

    /// The other side says WONT or DONT, which nobody may refuse.
    pub(super) fn hear_no(&mut self) -> Option<Say> {
        let (next, say) = match *self {
            Self::No | Self::WantNo | Self::WantYes | Self::WantYesThenNo => (Self::No, None),
            Self::Yes => (Self::No, Some(Say::No)),
            Self::WantNoThenYes => (Self::WantYes, Some(Say::Yes)),
        };
        *self = next;
        say
    }

    /// We want it on.
    pub(super) fn want(&mut self) -> Option<Say> {
        let (next, say) = match *self {
            Self::No => (Self::WantYes, Some(Say::Yes)),
            Self::WantNo => (Self::WantNoThenYes, None),
            Self::WantYesThenNo => (Self::WantYes, None),
            as_wanted => (as_wanted, None),
        };
        *self = next;
        say
    }

    /// We want it off.
    pub(super) fn want_not(&mut self) -> Option<Say> {
        let (next, say) = match *self {
            Self::Yes => (Self::WantNo, Some(Say::No)),
            Self::WantNoThenYes => (Self::WantNo, None),
            Self::WantYes => (Self::WantYesThenNo, None),
            as_wanted => (as_wanted, None),
        };
        *self = next;
        say
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    const ALL: [Negotiation; 6] = [
        Negotiation::No,
        Negotiation::Yes,
        Negotiation::WantNo,
        Negotiation::WantNoThenYes,
        Negotiation::WantYes,
        Negotiation::WantYesThenNo,
    ];

    /// One side of an option: its state, what it answers to requests, what is on the way to it.
    struct Side {
        state: Negotiation,
        agrees: bool,
        arriving: VecDeque<Say>,
    }

    /// Delivers what is on the way, by turns as the bits of `order` say, and returns the number of
    /// messages it took until there was silence.
    fn settle(sides: &mut [Side; 2], order: u32) -> usize {
        for messages in 0..100 {
            let first = (order >> (messages % 32) & 1) as usize;
            let Some(to) = [first, 1 - first]
                .into_iter()
                .find(|&side| !sides[side].arriving.is_empty())
            else {
                return messages;
            };
            let side = &mut sides[to];
            let answer = match side.arriving.pop_front() {
                Some(Say::Yes) => side.state.hear_yes(side.agrees),
                Some(Say::No) => side.state.hear_no(),
                None => None,
            };
            sides[1 - to].arriving.extend(answer);
        }
        panic!("no end");
    }

    /// What a side in this state has said and got no answer to.
    fn unanswered(state: Negotiation) -> Option<Say> {
        match state {
            Negotiation::No | Negotiation::Yes => None,
            Negotiation::WantNo | Negotiation::WantNoThenYes => Some(Say::No),
            Negotiation::WantYes | Negotiation::WantYesThenNo => Some(Say::Yes),
        }
    }

    /// Also where one side is wrong about the other, as no two of these can come to be.
    #[test]
    fn there_is_silence_after_a_few_messages_from_every_pair_of_states() {
        for a in ALL {
            for b in ALL {
                for agrees in 0..4 {
                    for order in [0, u32::MAX, 0x5555_5555, 0xaaaa_aaaa] {
                        let side = |state, agrees, said| Side {
                            state,
                            agrees,
                            arriving: unanswered(said).into_iter().collect(),
                        };
                        let mut sides = [side(a, agrees & 1 == 1, b), side(b, agrees & 2 == 2, a)];
                        let messages = settle(&mut sides, order);
                        assert!(messages <= 6, "{a:?} {b:?}: {messages} messages");
                    }
                }
            }
        }
    }

    #[test]
    fn what_both_sides_come_to_is_the_same_whatever_they_wanted_meanwhile() {
        // Three changes of mind on each side, with every interleaving of up to ten deliveries.
        for wishes in 0..64_u32 {
            for order in 0..1024_u32 {
                let mut sides = [(); 2].map(|()| Side {
                    state: Negotiation::No,
                    agrees: true,
                    arriving: VecDeque::new(),
                });
                let mut turns = order;
                for wish in 0..6 {
                    let side = wish % 2;
                    let said = if wishes >> wish & 1 == 1 {
                        sides[side].state.want()
                    } else {
                        sides[side].state.want_not()
                    };
                    sides[1 - side].arriving.extend(said);
                    // Some of what is on the way arrives before the next change of mind.
                    for side in 0..2 {
                        if turns & 1 == 1
                            && let Some(said) = sides[side].arriving.pop_front()
                        {
                            let answer = match said {
                                Say::Yes => sides[side].state.hear_yes(true),
                                Say::No => sides[side].state.hear_no(),
                            };
                            sides[1 - side].arriving.extend(answer);
                        }
                        turns >>= 1;
                    }
                }
                settle(&mut sides, order);
                assert_eq!(sides[0].state, sides[1].state, "{wishes:b} {order:b}");
            }
        }
    }

    #[test]
    fn nothing_is_answered_that_changes_nothing() {
        for state in ALL {
            let mut same = state;
            let answer = same.hear_yes(true);
            if same == state {
                assert_eq!(answer, None, "{state:?}");
            }
        }
        assert_eq!(Negotiation::No.hear_no(), None);
        // What cannot be had is refused each time it is asked for.
        assert_eq!(Negotiation::No.hear_yes(false), Some(Say::No));
    }
}
