use std::fs;
use std::thread;

use proptest::prelude::*;

use super::file::MOST_CALLS;
use super::*;

/// A path of this test's own, gone when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let name = format!("modemd-accounts-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_file(&path);
        Scratch(path)
    }

    fn accounts(&self) -> Accounts {
        Accounts::in_file(self.0.clone())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
        let _ = fs::remove_dir(&self.0);
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn calls(accounts: &Accounts, port: &str, client: &str) -> u32 {
    accounts.spent(port, client).unwrap().calls
}

#[test]
fn each_client_has_an_account_at_each_port_that_all_processes_know() {
    let scratch = Scratch::new("all");
    let (one, other) = (scratch.accounts(), scratch.accounts());
    one.begin("modem", "10.0.0.1").unwrap();
    other.begin("modem", "10.0.0.1").unwrap();
    other.begin("fax", "10.0.0.1").unwrap();
    one.begin("modem", "local").unwrap();
    for accounts in [one, other, scratch.accounts()] {
        assert_eq!(calls(&accounts, "modem", "10.0.0.1"), 2);
        assert_eq!(calls(&accounts, "fax", "10.0.0.1"), 1);
        assert_eq!(calls(&accounts, "modem", "local"), 1);
        assert_eq!(calls(&accounts, "modem", "10.0.0.10"), 0);
        assert_eq!(calls(&accounts, "mode", "m"), 0);
    }
}

#[test]
fn another_process_goes_on_with_a_call() {
    let scratch = Scratch::new("on");
    let booking = scratch.accounts().begin("modem", "10.0.0.1").unwrap();
    let booking = serde_json::to_string(&booking).unwrap();
    let booking: Booking = serde_json::from_str(&booking).unwrap();
    while uptime() < booking.began + Duration::from_millis(2) {}
    let accounts = scratch.accounts();
    accounts.update(booking, Duration::from_millis(1));
    let spent = accounts.spent("modem", "10.0.0.1").unwrap();
    assert_eq!(spent.talked, Duration::from_millis(1));
    // A call of an hour that began just now lasts until now.
    accounts.update(booking, seconds(3600));
    let spent = accounts.spent("modem", "10.0.0.1").unwrap();
    assert!(spent.talked >= Duration::from_millis(2) && spent.talked < seconds(3600));
}

#[test]
fn without_a_file_calls_are_counted_all_the_same() {
    let accounts = Accounts::default();
    let booking = accounts.begin("modem", "10.0.0.1").unwrap();
    while uptime() < booking.began + Duration::from_millis(2) {}
    accounts.update(booking, Duration::from_millis(1));
    let spent = accounts.spent("modem", "10.0.0.1").unwrap();
    assert_eq!((spent.calls, spent.talked.as_micros()), (1, 1000));
    assert_eq!(calls(&accounts, "modem", "10.0.0.2"), 0);
}

#[test]
fn where_nothing_can_be_written_down_no_call_begins() {
    let scratch = Scratch::new("directory");
    fs::create_dir(&scratch.0).unwrap();
    let accounts = scratch.accounts();
    let path = scratch.0.display().to_string();
    for error in [
        accounts.begin("modem", "10.0.0.1").unwrap_err(),
        accounts.spent("modem", "10.0.0.1").unwrap_err(),
    ] {
        let error = error.to_string();
        assert!(
            error.starts_with(&format!("{path}: calls cannot be counted: ")),
            "{error}"
        );
    }
    let nowhere = Accounts::in_file(scratch.0.join("gone/accounts"));
    assert!(nowhere.begin("modem", "10.0.0.1").is_err());
    assert!(
        Accounts::default()
            .begin("modem", &"1".repeat(200))
            .is_err()
    );
}

#[test]
fn a_process_that_is_stopped_with_the_file_locked_makes_no_call_free_and_stops_nobody() {
    let scratch = Scratch::new("locked");
    let accounts = scratch.accounts();
    accounts.begin("modem", "10.0.0.1").unwrap();
    let stopped = fs::File::open(&scratch.0).unwrap();
    stopped.lock().unwrap();
    assert!(accounts.begin("modem", "10.0.0.1").is_err());
    assert!(accounts.spent("modem", "10.0.0.1").is_err());
    drop(stopped);
    assert_eq!(calls(&accounts, "modem", "10.0.0.1"), 1);
}

#[test]
fn a_foreign_file_is_begun_anew_and_a_torn_record_counts_as_nothing() {
    let scratch = Scratch::new("foreign");
    fs::write(&scratch.0, "modemd account0\nsomething else").unwrap();
    let accounts = scratch.accounts();
    assert_eq!(calls(&accounts, "modem", "10.0.0.1"), 0);
    accounts.begin("modem", "10.0.0.1").unwrap();
    let torn = accounts.begin("modem", "10.0.0.2").unwrap();
    let whole = fs::read(&scratch.0).unwrap();
    fs::write(&scratch.0, &whole[..whole.len() - 3]).unwrap();
    assert_eq!(calls(&accounts, "modem", "10.0.0.1"), 1);
    assert_eq!(calls(&accounts, "modem", "10.0.0.2"), 0);
    assert_eq!(
        accounts.begin("modem", "10.0.0.3").unwrap().place,
        torn.place
    );
    accounts.update(torn, seconds(0));
    assert!(accounts.is_broken.get());
    assert_eq!(fs::read(&scratch.0).unwrap().len(), whole.len());
    assert_eq!(calls(&accounts, "modem", "10.0.0.3"), 1);
}

#[test]
fn no_call_of_many_at_the_same_time_is_lost() {
    const EACH: u32 = 50;
    let scratch = Scratch::new("many");
    thread::scope(|scope| {
        for number in 0..4 {
            let scratch = &scratch;
            scope.spawn(move || {
                let (accounts, own) = (scratch.accounts(), format!("10.0.0.{number}"));
                for _ in 0..EACH {
                    for client in [&own, "local"] {
                        // Others have the file locked for a moment, and the machine may be busy.
                        while accounts.begin("modem", client).is_err() {}
                    }
                }
            });
        }
    });
    let accounts = scratch.accounts();
    assert_eq!(calls(&accounts, "modem", "local"), 4 * EACH);
    for number in 0..4 {
        assert_eq!(calls(&accounts, "modem", &format!("10.0.0.{number}")), EACH);
    }
}

#[test]
fn the_room_is_shared_out_and_taken_again_after_a_day() {
    let key = |client: &str| Key::new("modem", client).unwrap();
    let mut records = Records::default();
    let now = seconds(1_000_000);
    let mut made = 0;
    for number in 0..4 {
        let key = key(&format!("10.0.0.{number}"));
        // One record that is really found, and as many of the same as a file would have.
        records.begin(&key, now).unwrap();
        let of_one = MOST_CALLS / 4;
        records.repeat_last(of_one - 1);
        made += of_one;
        let error = records.begin(&key, now).unwrap_err().to_string();
        assert!(error.contains("8192 calls in 24 hours"), "{error}");
    }
    assert_eq!(made, MOST_CALLS);
    let error = records
        .begin(&key("10.0.0.9"), now)
        .unwrap_err()
        .to_string();
    assert!(error.contains("32768 calls in 24 hours"), "{error}");
    let later = now + seconds(24 * 60 * 60);
    assert_eq!(records.begin(&key("10.0.0.9"), later).unwrap().place, 0);
}

#[derive(Debug, Clone)]
enum Step {
    Pass(u64),
    Begin(usize),
    Update(usize, u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..100_000_u64).prop_map(Step::Pass),
        (0..3_usize).prop_map(Step::Begin),
        (any::<usize>(), 0..200_000_u64).prop_map(|(call, lasted)| Step::Update(call, lasted)),
    ]
}

proptest! {
    #[test]
    fn no_octets_are_too_strange_to_be_read(
        octets in prop::collection::vec(any::<u8>(), 0..500), now: u64
    ) {
        let spent = spent_of(&octets, "modem", "10.0.0.1", Duration::from_micros(now));
        prop_assert!(spent.calls as usize <= octets.len() / 128);
    }

    #[test]
    fn what_was_spent_is_what_a_list_of_all_calls_says(steps in prop::collection::vec(step(), 1..60)) {
        const CLIENTS: [&str; 3] = ["10.0.0.1", "10.0.0.2", "local"];
        let key = |client: usize| Key::new("modem", CLIENTS[client]).unwrap();
        let mut records = Records::default();
        let mut list: Vec<(usize, u64, u64, Booking)> = Vec::new();
        let mut now = 1_000_000;
        for step in steps {
            match step {
                Step::Pass(time) => now += time,
                Step::Begin(client) => {
                    let booking = records.begin(&key(client), seconds(now)).unwrap();
                    list.push((client, now, 0, booking));
                }
                Step::Update(call, lasted) if !list.is_empty() => {
                    let index = call % list.len();
                    let (_, began, so_far, booking) = &mut list[index];
                    let lasted = lasted.min(now - *began).max(*so_far);
                    // A call that goes on is brought up to date each minute.
                    if *began + *so_far + 24 * 3600 > now {
                        *so_far = lasted;
                        records.update(*booking, seconds(lasted)).unwrap();
                    }
                }
                Step::Update(..) => {}
            }
            for client in 0..CLIENTS.len() {
                let of_client = || list.iter().filter(|(of, ..)| *of == client);
                let calls = of_client().filter(|(_, began, ..)| now - began < 3600).count();
                let talked: u64 = of_client()
                    .map(|(_, began, lasted, _)| {
                        (began + lasted).saturating_sub((*began).max(now - 24 * 3600))
                    })
                    .sum();
                let spent = records.spent(&key(client), seconds(now));
                prop_assert_eq!(spent.calls as usize, calls);
                prop_assert_eq!(spent.talked, seconds(talked));
            }
        }
    }
}
