use super::*;
use proptest::prelude::*;

fn all(body: &str) -> Vec<Result<Command, CommandError>> {
    parse(body.as_bytes()).collect()
}

fn basic(prefix: Option<u8>, letter: u8, number: Option<u32>) -> Command {
    Command::Basic(Basic {
        prefix,
        letter,
        number,
    })
}

#[test]
fn several_commands_stand_on_one_line() {
    let read = Ok(Command::ReadRegister(Some(7)));
    let expected = vec![
        Ok(basic(None, b'E', Some(1))),
        Ok(basic(Some(b'&'), b'D', Some(2))),
        Ok(basic(None, b'V', None)),
        read,
        Ok(basic(Some(b'\\'), b'N', Some(3))),
    ];
    assert_eq!(all("E1&D2VS7?\\N3"), expected);
}

#[test]
fn case_spaces_and_the_eighth_bit_mean_nothing() {
    let plain: Vec<_> = all("E1S0=12DT123");
    assert_eq!(all("e 1 s 0 = 1 2 d t 1 2 3"), plain);
    let high: Vec<u8> = b"E1S0=12DT123".iter().map(|byte| byte | 0x80).collect();
    assert_eq!(parse(&high).collect::<Vec<_>>(), plain);
}

#[test]
fn registers_are_selected_read_and_written() {
    let write = |register, value| Ok(Command::WriteRegister { register, value });
    let read = |register| Ok(Command::ReadRegister(register));
    assert_eq!(
        all("S7?=45S0="),
        [read(Some(7)), write(None, 45), write(Some(0), 0)]
    );
    let selected = [
        Ok(Command::SelectRegister(7)),
        Ok(basic(None, b'E', None)),
        read(None),
    ];
    assert_eq!(all("S7E?"), selected);
}

#[test]
fn d_takes_the_rest_of_the_line_as_a_dial_string() {
    let commands = all("E0DT9W,(555)-10!02@#E1");
    let Ok(Command::Dial(dial)) = &commands[1] else {
        panic!("{commands:?}")
    };
    assert_eq!(commands.len(), 2);
    assert_eq!(dial.digits(), "95551002#1");
    assert!(!dial.stays_in_command_state);
    assert_eq!(dial.items[0], DialItem::Tone);
    assert!(dial.items.contains(&DialItem::WaitForDialTone));
    assert!(dial.items.contains(&DialItem::Other(b'(')));
}

#[test]
fn a_semicolon_ends_the_dial_string_and_commands_go_on() {
    let commands = all("D110;D112");
    let numbers: Vec<_> = commands
        .iter()
        .map(|command| match command {
            Ok(Command::Dial(dial)) => (dial.digits(), dial.stays_in_command_state),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(numbers, [("110".into(), true), ("112".into(), false)]);
}

#[test]
fn redial_and_stored_numbers_are_no_digits() {
    let Ok(Command::Dial(dial)) = &all("DL")[0] else {
        panic!()
    };
    assert_eq!(dial.items, [DialItem::Redial]);
    let Ok(Command::Dial(dial)) = &all("DTS=3")[0] else {
        panic!()
    };
    assert_eq!(dial.items, [DialItem::Tone, DialItem::Stored(3)]);
    assert_eq!(dial.digits(), "");
}

#[test]
fn a_semicolon_inside_a_string_does_not_end_an_extended_command() {
    let extended = |name: &str, rest: &str| {
        Ok(Command::Extended(Extended {
            name: name.into(),
            rest: rest.into(),
        }))
    };
    let expected = vec![
        extended("GMM", ""),
        extended("CGDCONT", "=1,\"a; B\""),
        extended("FCLASS", "=?"),
    ];
    assert_eq!(all("+gmm;+cgdcont=1, \"a; B\";+FCLASS=?"), expected);
}

#[test]
fn commands_before_a_mistake_are_kept_and_none_after() {
    let commands = all("E1&1V1");
    assert_eq!(commands[0], Ok(basic(None, b'E', Some(1))));
    let error = commands[1].clone().unwrap_err();
    assert_eq!((error.column, error.mistake), (3, Mistake::NoLetter(b'&')));
    assert_eq!(commands.len(), 2);
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let told = |body: &str| all(body).pop().unwrap().unwrap_err().to_string();
    assert_eq!(told("7"), "command line: column 1: `7`: begins no command");
    assert_eq!(
        told("S"),
        "command line: column 1: `S`: the number of a register must follow"
    );
    assert_eq!(
        told("S0=256"),
        "command line: column 1: number too large: an S-register takes 255 at most"
    );
    assert_eq!(
        told("+="),
        "command line: column 1: `+`: the name of a command must follow"
    );
    assert_eq!(
        told("+A=\""),
        "command line: column 1: `\"`: the string is not closed"
    );
}

proptest! {
    #[test]
    fn any_bytes_parse_without_panic_and_end(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(parse(&body).count() <= body.len());
    }

    #[test]
    fn what_looks_like_commands_parses_without_panic(body in "[A-Za-z0-9&%\\\\+=?;, \"@!/]{0,80}") {
        let commands: Vec<_> = parse(body.as_bytes()).collect();
        let errors = commands.iter().filter(|command| command.is_err()).count();
        prop_assert!(errors == 0 || (errors == 1 && commands.last().unwrap().is_err()));
    }
}
