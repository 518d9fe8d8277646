//! Whatever a client, the far side and the time do, only what the rules permit is dialled.

use std::time::Duration;

use modemd::config::Refusal;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::model::{Act, Kind, Line, Scene};

/// What has been tried on modems, and what is sent to them in good faith.
const SEEDS: &[&[u8]] = &[
    b"ATDT5551002\r",
    b"ATDT5552001\r",
    b"ATD08001234\r",
    b"atdp 555-10 02\r",
    b"ATDT0900123\r",
    b"ATD5551002DT0900123\r",
    b"ATD5551002;\r",
    b"ATD0900\r",
    b"ATD5551002;D0900\r",
    b"ATD0800!0900\r",
    b"ATD0800,,,W0900\r",
    b"ATD08\x08\x0809001\r",
    b"ATD0900\x08\x08\x08\x08\x08\x08\x080800\r",
    b"ATDT",
    b"0900",
    b"0800",
    b"5551002",
    b"\r",
    b"\n",
    b";",
    b"A/",
    b"a/",
    b"AT&Z0=0900123\r",
    b"AT&Z=0900\r",
    b"ATDS=0\r",
    b"ATDS\r",
    b"ATDL\r",
    b"ATD5551002DL\r",
    b"AT+CPBS=\"SM\"\r",
    b"AT+CPBW=1,\"0900123\",129,\"x\"\r",
    b"ATD>1;\r",
    b"ATD>SM1\r",
    b"ATD>\"x\"\r",
    b"AT+CMGF=1\r",
    b"AT+CMGS=\"0900123\"\r",
    b"hello\x1a",
    b"\x1b",
    b"AT+CUSD=1,\"*100#\",15\r",
    b"ATS2=43\r",
    b"ATS2=65\r",
    b"ATS2=255\r",
    b"ATS3=65\r",
    b"ATS3=13\r",
    b"ATS3=88\rATDT0900X",
    b"ATS4=84\r",
    b"ATS5=84\r",
    b"ATS12=0\r",
    b"ATS12=1\r",
    b"ATS12=255\r",
    b"ATS2?=43?\r",
    b"ATS0=1\r",
    b"ATS0=2S7=5\r",
    b"ATQ1\r",
    b"ATV0\r",
    b"ATE0\r",
    b"ATX0\r",
    b"ATQ1V0E0X0\r",
    b"ATQ0V1E1X4\r",
    b"AT&W\r",
    b"AT&W0Z\r",
    b"ATZ\r",
    b"AT&F\r",
    b"AT&C0\r",
    b"AT&C0&D0\r",
    b"AT&D0\r",
    b"AT&D1&W\r",
    b"AT&V\r",
    b"ATI3\r",
    b"ATH\r",
    b"ATH1\r",
    b"ATA\r",
    b"ATO\r",
    b"ATO1\r",
    b"AT\r",
    b"ATZATDT0900\r",
    b"AT+FCLASS=1\r",
    b"AT+FCLASS=1;D0900\r",
    b"AT+MS=V34,1DT0900\r",
    b"AT+IFC=2,2;D0900\r",
    b"AT#CID=1DT0900\r",
    b"AT+VCID=1\r",
    b"AT\\N3%C1&K3\r",
    b"CONNECT 115200\r\n",
    b"\r\nCONNECT\r\n",
    b"\r\nNO CARRIER\r\n",
    b"\r\nOK\r\n",
    b"\r\nRING\r\n",
    b"NO CARRIER\r\n\r\nRING\r\n",
    b"+++",
    b"+",
    b"++",
    b"+++ATDT0900\r",
    b"+++ATH\rATDT0900\r",
    b"x+++x",
    b"\xab\xab\xab",
    b"\xc1\xd4\xc4\xd4\xb0\xb9\xb0\xb0\x8d",
    b"AT\xc4\xb0\xb9\xb0\xb0\r",
    b"\x10\x03",
    b"\x11",
    b"\x13",
    b"\x18",
    b"\x7f",
];

/// Something that is like a dial command.
fn dialling() -> impl Strategy<Value = Vec<u8>> {
    let number = select(vec![
        "0900",
        "0900555",
        "5551002",
        "5552001",
        "08001",
        "00900",
        "110",
        "+1900",
        "*21*0900#",
    ]);
    (
        select(vec![
            "AT", "at", "At", "AAT", "AT ", "ATE0", "ATM1", "ATS7=9", "A\x08T", "ATX3", "AT&C0",
            "ATZ",
        ]),
        select(vec![
            "D", "DT", "dp", "D ", "D,", "DW", "D@", "DT(", "D+", "D\"", "D0800;D", "DTL",
            "D\x08D", "D>",
        ]),
        number.clone(),
        select(vec![
            "", ",", ";", "!", "@", "-", "R", "S=1", "L", "P", "\"", "\x08", ")", "W0900", ">",
        ]),
        prop_oneof![2 => Just(""), 1 => number],
        select(vec!["\r", "\r\n", "", "\n", "\rA/", "X"]),
    )
        .prop_map(|(prefix, dial, number, between, more, end)| {
            [prefix, dial, number, between, more, end]
                .concat()
                .into_bytes()
        })
}

/// What a client, or the far side, sends together.
pub(crate) fn piece() -> impl Strategy<Value = Vec<u8>> {
    let seed = select(SEEDS).prop_map(<[u8]>::to_vec);
    let seeds = prop::collection::vec(select(SEEDS), 1..6).prop_map(|seeds| seeds.concat());
    let repeated = (prop::collection::vec(select(SEEDS), 1..4), 2..60_usize)
        .prop_map(|(seeds, count)| seeds.concat().repeat(count));
    // Of some of these modems keep nothing.
    let fillers: [&[u8]; 6] = [b"1", b" ", b"A", b"x", b"\x01", b"x\x08"];
    let long = (select(fillers.to_vec()), 30..700_usize).prop_map(|(filler, length)| {
        let mut line = b"AT".to_vec();
        line.extend(filler.repeat(length));
        line.extend(b"DT0900\r");
        line
    });
    let noise = prop::collection::vec(any::<u8>(), 0..30);
    prop_oneof![6 => seed, 4 => seeds, 3 => dialling(), 2 => repeated, 1 => long, 1 => noise]
}

/// The same, and something has happened to it.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), 0..6_u8, any::<u8>());
    let changes = prop_oneof![
        3 => Just(Vec::new()),
        1 => prop::collection::vec(change, 1..4)
    ];
    (piece(), changes).prop_map(|(mut data, changes)| {
        for (place, what, octet) in changes {
            if data.is_empty() {
                break;
            }
            let at = place.index(data.len());
            match what {
                0 => data[at] ^= 0x80,
                1 => data[at] ^= 0x20,
                2 => data[at] = octet,
                3 => data.insert(at, octet),
                4 => drop(data.remove(at)),
                _ => data.truncate(at),
            }
        }
        data
    })
}

fn wait() -> impl Strategy<Value = Act> {
    let milliseconds = prop_oneof![
        4 => select(vec![0, 1, 5, 19, 21, 50, 126, 201, 601, 801, 1001, 1250, 3000, 8000, 20_000, 65_000]),
        1 => 0..3000_u64,
    ];
    milliseconds.prop_map(|milliseconds| Act::Wait(Duration::from_millis(milliseconds)))
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => mutated().prop_map(Act::Client),
        3 => mutated().prop_map(Act::Far),
        8 => wait(),
        2 => Just(Act::FarHangsUp),
        1 => select(vec![&b"ATDT5551001\r"[..], b"ATA\r", b"+++", b"ATH\r", b"ATS0=1\r", b"ATS0=0\r"])
            .prop_map(|data| Act::Far(data.to_vec())),
        1 => any::<bool>().prop_map(Act::Dtr),
        1 => Just(Act::HandOver),
    ]
}

/// Lines that tell whether there is carrier.
pub(crate) fn line() -> impl Strategy<Value = Line> {
    (
        (
            select(&Kind::ALL[..]),
            select(vec![0, 87, 1000]),
            0..8_u64,
            0..50_u64,
        ),
        (
            0..6_u64,
            1..40_usize,
            select(vec![1, 3, 16, 300, 4096]),
            0..17_usize,
            select(vec![0, 50]),
        ),
        (
            prop_oneof![4 => Just(None), 1 => Just(Some(1))],
            any::<bool>(),
            any::<bool>(),
            any::<bool>(),
        ),
    )
        .prop_map(
            |(
                (kind, octet_usec, hidden_msec, back_msec),
                (carrier_msec, burst, piece, fifo, dtr_msec),
                (minutes_per_call, error, guard_time, by_escape),
            )| Line {
                has_guard_time: guard_time && kind != Kind::EscapesAtOnce,
                kind,
                octet_usec,
                hidden_msec,
                fifo,
                dtr_msec,
                back_msec,
                carrier_msec: Some(carrier_msec),
                burst,
                piece,
                minutes_per_call,
                refusal: if error {
                    Refusal::Error
                } else {
                    Refusal::NoCarrier
                },
                by_escape,
            },
        )
}

fn scene(line: impl Strategy<Value = Line>) -> impl Strategy<Value = Scene> {
    (
        line,
        prop::bool::weighted(0.7),
        prop::collection::vec(act(), 0..16),
        any::<bool>(),
    )
        .prop_map(|(line, has_call, acts, ends_by_dtr)| Scene {
            line,
            has_call,
            acts,
            ends_by_dtr,
        })
}

/// Plays so many, the same each time; or as many others as are wanted.
pub(crate) fn play<S: Strategy>(scenes: &S, default: u32, play: impl Fn(S::Value)) {
    let of = |cases| Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 20_000,
        max_local_rejects: u32::MAX,
        ..Config::default()
    };
    let mut runner = match std::env::var("MODEMD_GUARD_STREAMS") {
        Ok(count) => TestRunner::new(of(count
            .parse()
            .expect("MODEMD_GUARD_STREAMS: not a number"))),
        Err(_) => TestRunner::new_with_rng(
            of(default),
            TestRng::deterministic_rng(RngAlgorithm::ChaCha),
        ),
    };
    let played = runner.run(scenes, |scene| {
        play(scene);
        Ok(())
    });
    played.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn nothing_is_dialled_that_the_rules_forbid() {
    play(&scene(line()), 2000, |scene| drop(scene.play()));
}
