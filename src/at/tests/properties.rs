//! What holds for any input.

use proptest::prelude::*;

use super::*;
use crate::at::temperament::Escape;

/// Pieces of dialogue that lead somewhere, among bytes that do not.
fn input() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => "AT(E[01]|Q[01]|V[01]|X[0-4]|&D[0-3]|Z|&F|&V|I[0-4]|H|A|O|S[0-9]{1,2}[=?][0-9]{0,2}){0,4}\r",
        2 => "ATD(5551001|5551002|5552001|5552002|5552004|5552005)[;,W@]?\r",
        1 => "AT(&Z[0-4]=[0-9T,]{0,9}|DS=[0-4]|D[0-9]{1,3};|DL|D>[0-9])\r",
        1 => "AT[+](CPBW=[0-9],\"[0-9]{0,9}\"|CUSD=1,\"[*][0-9]{3}#\"|CMGS=[0-9]{1,2}|CMEE=[0-2]|CLIP=1|VCID=1)\r",
        1 => Just("A/".to_owned()),
        1 => Just("+++".to_owned()),
        1 => "[ -~]{0,20}\r?",
    ]
    .prop_map(String::into_bytes);
    let noise = proptest::collection::vec(any::<u8>(), 0..40);
    proptest::collection::vec(prop_oneof![5 => piece, 1 => noise], 0..12)
        .prop_map(|pieces| pieces.concat())
}

fn temperament() -> impl Strategy<Value = Temperament> {
    proptest::sample::select(Temperament::all().to_vec())
}

/// Sends all, reading whenever the modem takes no more; what a slow one does not take is not sent.
fn exchange_all(desk: &mut Desk, line: usize, data: &[u8], heard: &mut [Vec<u8>; 3]) {
    let mut sent = 0;
    while sent < data.len() {
        let count = desk.give(line, &data[sent..]);
        sent += count;
        let mut reads = false;
        for (line, heard) in heard.iter_mut().enumerate() {
            let read = desk.read(line);
            reads |= !read.is_empty();
            heard.extend(read);
        }
        if count == 0 && !reads {
            return;
        }
    }
}

proptest! {
    #[test]
    fn pieces_make_no_difference(
        modem in temperament(),
        parts in proptest::collection::vec((0..3_usize, 0..3000_u64, input()), 0..8),
        cuts in proptest::collection::vec(1..9_usize, 1..20),
    ) {
        let (mut whole, mut cut) = (Desk::of(modem.clone()), Desk::of(modem));
        let mut heard: [[Vec<u8>; 3]; 2] = Default::default();
        let mut cuts = cuts.iter().cycle();
        for (line, milliseconds, data) in &parts {
            exchange_all(&mut whole, *line, data, &mut heard[0]);
            let mut rest = &data[..];
            while !rest.is_empty() {
                let (piece, behind) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
                exchange_all(&mut cut, *line, piece, &mut heard[1]);
                rest = behind;
            }
            whole.wait(*milliseconds);
            cut.wait(*milliseconds);
            for (heard, desk) in heard.iter_mut().zip([&mut whole, &mut cut]) {
                for (line, heard) in heard.iter_mut().enumerate() {
                    heard.extend(desk.read(line));
                }
            }
        }
        let [whole, cut] = &heard;
        prop_assert_eq!(whole, cut);
    }

    #[test]
    fn nothing_grows_while_nobody_reads(
        modem in temperament(),
        parts in proptest::collection::vec((0..3_usize, 0..9000_u64, input()), 0..30),
    ) {
        let mut desk = Desk::of(modem);
        for (line, milliseconds, data) in parts {
            desk.give(line, &data);
            desk.wait(milliseconds);
        }
        for line in 0..3 {
            // One answer to one line may go beyond: 127 times &V, 150 bytes each.
            let waiting = desk.read(line).len();
            prop_assert!(waiting <= 4 * crate::at::modem::CAPACITY + 20_000, "{}", waiting);
        }
    }

    #[test]
    fn any_file_goes_through_two_modems_unchanged(
        modem in temperament().prop_filter("none that a file stops", |modem| modem.escape == Escape::GuardTime),
        mut file in proptest::collection::vec(any::<u8>(), 0..20_000),
        pluses in proptest::collection::vec(any::<prop::sample::Index>(), 0..10),
        pieces in proptest::collection::vec((1..5000_usize, 0..3_u64), 1..20),
    ) {
        for place in pluses {
            if file.len() > 3 {
                let at = place.index(file.len() - 3);
                file[at..at + 3].copy_from_slice(b"+++");
            }
        }
        // Three pluses alone after a silence are the escape, in any modem.
        file.insert(0, b'x');
        let mut desk = Desk::in_a_call(modem);
        let (mut sent, mut heard) = (0, Vec::new());
        let mut pieces = pieces.iter().cycle();
        while sent < file.len() {
            let (size, milliseconds) = *pieces.next().unwrap();
            let end = file.len().min(sent + size);
            sent += desk.give(A, &file[sent..end]);
            desk.wait(milliseconds);
            heard.extend(desk.read(B));
        }
        heard.extend(desk.read(B));
        prop_assert!(heard == file);
    }
}
