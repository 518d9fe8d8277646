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
    let stored = [
        ("DTS=3", 3),
        ("DTS=12", 12),
        ("DTS3", 3),
        ("DTS", 0),
        ("DTS=", 0),
    ];
    for (body, place) in stored {
        let Ok(Command::Dial(dial)) = &all(body)[0] else {
            panic!("{body}")
        };
        assert_eq!(dial.items, [DialItem::Tone, DialItem::Stored(place)]);
        assert_eq!(dial.digits(), "");
    }
    let Ok(Command::Dial(dial)) = &all("DS=0900")[0] else {
        panic!()
    };
    assert_eq!(dial.digits(), "0900");
    assert_eq!(
        dial.items[..2],
        [DialItem::Other(b'S'), DialItem::Other(b'=')]
    );
}

#[test]
fn whoever_judges_a_dial_string_sees_all_that_was_typed_but_spaces() {
    for (body, canonical) in [
        ("d>me 5", "D>me5"),
        ("D>\"Mum\"I", "D>\"Mum\"I"),
        ("Di123g;", "Di123g;"),
        ("DT(030) 12-34.5/6^$&", "DT(030)12-34.5/6^$&"),
        ("D1\x7f2", "D1\x7f2"),
    ] {
        assert_eq!(written(body), [canonical]);
    }
}

#[test]
fn a_name_after_a_makers_sign_is_one_command() {
    for line in [
        "#CID=1",
        "^SYSINFO",
        "$QCPWRDN=1",
        "*T?",
        "-V90=1",
        "~A",
        "_B",
        "!C",
        "@D1",
        ":E1",
        ")M1",
        "|F",
    ] {
        let commands = all(line);
        let [Ok(Command::Extended(extended))] = &commands[..] else {
            panic!("{line}: {commands:?}")
        };
        assert_eq!(extended.sigil, line.as_bytes()[0]);
        assert_eq!(extended.to_string(), line);
    }
    assert_eq!(written("#cid=1;D1"), ["#CID=1", "D1"]);
}

#[test]
fn numbers_to_be_stored_are_told_from_numbers_to_be_set() {
    assert_eq!(
        written("&z1=t0900,1;h&Z=5&Z12"),
        ["&Z1=T0900,1;", "H0", "&Z0=5&Z12"]
    );
    assert_eq!(written("&Z0900W5"), ["&Z0900W5"]);
    let Ok(Command::Store(store)) = &all("&Z12=0900")[0] else {
        panic!()
    };
    assert_eq!(
        (store.place, store.dial.digits()),
        (Some(12), "0900".into())
    );
    assert_eq!(
        all("&Z300=1")[0].clone().unwrap_err().mistake,
        Mistake::TooLarge
    );
}

/// The commands of a line, each in its canonical form.
fn written(body: &str) -> Vec<String> {
    all(body)
        .into_iter()
        .map(|command| command.unwrap().to_string())
        .collect()
}

#[test]
fn the_canonical_form_has_upper_case_and_all_numbers() {
    let line = "e q1 &d2 %c \\n3 s7=060 s 7 ? s9 ? =33 z1 a &f p t +fclass = 1;d t 555 1234,12";
    let expected = [
        "E0",
        "Q1",
        "&D2",
        "%C0",
        "\\N3",
        "S7=60",
        "S7?",
        "S9?",
        "=33",
        "Z1",
        "A",
        "&F0",
        "P",
        "T",
        "+FCLASS=1",
        "DT5551234,12",
    ];
    assert_eq!(written(line), expected);
    assert_eq!(written("A0S7E?"), ["A0", "S7", "E0", "?"]);
    assert_eq!(written("+MS=v34,\"v 34\""), ["+MS=V34,\"v 34\""]);
}

#[test]
fn values_that_a_modem_may_take_for_more_commands_are_told() {
    let is_unmistakable = |line: &str| match &all(line)[..] {
        [Ok(Command::Extended(extended))] => extended.is_unmistakable(),
        other => panic!("{other:?}"),
    };
    for line in [
        "+CSQ",
        "+FCLASS?",
        "+FCLASS=?",
        "#CID=1",
        "#CID=",
        "+MS=V34,1,300,33600",
        "+MS=V32B",
        "+MS=V27TC,,1",
        "+FCLASS=1.0",
        "+CGDCONT=1,\"IP\",\"DT0900;S2=43\"",
    ] {
        assert!(is_unmistakable(line), "{line}");
    }
    for line in [
        "#CID=1DT0900",
        "#CID=1S2=43",
        "+MS=V34DT0900",
        "+MS=V34S2=43",
        "+MS=V34Z",
        "+MS=?1",
        "+CSQ?DT0900",
        "#CID=1&W",
        "#CID=1\"\"D1",
        "#CID=1,D1",
        "#CID\"D\"",
        "+MS=V",
        "+FCLASS=1+CMGS",
    ] {
        assert!(!is_unmistakable(line), "{line}");
    }
}

/// The same command with its number where it can have one.
fn with_number(command: Command) -> Command {
    match command {
        Command::Basic(Basic {
            prefix,
            letter,
            number: None,
        }) if prefix.is_some() || !b"APT".contains(&letter) => basic(prefix, letter, Some(0)),
        other => other,
    }
}

/// Several commands on one line.
fn joined(commands: &[Command]) -> String {
    let mut line = String::new();
    for command in commands {
        line.push_str(&command.to_string());
        if matches!(command, Command::Extended(_)) {
            line.push(';');
        }
    }
    line
}

fn understood(body: &[u8]) -> Vec<Command> {
    parse(body).filter_map(Result::ok).collect()
}

/// What command lines are made of, in any order.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => "[&%\\\\]?[A-Za-z][0-9]{0,3}",
        2 => "[Ss][0-9]{0,3}[?=]?[0-9]{0,3}",
        2 => "[+#^$*:@_~!)|-][A-Za-z][A-Za-z0-9!%./:_-]{0,6}(=?[?]|=[A-Za-z0-9,; \"]{0,10})?;?",
        1 => "[Dd][0-9TtPpWwLlSsRrIiGg,@!+*#A-D>\"();= -]{0,20};?",
        1 => "&[Zz][0-9]{0,3}=?[0-9TtPp,;]{0,9}",
        1 => "[ -~]{0,5}",
    ];
    let typed =
        proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat().into_bytes());
    prop_oneof![4 => typed, 1 => proptest::collection::vec(any::<u8>(), 0..60)]
}

#[test]
fn the_canonical_form_of_text_in_strings_keeps_its_case_and_hides_its_semicolons() {
    assert_eq!(written("+x=\"a;B\";+y"), ["+X=\"a\\3BB\"", "+Y"]);
}

#[test]
fn a_semicolon_inside_a_string_does_not_end_an_extended_command() {
    let extended = |name: &str, rest: &str| {
        Ok(Command::Extended(Extended {
            sigil: b'+',
            name: name.into(),
            rest: rest.into(),
        }))
    };
    let expected = vec![
        extended("GMM", ""),
        extended("CGDCONT", "=1,\"a\\3B B\""),
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
        told("#1"),
        "command line: column 1: `#`: the name of a command must follow"
    );
    assert_eq!(told(";"), "command line: column 1: `;`: begins no command");
    assert_eq!(
        told("+A=1\x7f"),
        "command line: column 1: `\\x7f`: not among values"
    );
    assert_eq!(
        told("+A=\""),
        "command line: column 1: `\"`: the string is not closed"
    );
}

proptest! {
    #[test]
    fn a_command_is_read_back_from_its_canonical_form(body in body()) {
        for command in understood(&body) {
            let canonical = command.to_string();
            prop_assert!(canonical.bytes().all(|byte| (b' '..=0x7f).contains(&byte)));
            let again: Vec<_> = parse(canonical.as_bytes()).collect();
            prop_assert_eq!(again, [Ok(with_number(command))], "{}", canonical);
        }
    }

    #[test]
    fn a_line_of_canonical_commands_is_the_same_line(body in body()) {
        let commands: Vec<_> = understood(&body).into_iter().map(with_number).collect();
        let line = joined(&commands);
        prop_assert_eq!(understood(line.as_bytes()), commands, "{}", line);
    }

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
