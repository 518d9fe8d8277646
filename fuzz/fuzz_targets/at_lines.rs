//! Whatever a terminal types, and whatever a modem says: no panic, each command is read back from its
//! canonical form alone and among others, and nothing that is kept grows.
#![no_main]

use libfuzzer_sys::fuzz_target;
use modemd::at::command::{Basic, Command, parse};
use modemd::at::editor::{CommandLineEditor, EditKeys, Entered, LONGEST_BODY};
use modemd::at::response::{LONGEST_LINE, Response, Responses};

fn understood(body: &[u8]) -> Vec<Command> {
    parse(body).map_while(Result::ok).collect()
}

/// The same with all numbers that can be there.
fn with_number(command: Command) -> Command {
    match command {
        Command::Basic(Basic {
            prefix,
            letter,
            number: None,
        }) if prefix.is_some() || !b"APT".contains(&letter) => Command::Basic(Basic {
            prefix,
            letter,
            number: Some(0),
        }),
        other => other,
    }
}

fn carry_out(body: &[u8]) {
    assert!(body.len() <= LONGEST_BODY);
    let commands: Vec<_> = understood(body).into_iter().map(with_number).collect();
    let mut line = String::new();
    for command in &commands {
        let canonical = command.to_string();
        assert_eq!(
            understood(canonical.as_bytes()),
            std::slice::from_ref(command),
            "{canonical}"
        );
        line.push_str(&canonical);
        if let Command::Extended(extended) = command {
            line.push(';');
            // A modem that ends it earlier than V.250 does finds nothing to dial behind.
            let in_front_of_values = canonical.split(['=', '"']).next().unwrap();
            let numbers = |text: &str| {
                text.bytes()
                    .filter(|byte| byte.eq_ignore_ascii_case(&b'D'))
                    .count()
            };
            let in_strings: usize = canonical.split('"').skip(1).step_by(2).map(numbers).sum();
            assert!(
                !extended.is_unmistakable()
                    || numbers(&canonical) == numbers(in_front_of_values) + in_strings,
                "{canonical}"
            );
        }
    }
    assert_eq!(understood(line.as_bytes()), commands, "{line}");
}

// Input: the two characters that edit, and what both sides say.
fuzz_target!(|input: &[u8]| {
    let [terminator, backspace, said @ ..] = input else {
        return;
    };
    let own = EditKeys {
        terminator: terminator & 0x7f,
        backspace: backspace & 0x7f,
    };
    let usual = EditKeys {
        terminator: b'\r',
        backspace: 8,
    };
    for keys in [own, usual] {
        let mut editor = CommandLineEditor::default();
        for octet in said {
            match editor.push(*octet, keys) {
                Some(Entered::Line(body)) => carry_out(body),
                Some(Entered::TooLong) => {}
                None => continue,
            }
            assert!(!editor.is_in_line());
        }
    }
    carry_out(&said[..said.len().min(LONGEST_BODY)]);

    let (mut any, mut words) = (Responses::default(), Responses::in_words());
    for octet in said {
        for response in [any.push(*octet), words.push(*octet)].into_iter().flatten() {
            match response {
                Response::Text(text) => assert!((1..=LONGEST_LINE).contains(&text.len())),
                Response::Result(outcome) => assert!(outcome.text.len() <= LONGEST_LINE),
                Response::Caller { number, .. } => {
                    assert!(number.bytes().any(|byte| byte.is_ascii_digit()))
                }
                Response::Ring | Response::Prompt => {}
            }
        }
    }
});
