//! Whatever a server says to `modemctl attach`: what it has us say stays in proportion, is telnet, and says each
//! wish once.
#![no_main]

use libfuzzer_sys::fuzz_target;
use modemd::attach::far::{Control, Far};
use modemd::com_port::{Message, Sender, Wanted};
use modemd::telnet::{Event, Role, Telnet};

/// What a server that has agreed to everything understands of it.
fn understood(server: &mut Telnet, mut said: &[u8]) -> Vec<Message> {
    let mut messages = Vec::new();
    while let Some(event) = server.receive(&mut said, &mut Vec::new()) {
        if let Event::Subnegotiation(_, content) = event {
            messages.push(Message::decode(&content, Sender::Client).expect("a message"));
        }
    }
    messages
}

// Input: segments of a length, what is wanted before the segment is heard, and what the server says.
fuzz_target!(|input: &[u8]| {
    let (mut said, mut data) = (Vec::new(), Vec::new());
    let mut far = Far::new(&mut said);
    let mut server = Telnet::new(Role::Server);
    let mut rest = input;
    while let [length, wish, behind @ ..] = rest {
        let (segment, behind) = behind.split_at(behind.len().min(usize::from(*length)));
        rest = behind;
        let wanted = Wanted {
            baud: (wish & 1 == 1).then_some(u32::from(*wish) * 300),
            dtr: (wish & 2 == 2).then_some(wish & 4 == 4),
            ..Wanted::default()
        };
        far.want(wanted, &mut said);
        let before = said.len();
        // Whoever wants the same again says nothing.
        far.want(wanted, &mut said);
        assert_eq!(said.len(), before);
        if wish & 8 == 8 {
            far.ask_last(&mut said);
        }
        if wish & 16 == 16 {
            far.say(b"\r\xff", &mut said);
        }
        if wish & 32 == 32 {
            far.settle();
            assert!(!far.owes_an_answer());
        }
        far.hear(segment, &mut data, &mut said);
        // An option is refused in three octets, and asked for in as many; a signature is told.
        assert!(said.len() - before <= 64 + 40 * segment.len());
        assert!(far.words().len() <= 4 * 200);
        assert!(far.control() != Control::Asked || data.is_empty());
        understood(&mut server, &said);
        said.clear();
    }
    assert!(data.len() <= input.len());
});
